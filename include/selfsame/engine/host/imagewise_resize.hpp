#pragma once

#include "selfsame/engine/host/imagewise_rows.hpp"
#include "selfsame/engine/resampling.hpp"

/// \file
/// Rows of a resized image: source rows combined first, then the combined row resized along itself.

namespace selfsame::inline SELFSAME_ISA::host {

/// Bytes of a later row, asked for line by line while another is worked on: all at once they would wait for each other.
struct fetched_row {
    const char* next = nullptr;
    const char* end = nullptr;

    SELFSAME_INLINE void fetch_next() {
        constexpr index_t line = 64;
        if (next >= end) return;
        __builtin_prefetch(next);
        next += line;
    }
    SELFSAME_INLINE void fetch_rest() {
        while (next < end) fetch_next();
    }
};

/// Which samples each output of a resized axis is made of, and with which weights: `taps` of them, all inside the
/// axis, from first[i] on.
struct axis_table {
    std::int32_t* first;
    float* weights;
    std::int32_t taps;

    /// What `weights` may take, growing with both.
    static constexpr index_t weight_count(index_t in, index_t out) { return 4 * in + 5 * out; }

    /// `factor` scales all weights.
    void fill(const axis_resampling& axis, std::int32_t in, std::int32_t out, bool reversed, double factor = 1) {
        taps = (std::min)(axis.capacity(), in);
        const auto place = [=](std::int32_t i) { return reversed ? out - 1 - i : i; };
        // The last samples of the axis: begin earlier, with weights of 0.
        const auto begin = [&](std::int32_t i) { return (std::min)(axis.first(place(i)), in - taps); };
        if (axis.is_triangle()) return fill_triangles(axis, out, place, begin, static_cast<float>(factor));
        for (std::int32_t i = 0; i < out; ++i) {
            first[i] = begin(i);
            float* const w = weights + static_cast<index_t>(i) * taps;
            double total = 0;
            for (std::int32_t t = 0; t < taps; ++t) {
                const double x = axis.weight(place(i), first[i] + t);
                w[t] = static_cast<float>(x);
                total += x;
            }
            const auto scale = static_cast<float>(factor / total);
            for (std::int32_t t = 0; t < taps; ++t) w[t] *= scale;
        }
    }

  private:
    template <class Place, class Begin>
    void fill_triangles(const axis_resampling& axis, std::int32_t out, Place place, Begin begin, float factor) {
        constexpr std::int32_t L = lanes<float>;  // outputs at once
        using V = batch<float>;
        for (std::int32_t i = 0; i < out; i += L) {
            const std::int32_t n = (std::min)(L, out - i);
            std::int32_t from[L];
            float distance[L], w[L];
            for (std::int32_t l = 0; l < L; ++l) from[l] = begin((std::min)(i + l, out - 1));
            for (std::int32_t l = 0; l < L; ++l) {
                distance[l] = axis.distance(place((std::min)(i + l, out - 1)), from[l]);
            }
            const auto weight = [&, x = load<V>(distance), step = V(axis.step())](std::int32_t t) {
                const V d = math::fma(V(static_cast<float>(t)), step, x);
                return (math::max)(V(0.0f), V(1.0f) - math::abs(d));
            };
            V total(0.0f);
            for (std::int32_t t = 0; t < taps; ++t) total += weight(t);
            const V scale = V(factor) / total;
            for (std::int32_t t = 0; t < taps; ++t) {
                store(w, scale * weight(t));
                float* const to = weights + static_cast<index_t>(i) * taps + t;
                for (std::int32_t l = 0; l < n; ++l) to[l * taps] = w[l];
            }
            for (std::int32_t l = 0; l < n; ++l) first[i + l] = from[l];
        }
    }
};

/// out[i] = sum over t of weights[t] rows[t][i], i < n; bytes are scaled to 1. Reads nothing beyond n.
template <int Taps, class T>
void combine_rows_n(const T* const* rows, const float* weights, std::int32_t taps, index_t n, float* out) {
    using V = batch<float>;
    const std::int32_t count = Taps > 0 ? Taps : taps;
    // In registers: for all that the compiler knows, what is stored might change the arguments.
    const T* from[Taps > 0 ? Taps : 1];
    V w[Taps > 0 ? Taps : 1];
    for (std::int32_t t = 0; t < Taps; ++t) from[t] = rows[t], w[t] = V(weights[t]);
    const T* const row = rows[0];
    const float weight = weights[0];
    const auto term = [&](std::int32_t t, index_t i, V s) {
        if constexpr (Taps > 0) {
            return math::fma(w[t], load_values(from[t] + i), s);
        } else {
            return math::fma(V(weights[t]), load_values(rows[t] + i), s);
        }
    };
    const auto at = [&](index_t i) {
        V s = V(weight) * load_values(row + i);
        SELFSAME_UNROLL(8)
        for (std::int32_t t = 1; t < count; ++t) s = term(t, i, s);
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

/// A row resized: from C interleaved channels to planes, a pixel being the first C lanes of a vector.
template <int C, int Taps>
void resize_interleaved_n(const float* in, const axis_table& axis, index_t width, row_planes out) {
    using Q = batch<float, 4>;
    const std::int32_t count = Taps > 0 ? Taps : axis.taps;
    const auto pixel = [&](index_t i) {
        const float *x = in + C * axis.first[i], *w = axis.weights + i * count;
        Q s = Q(w[0]) * load<Q>(x);
        SELFSAME_UNROLL(8)
        for (std::int32_t t = 1; t < count; ++t) s = math::fma(Q(w[t]), load<Q>(x + C * t), s);
        return s;
    };
    for (index_t i = 0; i < width; i += 4) {
        const index_t last = width - 1;
        Q x[4] = {pixel(i), pixel((std::min)(i + 1, last)), pixel((std::min)(i + 2, last)),
                  pixel((std::min)(i + 3, last))};
        transpose(x);
        for (index_t c = 0; c < C; ++c) store(out[c] + i, x[c]);
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
template <int C>
void resize_interleaved(const float* in, const axis_table& axis, index_t width, row_planes out) {
    switch (axis.taps) {
        case 1:
            return resize_interleaved_n<C, 1>(in, axis, width, out);
        case 2:
            return resize_interleaved_n<C, 2>(in, axis, width, out);
        case 3:
            return resize_interleaved_n<C, 3>(in, axis, width, out);
        case 4:
            return resize_interleaved_n<C, 4>(in, axis, width, out);
        default:
            return resize_interleaved_n<C, 0>(in, axis, width, out);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
