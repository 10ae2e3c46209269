// The library as C functions, for compare.py: both sides run in one process on the same memory.
#include <omp.h>

#include <cstdint>
#include <selfsame/cluster/sinkhorn.hpp>
#include <selfsame/objective/info_nce.hpp>

namespace {

template <class Objective>
float value_and_grad(const Objective& objective, const float* anchors, const float* positives, float* d_anchors,
                     float* d_positives, std::int64_t n, std::int64_t d, int threads) {
    using selfsame::matrix;
    const selfsame::context ctx{thrust::omp::par, threads};
    const selfsame::pairs inputs{matrix(anchors, n, d), matrix(positives, n, d)};
    const selfsame::pair_gradients gradients{matrix(d_anchors, n, d), matrix(d_positives, n, d)};
    return selfsame::value_and_grad(ctx, objective, inputs, gradients);
}

}  // namespace

extern "C" {

float ntxent_value_and_grad(const float* anchors, const float* positives, float* d_anchors, float* d_positives,
                            std::int64_t n, std::int64_t d, double temperature, int threads) {
    return value_and_grad(selfsame::nt_xent{.temperature = temperature}, anchors, positives, d_anchors, d_positives, n,
                          d, threads);
}

float clip_value_and_grad(const float* anchors, const float* positives, float* d_anchors, float* d_positives,
                          std::int64_t n, std::int64_t d, double temperature, int threads) {
    return value_and_grad(selfsame::clip{.temperature = temperature}, anchors, positives, d_anchors, d_positives, n, d,
                          threads);
}

void sinkhorn_codes(const float* scores, float* codes, std::int64_t samples, std::int64_t prototypes, double epsilon,
                    int iterations, int threads) {
    selfsame::assign(selfsame::context{thrust::omp::par, threads},
                     selfsame::sinkhorn<>{.epsilon = epsilon, .iterations = iterations},
                     selfsame::matrix(scores, samples, prototypes), selfsame::matrix(codes, samples, prototypes));
}

/// How many threads a region that asks for so many gets here.
int threads_given(int threads) {
    int given = 0;
#pragma omp parallel num_threads(threads)
#pragma omp master
    given = omp_get_num_threads();
    return given;
}
}
