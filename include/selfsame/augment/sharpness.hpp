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
    template <class V>
    static constexpr V neighbours(const parameters& q, const std::array<V, 9>& x) {
        const V around = ((x[0] + x[1]) + (x[2] + x[3])) + ((x[5] + x[6]) + (x[7] + x[8]));
        const V smooth = math::fma(V(5.0f), x[4], around) * V(1.0f / 13.0f);
        return detail::clamp(math::fma(V(q.factor), x[4], V(1 - q.factor) * smooth));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
