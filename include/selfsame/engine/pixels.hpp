#pragma once

#include <cstdint>
#include <type_traits>

#include "selfsame/core/half.hpp"
#include "selfsame/core/math.hpp"
#include "selfsame/engine/imagewise.hpp"

/// \file
/// Values of pixels: what bytes stand for, and what lies beyond the edges of an image.

namespace selfsame::inline SELFSAME_ISA {

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, std::uint8_t>;

/// s / 255, correctly rounded where products are fused with sums.
template <class V>
SELFSAME_INLINE constexpr V divide_by_255(V s) {
    const V inverse(1.0f / 255.0f), q = s * inverse;
    return math::fma(math::fma(q, V(-255.0f), s), inverse, q);
}

/// 0 to 1 become 0 to 255, rounded to the nearest; what lies outside, the nearest of them; NaN 0.
constexpr std::uint8_t to_byte(float x) {
    const float y = x * 255.0f;
    return static_cast<std::uint8_t>(y > 0 ? (y < 255 ? y + 0.5f : 255.0f) : 0.0f);
}
template <class Out>
constexpr Out to_output(float x) {
    if constexpr (is_byte<Out>) {
        return to_byte(x);
    } else {
        return element_cast<Out>(x);
    }
}

/// The index inside [0, n) that i is reflected to, edges not repeated, as often as it takes.
constexpr index_t reflected(index_t i, index_t n) {
    if (i >= 0 && i < n) return i;
    if (n == 1) return 0;
    if (i < 0 && -i < n) return -i;
    if (i >= n && i < 2 * n - 1) return 2 * (n - 1) - i;
    const index_t period = 2 * (n - 1), r = (i % period + period) % period;
    return r < n ? r : period - r;
}

}  // namespace selfsame::inline SELFSAME_ISA
