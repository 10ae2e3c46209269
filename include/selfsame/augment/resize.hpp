#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Resizing.

namespace selfsame::inline SELFSAME_ISA::augment {

/// The whole image, resized.
struct resize {
    std::int32_t height, width;
    interpolation method = interpolation::bilinear;
    bool antialias = true;  ///< widen the kernel where the image shrinks

    using parameters = window;

    void check(std::int32_t) const {
        if (height < 1) fail("resize.height", height, ">= 1");
        if (width < 1) fail("resize.width", width, ">= 1");
    }
    constexpr parameters draw(random_stream&, image_shape image) const { return {0, 0, image.height, image.width}; }
    constexpr image_shape output(image_shape image) const { return {image.channels, height, width}; }
    constexpr window crop(const parameters& p) const { return p; }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
