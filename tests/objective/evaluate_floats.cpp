#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_floats(const problem& p, which calls) {
    return p.normalize ? evaluate_with<types_all<float>, selfsame::cosine>(p, calls)
                       : evaluate_with<types_all<float>, selfsame::dot>(p, calls);
}

}  // namespace selfsame_tests
