#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// The rotations of RotNet.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Turns a square image counter-clockwise by 0, 90, 180 or 270 degrees, exactly: the number of quarters is the label
/// that RotNet predicts (Gidaris et al. 2018).
struct quarter_turns {
    struct parameters {
        std::int32_t quarters;
    };
    static constexpr bool keeps_shape = true;
    static constexpr float fill = 0;

    void check(std::int32_t) const {}
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {static_cast<std::int32_t>(random.below(4))};
    }
    void check_shape(image_shape image) const {
        if (image.height != image.width) {
            fail("quarter_turns", joined(image.height, " x ", image.width), "a square image");
        }
    }
    constexpr image_shape output(image_shape image) const { return image; }
    constexpr pixel_run source(const parameters& p, image_shape image, std::int32_t y, std::int32_t x) const {
        const std::int32_t last = image.width - 1, rest = image.width - x;
        switch (p.quarters & 3) {
            case 0:
                return {y, x, rest};
            case 1:
                return {x, last - y, rest, 1, 0};
            case 2:
                return {last - y, last - x, rest, 0, -1};
            default:
                return {last - x, y, rest, -1, 0};
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
