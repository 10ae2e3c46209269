// expect: a host tensor was given to a device execution policy
#include <selfsame/engine/cuda/pairwise.hpp>
#include <selfsame/objective/info_nce.hpp>

struct gpu : thrust::system::cpp::detail::execution_policy<gpu> {};
template <>
inline constexpr selfsame::memory_space selfsame::memory_of<gpu> = selfsame::memory_space::device;
template <>
struct selfsame::device::machine<gpu> {
    static constexpr index_t enough_blocks = 1;
    static constexpr index_t slab_bytes = 128 << 10, slab_columns = 256;
    explicit machine(gpu) {}
    template <class Kernel>
    void launch(index_t, const Kernel&) const {}
};

#if defined(CORRECT)
inline constexpr auto space = selfsame::memory_space::device;
#else
inline constexpr auto space = selfsame::memory_space::host;
#endif

void use(const selfsame::tensor<float, 2, space>& x,
         const selfsame::tensor<float, 1, selfsame::memory_space::device>& loss) {
    selfsame::forward(gpu(), selfsame::nt_xent{}, selfsame::pairs{x, x}, loss);
}
