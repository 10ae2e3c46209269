#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "selfsame/core/simd.hpp"
#include "selfsame/engine/imagewise.hpp"

/// \file
/// Loops over rows of one image. Rows in working memory are planar, one plane a channel, and padded: vectors may pass
/// their end by up to `row_slack` values, read or written, and the padding holds anything.

namespace selfsame::inline SELFSAME_ISA::host {

inline constexpr index_t row_slack = 32;

/// Values between the beginnings of two rows.
constexpr index_t row_pitch(index_t width) { return (width + 15) / 16 * 16 + row_slack; }

/// The planes of a row, to be read.
struct const_row_planes {
    const float* data;
    index_t plane;
    SELFSAME_INLINE const float* operator[](index_t c) const { return data + c * plane; }
};

/// The planes of a row.
struct row_planes {
    float* data;
    index_t plane;
    SELFSAME_INLINE float* operator[](index_t c) const { return data + c * plane; }
    operator const_row_planes() const { return {data, plane}; }
};

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, std::uint8_t>;

/// s / 255, correctly rounded where products are fused with sums.
template <class V>
SELFSAME_INLINE V divide_by_255(V s) {
    const V inverse(1.0f / 255.0f), q = s * inverse;
    return math::fma(math::fma(q, V(-255.0f), s), inverse, q);
}

SELFSAME_INLINE batch<float> load_values(const float* p) { return load<batch<float>>(p); }
SELFSAME_INLINE batch<float> load_values(const std::uint8_t* p) {
    constexpr int L = lanes<float>;
    using integers = batch<std::int32_t>::native;
    // g++ 12 makes some forty instructions of a conversion to four times the width, so it is told which one it has.
#if defined(__clang__)
    typedef std::uint8_t bytes __attribute__((vector_size(L)));
    bytes b;
    std::memcpy(&b, p, L);
    const auto i = __builtin_convertvector(b, integers);
#elif defined(SELFSAME_AVX512)
    typedef char bytes __attribute__((vector_size(16)));
    bytes b;
    std::memcpy(&b, p, L);
    const auto i =
        reinterpret_cast<integers>(__builtin_ia32_pmovzxbd512_mask(b, integers{}, static_cast<unsigned short>(-1)));
#elif defined(__AVX2__)
    typedef char bytes __attribute__((vector_size(16)));
    typedef long long words __attribute__((vector_size(16)));
    long long low;
    std::memcpy(&low, p, L);
    const auto i = reinterpret_cast<integers>(__builtin_ia32_pmovzxbd256(reinterpret_cast<bytes>(words{low, 0})));
#else
    integers i;
    for (int k = 0; k < L; ++k) i[k] = p[k];
#endif
    return batch<float>(__builtin_convertvector(i, batch<float>::native));
}

/// Which samples each output of a resized axis is made of, and with which weights: `taps` of them, all inside the
/// axis, from first[i] on.
struct axis_table {
    std::int32_t* first;
    float* weights;
    std::int32_t taps;

    /// What `weights` may take, growing with both.
    static constexpr index_t weight_count(index_t in, index_t out) { return 2 * in + 3 * out; }

    void fill(std::int32_t in, std::int32_t out, bool reversed) {
        const linear_resampling axis(in, out);
        taps = (std::min)(axis.capacity(), in);
        for (std::int32_t i = 0; i < out; ++i) {
            const std::int32_t j = reversed ? out - 1 - i : i;
            // The last samples of the axis: begin earlier, with weights of 0.
            const std::int32_t begin = (std::min)(axis.first(j), in - taps);
            float* w = weights + static_cast<index_t>(i) * taps;
            double total = 0;
            for (std::int32_t t = 0; t < taps; ++t) total += axis.weight(j, begin + t);
            const double factor = 1 / total;
            for (std::int32_t t = 0; t < taps; ++t) w[t] = static_cast<float>(axis.weight(j, begin + t) * factor);
            first[i] = begin;
        }
    }
};

/// out[i] = sum over t of weights[t] rows[t][i], i < n; bytes are scaled to 1. Reads nothing beyond n.
template <int Taps, class T>
void combine_rows_n(const T* const* rows, const float* weights, std::int32_t taps, index_t n, float* out) {
    using V = batch<float>;
    const std::int32_t count = Taps > 0 ? Taps : taps;
    const auto at = [&](index_t i) {
        V s = V(weights[0]) * load_values(rows[0] + i);
        SELFSAME_UNROLL(8)
        for (std::int32_t t = 1; t < count; ++t) s = math::fma(V(weights[t]), load_values(rows[t] + i), s);
        if constexpr (is_byte<T>) s = divide_by_255(s);
        store(out + i, s);
    };
    constexpr index_t L = lanes<float>;
    index_t i = 0;
    for (; i + L <= n; i += L) at(i);
    if (i == n) return;
    if (n >= L) return at(n - L);
    for (; i < n; ++i) {
        float s = weights[0] * static_cast<float>(rows[0][i]);
        for (std::int32_t t = 1; t < count; ++t) s = math::fma(weights[t], static_cast<float>(rows[t][i]), s);
        out[i] = is_byte<T> ? divide_by_255(s) : s;
    }
}

template <class T>
void combine_rows(const T* const* rows, const float* weights, std::int32_t taps, index_t n, float* out) {
    switch (taps) {
        case 1:
            return combine_rows_n<1>(rows, weights, taps, n, out);
        case 2:
            return combine_rows_n<2>(rows, weights, taps, n, out);
        case 3:
            return combine_rows_n<3>(rows, weights, taps, n, out);
        case 4:
            return combine_rows_n<4>(rows, weights, taps, n, out);
        default:
            return combine_rows_n<0>(rows, weights, taps, n, out);
    }
}

/// The same where pixels are anyhow apart; out is interleaved.
template <class T, int C>
void combine_strided_rows(const T* const* rows, const float* weights, std::int32_t taps, const image<T>& from,
                          index_t width, float* out) {
    for (index_t x = 0; x < width; ++x) {
        for (index_t c = 0; c < C; ++c) {
            float s = 0;
            for (std::int32_t t = 0; t < taps; ++t) {
                s = math::fma(weights[t], static_cast<float>(rows[t][x * from.column_stride + c * from.channel_stride]),
                              s);
            }
            out[x * C + c] = is_byte<T> ? divide_by_255(s) : s;
        }
    }
}

/// A row resized: one plane. May write 3 values beyond `width`.
template <int Taps>
void resize_plane_n(const float* in, const axis_table& axis, index_t width, float* out) {
    const std::int32_t count = Taps > 0 ? Taps : axis.taps;
    for (index_t i = 0; i < width; ++i) {
        const float *x = in + axis.first[i], *w = axis.weights + i * count;
        float s = w[0] * x[0];
        SELFSAME_UNROLL(8)
        for (std::int32_t t = 1; t < count; ++t) s = math::fma(w[t], x[t], s);
        out[i] = s;
    }
}

/// A row resized: from three interleaved channels to planes, a pixel being the first three lanes of a vector.
template <int Taps>
void resize_interleaved_n(const float* in, const axis_table& axis, index_t width, const row_planes& out) {
    using Q = batch<float, 4>;
    const std::int32_t count = Taps > 0 ? Taps : axis.taps;
    const auto pixel = [&](index_t i) {
        const float *x = in + 3 * axis.first[i], *w = axis.weights + i * count;
        Q s = Q(w[0]) * load<Q>(x);
        SELFSAME_UNROLL(8)
        for (std::int32_t t = 1; t < count; ++t) s = math::fma(Q(w[t]), load<Q>(x + 3 * t), s);
        return s.v;
    };
    for (index_t i = 0; i < width; i += 4) {
        const index_t last = width - 1;
        const auto a = pixel(i), b = pixel((std::min)(i + 1, last)), c = pixel((std::min)(i + 2, last)),
                   d = pixel((std::min)(i + 3, last));
        const auto ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const auto ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        store(out[0] + i, Q(__builtin_shufflevector(ab, cd, 0, 1, 4, 5)));
        store(out[1] + i, Q(__builtin_shufflevector(ab, cd, 2, 3, 6, 7)));
        store(out[2] + i, Q(__builtin_shufflevector(ab2, cd2, 0, 1, 4, 5)));
    }
}

inline void resize_plane(const float* in, const axis_table& axis, index_t width, float* out) {
    switch (axis.taps) {
        case 1:
            return resize_plane_n<1>(in, axis, width, out);
        case 2:
            return resize_plane_n<2>(in, axis, width, out);
        case 3:
            return resize_plane_n<3>(in, axis, width, out);
        case 4:
            return resize_plane_n<4>(in, axis, width, out);
        default:
            return resize_plane_n<0>(in, axis, width, out);
    }
}
inline void resize_interleaved(const float* in, const axis_table& axis, index_t width, const row_planes& out) {
    switch (axis.taps) {
        case 1:
            return resize_interleaved_n<1>(in, axis, width, out);
        case 2:
            return resize_interleaved_n<2>(in, axis, width, out);
        case 3:
            return resize_interleaved_n<3>(in, axis, width, out);
        case 4:
            return resize_interleaved_n<4>(in, axis, width, out);
        default:
            return resize_interleaved_n<0>(in, axis, width, out);
    }
}

/// The index inside [0, n) that i is reflected to, edges not repeated, as often as it takes.
constexpr index_t reflected(index_t i, index_t n) {
    if (n == 1) return 0;
    const index_t period = 2 * (n - 1), r = (i % period + period) % period;
    return r < n ? r : period - r;
}

/// A row filtered along itself, from a row that has `radius` values of margin on both sides.
inline void filter_along(const float* in, const float* weights, std::int32_t radius, index_t width, float* out) {
    using V = batch<float>;
    constexpr index_t L = lanes<float>;
    for (index_t i = 0; i < width; i += 2 * L) {
        V a = V(weights[0]) * load<V>(in + i), b = V(weights[0]) * load<V>(in + i + L);
        for (std::int32_t k = 1; k <= radius; ++k) {
            const V w(weights[k]);
            a = math::fma(w, load<V>(in + i - k) + load<V>(in + i + k), a);
            b = math::fma(w, load<V>(in + i - k + L) + load<V>(in + i + k + L), b);
        }
        store(out + i, a);
        store(out + i + L, b);
    }
}

/// Rows -radius to radius about rows[radius], filtered across.
inline void filter_across(const float* const* rows, const float* weights, std::int32_t radius, index_t width,
                          float* out) {
    using V = batch<float>;
    constexpr index_t L = lanes<float>;
    for (index_t i = 0; i < width; i += 2 * L) {
        V a = V(weights[0]) * load<V>(rows[radius] + i), b = V(weights[0]) * load<V>(rows[radius] + i + L);
        for (std::int32_t k = 1; k <= radius; ++k) {
            const V w(weights[k]);
            const float *up = rows[radius - k] + i, *down = rows[radius + k] + i;
            a = math::fma(w, load<V>(up) + load<V>(down), a);
            b = math::fma(w, load<V>(up + L) + load<V>(down + L), b);
        }
        store(out + i, a);
        store(out + i + L, b);
    }
}

/// Row y of a warped image: linear interpolation, `fill` outside (see augment::rotation for the edges).
template <int C>
void warp_row(const const_row_planes& from, index_t pitch, image_shape shape, const affine_map& map,
              const channel_values& fill, index_t y, const row_planes& out) {
    const double x_start = map.x_by_y * static_cast<double>(y) + map.x_offset;
    const double y_start = map.y_by_y * static_cast<double>(y) + map.y_offset;
    // Far outside, where a coordinate might not fit into an integer.
    const double x_end = shape.width + 1, y_end = shape.height + 1;
    for (index_t x = 0; x < shape.width; ++x) {
        const double sx = (std::clamp)(map.x_by_x * static_cast<double>(x) + x_start, -2.0, x_end);
        const double sy = (std::clamp)(map.y_by_x * static_cast<double>(x) + y_start, -2.0, y_end);
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
