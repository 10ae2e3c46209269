#pragma once

#include <array>

#include "selfsame/augment/rectangle.hpp"

/// \file
/// Random erasing.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Overwrites a random rectangle with a value, with a probability. Up to 10 times an area and an aspect ratio (height
/// to width) are drawn until the rectangle is smaller than the image in both directions; else nothing is erased.
struct random_erasing {
    float probability = 0.5f;
    range scale{0.02f, 0.33f};  ///< share of the image's area
    range ratio{0.3f, 3.3f};    ///< height / width
    channel_values value{0.0f};

    using parameters = window;  ///< of height 0 where nothing is erased
    struct prepared {
        window erased;
        float value[channel_values::capacity];
    };

    void check(std::int32_t channels) const {
        detail::check_probability("random_erasing.probability", probability);
        detail::check_range("random_erasing.scale", scale, 0, 1, "0 <= low <= high <= 1");
        detail::check_positive("random_erasing.ratio", ratio);
        detail::check_values("random_erasing.value", value, channels);
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        if (!random.chance(probability)) return {0, 0, 0, 0};
        const double area = static_cast<double>(image.height) * image.width;
        for (int attempt = 0; attempt < 10; ++attempt) {
            const auto [w, h] = detail::draw_sides(random, area, scale, ratio);
            if (h < 1 || h >= image.height || w < 1 || w >= image.width) continue;
            const std::int32_t top = detail::up_to(random, image.height - h);
            return {top, detail::up_to(random, image.width - w), h, w};
        }
        return {0, 0, 0, 0};
    }
    constexpr prepared prepare(const parameters& p, image_shape image) const {
        prepared q{p, {}};
        for (int c = 0; c < image.channels && c < channel_values::capacity; ++c) q.value[c] = value[c];
        return q;
    }
    static constexpr std::array<float, 4> elements(const prepared& q, std::array<float, 4> x, element_place at) {
        const bool row = at.row >= q.erased.top && at.row < q.erased.top + q.erased.height;
        const float value = q.value[at.channel];
        for (std::int32_t k = 0; k < 4; ++k) {
            const std::int32_t column = at.column + k * element_place::distance - q.erased.left;
            auto& y = x[static_cast<std::size_t>(k)];
            y = row && column >= 0 && column < q.erased.width ? value : y;
        }
        return x;
    }
};

/// Overwrites a square with a value, its centre uniform over the image, so that it may reach beyond (DeVries and Taylor
/// 2017).
struct cutout {
    std::int32_t size = 16;  ///< of its sides
    channel_values value{0.0f};

    using parameters = window;
    using prepared = random_erasing::prepared;

    void check(std::int32_t channels) const {
        if (size < 1 || size > (1 << 24)) fail("cutout.size", size, ">= 1");
        detail::check_values("cutout.value", value, channels);
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        const std::int32_t top = detail::up_to(random, image.height - 1) - size / 2;
        return {top, detail::up_to(random, image.width - 1) - size / 2, size, size};
    }
    constexpr prepared prepare(const parameters& p, image_shape image) const {
        return random_erasing{.value = value}.prepare(p, image);
    }
    static constexpr std::array<float, 4> elements(const prepared& q, std::array<float, 4> x, element_place at) {
        return random_erasing::elements(q, x, at);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
