#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Affine maps.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Turns (counter-clockwise is negative, as in torchvision), moves, scales and shears the image about its centre; the
/// size stays. Outside it is as in `rotation`.
struct affine {
    range degrees{-10.0f, 10.0f};
    range translate_x{0.0f, 0.0f}, translate_y{0.0f, 0.0f};  ///< shares of width and height, from -1 to 1
    range scale{1.0f, 1.0f};
    range shear_x{0.0f, 0.0f}, shear_y{0.0f, 0.0f};  ///< degrees, from -80 to 80
    channel_values fill{0.0f};
    interpolation method = interpolation::bilinear;  ///< or nearest

    struct parameters {
        float degrees;
        std::int32_t translate_x, translate_y;  ///< pixels
        float scale, shear_x, shear_y;
    };

    void check(std::int32_t channels) const {
        detail::check_range("affine.degrees", degrees, -36000, 36000, "low <= high within 36000 degrees");
        detail::check_range("affine.translate_x", translate_x, -1, 1, "-1 <= low <= high <= 1");
        detail::check_range("affine.translate_y", translate_y, -1, 1, "-1 <= low <= high <= 1");
        detail::check_positive("affine.scale", scale);
        detail::check_range("affine.shear_x", shear_x, -80, 80, "low <= high within 80 degrees");
        detail::check_range("affine.shear_y", shear_y, -80, 80, "low <= high within 80 degrees");
        detail::check_values("affine.fill", fill, channels);
        detail::check_warp_method("affine.method", method);
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        parameters p{};
        p.degrees = random.uniform(degrees.low, degrees.high);
        p.translate_x = pixels(random.uniform(translate_x.low, translate_x.high), image.width);
        p.translate_y = pixels(random.uniform(translate_y.low, translate_y.high), image.height);
        p.scale = random.uniform(scale.low, scale.high);
        p.shear_x = random.uniform(shear_x.low, shear_x.high);
        p.shear_y = random.uniform(shear_y.low, shear_y.high);
        return p;
    }
    void check_drawn(const parameters& p, image_shape) const {
        if (!(p.scale > 0)) fail("parameters: affine.scale", p.scale, "> 0");
    }
    /// The inverse of translate(centre) translate rotate-shear-scale translate(-centre).
    constexpr projective_map source(const parameters& p, image_shape image) const {
        const auto [sin_s, cos_s] =
            exact::sincos_degrees(static_cast<double>(p.degrees) - static_cast<double>(p.shear_y));
        const auto [sin_y, cos_y] = exact::sincos_degrees(static_cast<double>(p.shear_y));
        const auto [sin_x, cos_x] = exact::sincos_degrees(static_cast<double>(p.shear_x));
        const auto [sin_r, cos_r] = exact::sincos_degrees(static_cast<double>(p.degrees));
        const double tan_x = sin_x / cos_x, k = 1 / static_cast<double>(p.scale);
        const double a = cos_s / cos_y, b = -exact::fma(a, tan_x, sin_r);
        const double c = sin_s / cos_y, d = exact::fma(-c, tan_x, cos_r);
        const double xx = d * k, xy = -b * k, yx = -c * k, yy = a * k;
        const double centre_x = (image.width - 1) * 0.5, centre_y = (image.height - 1) * 0.5;
        const double from_x = -centre_x - p.translate_x, from_y = -centre_y - p.translate_y;
        return {.x_by_x = xx,
                .x_by_y = xy,
                .x_offset = exact::fma(xx, from_x, exact::fma(xy, from_y, centre_x)),
                .y_by_x = yx,
                .y_by_y = yy,
                .y_offset = exact::fma(yx, from_x, exact::fma(yy, from_y, centre_y))};
    }

  private:
    static constexpr std::int32_t pixels(float share, std::int32_t n) {
        return static_cast<std::int32_t>(exact::round(static_cast<double>(share) * n));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
