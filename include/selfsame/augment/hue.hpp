#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Hue.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Turns the hue of a pixel, in HSV, by a share of the circle drawn from [-strength, strength]. One channel stays.
struct hue {
    float strength = 0;  ///< at most 1/2

    struct parameters {
        float shift;  ///< a share of the circle
    };
    struct prepared {
        float sectors;  ///< of six, from 0 on
    };

    void check(std::int32_t) const {
        if (!(strength >= 0 && strength <= 0.5f)) fail("hue.strength", strength, "0 to 0.5");
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {random.uniform(-strength, strength)};
    }
    constexpr prepared prepare(const parameters& p, image_shape) const {
        return {6 * (p.shift - math::floor(p.shift))};
    }

    // A channel is m + c clamp(t), with m the least of the channels, c the greatest minus that, and t a function of the
    // hue alone: saturation need not be known.
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        if constexpr (C > 1) {
            const V r = x[0], g = x[1], b = x[2];
            const V most = (math::max)((math::max)(r, g), b), least = (math::min)((math::min)(r, g), b);
            const V chroma = most - least;
            const auto red = r == most, green = g == most;
            const V difference = math::select(red, g - b, math::select(green, b - r, r - g));
            const V sector = math::select(red, V(0.0f), math::select(green, V(2.0f), V(4.0f)));
            V h = difference * math::reciprocal((math::max)(V(1e-30f), chroma)) + (sector + V(q.sectors));
            h = math::select(h < V(0.0f), h + V(6.0f), h);
            h = math::select(h >= V(6.0f), h - V(6.0f), h);
            const V t[3] = {math::abs(h - V(3.0f)) - V(1.0f), V(2.0f) - math::abs(h - V(2.0f)),
                            V(2.0f) - math::abs(h - V(4.0f))};
            for (std::size_t c = 0; c < 3; ++c) x[c] = math::fma(chroma, detail::clamp(t[c]), least);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
