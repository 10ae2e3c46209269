// It would stay as it is, and nobody would know.
// expect: a gradient of a queue was asked for, and there is no queue
#include <selfsame/objective/info_nce.hpp>
#include <vector>

float use(std::vector<float>& x, std::vector<float>& g, double& dt) {
    const auto m = selfsame::matrix(x.data(), 4, 2), d = selfsame::matrix(g.data(), 4, 2);
#if defined(CORRECT)
    return selfsame::value_and_grad(thrust::seq, selfsame::clip{}, selfsame::pairs{m, m},
                                    selfsame::pair_gradients{d, selfsame::none{}, selfsame::none{}, dt});
#else
    return selfsame::value_and_grad(thrust::seq, selfsame::clip{}, selfsame::pairs{m, m},
                                    selfsame::pair_gradients{selfsame::none{}, selfsame::none{}, d, dt});
#endif
}
