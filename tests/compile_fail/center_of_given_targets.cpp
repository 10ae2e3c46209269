// expect: given targets take no center
#include <selfsame/objective/soft_cross_entropy.hpp>

#if defined(CORRECT)
using objective = selfsame::dino;
#else
using objective = selfsame::swapped_prediction;
#endif

void use(const selfsame::tensor<float, 2>& x, const selfsame::tensor<float, 1>& center) {
    selfsame::forward(thrust::seq, objective{}, selfsame::views{x, x, center});
}
