#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Perspective.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Moves the corners of the image inwards, each by up to distortion / 2 of width and height, and what lies between them
/// as a perspective does it. Outside it is as in `rotation`.
struct perspective {
    float distortion = 0.5f;  ///< 0 to 1
    channel_values fill{0.0f};
    interpolation method = interpolation::bilinear;  ///< or nearest

    struct parameters {
        std::int32_t corners[4][2];  ///< x, y where top left, top right, bottom right and bottom left come to lie
    };

    void check(std::int32_t channels) const {
        if (!(distortion >= 0 && distortion <= 1)) fail("perspective.distortion", distortion, "0 to 1");
        detail::check_values("perspective.fill", fill, channels);
        detail::check_warp_method("perspective.method", method);
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        const std::int32_t dx = most(image.width), dy = most(image.height);
        parameters p{};
        for (std::int32_t k = 0; k < 4; ++k) {
            const auto x = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(dx) + 1));
            const auto y = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(dy) + 1));
            p.corners[k][0] = k == 0 || k == 3 ? x : image.width - 1 - x;
            p.corners[k][1] = k < 2 ? y : image.height - 1 - y;
        }
        return p;
    }
    void check_drawn(const parameters& p, image_shape) const {
        for (int k = 0; k < 4; ++k) {  // convex, and no three on a line
            const auto& a = p.corners[k];
            const auto& b = p.corners[(k + 1) % 4];
            const auto& c = p.corners[(k + 2) % 4];
            const double turn =
                (double(b[0]) - a[0]) * (double(c[1]) - b[1]) - (double(b[1]) - a[1]) * (double(c[0]) - b[0]);
            if (!(turn > 0)) fail("parameters: perspective.corners", turn, "a convex quadrilateral, clockwise");
        }
    }
    /// The map H, in coordinates of pixel corners, that takes the moved corners to (0, 0), (w - 1, 0), (w - 1, h - 1)
    /// and (0, h - 1): torchvision's. An image with a side of one pixel stays.
    constexpr projective_map source(const parameters& p, image_shape image) const {
        if (image.width < 2 || image.height < 2) return {};
        // From the unit square to the moved corners (Heckbert 1989, section 2.2.3), inverted and scaled.
        const auto x = [&](int k) { return static_cast<double>(p.corners[k][0]); };
        const auto y = [&](int k) { return static_cast<double>(p.corners[k][1]); };
        const double sx = x(0) - x(1) + x(2) - x(3), sy = y(0) - y(1) + y(2) - y(3);
        const double dx1 = x(1) - x(2), dx2 = x(3) - x(2), dy1 = y(1) - y(2), dy2 = y(3) - y(2);
        const double det = exact::fma(dx1, dy2, -(dx2 * dy1));
        const double g = exact::fma(sx, dy2, -(dx2 * sy)) / det, h = exact::fma(dx1, sy, -(sx * dy1)) / det;
        const double m[3][3] = {{exact::fma(g, x(1), x(1) - x(0)), exact::fma(h, x(3), x(3) - x(0)), x(0)},
                                {exact::fma(g, y(1), y(1) - y(0)), exact::fma(h, y(3), y(3) - y(0)), y(0)},
                                {g, h, 1}};
        const auto cofactor = [&](int r, int c) {
            const int r1 = (r + 1) % 3, r2 = (r + 2) % 3, c1 = (c + 1) % 3, c2 = (c + 2) % 3;
            return exact::fma(m[r1][c1], m[r2][c2], -(m[r1][c2] * m[r2][c1]));
        };
        // The adjugate's rows, scaled to the image, and divided so that the last element is 1.
        double n[3][3] = {};
        const double scales[3] = {image.width - 1.0, image.height - 1.0, 1};
        const double last = cofactor(2, 2);
        for (int r = 0; r < 3; ++r) {
            for (int c = 0; c < 3; ++c) n[r][c] = scales[r] * cofactor(c, r) / last;
        }
        // Pixel (x, y) has its centre at (x + 1/2, y + 1/2), and so has its source.
        double o[3];
        for (int r = 0; r < 3; ++r) o[r] = exact::fma(0.5, n[r][0] + n[r][1], n[r][2]);
        return {.x_by_x = exact::fma(-0.5, n[2][0], n[0][0]),
                .x_by_y = exact::fma(-0.5, n[2][1], n[0][1]),
                .x_offset = exact::fma(-0.5, o[2], o[0]),
                .y_by_x = exact::fma(-0.5, n[2][0], n[1][0]),
                .y_by_y = exact::fma(-0.5, n[2][1], n[1][1]),
                .y_offset = exact::fma(-0.5, o[2], o[1]),
                .z_by_x = n[2][0],
                .z_by_y = n[2][1],
                .z_offset = o[2]};
    }

  private:
    constexpr std::int32_t most(std::int32_t n) const {
        return static_cast<std::int32_t>(static_cast<double>(distortion) * (n / 2));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
