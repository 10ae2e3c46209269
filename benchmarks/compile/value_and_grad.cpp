// What a user's unit costs to compile: one header, one call.
#include <thrust/execution_policy.h>
#include <selfsame/objective/info_nce.hpp>

float train_step(const float* anchors, const float* positives, float* d_anchors, float* d_positives, long n, long d) {
    using selfsame::matrix;
    const selfsame::pairs inputs{matrix(anchors, n, d), matrix(positives, n, d)};
    const selfsame::pair_gradients gradients{matrix(d_anchors, n, d), matrix(d_positives, n, d)};
    return selfsame::value_and_grad(thrust::omp::par, selfsame::nt_xent{.temperature = 0.1}, inputs, gradients);
}
