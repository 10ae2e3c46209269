#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Rotation.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Turns the image about its centre, counter-clockwise, by an angle drawn uniformly; the size stays. Where m is the
/// weight of the pixels that lie inside the image and v their weighted sum, the result is m (v - fill) + fill:
/// torchvision's, to the letter, which at the edges differs from v + (1 - m) fill.
struct rotation {
    range degrees{-10.0f, 10.0f};
    channel_values fill{0.0f};
    interpolation method = interpolation::bilinear;  ///< or nearest

    struct parameters {
        float degrees;
    };

    void check(std::int32_t channels) const {
        detail::check_range("rotation.degrees", degrees, -36000, 36000, "low <= high within 36000 degrees");
        detail::check_values("rotation.fill", fill, channels);
        detail::check_warp_method("rotation.method", method);
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {random.uniform(degrees.low, degrees.high)};
    }
    constexpr projective_map source(const parameters& p, image_shape image) const {
        const auto [s, c] = exact::sincos_degrees(static_cast<double>(p.degrees));
        const double x = (image.width - 1) * 0.5, y = (image.height - 1) * 0.5;
        return {c, -s, x - c * x + s * y, s, c, y - s * x - c * y};
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
