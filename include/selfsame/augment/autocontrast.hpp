#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Autocontrast.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Every channel is stretched from its least and greatest value to 0 and 1; one of a single value stays.
struct autocontrast {
    static constexpr bool by_channel = true;

    struct parameters {};
    struct prepared {
        float low[3], factor[3];
    };

    void check(std::int32_t) const {}
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr prepared prepare(const parameters&, image_shape image, const channel_extrema& found) const {
        prepared q{};
        for (std::int32_t c = 0; c < 3; ++c) {
            const bool stretched = c < image.channels && found.high[c] > found.low[c];
            q.low[c] = stretched ? found.low[c] : 0;
            q.factor[c] = stretched ? 1 / (found.high[c] - found.low[c]) : 1;
        }
        return q;
    }
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < detail::colours<C>; ++c) {
            x[c] = detail::clamp((x[c] - V(q.low[c])) * V(q.factor[c]));
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
