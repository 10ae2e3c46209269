#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_bfloat_products_in_fibers(const problem& p, which calls) {
    using selfsame::bfloat16_products;
    if (p.types == elements::bfloats) {
        return p.normalize
                   ? evaluate_with<types_all<selfsame::bfloat16>, selfsame::cosine, bfloat16_products, in_fibers>(p,
                                                                                                                  calls)
                   : evaluate_with<types_all<selfsame::bfloat16>, selfsame::dot, bfloat16_products, in_fibers>(p,
                                                                                                               calls);
    }
    return p.normalize ? evaluate_with<types_all<float>, selfsame::cosine, bfloat16_products, in_fibers>(p, calls)
                       : evaluate_with<types_all<float>, selfsame::dot, bfloat16_products, in_fibers>(p, calls);
}

}  // namespace selfsame_tests
