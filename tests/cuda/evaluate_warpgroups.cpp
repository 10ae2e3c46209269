#include "objective/evaluate.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "where.hpp"

namespace selfsame_tests {

answer evaluate_in_warpgroups(const problem& p, which calls) {
    using selfsame::bfloat16_products;
    using here = in_fibers<true>;
    return p.normalize
               ? evaluate_with<types_all<selfsame::bfloat16>, selfsame::cosine, bfloat16_products, here>(p, calls)
               : evaluate_with<types_all<selfsame::bfloat16>, selfsame::dot, bfloat16_products, here>(p, calls);
}

}  // namespace selfsame_tests
