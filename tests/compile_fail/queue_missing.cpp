// expect: an objective over from_queue takes pairs.anchors, positives, queue.
#include <selfsame/objective/info_nce.hpp>
#include <vector>

float use(std::vector<float>& x) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
#if defined(CORRECT)
    return selfsame::forward(thrust::seq, selfsame::moco{}, selfsame::pairs{m, m, m});
#else
    return selfsame::forward(thrust::seq, selfsame::moco{}, selfsame::pairs{m, m});
#endif
}
