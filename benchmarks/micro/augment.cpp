// Augmentations of 256 images of 375 x 500 bytes to 224 x 224 floats; parameters are drawn in every call, for one of
// two epochs. The roofline: operations on floats that the definitions ask for, which are what the taps of resizing and
// blurring, and the operations on colours, add and multiply, at the rate of multiply-adds; and the least bytes, every
// crop read and every result written once, at the rate of a copy. Whichever of them takes longer is the limit.
#include <thrust/system/omp/execution_policy.h>
#include <memory>
#include <random>
#include <selfsame/augment/augment.hpp>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

namespace augment = selfsame::augment;
using selfsame::index_t;

constexpr index_t images = 256, height = 375, width = 500, size = 224;
constexpr double pixels = double(size) * size;

template <class Op>
double operations(const Op&, const typename Op::parameters&, selfsame::image_shape) {
    return 0;
}
double operations(const augment::random_resized_crop& op, const selfsame::window& crop, selfsame::image_shape) {
    const selfsame::axis_resampling x(crop.width, op.width, op.method, op.antialias);
    const selfsame::axis_resampling y(crop.height, op.height, op.method, op.antialias);
    return 2.0 * 3 * op.width * (double(crop.height) * x.capacity() + double(op.height) * y.capacity());
}
double operations(const augment::gaussian_blur& op, augment::gaussian_blur::parameters p, selfsame::image_shape) {
    return 3 * pixels * 2 * (3.0 * op.radius(p) + 1);  // an addition and a multiply-add for each pair of taps
}
// Brightness 2 with its limits, contrast 4 and the mean 5, saturation 5 + 12, hue 45: as a scalar program has them.
double operations(const augment::color_jitter&, const augment::color_jitter::parameters&, selfsame::image_shape) {
    return pixels * (3 * 2 + 3 * 4 + 5 + 5 + 3 * 4 + 45);
}
double operations(const augment::normalize&, augment::normalize::parameters, selfsame::image_shape) {
    return pixels * 3 * 2;
}
double operations(const augment::grayscale&, augment::grayscale::parameters, selfsame::image_shape) {
    return pixels * 5;
}
template <class Op>
double operations(const augment::random_apply<Op>& op, const typename augment::random_apply<Op>::parameters& p,
                  selfsame::image_shape shape) {
    return p.applied != 0 ? operations(op.operation, p.operation, shape) : 0;
}

struct counts {
    double operations = 0, bytes = 0;
};

/// Of a call, in the mean of both epochs.
template <class... Ops>
counts count(const augment::pipeline<Ops...>& p) {
    counts total;
    for (std::uint32_t k = 0; k < 2 * images; ++k) {
        const auto drawn = draw(p, {3, height, width}, k / 2, {.epoch = k % 2});
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            ((total.operations +=
              operations(selfsame::get<Index>(p.operations), selfsame::get<Index>(drawn), {3, size, size}) / 2),
             ...);
        }(std::index_sequence_for<Ops...>());
        const selfsame::window crop = selfsame::get<0>(drawn);
        total.bytes += (3.0 * crop.height * crop.width + 3 * pixels * sizeof(float)) / 2;
    }
    return total;
}

template <class Pipeline>
void add_views(const std::string& what, const Pipeline& p) {
    const auto [operations, bytes] = count(p);
    for (const int threads : {1, 2}) {
        const std::string name = what + "/images:256/from:375x500/threads:" + std::to_string(threads);
        const work task{.amount = operations, .bound = float_fma, .threads = threads, .items = images, .bytes = bytes};
        add_case(name, task, [=] {
            constexpr auto values = static_cast<std::size_t>(3 * images);
            const auto in =
                std::make_shared<std::vector<std::uint8_t>>(make_large<std::uint8_t>(values * height * width));
            const auto out = std::make_shared<std::vector<float>>(make_large<float>(values * size * size + 16));
            std::minstd_rand random(1);
            for (auto& x : *in) x = static_cast<std::uint8_t>(random() >> 8);
            float* first = out->data();
            while (reinterpret_cast<std::uintptr_t>(first) % 64 != 0) ++first;
            return [=, epoch = 0u]() mutable {
                augment::apply(selfsame::context{thrust::omp::par, threads}, p,
                               selfsame::view<const std::uint8_t, 4>(in->data(), {images, height, width, 3}), 0,
                               augment::key{.epoch = epoch = 1 - epoch},
                               selfsame::view<float, 4>(first, {images, 3, size, size}));
                static_cast<void>(out);
            };
        });
    }
}

const cases augmentations([] {
    using namespace augment;
    constexpr random_resized_crop crop{.height = size, .width = size};
    constexpr random_apply jitter{1.0f, color_jitter{0.8f, 0.8f, 0.8f, 0.2f}};
    constexpr random_apply blur{1.0f, gaussian_blur{.kernel = 23}};
    add_views("simclr224", recipes::simclr);
    add_views("moco_v2_224", recipes::moco_v2);
    add_views("byol224", recipes::byol_first);
    add_views("augment_crop", pipeline{crop, horizontal_flip{}, recipes::imagenet});
    add_views("augment_crop_jitter", pipeline{crop, horizontal_flip{}, jitter, recipes::imagenet});
    add_views("augment_crop_blur", pipeline{crop, horizontal_flip{}, blur, recipes::imagenet});
});

}  // namespace
}  // namespace benchmarks
