#include "objective/evaluate.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "where.hpp"

namespace selfsame_tests {

answer evaluate_bfloats_on_device(const problem& p, which calls) {
    using selfsame::full_precision;
    return p.normalize ? evaluate_with<types_all<bfloat16>, selfsame::cosine, full_precision, where>(p, calls)
                       : evaluate_with<types_all<bfloat16>, selfsame::dot, full_precision, where>(p, calls);
}

}  // namespace selfsame_tests
