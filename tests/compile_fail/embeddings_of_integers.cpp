// expect: embeddings are float, double, half or bfloat16
#include <selfsame/objective/info_nce.hpp>
#include <vector>

#if defined(CORRECT)
using element = double;
#else
using element = int;
#endif

double use(std::vector<element>& x) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
    return selfsame::forward(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{m, m});
}
