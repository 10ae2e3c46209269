#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Brightness.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes f x, clamped, with f drawn from [max(0, 1 - strength), 1 + strength].
struct brightness {
    float strength = 0;

    static constexpr bool by_channel = true;

    struct parameters {
        float factor;
    };

    void check(std::int32_t) const { detail::check_strength("brightness.strength", strength); }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {detail::draw_factor(random, strength)};
    }
    constexpr parameters prepare(const parameters& p, image_shape) const { return p; }

    template <class V, std::size_t C>
    static constexpr void pixel(const parameters& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < detail::colours<C>; ++c) x[c] = detail::clamp(V(q.factor) * x[c]);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
