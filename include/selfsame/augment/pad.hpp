#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Padding, and the crop of the centre.

namespace selfsame::inline SELFSAME_ISA::augment {

/// What lies beyond the edges of an image: a constant, the nearest pixel, or the image reflected (the edge itself not
/// repeated, or repeated).
enum class border : std::int32_t { constant, edge, reflect, symmetric };

namespace detail {

/// The sample of an axis of length n at place i, which may lie beyond it; -1 for a constant.
constexpr std::int32_t beyond(std::int32_t i, std::int32_t n, border mode) {
    if (i >= 0 && i < n) return i;
    if (mode == border::constant) return -1;
    if (mode == border::edge) return i < 0 ? 0 : n - 1;
    if (n == 1) return 0;
    const std::int64_t period = mode == border::reflect ? 2 * (std::int64_t{n} - 1) : 2 * std::int64_t{n};
    const std::int64_t r = (i % period + period) % period;
    return static_cast<std::int32_t>(r < n ? r : mode == border::reflect ? period - r : period - 1 - r);
}

/// The pixels of a window, which may lie beyond its image, from place (y, x) of the window on.
constexpr pixel_run windowed(const window& w, image_shape image, border mode, std::int32_t y, std::int32_t x) {
    const std::int32_t row = beyond(w.top + y, image.height, mode), at = w.left + x;
    const bool inside = at >= 0 && at < image.width;
    if (row < 0 || (!inside && mode == border::constant)) {
        const std::int32_t rest = w.width - x;
        return {-1, 0, row < 0 || at >= image.width ? rest : (-at < rest ? -at : rest)};
    }
    const std::int32_t rest = image.width - at < w.width - x ? image.width - at : w.width - x;
    return {row, beyond(at, image.width, mode), inside ? rest : 1};
}

}  // namespace detail

/// Adds pixels around the image.
struct pad {
    std::int32_t left = 0, top = 0, right = 0, bottom = 0;
    border mode = border::constant;
    channel_values fill{0.0f};

    struct parameters {};
    static constexpr bool keeps_shape = false;

    void check(std::int32_t channels) const {
        constexpr std::int32_t most = 1 << 16;
        for (const std::int32_t n : {left, top, right, bottom}) {
            if (n < 0 || n > most) fail("pad", n, joined("0 to ", most, " pixels"));
        }
        detail::check_values("pad.fill", fill, channels);
    }
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr image_shape output(image_shape image) const {
        return {image.channels, image.height + top + bottom, image.width + left + right};
    }
    constexpr pixel_run source(const parameters&, image_shape image, std::int32_t y, std::int32_t x) const {
        const image_shape to = output(image);
        return detail::windowed({-top, -left, to.height, to.width}, image, mode, y, x);
    }
};

/// The middle of the image; where the image is smaller, what lies beyond it is fill. An odd rest is rounded to even, as
/// torchvision does it.
struct center_crop {
    std::int32_t height, width;
    channel_values fill{0.0f};

    struct parameters {};
    static constexpr bool keeps_shape = false;

    void check(std::int32_t channels) const {
        if (height < 1) fail("center_crop.height", height, ">= 1");
        if (width < 1) fail("center_crop.width", width, ">= 1");
        detail::check_values("center_crop.fill", fill, channels);
    }
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr image_shape output(image_shape image) const { return {image.channels, height, width}; }
    constexpr pixel_run source(const parameters&, image_shape image, std::int32_t y, std::int32_t x) const {
        // torchvision pads by floor(n / 2) first, then takes the window; either is exact here.
        return detail::windowed({start(image.height, height), start(image.width, width), height, width}, image,
                                border::constant, y, x);
    }

  private:
    static constexpr std::int32_t start(std::int32_t n, std::int32_t wanted) {
        if (n < wanted) return -((wanted - n) / 2);
        const std::int32_t rest = n - wanted, half = rest / 2;
        return half + (rest % 2 != 0 && half % 2 != 0);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
