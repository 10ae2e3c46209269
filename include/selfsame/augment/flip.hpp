#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Flips.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Exchanges left and right.
struct horizontal_flip {
    float probability = 0.5f;

    struct parameters {
        std::int32_t flipped;
    };

    void check(std::int32_t) const { detail::check_probability("horizontal_flip.probability", probability); }
    constexpr parameters draw(random_stream& random, image_shape) const { return {random.chance(probability)}; }
    constexpr mirror flips(const parameters& p) const { return {p.flipped != 0, false}; }
};

/// Exchanges top and bottom.
struct vertical_flip {
    float probability = 0.5f;

    struct parameters {
        std::int32_t flipped;
    };

    void check(std::int32_t) const { detail::check_probability("vertical_flip.probability", probability); }
    constexpr parameters draw(random_stream& random, image_shape) const { return {random.chance(probability)}; }
    constexpr mirror flips(const parameters& p) const { return {false, p.flipped != 0}; }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
