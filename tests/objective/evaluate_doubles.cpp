#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_doubles(const problem& p, which calls) {
    return p.normalize ? evaluate_with<types_all<double>, selfsame::cosine>(p, calls)
                       : evaluate_with<types_all<double>, selfsame::dot>(p, calls);
}

}  // namespace selfsame_tests
