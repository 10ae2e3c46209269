#pragma once

#include "selfsame/engine/host/imagewise_rows.hpp"

/// \file
/// Rows of a warped image.

namespace selfsame::inline SELFSAME_ISA::host {

/// Row y of a warped image. Where m is the weight of the pixels that lie inside the image and v their weighted sum, the
/// result is m (v - fill) + fill: torchvision's, to the letter, which at the edges differs from v + (1 - m) fill.
template <int C>
void warp_row(const_row_planes from, index_t pitch, image_shape shape, const projective_map& map, interpolation method,
              const channel_values& fill, index_t y, std::int32_t width, row_planes out) {
    const double x_start = map.x_by_y * static_cast<double>(y) + map.x_offset;
    const double y_start = map.y_by_y * static_cast<double>(y) + map.y_offset;
    const double z_start = map.z_by_y * static_cast<double>(y) + map.z_offset;
    const bool affine = map.is_affine();
    // Far outside, where a coordinate might not fit into an integer, or is NaN.
    const double x_end = shape.width + 1, y_end = shape.height + 1;
    const auto within = [](double v, double end) { return v < end ? (v > -2 ? v : -2) : end; };
    for (index_t x = 0; x < width; ++x) {
        double sx = map.x_by_x * static_cast<double>(x) + x_start;
        double sy = map.y_by_x * static_cast<double>(x) + y_start;
        if (!affine) {
            const double z = map.z_by_x * static_cast<double>(x) + z_start;
            sx /= z;
            sy /= z;
        }
        if (method == interpolation::nearest) {
            // Ties to even, as grid_sample does it.
            const index_t column = static_cast<index_t>(exact::round(within(sx, x_end)));
            const index_t row = static_cast<index_t>(exact::round(within(sy, y_end)));
            const bool inside = column >= 0 && column < shape.width && row >= 0 && row < shape.height;
            for (int c = 0; c < C; ++c) out[c][x] = inside ? from[c][row * pitch + column] : fill[c];
            continue;
        }
        sx = within(sx, x_end);
        sy = within(sy, y_end);
        const auto left = static_cast<index_t>(sx + 2) - 2, top = static_cast<index_t>(sy + 2) - 2;
        const auto fx = static_cast<float>(sx - static_cast<double>(left));
        const auto fy = static_cast<float>(sy - static_cast<double>(top));
        const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
        if (left >= 0 && left + 1 < shape.width && top >= 0 && top + 1 < shape.height) {
            for (index_t c = 0; c < C; ++c) {
                const float *up = from[c] + top * pitch + left, *down = up + pitch;
                const float upper = math::fma(weights[1], up[1], weights[0] * up[0]);
                out[c][x] = math::fma(weights[3], down[1], math::fma(weights[2], down[0], upper));
            }
            continue;
        }
        float inside = 0;
        bool in[4];
        for (int k = 0; k < 4; ++k) {
            const index_t px = left + k % 2, py = top + k / 2;
            in[k] = px >= 0 && px < shape.width && py >= 0 && py < shape.height;
            inside += in[k] ? weights[k] : 0;
        }
        for (int c = 0; c < C; ++c) {
            float s = 0;
            for (int k = 0; k < 4; ++k) {
                if (in[k]) s = math::fma(weights[k], from[c][(top + k / 2) * pitch + left + k % 2], s);
            }
            out[c][x] = inside < 1 ? math::fma(inside, s - fill[c], fill[c]) : s;
        }
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
