#pragma once

#include <array>

#include "selfsame/core/exact.hpp"
#include "selfsame/engine/cuda/image_places.hpp"
#include "selfsame/engine/resampling.hpp"

/// \file
/// Pixels made of several: weights of a resized axis, and values between pixels.

namespace selfsame::inline SELFSAME_ISA::device {

/// Which samples each output of a resized axis is made of, and with which weights: `taps` of them, all inside the
/// axis, from first[i] on.
struct axis_weights {
    std::int32_t* first;
    float* weights;

    /// What `weights` may take, growing with both.
    static constexpr index_t weight_count(index_t in, index_t out) { return 4 * in + 5 * out; }
    static constexpr std::int32_t taps(const axis_resampling& axis, std::int32_t in) {
        return axis.capacity() < in ? axis.capacity() : in;
    }

    /// Outputs `begin`, begin + step, ...
    SELFSAME_DEVICE void fill(const axis_resampling& axis, std::int32_t in, std::int32_t out, std::int32_t begin,
                              std::int32_t step) const {
        const std::int32_t n = taps(axis, in);
        for (std::int32_t i = begin; i < out; i += step) {
            // The last samples of the axis: begin earlier, with weights of 0.
            const std::int32_t from = axis.first(i) < in - n ? axis.first(i) : in - n;
            float* const w = weights + index_t{i} * n;
            first[i] = from;
            float scale;
            if (axis.is_triangle()) {
                const float x = axis.distance(i, from), unit = axis.step();
                float total = 0;
                for (std::int32_t t = 0; t < n; ++t) {
                    const float d = 1 - math::abs(math::fma(static_cast<float>(t), unit, x));
                    w[t] = d > 0 ? d : 0;
                    total += w[t];
                }
                scale = 1 / total;
            } else {
                double total = 0;
                for (std::int32_t t = 0; t < n; ++t) {
                    const double x = axis.weight(i, from + t);
                    w[t] = static_cast<float>(x);
                    total += x;
                }
                scale = static_cast<float>(1 / total);
            }
            for (std::int32_t t = 0; t < n; ++t) w[t] *= scale;
        }
    }
};

/// A resized window of an image, with what belongs to it of `axis_weights`.
struct resized_window {
    window crop{};
    bool copied = false;  // of the same size
    std::int32_t x_taps = 0, y_taps = 0;
    axis_weights x{}, y{};

    /// Pixels (row, column[k]) of the result.
    template <int C, int N, class T>
    SELFSAME_DEVICE void sample(const pixel_source<T>& from, std::int32_t row, const std::int32_t (&column)[N],
                                std::array<float, C> (&pixels)[N]) const {
        if (copied) {
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < N; ++k) {
                const T* const p = from.at(crop.top + row, crop.left + column[k]);
                SELFSAME_UNROLL_ALL
                for (std::size_t c = 0; c < C; ++c) pixels[k][c] = from.value(from.raw(p, static_cast<int>(c)));
            }
            return;
        }
        const T* p[N];
        const float* along[N];
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < N; ++k) {
            p[k] = from.at(crop.top + y.first[row], crop.left + x.first[column[k]]);
            along[k] = x.weights + index_t{column[k]} * x_taps;
            SELFSAME_UNROLL_ALL
            for (std::size_t c = 0; c < C; ++c) pixels[k][c] = 0;
        }
        const float* const across = y.weights + index_t{row} * y_taps;
        for (std::int32_t t = 0; t < y_taps; ++t) {
            const float share = across[t];
            SELFSAME_UNROLL_NONE
            for (std::int32_t u = 0; u < x_taps; ++u) {
                SELFSAME_UNROLL_ALL
                for (int k = 0; k < N; ++k) {
                    const float w = share * along[k][u];
                    const T* const at = p[k] + u * from.column;
                    SELFSAME_UNROLL_ALL
                    for (std::size_t c = 0; c < C; ++c) {
                        pixels[k][c] = math::fma(w, from.raw(at, static_cast<int>(c)), pixels[k][c]);
                    }
                }
            }
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < N; ++k) p[k] += from.row;
        }
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < N; ++k) {
            SELFSAME_UNROLL_ALL
            for (std::size_t c = 0; c < C; ++c) pixels[k][c] = from.value(pixels[k][c]);
        }
    }
};

/// The pixel of a warped image at (row, column). Where m is the weight of those inside and v their weighted sum, it is
/// m (v - fill) + fill: torchvision's, to the letter.
template <int C>
SELFSAME_DEVICE std::array<float, C> warped(const pixel_source<float>& from, image_shape shape,
                                            const projective_map& map, interpolation method,
                                            const std::array<float, C>& fill, std::int32_t row, std::int32_t column) {
    // Far outside a coordinate might not fit into an integer, or be NaN.
    const auto within = [](double v, double end) {
        const double low = v > -2 ? v : -2;
        return low < end ? low : end;
    };
    const double across = row, along = column;
    double x = map.x_by_x * along + (map.x_by_y * across + map.x_offset);
    double y = map.y_by_x * along + (map.y_by_y * across + map.y_offset);
    if (!map.is_affine()) {
        const double inverse = 1 / (map.z_by_x * along + (map.z_by_y * across + map.z_offset));
        x *= inverse;
        y *= inverse;
    }
    x = within(x, shape.width + 1);
    y = within(y, shape.height + 1);
    const auto inside = [&](std::int32_t j, std::int32_t i) {
        return i >= 0 && i < shape.width && j >= 0 && j < shape.height;
    };
    std::array<float, C> pixel{};
    if (method == interpolation::nearest) {
        // Ties to even, as grid_sample does it.
        const auto i = static_cast<std::int32_t>(exact::round(x)), j = static_cast<std::int32_t>(exact::round(y));
        const bool there = inside(j, i);
        const float* const p = from.at(there ? j : 0, there ? i : 0);
        SELFSAME_UNROLL_ALL
        for (std::size_t c = 0; c < C; ++c) {
            pixel[c] = there ? from.raw(p, static_cast<int>(c)) : fill[c];
        }
        return pixel;
    }
    const std::int32_t left = static_cast<std::int32_t>(x + 2) - 2, top = static_cast<std::int32_t>(y + 2) - 2;
    const auto fx = static_cast<float>(x - left), fy = static_cast<float>(y - top);
    float weight = 0;
    SELFSAME_UNROLL_ALL
    for (int k = 0; k < 4; ++k) {
        const std::int32_t i = left + k % 2, j = top + k / 2;
        if (!inside(j, i)) continue;
        const float w = (k % 2 == 0 ? 1 - fx : fx) * (k / 2 == 0 ? 1 - fy : fy);
        const float* const p = from.at(j, i);
        weight += w;
        SELFSAME_UNROLL_ALL
        for (std::size_t c = 0; c < C; ++c) pixel[c] = math::fma(w, from.raw(p, static_cast<int>(c)), pixel[c]);
    }
    if (weight < 1) {
        SELFSAME_UNROLL_ALL
        for (std::size_t c = 0; c < C; ++c) {
            pixel[c] = math::fma(weight, pixel[c] - fill[c], fill[c]);
        }
    }
    return pixel;
}

/// A symmetric filter at places at[k] of lines of n values that are `step` apart; edges reflected.
template <int N>
SELFSAME_DEVICE void filter(const float* const (&line)[N], const std::int32_t (&at)[N], index_t step, std::int32_t n,
                            const float* weights, std::int32_t radius, float (&result)[N]) {
    bool within = true;
    SELFSAME_UNROLL_ALL
    for (int k = 0; k < N; ++k) {
        result[k] = weights[0] * line[k][at[k] * step];
        within = within && at[k] >= radius && at[k] + radius < n;
    }
    if (within) {
        SELFSAME_UNROLL_NONE
        for (std::int32_t j = 1; j <= radius; ++j) {
            const float w = weights[j];
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < N; ++k) {
                const float* const middle = line[k] + at[k] * step;
                result[k] = math::fma(w, middle[-j * step] + middle[j * step], result[k]);
            }
        }
        return;
    }
    SELFSAME_UNROLL_NONE
    for (std::int32_t j = 1; j <= radius; ++j) {
        const float w = weights[j];
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < N; ++k) {
            const float before = line[k][reflected(at[k] - j, n) * step];
            result[k] = math::fma(w, before + line[k][reflected(at[k] + j, n) * step], result[k]);
        }
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::device
