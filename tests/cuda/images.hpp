#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "selfsame/augment/affine.hpp"
#include "selfsame/augment/autocontrast.hpp"
#include "selfsame/augment/equalize.hpp"
#include "selfsame/augment/gaussian_noise.hpp"
#include "selfsame/augment/invert.hpp"
#include "selfsame/augment/one_of.hpp"
#include "selfsame/augment/pad.hpp"
#include "selfsame/augment/perspective.hpp"
#include "selfsame/augment/posterize.hpp"
#include "selfsame/augment/random_erasing.hpp"
#include "selfsame/augment/recipes.hpp"
#include "selfsame/augment/resize.hpp"
#include "selfsame/augment/rotation.hpp"
#include "selfsame/augment/sharpness.hpp"
#include "selfsame/augment/warps.hpp"

/// \file
/// Batches of images, and pipelines for them, for the device's imagewise engine beside the host's: each is called from
/// a unit of its own, since nvcc compiles the one and need not see the other.

namespace test_images {

using namespace selfsame;
using namespace selfsame::augment;

/// What a batch is made to.
enum class work {
    light_bytes,           ///< crop, flip, brightness, from bytes to floats
    light_bytes_to_bytes,  ///< the same
    light_floats,          ///< from floats to bfloat16
    recipe,                ///< what most recipes consist of, from bytes to floats
    geometry,              ///< warps, neighbours, statistics, places, from floats to floats
    moves,                 ///< what else moves pixels, from floats to floats
    independent,           ///< for which there is a reference in double precision, from bytes to floats
};

struct batch_of_images {
    work what = work::light_bytes;
    int count = 5, channels = 3, height = 40, width = 50;
    bool ragged = false;       ///< each image of another size, in another place
    bool planar = false;       ///< N x C x H x W, read upside down
    bool interleaved = false;  ///< results N x H x W x C, with gaps between rows
    unsigned seed = 1;
};

inline constexpr random_resized_crop light_crop{.height = 21, .width = 77};
inline constexpr pipeline light{light_crop, horizontal_flip{}, brightness{0.4f}};

inline constexpr auto recipe =
    recipes::detail::distorted(random_resized_crop{.height = 33, .width = 70, .method = interpolation::bicubic},
                               {0.8f, 0.8f, 0.8f, 0.2f}, 0.5f, random_apply{0.5f, solarize{}});

inline constexpr pipeline geometry{warps{rotation{{-80, 80}, {0.3f}}, perspective{}},
                                   vertical_flip{},
                                   sharpness{},
                                   autocontrast{},
                                   gaussian_noise{},
                                   horizontal_flip{},
                                   random_apply{0.8f, random_erasing{.probability = 1.0f}},
                                   gaussian_blur{.kernel = 31, .sigma = {3, 6}},
                                   resize{.height = 20, .width = 90, .method = interpolation::nearest}};

inline constexpr pipeline moves{random_apply{0.7f, equalize{}},
                                random_apply{0.5f, posterize{3}},
                                one_of{invert{}, random_apply{0.9f, vertical_flip{}}, random_apply{0.5f, solarize{}}},
                                affine{.shear_x = {-20, 20}, .method = interpolation::nearest},
                                pad{3, 1, 2, 4, border::reflect},
                                patch_shuffle{.rows = 2, .columns = 2, .height = 19, .width = 23},
                                cutout{.size = 9, .value = 0.25f}};

inline constexpr pipeline independent{light_crop,
                                      random_apply{0.7f, rotation{{-60, 60}, 0.2f}},
                                      brightness{0.5f},
                                      contrast{0.5f},
                                      gaussian_blur{.kernel = 7},
                                      gaussian_noise{},
                                      random_erasing{},
                                      normalize{{0.4f}, {0.5f}}};

/// Calls f(pipeline, element of images, element of results).
template <class F>
auto with_work(work what, F&& f) {
    switch (what) {
        case work::light_bytes:
            return f(light, std::uint8_t(), float());
        case work::light_bytes_to_bytes:
            return f(light, std::uint8_t(), std::uint8_t());
        case work::light_floats:
            return f(light, float(), bfloat16());
        case work::recipe:
            return f(recipe, std::uint8_t(), float());
        case work::geometry:
            return f(geometry, float(), float());
        case work::moves:
            return f(moves, float(), float());
        default:
            return f(independent, std::uint8_t(), float());
    }
}

/// Images of a batch in memory, all of them random multiples of 1/255.
template <class T>
struct random_images {
    std::vector<T> values;
    std::vector<image<T>> list;  // one after the other, with gaps

    explicit random_images(const batch_of_images& b) {
        std::mt19937 random(b.seed);
        std::vector<std::size_t> begin;
        for (int n = 0; n < b.count; ++n) {
            const index_t h = b.ragged ? b.height + 7 * n % 16 : b.height,
                          w = b.ragged ? b.width + 5 * n % 13 : b.width;
            begin.push_back(values.size());
            list.push_back({nullptr, h, w, w * b.channels, b.channels, 1});
            if (b.planar) list.back() = {nullptr, h, w, -w, 1, h * w};
            for (index_t k = 0; k < h * w * b.channels + (b.ragged ? 11 : 0); ++k) {
                const auto level = static_cast<std::uint8_t>(random());
                values.push_back(std::is_same_v<T, float> ? static_cast<T>(static_cast<float>(level) / 255.0f)
                                                          : static_cast<T>(level));
            }
        }
        for (std::size_t n = 0; n < list.size(); ++n) {
            list[n].data = values.data() + begin[n] + (b.planar ? (list[n].height - 1) * list[n].width : 0);
        }
    }
};

template <class... Ops>
image_shape made_shape(const pipeline<Ops...>& p, image_shape s) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((s = output_shape(get<I>(p.operations), s)), ...);
    }(std::index_sequence_for<Ops...>());
    return s;
}

/// Calls f(images), a batch or a tensor.
template <memory_space Space, class T, class F>
void with_images(const batch_of_images& b, const random_images<T>& given, F&& f) {
    if (b.ragged) return f(image_batch<T>{given.list, b.channels});
    const image<T>& one = given.list[0];
    const index_t step = one.height * one.width * b.channels;
    f(view<Space>(one.data, std::array<index_t, 4>{b.count, one.height, one.width, b.channels},
                  std::array<index_t, 4>{step, one.row_stride, one.column_stride, one.channel_stride}));
}

inline constexpr key key_of_tests{.seed = 7, .epoch = 2, .view = 3};

/// What becomes of a batch, N x C x H x W, as floats; what is not to be written has to stay as it is.
template <memory_space Space, class Policy, class Wait>
std::vector<float> make(const batch_of_images& b, const Policy& policy, Wait&& wait) {
    return with_work(b.what, [&]<class Pipeline, class T, class Out>(const Pipeline& p, T, Out) {
        const random_images<T> given(b);
        const image_shape s = made_shape(p, {b.channels, static_cast<std::int32_t>(given.list[0].height),
                                             static_cast<std::int32_t>(given.list[0].width)});
        const index_t n = b.count, c = s.channels, h = s.height, w = s.width, row = w * c + 3;
        const Out untouched = element_cast<Out>(77.0f);
        std::vector<Out> made(static_cast<std::size_t>(b.interleaved ? n * h * row : n * c * h * w), untouched);
        const std::array<index_t, 4> extents{n, c, h, w};
        const auto strides =
            b.interleaved ? std::array<index_t, 4>{h * row, 1, row, c} : std::array<index_t, 4>{c * h * w, h * w, w, 1};
        with_images<Space>(b, given, [&](const auto& images) {
            apply(policy, p, images, 100, key_of_tests, view<Space>(made.data(), extents, strides));
        });
        wait();
        std::vector<float> values;
        for (index_t k = 0; k < n * c * h * w; ++k) {
            const index_t at[4] = {k / (c * h * w), k / (h * w) % c, k / w % h, k % w};
            Out& v = made[static_cast<std::size_t>(at[0] * strides[0] + at[1] * strides[1] + at[2] * strides[2] +
                                                   at[3] * strides[3])];
            values.push_back(element_cast<float>(v));
            v = untouched;
        }
        for (const Out& v : made) {
            if (!(v == untouched)) values.push_back(-1e9f);
        }
        return values;
    });
}

/// Every operation, for their parameters.
inline constexpr pipeline every_operation{light_crop,
                                          random_resized_crop{.height = 50, .width = 60, .scale = {0.9f, 1.0f}},
                                          horizontal_flip{},
                                          vertical_flip{0.3f},
                                          random_apply{0.8f, color_jitter{0.8f, 0.8f, 0.8f, 0.2f}},
                                          brightness{0.4f},
                                          contrast{1.4f},
                                          saturation{0.4f},
                                          hue{0.4f},
                                          gaussian_blur{},
                                          rotation{},
                                          affine{.degrees = {-30, 30},
                                                 .translate_x = {-0.3f, 0.2f},
                                                 .translate_y = {0, 0.4f},
                                                 .scale = {0.7f, 1.4f},
                                                 .shear_x = {-10, 10},
                                                 .shear_y = {-3, 40}},
                                          perspective{},
                                          warps{rotation{}, affine{}},
                                          one_of{sharpness{}, solarize{}, equalize{}},
                                          gaussian_noise{},
                                          random_erasing{0.9f},
                                          cutout{},
                                          quarter_turns{},
                                          patch_shuffle{.rows = 4, .columns = 3, .height = 9, .width = 8}};
using every_parameter = decltype(every_operation)::parameters;

/// Their bytes, for images of several sizes and listed samples.
struct shapes_and_samples {
    std::vector<std::uint8_t> pixel{0, 0, 0};
    std::vector<image<std::uint8_t>> images;
    std::vector<std::uint64_t> ids;

    shapes_and_samples() {
        std::mt19937_64 random(5);
        for (int n = 0; n < 300; ++n) {
            images.push_back({pixel.data(), static_cast<index_t>(1 + random() % 700),
                              static_cast<index_t>(1 + random() % 700), 0, 0, 1});
            ids.push_back(random());
        }
    }
};

/// Two views of each image, of different sizes.
template <memory_space Space, class Policy, class Wait>
std::vector<float> make_two_views(const Policy& policy, Wait&& wait) {
    const batch_of_images b{.count = 4, .ragged = true};
    const random_images<std::uint8_t> given(b);
    constexpr pipeline small{random_resized_crop{.height = 9, .width = 8, .scale = {0.05f, 0.3f}}, horizontal_flip{},
                             brightness{0.4f}};
    const index_t n = b.count, c = b.channels, first = n * c * light_crop.height * light_crop.width;
    std::vector<float> made(static_cast<std::size_t>(first + n * c * 9 * 8));
    const std::array<index_t, 4> large{n, c, light_crop.height, light_crop.width}, little{n, c, 9, 8};
    apply_views(policy, image_batch<std::uint8_t>{given.list, b.channels}, 9, key_of_tests,
                view_of{light, view<Space>(made.data(), large)},
                view_of{small, view<Space>(made.data() + first, little)});
    wait();
    return made;
}

std::vector<float> views_on_host(const batch_of_images& b);
std::vector<float> views_by_reference(const batch_of_images& b);
std::vector<float> views_on_device(const batch_of_images& b);
std::vector<float> two_views_on_host();
std::vector<std::uint8_t> parameters_on_host();

/// The greatest distance of values, NaN if there is one.
inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
    if (a.size() != b.size()) return 1e30;
    double most = 0;
    for (std::size_t k = 0; k < a.size(); ++k) {
        const double d = std::abs(static_cast<double>(a[k]) - static_cast<double>(b[k]));
        most = d <= most ? most : d;
    }
    return most;
}

}  // namespace test_images
