#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_bfloats_in_fibers(const problem& p, which calls) {
    using selfsame::full_precision;
    return p.normalize ? evaluate_with<types_all<bfloat16>, selfsame::cosine, full_precision, in_fibers>(p, calls)
                       : evaluate_with<types_all<bfloat16>, selfsame::dot, full_precision, in_fibers>(p, calls);
}

}  // namespace selfsame_tests
