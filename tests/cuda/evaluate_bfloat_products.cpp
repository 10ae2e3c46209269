#include "objective/evaluate.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "where.hpp"

namespace selfsame_tests {

answer evaluate_bfloat_products_on_device(const problem& p, which calls) {
    using selfsame::bfloat16_products;
#if !defined(__CUDACC__)
    if (warpgroups) return evaluate_in_warpgroups(p, calls);
#endif
    if (p.types == elements::bfloats) {
        return p.normalize
                   ? evaluate_with<types_all<selfsame::bfloat16>, selfsame::cosine, bfloat16_products, where>(p, calls)
                   : evaluate_with<types_all<selfsame::bfloat16>, selfsame::dot, bfloat16_products, where>(p, calls);
    }
    return p.normalize ? evaluate_with<types_all<float>, selfsame::cosine, bfloat16_products, where>(p, calls)
                       : evaluate_with<types_all<float>, selfsame::dot, bfloat16_products, where>(p, calls);
}

}  // namespace selfsame_tests
