#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Contrast.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes f x + (1 - f) m, clamped, with m the mean of the gray image and f as in `brightness`.
struct contrast {
    float strength = 0;

    static constexpr bool by_channel = true;

    struct parameters {
        float factor;
    };
    struct prepared {
        float factor, offset;
    };

    void check(std::int32_t) const { detail::check_strength("contrast.strength", strength); }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {detail::draw_factor(random, strength)};
    }
    template <class V, std::size_t C>
    static constexpr V measure(const std::array<V, C>& x) {
        return detail::gray(x);
    }
    constexpr prepared prepare(const parameters& p, image_shape, float mean) const {
        return {p.factor, (1 - p.factor) * mean};
    }
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < detail::colours<C>; ++c)
            x[c] = detail::clamp(math::fma(V(q.factor), x[c], V(q.offset)));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
