#pragma once

#include <limits>

#include "selfsame/engine/host/imagewise_rows.hpp"

/// \file
/// Rows of a warped image.

namespace selfsame::inline SELFSAME_ISA::host {

namespace detail {

/// Pixels of a warped row that are made together, and where they come from: the pixel left above, and the shares of its
/// right and lower neighbours.
struct warp_block {
    static constexpr std::int32_t size = lanes<float>;
    std::int32_t left[size], top[size];
    float right_share[size], lower_share[size];
};

/// Along one axis: where pairs of neighbours lie that are inside the image, and what each of them counts.
struct pair_weights {
    std::int32_t place[warp_block::size];
    float first[warp_block::size], second[warp_block::size];

    pair_weights(const std::int32_t (&before)[warp_block::size], const float (&share)[warp_block::size],
                 std::int32_t extent) {
        for (std::int32_t l = 0; l < warp_block::size; ++l) {
            const std::int32_t i = before[l], last = extent - 2, low = i < 0 ? 0 : i, at = low < last ? low : last;
            const float one = ((i >= 0) & (i < extent)) != 0 ? 1 - share[l] : 0.0f;
            const float other = ((i >= -1) & (i < last + 1)) != 0 ? share[l] : 0.0f;
            place[l] = at;
            first[l] = i == at ? one : i < at ? other : 0.0f;
            second[l] = i == at ? other : i < at ? 0.0f : one;
        }
    }
};

/// The pairs of values that begin at so many places: their first and their second values.
SELFSAME_INLINE void load_pairs(const float* from, const std::int32_t (&place)[warp_block::size], batch<float>& first,
                                batch<float>& second) {
    constexpr std::int32_t half = warp_block::size / 2;
    typedef double pairs __attribute__((vector_size(register_bytes)));
    const auto some = [&](const std::int32_t* p) {
#if defined(SELFSAME_AVX512)
        typedef std::int32_t numbers __attribute__((vector_size(32)));
        numbers n;
        std::memcpy(&n, p, sizeof(n));
#if defined(__clang__)
        constexpr unsigned char all = 255;
#else
        constexpr signed char all = -1;
#endif
        const pairs x = __builtin_ia32_gathersiv8df(pairs{}, from, n, all, 4);
#else
        double two[half];
        for (std::int32_t k = 0; k < half; ++k) std::memcpy(two + k, from + p[k], sizeof(double));
        pairs x;
        std::memcpy(&x, two, sizeof(x));
#endif
        return batch<float>(reinterpret_cast<batch<float>::native>(x));
    };
    const batch<float> a = some(place), b = some(place + half);
    [&]<int... L>(std::integer_sequence<int, L...>) {
        first = selfsame::detail::shuffle<(2 * L)...>(a, b);
        second = selfsame::detail::shuffle<(2 * L + 1)...>(a, b);
    }(std::make_integer_sequence<int, warp_block::size>());
}

/// Values between pixels some of which may lie outside. Where m is the weight of those inside and v their weighted
/// sum, the result is m (v - fill) + fill: torchvision's, to the letter, which at the edges differs from
/// v + (1 - m) fill. The image has at least two rows and columns.
template <int C>
void mix_block(const_row_planes from, std::int32_t pitch, image_shape shape, const channel_values& fill,
               const warp_block& b, index_t x, row_planes out) {
    using V = batch<float>;
    const pair_weights along(b.left, b.right_share, shape.width), across(b.top, b.lower_share, shape.height);
    const V x0 = load<V>(along.first), x1 = load<V>(along.second);
    const V y0 = load<V>(across.first), y1 = load<V>(across.second);
    const V weights[4] = {x0 * y0, x1 * y0, x0 * y1, x1 * y1};
    const V inside = (weights[0] + weights[1]) + (weights[2] + weights[3]);
    std::int32_t place[warp_block::size];
    for (std::int32_t l = 0; l < warp_block::size; ++l) {
        place[l] = across.place[l] * pitch + along.place[l];
    }
    for (index_t c = 0; c < C; ++c) {
        V upper[2], lower[2];
        load_pairs(from[c], place, upper[0], upper[1]);
        load_pairs(from[c] + pitch, place, lower[0], lower[1]);
        V s = math::fma(weights[1], upper[1], weights[0] * upper[0]);
        s = math::fma(weights[3], lower[1], math::fma(weights[2], lower[0], s));
        const V outside(fill[static_cast<int>(c)]);
        s = math::select(inside < V(1.0f), math::fma(inside, s - outside, outside), s);
        store(out[c] + x, s);
    }
}

/// One of them, of an image of any size.
template <int C>
void mix_one(const_row_planes from, index_t pitch, image_shape shape, const channel_values& fill, const warp_block& b,
             std::int32_t l, index_t x, row_planes out) {
    const float fx = b.right_share[l], fy = b.lower_share[l];
    const float weights[4] = {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy};
    float inside = 0;
    bool in[4];
    for (int k = 0; k < 4; ++k) {
        const index_t px = b.left[l] + k % 2, py = b.top[l] + k / 2;
        in[k] = px >= 0 && px < shape.width && py >= 0 && py < shape.height;
        inside += in[k] ? weights[k] : 0;
    }
    for (int c = 0; c < C; ++c) {
        float s = 0;
        for (int k = 0; k < 4; ++k) {
            if (in[k]) s = math::fma(weights[k], from[c][(b.top[l] + k / 2) * pitch + b.left[l] + k % 2], s);
        }
        out[c][x] = inside < 1 ? math::fma(inside, s - fill[c], fill[c]) : s;
    }
}

}  // namespace detail

/// Row y of a warped image. May write a vector but one value beyond the end.
template <int C>
void warp_row(const_row_planes from, index_t pitch, image_shape shape, const projective_map& map, interpolation method,
              const channel_values& fill, index_t y, std::int32_t width, row_planes out) {
    using detail::warp_block;
    constexpr std::int32_t N = warp_block::size;
    const double x_start = map.x_by_y * static_cast<double>(y) + map.x_offset;
    const double y_start = map.y_by_y * static_cast<double>(y) + map.y_offset;
    const double z_start = map.z_by_y * static_cast<double>(y) + map.z_offset;
    const bool affine = map.is_affine(), near = method == interpolation::nearest;
    const bool usual =
        shape.height > 1 && shape.width > 1 && shape.height * pitch <= (std::numeric_limits<std::int32_t>::max)();
    // Far outside, where a coordinate might not fit into an integer, or is NaN.
    const double x_end = shape.width + 1, y_end = shape.height + 1;
    const auto within = [](double v, double end) {
        const double low = v > -2 ? v : -2;
        return low < end ? low : end;
    };
    warp_block b;
    for (std::int32_t x = 0; x < width; x += N) {
        double sx[N], sy[N];
        for (std::int32_t l = 0; l < N; ++l) {
            sx[l] = map.x_by_x * static_cast<double>(x + l) + x_start;
            sy[l] = map.y_by_x * static_cast<double>(x + l) + y_start;
        }
        if (!affine) {
            for (std::int32_t l = 0; l < N; ++l) {
                const double inverse = 1 / (map.z_by_x * static_cast<double>(x + l) + z_start);
                sx[l] *= inverse;
                sy[l] *= inverse;
            }
        }
        const std::int32_t n = (std::min)(N, width - x);
        if (near) {
            for (std::int32_t l = 0; l < n; ++l) {
                // Ties to even, as grid_sample does it.
                const index_t column = static_cast<index_t>(exact::round(within(sx[l], x_end)));
                const index_t row = static_cast<index_t>(exact::round(within(sy[l], y_end)));
                const bool inside = column >= 0 && column < shape.width && row >= 0 && row < shape.height;
                for (int c = 0; c < C; ++c) out[c][x + l] = inside ? from[c][row * pitch + column] : fill[c];
            }
            continue;
        }
        for (std::int32_t l = 0; l < N; ++l) {
            const double px = within(sx[l], x_end), py = within(sy[l], y_end);
            b.left[l] = static_cast<std::int32_t>(px + 2) - 2;
            b.top[l] = static_cast<std::int32_t>(py + 2) - 2;
            b.right_share[l] = static_cast<float>(px - b.left[l]);
            b.lower_share[l] = static_cast<float>(py - b.top[l]);
        }
        if (usual) {
            detail::mix_block<C>(from, static_cast<std::int32_t>(pitch), shape, fill, b, x, out);
        } else {
            for (std::int32_t l = 0; l < n; ++l) detail::mix_one<C>(from, pitch, shape, fill, b, l, x + l, out);
        }
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
