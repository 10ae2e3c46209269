#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "dataset.hpp"

namespace pretrain {

/// Mean and deviation of each channel, of values scaled to [0, 1].
struct channel_statistics {
    std::array<float, 3> mean{};
    std::array<float, 3> deviation{};
};

channel_statistics measure_channels(const image_set& images);

/// Global views show most of an image, local ones a small part, in fewer pixels.
enum class view_kind { global, local };

struct view_size {
    std::int64_t height = 0;
    std::int64_t width = 0;
};
view_size size_of(view_kind kind, const image_set& images);

/// Writes one random view of each named image as normalized floats, NCHW. A view is a function of (kind, seed, epoch,
/// image, view).
void make_views(view_kind kind, const image_set& images, const channel_statistics& statistics,
                std::span<const std::int64_t> indices, std::uint64_t seed, std::int64_t epoch, std::uint32_t view,
                float* out);

/// Images [first, last) as they are, normalized, NCHW.
void normalize_images(const image_set& images, const channel_statistics& statistics, std::int64_t first,
                      std::int64_t last, float* out);

}  // namespace pretrain
