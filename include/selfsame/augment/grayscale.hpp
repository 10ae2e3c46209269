#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Grayscale.

namespace selfsame::inline SELFSAME_ISA::augment {

/// All colours become the pixel's gray value.
struct grayscale {
    struct parameters {};

    void check(std::int32_t) const {}
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr parameters prepare(const parameters& p, image_shape) const { return p; }

    template <class V, std::size_t C>
    static constexpr void pixel(const parameters&, std::array<V, C>& x) {
        const V y = detail::gray(x);
        for (std::size_t c = 0; c < detail::colours<C>; ++c) x[c] = y;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
