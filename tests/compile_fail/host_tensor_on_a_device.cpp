// expect: a host tensor was given to a device execution policy
#include <selfsame/engine/cuda/pairwise.hpp>
#include <selfsame/objective/info_nce.hpp>
#include "gpu.hpp"

#if defined(CORRECT)
inline constexpr auto space = selfsame::memory_space::device;
#else
inline constexpr auto space = selfsame::memory_space::host;
#endif

void use(const selfsame::tensor<float, 2, space>& x,
         const selfsame::tensor<float, 1, selfsame::memory_space::device>& loss) {
    selfsame::forward(gpu(), selfsame::nt_xent{}, selfsame::pairs{x, x}, loss);
}
