// expect: the loss stays on the device: give a tensor of one element for it
// expect: a host tensor was given to a device execution policy
#include <selfsame/objective/device_swav.hpp>
#include "gpu.hpp"

using selfsame::memory_space;

void use(const selfsame::tensor<float, 2, memory_space::device>& x,
         [[maybe_unused]] const selfsame::tensor<float, 2>& on_host,
         const selfsame::tensor<float, 1, memory_space::device>& loss) {
    selfsame::forward(gpu(), selfsame::swav<>{}, selfsame::prototype_views{x, x}, loss);
#if !defined(CORRECT)
    selfsame::forward(gpu(), selfsame::swav<>{}, selfsame::prototype_views{x, x});
    selfsame::forward(gpu(), selfsame::swav<>{}, selfsame::prototype_views{x, on_host}, loss);
#endif
}
