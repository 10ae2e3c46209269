// The library as C functions, for compare.py: both sides run in one process on the same memory.
#include <omp.h>

#include <cstdint>
#include <selfsame/augment/augment.hpp>
#include <selfsame/cluster/sinkhorn.hpp>
#include <selfsame/energy/scores.hpp>
#include <selfsame/objective/info_nce.hpp>
#include <selfsame/objective/soft_cross_entropy.hpp>
#include <selfsame/objective/swav.hpp>

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

void simclr_views(const std::uint8_t* images, float* views, std::int64_t count, std::int64_t height, std::int64_t width,
                  std::uint64_t epoch, int threads) {
    using selfsame::view;
    constexpr auto recipe = selfsame::augment::recipes::simclr;
    selfsame::augment::apply(selfsame::context{thrust::omp::par, threads}, recipe,
                             view<const std::uint8_t, 4>(images, {count, height, width, 3}), 0,
                             selfsame::augment::key{.epoch = static_cast<std::uint32_t>(epoch)},
                             view<float, 4>(views, {count, 3, 224, 224}));
}

void free_energies(const float* logits, float* values, std::int64_t samples, std::int64_t classes, double temperature,
                   int threads) {
    selfsame::forward(selfsame::context{thrust::omp::par, threads},
                      selfsame::logit_scores<selfsame::free_energy>{.temperature = temperature},
                      selfsame::matrix(logits, samples, classes), selfsame::vector(values, samples));
}

float dino_value_and_grad(const float* teacher, const float* students, const float* center, float* d_students,
                          std::int64_t samples, std::int64_t prototypes, int teacher_views, int student_views,
                          double teacher_temperature, double student_temperature, int threads) {
    using selfsame::matrix;
    const selfsame::dino loss{.targets = {.temperature = teacher_temperature},
                              .pairing = {teacher_views, student_views},
                              .temperature = student_temperature};
    const selfsame::views inputs{matrix(teacher, teacher_views * samples, prototypes),
                                 matrix(students, student_views * samples, prototypes),
                                 selfsame::vector(center, prototypes)};
    return selfsame::value_and_grad(selfsame::context{thrust::omp::par, threads}, loss, inputs,
                                    matrix(d_students, student_views * samples, prototypes));
}

float swav_value_and_grad(const float* features, const float* prototypes, float* d_features, float* d_prototypes,
                          std::int64_t samples, std::int64_t count, std::int64_t width, int assigned, int views,
                          int threads) {
    using selfsame::matrix;
    const selfsame::swav<> loss{.pairing = {assigned, views}};
    return selfsame::value_and_grad(
        selfsame::context{thrust::omp::par, threads}, loss,
        selfsame::prototype_views{matrix(features, views * samples, width), matrix(prototypes, count, width)},
        selfsame::prototype_gradients{matrix(d_features, views * samples, width), matrix(d_prototypes, count, width)});
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
