#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Random rectangles.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

/// The sides of a rectangle with a random share of an area, whose quotient `longer / shorter` is a random ratio (it may
/// be below 1); rounded, and 0 where they would not fit into an int.
struct sides {
    std::int32_t shorter, longer;
};
constexpr sides draw_sides(random_stream& random, double area, range scale, range ratio) {
    const double a = area * static_cast<double>(random.uniform(scale.low, scale.high));
    const double low = exact::log(static_cast<double>(ratio.low)), high = exact::log(static_cast<double>(ratio.high));
    const double r = exact::exp(exact::fma(static_cast<double>(random.uniform()), high - low, low));
    const double x = exact::round(math::sqrt(a / r)), y = exact::round(math::sqrt(a * r));
    constexpr double most = 0x1p30;
    return {x < most ? static_cast<std::int32_t>(x) : 0, y < most ? static_cast<std::int32_t>(y) : 0};
}

/// Uniform on [0, n].
constexpr std::int32_t up_to(random_stream& random, std::int32_t n) {
    return static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(n) + 1));
}

}  // namespace detail

}  // namespace selfsame::inline SELFSAME_ISA::augment
