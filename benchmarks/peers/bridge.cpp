// The library as C functions, for compare.py: both sides run in one process on the same memory.
#include <omp.h>

#include <array>
#include <cstdint>
#include <selfsame/augment/augment.hpp>
#include <selfsame/cluster/sinkhorn.hpp>
#include <selfsame/energy/scores.hpp>
#include <selfsame/objective/info_nce.hpp>
#include <selfsame/objective/soft_cross_entropy.hpp>
#include <selfsame/objective/swav.hpp>
#include <string_view>
#include <vector>

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

namespace augment = selfsame::augment;
using selfsame::view;

constexpr std::int64_t side = 224;

/// One operation with given parameters on images of 224 x 224 with 3 channels, of bytes H x W x C or floats C x H x W,
/// to squares.
struct images_of_one_size {
    const void* in;
    void* out;
    std::int64_t count;
    bool bytes;
    int threads;

    template <class Op>
    void apply(const Op& op, const typename Op::parameters& p) const {
        const augment::pipeline one{op};
        const std::int64_t size = selfsame::output_shape(op, {3, side, side}).width;
        const std::vector given(static_cast<std::size_t>(count), typename decltype(one)::parameters{p, {}});
        const selfsame::context ctx{thrust::omp::par, threads};
        if (bytes) {
            const std::array<std::int64_t, 4> shape{count, side, side, 3}, made{count, size, size, 3};
            augment::apply(ctx, one, view<const std::uint8_t, 4>(static_cast<const std::uint8_t*>(in), shape), given,
                           augment::channels_first(view<std::uint8_t, 4>(static_cast<std::uint8_t*>(out), made)));
        } else {
            const std::array<std::int64_t, 4> shape{count, 3, side, side}, made{count, 3, size, size};
            augment::apply(ctx, one, augment::channels_last(view<const float, 4>(static_cast<const float*>(in), shape)),
                           given, view<float, 4>(static_cast<float*>(out), made));
        }
    }
};

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
    constexpr auto recipe = selfsame::augment::recipes::simclr;
    selfsame::augment::apply(selfsame::context{thrust::omp::par, threads}, recipe,
                             view<const std::uint8_t, 4>(images, {count, height, width, 3}), 0,
                             selfsame::augment::key{.epoch = static_cast<std::uint32_t>(epoch)},
                             view<float, 4>(views, {count, 3, 224, 224}));
}

/// DINO's two global and eight local views.
void dino_views(const std::uint8_t* images, float* views, std::int64_t count, std::int64_t height, std::int64_t width,
                std::uint64_t epoch, int threads) {
    namespace recipes = augment::recipes;
    const auto global = [&](std::int64_t n) {
        return view<float, 4>(views + n * count * 3 * side * side, {count, 3, side, side});
    };
    const auto local = [&](std::int64_t n) {
        return view<float, 4>(views + 2 * count * 3 * side * side + n * count * 3 * 96 * 96, {count, 3, 96, 96});
    };
    augment::apply_views(
        selfsame::context{thrust::omp::par, threads}, view<const std::uint8_t, 4>(images, {count, height, width, 3}), 0,
        augment::key{.epoch = static_cast<std::uint32_t>(epoch)}, augment::view_of{recipes::dino_first, global(0)},
        augment::view_of{recipes::dino_second, global(1)}, augment::view_of{recipes::dino_local, local(0)},
        augment::view_of{recipes::dino_local, local(1)}, augment::view_of{recipes::dino_local, local(2)},
        augment::view_of{recipes::dino_local, local(3)}, augment::view_of{recipes::dino_local, local(4)},
        augment::view_of{recipes::dino_local, local(5)}, augment::view_of{recipes::dino_local, local(6)},
        augment::view_of{recipes::dino_local, local(7)});
}

/// 0 where there is no operation of that name.
int single_operation(const char* name, const void* in, void* out, std::int64_t count, int bytes, int threads) {
    using namespace selfsame::augment;
    const images_of_one_size images{in, out, count, bytes != 0, threads};
    const std::string_view op = name;
    if (op == "flip") return images.apply(horizontal_flip{}, {1}), 1;
    if (op == "vertical_flip") return images.apply(vertical_flip{}, {1}), 1;
    if (op == "quarter_turn") return images.apply(quarter_turns{}, {1}), 1;
    if (op == "pad") return images.apply(pad{16, 16, 16, 16}, {}), 1;
    if (op == "center_crop") return images.apply(center_crop{192, 192}, {}), 1;
    if (op == "erase") return images.apply(random_erasing{.value = 0.0f}, {60, 40, 80, 100}), 1;
    if (op == "invert") return images.apply(invert{}, {}), 1;
    if (op == "brightness") return images.apply(brightness{}, {1.3f}), 1;
    if (op == "contrast") return images.apply(contrast{}, {1.3f}), 1;
    if (op == "saturation") return images.apply(saturation{}, {1.3f}), 1;
    if (op == "hue") return images.apply(hue{}, {0.1f}), 1;
    if (op == "jitter")
        return images.apply(color_jitter{1, 1, 1, 0.5f}, {{0, 1, 2, 3}, {1.3f}, {1.3f}, {1.3f}, {0.1f}}), 1;
    if (op == "grayscale") return images.apply(grayscale{}, {}), 1;
    if (op == "blur") return images.apply(gaussian_blur{.kernel = 23}, {1.3f}), 1;
    if (op == "solarize") return images.apply(solarize{128.0f / 255}, {}), 1;
    if (op == "posterize") return images.apply(posterize{4}, {}), 1;
    if (op == "equalize") return images.apply(equalize{}, {}), 1;
    if (op == "autocontrast") return images.apply(autocontrast{}, {}), 1;
    if (op == "sharpness") return images.apply(sharpness{}, {1.7f}), 1;
    if (op == "rotation") return images.apply(rotation{}, {20}), 1;
    if (op == "affine") return images.apply(affine{}, {20, 10, -8, 1.1f, 5, 0}), 1;
    if (op == "perspective") return images.apply(perspective{}, {{{12, 7}, {210, 15}, {203, 214}, {5, 209}}}), 1;
    if (op == "normalize") return images.apply(recipes::imagenet, {}), 1;
    if (op == "crop") return images.apply(random_resized_crop{.height = side, .width = side}, {12, 20, 180, 190}), 1;
    return 0;
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
