#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Operations that move pixels.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

/// The sides of a rectangle with a random share of an area, whose quotient `longer / shorter` is a random ratio (it may
/// be below 1); rounded, and 0 where they would not fit into an int.
struct sides {
    std::int32_t shorter, longer;
};
constexpr sides draw_sides(random_stream& random, double area, range scale, range ratio) {
    const double a = area * static_cast<double>(random.uniform(scale.low, scale.high));
    const double low = exact::log(static_cast<double>(ratio.low)), high = exact::log(static_cast<double>(ratio.high));
    const double r = exact::exp(exact::fma(static_cast<double>(random.uniform()), high - low, low));
    const double x = exact::round(math::sqrt(a / r)), y = exact::round(math::sqrt(a * r));
    constexpr double most = 0x1p30;
    return {x < most ? static_cast<std::int32_t>(x) : 0, y < most ? static_cast<std::int32_t>(y) : 0};
}

/// A whole number near to x, from 1 to `most`.
constexpr std::int32_t whole(double x, std::int32_t most) {
    const double n = x < most ? exact::round(x) : most;
    return n < 1 ? 1 : static_cast<std::int32_t>(n);
}

/// Uniform on [0, n].
constexpr std::int32_t up_to(random_stream& random, std::int32_t n) {
    return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(n) + 1));
}

}  // namespace detail

/// Crops a random part of the image and resizes it. Up to 10 times an area (a share of the image's) and an aspect
/// ratio (width to height, uniform in its logarithm) are drawn until the rectangle fits; then the largest centred
/// rectangle within the limits of the ratio is taken. Resizing is linear, with antialias, and reads the crop alone.
struct random_resized_crop {
    std::int32_t height, width;             ///< of the result
    range scale{0.08f, 1.0f};               ///< share of the image's area
    range ratio{3.0f / 4.0f, 4.0f / 3.0f};  ///< width / height

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

/// The whole image, resized: linear, with antialias.
struct resize {
    std::int32_t height, width;

    using parameters = window;

    void check(std::int32_t) const {
        if (height < 1) fail("resize.height", height, ">= 1");
        if (width < 1) fail("resize.width", width, ">= 1");
    }
    constexpr parameters draw(random_stream&, image_shape image) const { return {0, 0, image.height, image.width}; }
    constexpr image_shape output(image_shape image) const { return {image.channels, height, width}; }
    constexpr window crop(const parameters& p) const { return p; }
};

/// Exchanges left and right.
struct horizontal_flip {
    float probability = 0.5f;

    struct parameters {
        std::int32_t flipped;
    };

    void check(std::int32_t) const { detail::check_probability("horizontal_flip.probability", probability); }
    constexpr parameters draw(random_stream& random, image_shape) const { return {random.chance(probability)}; }
    constexpr mirror flips(const parameters& p) const { return {p.flipped != 0, false}; }
};

/// Exchanges top and bottom.
struct vertical_flip {
    float probability = 0.5f;

    struct parameters {
        std::int32_t flipped;
    };

    void check(std::int32_t) const { detail::check_probability("vertical_flip.probability", probability); }
    constexpr parameters draw(random_stream& random, image_shape) const { return {random.chance(probability)}; }
    constexpr mirror flips(const parameters& p) const { return {false, p.flipped != 0}; }
};

/// Turns the image about its centre, counter-clockwise, by an angle drawn uniformly; linear interpolation, the size
/// stays. Where m is the weight of the pixels that lie inside the image and v their weighted sum, the result is
/// m (v - fill) + fill: torchvision's, to the letter, which at the edges differs from v + (1 - m) fill.
struct rotation {
    range degrees{-10.0f, 10.0f};
    channel_values fill{0.0f};

    struct parameters {
        float degrees;
    };

    void check(std::int32_t channels) const {
        detail::check_range("rotation.degrees", degrees, -36000, 36000, "low <= high within 36000 degrees");
        detail::check_values("rotation.fill", fill, channels);
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {random.uniform(degrees.low, degrees.high)};
    }
    constexpr affine_map source(const parameters& p, image_shape image) const {
        const auto [s, c] = exact::sincos_degrees(static_cast<double>(p.degrees));
        const double x = (image.width - 1) * 0.5, y = (image.height - 1) * 0.5;
        return {c, -s, x - c * x + s * y, s, c, y - s * x - c * y};
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
