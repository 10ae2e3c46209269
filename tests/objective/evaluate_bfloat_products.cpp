#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_bfloat_products(const problem& p, which calls) {
    using precision = selfsame::bfloat16_products;
    return p.normalize ? evaluate_with<types_all<float>, selfsame::cosine, precision>(p, calls)
                       : evaluate_with<types_all<float>, selfsame::dot, precision>(p, calls);
}

}  // namespace selfsame_tests
