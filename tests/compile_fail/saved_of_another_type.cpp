// expect: saved is a vector of float, or of double where an input is double
#include <selfsame/objective/info_nce.hpp>
#include <vector>

#if defined(CORRECT)
using element = float;
#else
using element = double;
#endif

void use(std::vector<float>& x, float& loss, std::vector<element>& saved) {
    const auto m = selfsame::matrix(x.data(), 4, 2);
    selfsame::forward(thrust::seq, selfsame::nt_xent{}, selfsame::pairs{m, m}, loss, saved);
}
