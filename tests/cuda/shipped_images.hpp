#pragma once

#include <span>
#include <vector>

#include "selfsame/augment/autocontrast.hpp"
#include "selfsame/augment/device_apply.hpp"
#include "selfsame/augment/device_mix.hpp"
#include "selfsame/augment/equalize.hpp"
#include "selfsame/augment/gaussian_noise.hpp"
#include "selfsame/augment/pad.hpp"
#include "selfsame/augment/random_apply.hpp"
#include "selfsame/augment/random_erasing.hpp"
#include "selfsame/augment/recipes.hpp"
#include "selfsame/augment/rotation.hpp"
#include "selfsame/augment/sharpness.hpp"

/// \file
/// The calls of augmentations whose kernels are compiled for GPUs, beside those of shipped.hpp.

namespace selfsame_tests {

/// SimCLR's operations at a small size.
inline constexpr std::remove_cvref_t<decltype(selfsame::augment::recipes::simclr)> shipped_recipe{
    {.height = 11, .width = 20},
    {},
    {0.8f, {0.8f, 0.8f, 0.8f, 0.2f}},
    {0.2f, {}},
    {0.5f, {.kernel = 7}},
    {{0.5f}, {0.25f}}};

/// The kinds of operations that it lacks.
inline constexpr selfsame::augment::pipeline shipped_others{
    selfsame::augment::rotation{{-60, 60}, {0.3f}},
    selfsame::augment::sharpness{},
    selfsame::augment::random_apply{0.9f, selfsame::augment::equalize{}},
    selfsame::augment::autocontrast{},
    selfsame::augment::gaussian_noise{},
    selfsame::augment::random_erasing{.probability = 0.8f},
    selfsame::augment::pad{1, 2, 3, 1, selfsame::augment::border::reflect}};

/// Two images of different sizes as bytes, and as floats two of 9 x 14, of as many channels as are asked for.
struct shipped_pictures {
    static constexpr selfsame::index_t count = 2, height = 9, width = 14;
    std::span<const std::uint8_t> bytes;                    // at least 900
    std::span<const float> floats;                          // at least 4 * 2 * 9 * 14
    std::span<float> of_bytes;                              // of those of bytes: 4 * 2 * 11 * 20
    std::span<selfsame::bfloat16> of_floats;                // 4 * 2 * 12 * 18
    std::span<decltype(shipped_recipe)::parameters> drawn;  // 2
    std::span<std::uint8_t> masks;                          // 2 * 7 * 9
    std::span<float> weights;                               // 2
};

/// `done(name)` after each call.
template <selfsame::memory_space Space, class Policy, class Done>
void call_images(const Policy& policy, const shipped_pictures& x, Done&& done) {
    using namespace selfsame;
    const augment::key k{.seed = 11, .epoch = 1, .view = 2};
    constexpr index_t n = shipped_pictures::count;
    const char* const names[] = {"images of 1 channel", "images of 3 channels", "images of 4 channels"};
    for (const index_t c : {1, 3, 4}) {
        const std::vector<image<std::uint8_t>> list{interleaved(x.bytes.data(), 12, 10, c),
                                                    interleaved(x.bytes.data() + 480, 7, 15, c)};
        const image_batch<std::uint8_t> batch{list, c};
        const std::vector<std::uint64_t> ids{5, std::uint64_t(1) << 40};
        const std::array<index_t, 4> made{n, c, 11, 20}, others{n, c, 12, 18};
        apply(policy, shipped_recipe, batch, ids, k, view<Space>(x.of_bytes.data(), made));
        if constexpr (Space == memory_space::device) {
            draw(policy, shipped_recipe, batch, ids, k, vector<Space>(x.drawn.data(), n));
        } else {
            for (std::size_t i = 0; i < list.size(); ++i) {
                const image_shape shape{static_cast<std::int32_t>(c), static_cast<std::int32_t>(list[i].height),
                                        static_cast<std::int32_t>(list[i].width)};
                x.drawn[i] = draw(shipped_recipe, shape, ids[i], k);
            }
        }
        const auto pixels = view<Space>(
            x.floats.data(), std::array<index_t, 4>{n, shipped_pictures::height, shipped_pictures::width, c});
        apply(policy, shipped_others, pixels, 3, k, view<Space>(x.of_floats.data(), others));
        done(names[c / 2]);
    }
    const std::array<index_t, 3> grid{n, 7, 9};
    const std::array<index_t, 4> planes{n, 4, shipped_pictures::height, shipped_pictures::width};
    const auto mixes = [&](const auto& mask, const auto& mixture) {
        draw_masks(policy, mask, 7, k, view<Space>(x.masks.data(), grid));
        mix(policy, mixture, view<Space>(x.floats.data(), planes), 7, k, view<Space>(x.of_bytes.data(), planes),
            vector<Space>(x.weights.data(), n));
    };
    mixes(augment::random_mask{}, augment::mixup{0.6f});
    done("random masks, MixUp");
    mixes(augment::block_mask{.ratio = {0.2f, 0.6f}}, augment::cutmix{});
    done("blocks of masks, CutMix");
}

}  // namespace selfsame_tests
