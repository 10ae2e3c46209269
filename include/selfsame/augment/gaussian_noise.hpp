#pragma once

#include <array>

#include "selfsame/augment/options.hpp"

/// \file
/// Gaussian noise.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Adds independent normal noise to every value, then clamps to [0, 1]. What is drawn is the key of the noise, so
/// that the same parameters give the same noise.
struct gaussian_noise {
    float mean = 0.0f;
    float sigma = 0.1f;
    bool clip = true;

    struct parameters {
        std::uint32_t key[2];
    };
    struct prepared {
        std::array<std::uint32_t, 2> key;
        float mean, sigma, low, high;
    };

    void check(std::int32_t) const {
        if (!detail::finite(mean)) fail("gaussian_noise.mean", mean, "a finite number");
        if (!(sigma >= 0 && detail::finite(sigma))) fail("gaussian_noise.sigma", sigma, ">= 0");
    }
    constexpr parameters draw(random_stream& random, image_shape) const {
        const std::uint32_t first = random.bits();
        return {{first, random.bits()}};
    }
    constexpr prepared prepare(const parameters& p, image_shape) const {
        constexpr float most = std::numeric_limits<float>::infinity();
        return {{p.key[0], p.key[1]}, mean, sigma, clip ? 0 : -most, clip ? 1 : most};
    }
    static constexpr std::array<float, 4> elements(const prepared& q, std::array<float, 4> x, element_place at) {
        const auto r = philox({static_cast<std::uint32_t>(at.column), static_cast<std::uint32_t>(at.row),
                               static_cast<std::uint32_t>(at.channel), 0},
                              q.key);
        const auto a = exact::normal_pair(r[0], r[1]), b = exact::normal_pair(r[2], r[3]);
        const std::array<float, 4> z{a[0], a[1], b[0], b[1]};
        for (std::size_t k = 0; k < 4; ++k) {
            const float y = x[k] + exact::fma(q.sigma, z[k], q.mean);
            x[k] = y < q.low ? q.low : y > q.high ? q.high : y;
        }
        return x;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
