#include "objective/evaluate.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "where.hpp"

namespace selfsame_tests {

answer evaluate_halves_on_device(const problem& p, which calls) {
    using selfsame::full_precision;
    return p.normalize ? evaluate_with<types_all<half>, selfsame::cosine, full_precision, where>(p, calls)
                       : evaluate_with<types_all<half>, selfsame::dot, full_precision, where>(p, calls);
}

}  // namespace selfsame_tests
