// expect: the loss stays on the device: give a tensor of one element for it
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

using selfsame::memory_space;

void use(const selfsame::tensor<float, 2, memory_space::device>& x,
         [[maybe_unused]] const selfsame::tensor<float, 1, memory_space::device>& loss) {
#if defined(CORRECT)
    selfsame::forward(gpu(), selfsame::nt_xent{}, selfsame::pairs{x, x}, loss);
#else
    selfsame::forward(gpu(), selfsame::nt_xent{}, selfsame::pairs{x, x});
#endif
}
