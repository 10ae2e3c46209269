#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Solarization.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes 1 - x where it is at least a threshold.
struct solarize {
    float threshold = 0.5f;

    static constexpr bool by_channel = true;

    struct parameters {};
    struct prepared {
        float threshold;
    };

    void check(std::int32_t) const {
        if (!detail::finite(threshold)) fail("solarize.threshold", threshold, "a finite number");
    }
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr prepared prepare(const parameters&, image_shape) const { return {threshold}; }

    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < detail::colours<C>; ++c) {
            x[c] = math::select(x[c] >= V(q.threshold), V(1.0f) - x[c], x[c]);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
