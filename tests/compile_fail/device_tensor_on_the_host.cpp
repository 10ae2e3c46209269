// expect: a device tensor was given to a host execution policy
#include <selfsame/objective/info_nce.hpp>

#if defined(CORRECT)
inline constexpr auto space = selfsame::memory_space::host;
#else
inline constexpr auto space = selfsame::memory_space::device;
#endif

float use(const selfsame::tensor<float, 2, space>& x) {
    return selfsame::forward(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{x, x});
}
