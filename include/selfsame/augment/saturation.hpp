#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Saturation.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes f x + (1 - f) g, clamped, with g the pixel's gray value and f as in `brightness`. One channel stays.
struct saturation {
    float strength = 0;

    struct parameters {
        float factor;
    };

    void check(std::int32_t) const { detail::check_strength("saturation.strength", strength); }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {detail::draw_factor(random, strength)};
    }
    constexpr parameters prepare(const parameters& p, image_shape) const { return p; }

    template <class V, std::size_t C>
    static constexpr void pixel(const parameters& q, std::array<V, C>& x) {
        if constexpr (C > 1) {
            const V f(q.factor), rest = V(1 - q.factor) * detail::gray(x);
            for (std::size_t c = 0; c < 3; ++c) x[c] = detail::clamp(math::fma(f, x[c], rest));
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
