// expect: execution
#include <selfsame/objective/info_nce.hpp>
#include <vector>

float use(std::vector<float>& x) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
#if defined(CORRECT)
    return selfsame::forward(selfsame::context{thrust::omp::par, 4}, selfsame::nt_xent{}, selfsame::pairs{m, m});
#else
    return selfsame::forward(4, selfsame::nt_xent{}, selfsame::pairs{m, m});
#endif
}
