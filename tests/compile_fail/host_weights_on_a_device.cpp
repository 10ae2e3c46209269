// expect: on a device the weights of marginals::given must be of device memory
#include <selfsame/cluster/device_sinkhorn.hpp>

struct gpu : thrust::system::cpp::detail::execution_policy<gpu> {};
template <>
inline constexpr selfsame::memory_space selfsame::memory_of<gpu> = selfsame::memory_space::device;
template <>
struct selfsame::device::machine<gpu> {
    static constexpr index_t enough_blocks = 1;
    explicit machine(gpu) {}
    template <class Kernel>
    void launch(index_t, const Kernel&) const {}
};

using selfsame::memory_space;
#if defined(CORRECT)
constexpr auto place = memory_space::device;
#else
constexpr auto place = memory_space::host;
#endif

void use(const selfsame::tensor<float, 2, memory_space::device>& x, const selfsame::tensor<float, 1, place>& weights) {
    using given = selfsame::marginals::given<selfsame::tensor<float, 1, place>>;
    selfsame::assign(gpu(), selfsame::sinkhorn<selfsame::exponential_domain, given>{.marginals = {weights}}, x, x);
}
