#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Gaussian blur.

namespace selfsame::inline SELFSAME_ISA::augment {

/// A separable Gaussian filter of `kernel` taps, edges reflected (as often as it takes where the image is smaller
/// than the kernel), with the standard deviation drawn uniformly.
struct gaussian_blur {
    std::int32_t kernel = 23;  ///< odd
    range sigma{0.1f, 2.0f};

    struct parameters {
        float sigma;
    };

    void check(std::int32_t) const {
        if (kernel < 1 || kernel > 255 || kernel % 2 == 0)
            fail("gaussian_blur.kernel", kernel, "an odd number from 1 to 255");
        detail::check_positive("gaussian_blur.sigma", sigma);
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {random.uniform(sigma.low, sigma.high)};
    }
    void check_drawn(const parameters& p, image_shape) const {
        if (!(p.sigma > 0)) fail("parameters: gaussian_blur.sigma", p.sigma, "> 0");
    }
    constexpr std::int32_t reach() const { return kernel / 2; }
    constexpr double weight(const parameters& p, std::int32_t k) const {
        const double z = k / static_cast<double>(p.sigma), e = -0.5 * z * z;
        return e > -700 ? exact::exp(e) : 0;
    }
    /// Taps that together would not change a float are left out.
    constexpr std::int32_t radius(const parameters& p) const {
        std::int32_t r = reach();
        double tail = 0, whole = 1;
        for (std::int32_t k = 1; k <= r; ++k) whole += 2 * weight(p, k);
        for (; r > 0; --r) {
            tail += 2 * weight(p, r);
            if (tail > 6e-8 * whole) break;
        }
        return r;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
