#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Inversion.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes 1 - x.
struct invert {
    static constexpr bool by_channel = true;

    struct parameters {};

    void check(std::int32_t) const {}
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr parameters prepare(const parameters& p, image_shape) const { return p; }

    template <class V, std::size_t C>
    static constexpr void pixel(const parameters&, std::array<V, C>& x) {
        for (std::size_t c = 0; c < detail::colours<C>; ++c) x[c] = V(1.0f) - x[c];
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
