#pragma once

#include <array>

#include "selfsame/augment/options.hpp"

/// \file
/// Operations on the channels of one pixel: brightness and contrast. Values are from 0 to 1 and stay there.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

template <class V>
constexpr V clamp(V x) {
    using S = math::scalar_t<V>;
    return (math::min)(V(S(1)), (math::max)(V(S(0)), x));
}

/// The gray value of a pixel.
template <class V>
constexpr V gray(const std::array<V, 3>& x) {
    using S = math::scalar_t<V>;
    return math::fma(V(S(0.2989f)), x[0], math::fma(V(S(0.587f)), x[1], V(S(0.114f)) * x[2]));
}
template <class V>
constexpr V gray(const std::array<V, 1>& x) {
    return x[0];
}

/// A factor from [max(0, 1 - strength), 1 + strength].
constexpr float draw_factor(random_stream& random, float strength) {
    return random.uniform(strength < 1 ? 1 - strength : 0, 1 + strength);
}

inline void check_strength(std::string_view name, float strength) {
    if (!(strength >= 0 && finite(strength))) fail(name, strength, ">= 0");
}

}  // namespace detail

/// x becomes f x, clamped, with f drawn from [max(0, 1 - strength), 1 + strength].
struct brightness {
    float strength = 0;

    struct parameters {
        float factor;
    };

    void check(std::int32_t) const { detail::check_strength("brightness.strength", strength); }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {detail::draw_factor(random, strength)};
    }
    constexpr parameters prepare(const parameters& p, image_shape) const { return p; }

    template <class V, std::size_t C>
    static constexpr void pixel(const parameters& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < C; ++c) x[c] = detail::clamp(V(q.factor) * x[c]);
    }
};

/// x becomes f x + (1 - f) m, clamped, with m the mean of the gray image and f as in `brightness`.
struct contrast {
    float strength = 0;

    struct parameters {
        float factor;
    };
    struct prepared {
        float factor, offset;
    };

    void check(std::int32_t) const { detail::check_strength("contrast.strength", strength); }
    constexpr parameters draw(random_stream& random, image_shape) const {
        return {detail::draw_factor(random, strength)};
    }
    template <class V, std::size_t C>
    static constexpr V measure(const std::array<V, C>& x) {
        return detail::gray(x);
    }
    constexpr prepared prepare(const parameters& p, image_shape, float mean) const {
        return {p.factor, (1 - p.factor) * mean};
    }
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < C; ++c) x[c] = detail::clamp(math::fma(V(q.factor), x[c], V(q.offset)));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
