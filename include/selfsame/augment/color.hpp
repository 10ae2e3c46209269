#pragma once

#include <array>

#include "selfsame/augment/options.hpp"

/// \file
/// What operations on colours share. Values are from 0 to 1 and stay there.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

template <class V>
constexpr V clamp(V x) {
    using S = math::scalar_t<V>;
    return (math::min)(V(S(1)), (math::max)(V(S(0)), x));
}

/// The gray value of a pixel: ITU-R 601, in the digits that torchvision has.
template <class V>
constexpr V gray(const std::array<V, 3>& x) {
    using S = math::scalar_t<V>;
    return math::fma(V(S(0.2989f)), x[0], math::fma(V(S(0.587f)), x[1], V(S(0.114f)) * x[2]));
}
template <class V>
constexpr V gray(const std::array<V, 1>& x) {
    return x[0];
}
template <class V>
constexpr V gray(const std::array<V, 4>& x) {
    return gray(std::array<V, 3>{x[0], x[1], x[2]});
}

/// Channels of colour: a fourth channel is opacity, and no operation on colours changes it.
template <std::size_t C>
inline constexpr std::size_t colours = C == 4 ? 3 : C;

/// A factor from [max(0, 1 - strength), 1 + strength].
constexpr float draw_factor(random_stream& random, float strength) {
    return random.uniform(strength < 1 ? 1 - strength : 0, 1 + strength);
}

inline void check_strength(std::string_view name, float strength) {
    if (!(strength >= 0 && finite(strength))) fail(name, strength, ">= 0");
}

}  // namespace detail

}  // namespace selfsame::inline SELFSAME_ISA::augment
