#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Sharpness.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes f x + (1 - f) s, clamped, with s smoothed by weights of 5/13 in the middle and 1/13 around it, and f drawn
/// from a range: 0 blurs, 1 changes nothing, 2 sharpens. The outermost pixels stay.
struct sharpness {
    range factor{0.0f, 2.0f};

    struct parameters {
        float factor;
    };

    void check(std::int32_t) const {
        detail::check_range("sharpness.factor", factor, 0, (std::numeric_limits<float>::max)(), "0 <= low <= high");
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {random.uniform(factor.low, factor.high)};
    }
    constexpr parameters prepare(const parameters& p, image_shape) const { return p; }
    static constexpr float neighbours(const parameters& q, const std::array<float, 9>& x) {
        const float around = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[5] + x[6]) + (x[7] + x[8]));
        const float smooth = (around + 5.0f * x[4]) / 13.0f, y = q.factor * x[4] + (1 - q.factor) * smooth;
        return y > 0 ? (y < 1 ? y : 1) : y < 0 ? 0 : y;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
