// expect: this type is not known as a tensor of this rank
#include <selfsame/objective/info_nce.hpp>
#include <vector>

float use(std::vector<float>& x) {
#if defined(CORRECT)
    const auto m = selfsame::matrix(x.data(), 4, 2);
    return selfsame::forward(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{m, m});
#else
    return selfsame::forward(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{x, x});
#endif
}
