#include "evaluate.hpp"

namespace selfsame_tests {

answer evaluate_mixed(const problem& p, which calls) {
    if (p.types == elements::mixed_to_float) {
        if (!p.normalize) throw std::logic_error("not instantiated");
        return evaluate_with<types_of<half, float, bfloat16, float, bfloat16, double>, selfsame::cosine>(p, calls);
    }
    if (p.normalize) throw std::logic_error("not instantiated");
    return evaluate_with<types_of<double, bfloat16, half, bfloat16, double, float>, selfsame::dot>(p, calls);
}

}  // namespace selfsame_tests
