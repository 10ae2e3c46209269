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
        float steps[3];  ///< sixths of the circle from the greatest channel, the next and the one before to its new hue
    };

    void check(std::int32_t) const {
        if (!(strength >= 0 && strength <= 0.5f)) fail("hue.strength", strength, "0 to 0.5");
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {random.uniform(-strength, strength)};
    }
    constexpr prepared prepare(const parameters& p, image_shape) const {
        const float s = 6 * (p.shift - math::floor(p.shift + 0.5f));
        return {{s, s - 2 < -3 ? s + 4 : s - 2, s + 2 > 3 ? s - 4 : s + 2}};
    }

    // Everything in units of the chroma c, the greatest of the channels minus the least, m: with the hue h that a
    // channel is greatest at, it is m + clamp(2 c - |d + s c|, 0, c), where d is the difference of the other two
    // channels and s = hue of the greatest channel + shift - h, brought to [-3, 3]. So nothing is divided, and s does
    // not depend on the pixel but for which channel is the greatest.
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        if constexpr (C > 1) {
            const V r = x[0], g = x[1], b = x[2];
            const V most = (math::max)((math::max)(r, g), b), least = (math::min)((math::min)(r, g), b);
            const V chroma = most - least, top = most + chroma;
            const auto red = r == most, green = g == most;
            const V difference = math::select(red, g - b, math::select(green, b - r, r - g));
            // The new values of the greatest channel, the one after it and the one before it, on the circle r, g, b.
            const auto turned = [&](float steps) {
                const V v = top - math::abs(math::fma(chroma, V(steps), difference));
                return (math::min)(most, (math::max)(least, v));
            };
            const V same = turned(q.steps[0]), next = turned(q.steps[1]), previous = turned(q.steps[2]);
            x[0] = math::select(red, same, math::select(green, previous, next));
            x[1] = math::select(red, next, math::select(green, same, previous));
            x[2] = math::select(red, previous, math::select(green, next, same));
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
