// expect: a device tensor was given to a host execution policy
#include <selfsame/cluster/sinkhorn.hpp>

using selfsame::memory_space;
#if defined(CORRECT)
constexpr auto place = memory_space::host;
#else
constexpr auto place = memory_space::device;
#endif

void use(const selfsame::tensor<float, 2>& x, const selfsame::tensor<float, 1, place>& weights) {
    using given = selfsame::marginals::given<selfsame::tensor<float, 1, place>>;
    selfsame::assign(thrust::seq, selfsame::sinkhorn<selfsame::exponential_domain, given>{.marginals = {weights}}, x,
                     x);
}
