#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_halves(const problem& p, which calls) {
    return p.normalize ? evaluate_with<types_all<half>, selfsame::cosine>(p, calls)
                       : evaluate_with<types_all<half>, selfsame::dot>(p, calls);
}

}  // namespace selfsame_tests
