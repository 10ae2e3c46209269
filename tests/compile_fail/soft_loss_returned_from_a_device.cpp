// expect: the loss stays on the device: give a tensor of one element for it
#include <selfsame/objective/device_soft_cross_entropy.hpp>
#include "gpu.hpp"

using selfsame::memory_space;

void use(const selfsame::tensor<float, 2, memory_space::device>& x,
         [[maybe_unused]] const selfsame::tensor<float, 1, memory_space::device>& loss) {
#if defined(CORRECT)
    selfsame::forward(gpu(), selfsame::dino{}, selfsame::views{x, x}, loss);
#else
    selfsame::forward(gpu(), selfsame::dino{}, selfsame::views{x, x});
#endif
}
