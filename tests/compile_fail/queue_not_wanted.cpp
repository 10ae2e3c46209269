// expect: others take pairs.anchors, positives.
#include <selfsame/objective/info_nce.hpp>
#include <vector>

float use(std::vector<float>& x) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
#if defined(CORRECT)
    return selfsame::forward(thrust::seq, selfsame::clip{}, selfsame::pairs{m, m});
#else
    return selfsame::forward(thrust::seq, selfsame::clip{}, selfsame::pairs{m, m, m});
#endif
}
