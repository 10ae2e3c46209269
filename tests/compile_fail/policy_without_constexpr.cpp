// A policy member that forgot constexpr would be silently empty on a device: the concept evaluates policies.
// expect: pairwise_objective
#include <selfsame/objective/info_nce.hpp>
#include <vector>

struct own : selfsame::nt_xent {
#if defined(CORRECT)
    template <class V>
    static constexpr V loss(V negatives, V positive){
#else
    template <class V>
    static V loss(V negatives, V positive) {
#endif
        return negatives - positive;
}
}
;

float use(std::vector<float>& a, std::vector<float>& p) {
    const selfsame::pairs inputs{selfsame::matrix(a.data(), 4, 2), selfsame::matrix(p.data(), 4, 2)};
    return selfsame::forward(thrust::seq, own{}, inputs);
}
