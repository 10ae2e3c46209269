// The math of an objective, called on the device: nvcc can turn constexpr functions that it cannot follow into a trap.
#include "selfsame/objective/info_nce.hpp"

__global__ void evaluate(float* x, double* y) {
    const selfsame::nt_xent objective{};
    const auto kept = objective.keep(x[0], x[1]);
    x[2] = objective.weight(x[3], kept) + objective.positive_weight(kept) + selfsame::math::log(x[4]);
    y[0] = selfsame::math::exp(y[1]) + selfsame::math::sigmoid(y[2]);
}
