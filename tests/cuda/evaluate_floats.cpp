#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_in_fibers(const problem& p, which calls) {
    if (p.bfloat_products) return evaluate_bfloat_products_in_fibers(p, calls);
    switch (p.types) {
        case elements::doubles:
            return evaluate_doubles_in_fibers(p, calls);
        case elements::halves:
            return evaluate_halves_in_fibers(p, calls);
        case elements::bfloats:
            return evaluate_bfloats_in_fibers(p, calls);
        default:
            break;
    }
    using selfsame::full_precision;
    return p.normalize ? evaluate_with<types_all<float>, selfsame::cosine, full_precision, in_fibers>(p, calls)
                       : evaluate_with<types_all<float>, selfsame::dot, full_precision, in_fibers>(p, calls);
}

}  // namespace selfsame_tests
