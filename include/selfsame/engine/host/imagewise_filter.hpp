#pragma once

#include "selfsame/engine/host/imagewise_rows.hpp"

/// \file
/// Symmetric separable filters: along a row, and across rows.

namespace selfsame::inline SELFSAME_ISA::host {

namespace detail {

/// Radii up to this have loops of their own, unrolled; others share one.
inline constexpr int unrolled_radius = 12;

/// f(integral_constant<int, radius>), or of 0 where radius is large.
template <int R = 1, class F>
SELFSAME_INLINE void with_radius(std::int32_t radius, F&& f) {
    if constexpr (R > unrolled_radius) {
        f(std::integral_constant<int, 0>());
    } else if (radius == R) {
        f(std::integral_constant<int, R>());
    } else {
        with_radius<R + 1>(radius, f);
    }
}

/// The values K places right of `middle`, which lies at `at`. A load that crosses a cache line takes two turns of a
/// load port, a permutation one of the ports that multiply: each gets its share of the work.
template <int K, int... L>
SELFSAME_INLINE batch<float> beside([[maybe_unused]] const float* at, [[maybe_unused]] batch<float> left,
                                    [[maybe_unused]] batch<float> middle, [[maybe_unused]] batch<float> right,
                                    std::integer_sequence<int, L...>) {
    constexpr int N = lanes<float>;
    if constexpr (N < 16 || (K > 0 ? K : -K) % 3 != 1 || K >= N || K <= -N) {
        return load<batch<float>>(at + K);
    } else {
        const batch<float> low = K > 0 ? middle : left, high = K > 0 ? right : middle;
        constexpr int first = K > 0 ? K : N + K;
#if defined(SELFSAME_AVX512) && !defined(__clang__)  // g++ 12 takes a permutation by numbers, which have to be loaded
        using words = batch<std::int32_t>::native;
        const auto a = reinterpret_cast<words>(low.v), b = reinterpret_cast<words>(high.v);
        return batch<float>(reinterpret_cast<batch<float>::native>(
            __builtin_ia32_alignd512_mask(b, a, first, a, static_cast<unsigned short>(-1))));
#else
        return selfsame::detail::shuffle<(first + L)...>(low, high);
#endif
    }
}

template <int R, int K = 1>
SELFSAME_INLINE batch<float> along(const float* at, batch<float> left, batch<float> middle, batch<float> right,
                                   const batch<float>* weights, batch<float> s) {
    if constexpr (K > R) {
        return s;
    } else {
        constexpr std::make_integer_sequence<int, lanes<float>> all{};
        const batch<float> pair = beside<-K>(at, left, middle, right, all) + beside<K>(at, left, middle, right, all);
        return along<R, K + 1>(at, left, middle, right, weights, math::fma(weights[K], pair, s));
    }
}

/// Values left of a row and right of its end that are there to be read.
constexpr index_t filter_margin(index_t radius) {
    constexpr index_t N = lanes<float>;
    return (std::max)((radius + N - 1) / N * N, N);
}

template <int... L>
SELFSAME_INLINE batch<float> reversed(batch<float> x, std::integer_sequence<int, L...>) {
    return selfsame::detail::shuffle<(lanes<float> - 1 - L)...>(x, x);
}
/// Writes the margins of a row, of which `radius` values matter.
inline void reflect_margins(float* row, index_t radius, index_t width) {
    using V = batch<float>;
    constexpr index_t N = lanes<float>;
    if (width > radius + N) {
        constexpr std::make_integer_sequence<int, N> all{};
        for (index_t k = 0; k < radius; k += N) {
            store(row - N - k, reversed(load<V>(row + 1 + k), all));
            store(row + width + k, reversed(load<V>(row + width - 1 - N - k), all));
        }
    } else {
        for (index_t k = 1; k <= radius; ++k) {
            row[-k] = row[reflected(-k, width)];
            row[width - 1 + k] = row[reflected(width - 1 + k, width)];
        }
    }
}

// Two rows at once share most of what is loaded.
template <int R>
SELFSAME_INLINE void filter_across(const float* const* rows, const batch<float>* w, const float* weights,
                                   std::int32_t radius, index_t width, float* upper, float* lower) {
    using V = batch<float>;
    const auto row = [&](std::int32_t k, index_t i) { return load<V>(rows[k] + i); };
    for (index_t i = 0; i < width; i += lanes<float>) {
        V above = row(radius, i), below = row(radius + 1, i);
        V u = w[0] * above, l = w[0] * below;
        SELFSAME_UNROLL(12)
        for (std::int32_t k = 1; k <= radius; ++k) {
            const V outer_above = row(radius - k, i), outer_below = row(radius + k + 1, i);
            const V wk = R > 0 ? w[R > 0 ? k : 0] : V(weights[k]);
            u = math::fma(wk, outer_above + below, u);
            l = math::fma(wk, above + outer_below, l);
            above = outer_above;
            below = outer_below;
        }
        store(upper + i, u);
        store(lower + i, l);
    }
}
template <int R>
SELFSAME_INLINE void filter_along(const float* in, const batch<float>* w, const float* weights, std::int32_t radius,
                                  index_t width, float* out) {
    using V = batch<float>;
    constexpr index_t N = lanes<float>;
    if constexpr (R == 0) {
        for (index_t i = 0; i < width; i += N) {
            V s = w[0] * load<V>(in + i);
            for (index_t k = 1; k <= radius; ++k) {
                s = math::fma(V(weights[k]), load<V>(in + i - k) + load<V>(in + i + k), s);
            }
            store(out + i, s);
        }
    } else {
        V left = load<V>(in - N), middle = load<V>(in);
        for (index_t i = 0; i < width; i += N) {
            const V right = load<V>(in + i + N);
            store(out + i, along<R>(in + i, left, middle, right, w, w[0] * middle));
            left = middle;
            middle = right;
        }
    }
}

}  // namespace detail

/// Rows of one plane on their way through a filter.
struct filtered_rows {
    const float* const* rows;  ///< from `radius` above the first one to `radius` + 1 below the last
    std::int32_t count, width;
    float* room;  ///< `count` rows, rounded up to an even number
    index_t room_pitch;
    float* out;
    index_t out_pitch;

    static constexpr index_t pitch(index_t width, index_t radius) {
        return row_pitch(width) + 2 * detail::filter_margin(radius);
    }
};

/// Filters across first, then along, rows of whole vectors.
template <int R>
void filter_rows_n(const filtered_rows& f, const float* weights, std::int32_t some_radius) {
    const std::int32_t radius = R > 0 ? R : some_radius;
    batch<float> w[R + 1];  // in registers: for all that the compiler knows, what is stored might change them
    for (int k = 0; k <= R; ++k) w[k] = batch<float>(weights[k]);
    float* const room = f.room + detail::filter_margin(radius);
    for (index_t r = 0; r < f.count; r += 2) {
        float* const upper = room + r * f.room_pitch;
        detail::filter_across<R>(f.rows + r, w, weights, radius, f.width, upper, upper + f.room_pitch);
    }
    for (index_t r = 0; r < f.count; ++r) detail::reflect_margins(room + r * f.room_pitch, radius, f.width);
    for (index_t r = 0; r < f.count; ++r) {
        detail::filter_along<R>(room + r * f.room_pitch, w, weights, radius, f.width, f.out + r * f.out_pitch);
    }
}
inline void filter_rows(const filtered_rows& f, const float* weights, std::int32_t radius) {
    detail::with_radius(radius, [&](auto r) { filter_rows_n<r()>(f, weights, radius); });
}

}  // namespace selfsame::inline SELFSAME_ISA::host
