// expect: a host tensor was given to a device execution policy
#include <selfsame/objective/device_soft_cross_entropy.hpp>
#include "gpu.hpp"

using selfsame::memory_space;
#if defined(CORRECT)
constexpr auto place = memory_space::device;
#else
constexpr auto place = memory_space::host;
#endif

void use(const selfsame::tensor<float, 2, memory_space::device>& x, const selfsame::tensor<float, 1, place>& center) {
    selfsame::update_center(gpu(), center, 0.9, x);
}
