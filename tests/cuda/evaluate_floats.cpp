#include "objective/evaluate.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "where.hpp"

namespace selfsame_tests {

answer evaluate_on_device(const problem& p, which calls) {
    if (p.bfloat_products) return evaluate_bfloat_products_on_device(p, calls);
    switch (p.types) {
        case elements::doubles:
            return evaluate_doubles_on_device(p, calls);
        case elements::halves:
            return evaluate_halves_on_device(p, calls);
        case elements::bfloats:
            return evaluate_bfloats_on_device(p, calls);
        default:
            break;
    }
    using selfsame::full_precision;
    return p.normalize ? evaluate_with<types_all<float>, selfsame::cosine, full_precision, where>(p, calls)
                       : evaluate_with<types_all<float>, selfsame::dot, full_precision, where>(p, calls);
}

}  // namespace selfsame_tests
