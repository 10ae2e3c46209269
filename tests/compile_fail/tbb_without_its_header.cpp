// Without the header TBB's policy would run on one thread and nobody would know.
// expect: for thrust::tbb::par include selfsame/interop/tbb.hpp
#include <thrust/system/tbb/execution_policy.h>
#include <selfsame/objective/info_nce.hpp>
#include <vector>

float use(std::vector<float>& x) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
#if defined(CORRECT)
    return selfsame::forward(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{m, m});
#else
    return selfsame::forward(thrust::tbb::par, selfsame::nt_xent{}, selfsame::pairs{m, m});
#endif
}
