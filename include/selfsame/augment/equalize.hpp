#pragma once

#include "selfsame/augment/color.hpp"

/// \file
/// Histogram equalization.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Spreads the values of every channel so that their histogram, of 256 parts, becomes as even as it can: Pillow's and
/// torchvision's rule. The results are whole numbers of 255ths.
struct equalize {
    struct parameters {};
    struct prepared {
        const channel_counts* tables;
        std::int32_t channels;
    };

    void check(std::int32_t) const {}
    constexpr parameters draw(random_stream&, image_shape) const { return {}; }
    constexpr prepared prepare(const parameters&, image_shape image, channel_counts& counts) const {
        const std::int32_t channels = image.channels == 4 ? 3 : image.channels;
        for (std::int32_t c = 0; c < channels; ++c) spread(counts.count[c], counts.result[c]);
        return {&counts, channels};
    }
    static constexpr const float* table(const prepared& q, std::int32_t channel) {
        return channel < q.channels ? q.tables->result[channel] : nullptr;
    }

  private:
    static constexpr void spread(const std::uint32_t (&count)[256], float (&result)[256]) {
        std::uint32_t total = 0, last = 0;
        for (const std::uint32_t n : count) {
            total += n;
            if (n > 0) last = n;
        }
        const std::uint32_t step = (total - last) / 255;
        std::uint64_t below = 0;
        for (std::uint32_t k = 0; k < 256; ++k) {
            const std::uint64_t value = step == 0 ? k : (below + step / 2) / step;
            below += count[k];
            result[k] = static_cast<float>(value < 255 ? value : 255) / 255.0f;
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
