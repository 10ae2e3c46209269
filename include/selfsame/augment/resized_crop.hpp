#pragma once

#include "selfsame/augment/rectangle.hpp"

/// \file
/// The random resized crop.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

/// A whole number near to x, from 1 to `most`.
constexpr std::int32_t whole(double x, std::int32_t most) {
    const double n = x < most ? exact::round(x) : most;
    return n < 1 ? 1 : static_cast<std::int32_t>(n);
}

}  // namespace detail

/// Crops a random part of the image and resizes it. Up to 10 times an area (a share of the image's) and an aspect
/// ratio (width to height, uniform in its logarithm) are drawn until the rectangle fits; then the largest centred
/// rectangle within the limits of the ratio is taken. Resizing reads the crop alone.
struct random_resized_crop {
    std::int32_t height, width;             ///< of the result
    range scale{0.08f, 1.0f};               ///< share of the image's area
    range ratio{3.0f / 4.0f, 4.0f / 3.0f};  ///< width / height
    interpolation method = interpolation::bilinear;
    bool antialias = true;

    using parameters = window;

    void check(std::int32_t) const {
        if (height < 1) fail("random_resized_crop.height", height, ">= 1");
        if (width < 1) fail("random_resized_crop.width", width, ">= 1");
        detail::check_range("random_resized_crop.scale", scale, (std::numeric_limits<float>::min)(), 1,
                            "0 < low <= high <= 1");
        detail::check_positive("random_resized_crop.ratio", ratio);
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        const double area = static_cast<double>(image.height) * image.width;
        for (int attempt = 0; attempt < 10; ++attempt) {
            const auto [h, w] = detail::draw_sides(random, area, scale, ratio);
            if (h < 1 || h > image.height || w < 1 || w > image.width) continue;
            const std::int32_t top = detail::up_to(random, image.height - h);
            return {top, detail::up_to(random, image.width - w), h, w};
        }
        return fallback(image);
    }
    constexpr image_shape output(image_shape image) const { return {image.channels, height, width}; }
    constexpr window crop(const parameters& p) const { return p; }

  private:
    constexpr parameters fallback(image_shape image) const {
        const double given = static_cast<double>(image.width) / image.height;
        std::int32_t h = image.height, w = image.width;
        if (given < static_cast<double>(ratio.low)) h = detail::whole(w / static_cast<double>(ratio.low), h);
        if (given > static_cast<double>(ratio.high)) w = detail::whole(h * static_cast<double>(ratio.high), w);
        return {(image.height - h) / 2, (image.width - w) / 2, h, w};
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
