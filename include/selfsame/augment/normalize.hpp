#pragma once

#include <array>

#include "selfsame/augment/options.hpp"

/// \file
/// The usual last operation.

namespace selfsame::inline SELFSAME_ISA::augment {

/// x becomes (x - mean) / deviation, each one value or one a channel.
struct normalize {
    channel_values mean{0.0f};
    channel_values deviation{1.0f};

    static constexpr bool by_channel = true;

    struct parameters {};
    struct prepared {
        float mean[channel_values::capacity], factor[channel_values::capacity];
    };

    void check(std::int32_t channels) const {
        detail::check_values("normalize.mean", mean, channels);
        detail::check_values("normalize.deviation", deviation, channels);
        for (int c = 0; c < deviation.count; ++c) {
            if (!(deviation[c] > 0)) fail("normalize.deviation", deviation[c], "> 0");
        }
    }
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr prepared prepare(const parameters&, image_shape image) const {
        prepared q{};
        for (int c = 0; c < image.channels && c < channel_values::capacity; ++c) {
            q.mean[c] = mean[c];
            q.factor[c] = 1 / deviation[c];
        }
        return q;
    }
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared& q, std::array<V, C>& x) {
        for (std::size_t c = 0; c < C; ++c) x[c] = (x[c] - V(q.mean[c])) * V(q.factor[c]);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
