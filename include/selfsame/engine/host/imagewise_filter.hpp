#pragma once

#include "selfsame/engine/host/imagewise_rows.hpp"

/// \file
/// Symmetric separable filters: along a row, and across rows.

namespace selfsame::inline SELFSAME_ISA::host {

/// The index inside [0, n) that i is reflected to, edges not repeated, as often as it takes.
constexpr index_t reflected(index_t i, index_t n) {
    if (i >= 0 && i < n) return i;
    if (n == 1) return 0;
    if (i < 0 && -i < n) return -i;
    if (i >= n && i < 2 * n - 1) return 2 * (n - 1) - i;
    const index_t period = 2 * (n - 1), r = (i % period + period) % period;
    return r < n ? r : period - r;
}

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

/// The values K places right of `at`. Loads that cross a cache line cost about two permutations of registers of that
/// size, so both ports get their share of the work.
template <int K, int... L>
SELFSAME_INLINE batch<float> beside([[maybe_unused]] const float* at, [[maybe_unused]] batch<float> left,
                                    [[maybe_unused]] batch<float> middle, [[maybe_unused]] batch<float> right,
                                    std::integer_sequence<int, L...>) {
    constexpr int N = lanes<float>;
    if constexpr (N < 16 || K % 3 == 0 || K >= N || K <= -N) {
        return load<batch<float>>(at + K);
    } else if constexpr (K > 0) {
        return selfsame::detail::shuffle<(L + K)...>(middle, right);
    } else {
        return selfsame::detail::shuffle<(N + L + K)...>(left, middle);
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

template <int R>
void filter_along_n(const float* in, const float* weights, [[maybe_unused]] std::int32_t radius, index_t width,
                    float* out) {
    using V = batch<float>;
    constexpr index_t N = lanes<float>;
    if constexpr (R == 0) {
        for (index_t i = 0; i < width; i += N) {
            V s = V(weights[0]) * load<V>(in + i);
            for (index_t k = 1; k <= radius; ++k) {
                s = math::fma(V(weights[k]), load<V>(in + i - k) + load<V>(in + i + k), s);
            }
            store(out + i, s);
        }
    } else {
        V w[R + 1];  // in registers: for all that the compiler knows, what is stored might change them
        for (int k = 0; k <= R; ++k) w[k] = V(weights[k]);
        V left = load<V>(in - N), middle = load<V>(in);
        for (index_t i = 0; i < width; i += N) {
            const V right = load<V>(in + i + N);
            store(out + i, along<R>(in + i, left, middle, right, w, w[0] * middle));
            left = middle;
            middle = right;
        }
    }
}

// Two rows at once share most of what is loaded.
template <int R>
void filter_across_n(const float* const* rows, const float* weights, std::int32_t some_radius, index_t width,
                     float* upper, float* lower) {
    using V = batch<float>;
    const std::int32_t radius = R > 0 ? R : some_radius;
    V w[R + 1];
    for (int k = 0; k <= R; ++k) w[k] = V(weights[k]);
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

}  // namespace detail

/// Values that are read left of a row and right of its last vector.
constexpr index_t filter_margin(index_t radius) { return (std::max)(radius, index_t{lanes<float>}); }

/// A row filtered along itself, from a row with `filter_margin` values on both sides, of which `radius` matter.
inline void filter_along(const float* in, const float* weights, std::int32_t radius, index_t width, float* out) {
    detail::with_radius(radius, [&](auto r) { detail::filter_along_n<r()>(in, weights, radius, width, out); });
}

/// Rows -radius to radius about rows[radius], and the same one row below, filtered across.
inline void filter_across(const float* const* rows, const float* weights, std::int32_t radius, index_t width,
                          float* upper, float* lower) {
    detail::with_radius(radius,
                        [&](auto r) { detail::filter_across_n<r()>(rows, weights, radius, width, upper, lower); });
}

}  // namespace selfsame::inline SELFSAME_ISA::host
