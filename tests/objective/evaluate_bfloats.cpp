#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_bfloats(const problem& p, which calls) {
    return p.normalize ? evaluate_with<types_all<bfloat16>, selfsame::cosine>(p, calls)
                       : evaluate_with<types_all<bfloat16>, selfsame::dot>(p, calls);
}

}  // namespace selfsame_tests
