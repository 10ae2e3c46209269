#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_halves_in_fibers(const problem& p, which calls) {
    using selfsame::full_precision;
    return p.normalize ? evaluate_with<types_all<half>, selfsame::cosine, full_precision, in_fibers>(p, calls)
                       : evaluate_with<types_all<half>, selfsame::dot, full_precision, in_fibers>(p, calls);
}

}  // namespace selfsame_tests
