// expect: on a device the weights of marginals::given must be of device memory
#include <selfsame/cluster/device_sinkhorn.hpp>
#include "gpu.hpp"

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
