#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Posterization.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes floor(2^bits x) / 2^bits, at most 1 - 2^-bits: torchvision's on floats.
struct posterize {
    std::int32_t bits = 4;

    static constexpr bool by_channel = true;

    struct parameters {};
    struct prepared {
        float levels;
    };

    void check(std::int32_t) const {
        if (bits < 1 || bits > 8) fail("posterize.bits", bits, "1 to 8");
    }
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr prepared prepare(const parameters&, image_shape) const { return {static_cast<float>(1 << bits)}; }

    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        const V levels(q.levels), unit(1 / q.levels), most(q.levels - 1);
        for (std::size_t c = 0; c < detail::colours<C>; ++c) {
            x[c] = unit * (math::min)(most, (math::max)(V(0.0f), math::floor(levels * x[c])));
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
