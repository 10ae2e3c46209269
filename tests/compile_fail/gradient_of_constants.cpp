// expect: an output tensor has const elements
#include <selfsame/objective/info_nce.hpp>
#include <vector>

#if defined(CORRECT)
using output = std::vector<float>;
#else
using output = const std::vector<float>;
#endif

float use(const std::vector<float>& x, output& g) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
    return selfsame::value_and_grad(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{m, m},
                                    selfsame::pair_gradients{selfsame::matrix(g.data(), 4, 2), selfsame::none{}});
}
