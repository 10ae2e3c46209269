#pragma once

#include "selfsame/augment/brightness.hpp"
#include "selfsame/augment/contrast.hpp"
#include "selfsame/augment/hue.hpp"
#include "selfsame/augment/saturation.hpp"

/// \file
/// Brightness, contrast, saturation and hue together.

namespace selfsame::inline SELFSAME_ISA::augment {

/// The four in an order drawn for each sample, with factors as their own operations draw them. A strength of 0 leaves
/// its operation out.
struct color_jitter {
    float brightness = 0, contrast = 0, saturation = 0, hue = 0;

    struct parameters {
        std::int32_t order[4];  ///< of 0 brightness, 1 contrast, 2 saturation, 3 hue
        augment::brightness::parameters of_brightness;
        augment::contrast::parameters of_contrast;
        augment::saturation::parameters of_saturation;
        augment::hue::parameters of_hue;
    };
    static constexpr int steps = 4, passes = 1;

    void check(std::int32_t) const {
        detail::check_strength("color_jitter.brightness", brightness);
        detail::check_strength("color_jitter.contrast", contrast);
        detail::check_strength("color_jitter.saturation", saturation);
        if (!(hue >= 0 && hue <= 0.5f)) fail("color_jitter.hue", hue, "0 to 0.5");
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        // Four bits for each: on a device an indexed array would be in memory.
        std::uint32_t order = 0x3210;
        const auto at = [&](std::uint32_t k) { return order >> 4 * k & 15u; };
        for (std::uint32_t k = 3; k > 0; --k) {
            const std::uint32_t other = random.below(k + 1), difference = at(k) ^ at(other);
            order ^= difference << 4 * k ^ difference << 4 * other;
        }
        const auto number = [&](std::uint32_t k) { return static_cast<std::int32_t>(at(k)); };
        parameters p{{number(0), number(1), number(2), number(3)}, {}, {}, {}, {}};
        p.of_brightness = augment::brightness{brightness}.draw(random, image);
        p.of_contrast = augment::contrast{contrast}.draw(random, image);
        p.of_saturation = augment::saturation{saturation}.draw(random, image);
        p.of_hue = augment::hue{hue}.draw(random, image);
        return p;
    }
    void check_drawn(const parameters& p, image_shape) const {
        bool seen[4] = {};
        for (const std::int32_t k : p.order) {
            if (k < 0 || k > 3 || seen[k]) fail("parameters: color_jitter.order", k, "each of 0, 1, 2, 3 once");
            seen[k] = true;
        }
    }
    template <class F>
    constexpr void visit(const parameters& p, F&& f) const {
        for (const std::int32_t k : p.order) {
            if (k == 0 && brightness > 0) f(operations<augment::brightness>, p.of_brightness);
            if (k == 1 && contrast > 0) f(operations<augment::contrast>, p.of_contrast);
            if (k == 2 && saturation > 0) f(operations<augment::saturation>, p.of_saturation);
            if (k == 3 && hue > 0) f(operations<augment::hue>, p.of_hue);
        }
    }
    template <class F>
    constexpr void each(F&& f) const {
        f(operations<augment::brightness>);
        f(operations<augment::contrast>);
        f(operations<augment::saturation>);
        f(operations<augment::hue>);
    }

  private:
    // What they do depends on their parameters alone.
    template <class Op>
    static constexpr Op operations{};
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
