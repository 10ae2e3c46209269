#include "views.hpp"

#include <thrust/system/omp/execution_policy.h>

#include <algorithm>
#include <cmath>
#include <selfsame/augment/augment.hpp>
#include <vector>

namespace pretrain {
namespace {

namespace augment = selfsame::augment;

selfsame::channel_values per_channel(const std::array<float, 3>& values, std::int64_t channels) {
    return channels == 1 ? selfsame::channel_values{values[0]}
                         : selfsame::channel_values{values[0], values[1], values[2]};
}

auto make_pipeline(view_kind kind, const image_set& images, const channel_statistics& statistics) {
    const view_size size = size_of(kind, images);
    return augment::pipeline{
        augment::random_resized_crop{
            .height = static_cast<std::int32_t>(size.height),
            .width = static_cast<std::int32_t>(size.width),
            .scale = kind == view_kind::global ? augment::range{0.3f, 1.0f} : augment::range{0.1f, 0.3f}},
        augment::horizontal_flip{},
        augment::random_apply{0.8f, augment::brightness{0.4f}},
        augment::random_apply{0.8f, augment::contrast{0.4f}},
        augment::random_erasing{.probability = 0.3f, .scale = {0.02f, 0.25f}},
        augment::normalize{.mean = per_channel(statistics.mean, images.channels),
                           .deviation = per_channel(statistics.deviation, images.channels)},
    };
}

}  // namespace

view_size size_of(view_kind kind, const image_set& images) {
    if (kind == view_kind::global) return {images.height, images.width};
    return {images.height * 4 / 7, images.width * 4 / 7};
}

channel_statistics measure_channels(const image_set& images) {
    channel_statistics result;
    const std::int64_t channels = images.channels;
    const double count = static_cast<double>(images.size() * images.height * images.width);
    for (std::int64_t channel = 0; channel < channels; ++channel) {
        std::array<std::int64_t, 256> histogram{};
        for (auto i = static_cast<std::size_t>(channel); i < images.pixels.size();
             i += static_cast<std::size_t>(channels)) {
            ++histogram[images.pixels[i]];
        }
        double sum = 0;
        double squares = 0;
        for (std::size_t value = 0; value < histogram.size(); ++value) {
            const double level = static_cast<double>(value) / 255;
            sum += level * static_cast<double>(histogram[value]);
            squares += level * level * static_cast<double>(histogram[value]);
        }
        const double mean = sum / count;
        const auto index = static_cast<std::size_t>(channel);
        result.mean[index] = static_cast<float>(mean);
        result.deviation[index] =
            static_cast<float>(std::max(1e-3, std::sqrt(std::max(0.0, squares / count - mean * mean))));
    }
    return result;
}

void make_views(view_kind kind, const image_set& images, const channel_statistics& statistics,
                std::span<const std::int64_t> indices, std::uint64_t seed, std::int64_t epoch, std::uint32_t view,
                float* out) {
    std::vector<selfsame::image<std::uint8_t>> batch;
    std::vector<std::uint64_t> names;
    for (const std::int64_t index : indices) {
        batch.push_back(selfsame::interleaved(images.image(index), images.height, images.width, images.channels));
        names.push_back(static_cast<std::uint64_t>(index));
    }
    const view_size size = size_of(kind, images);
    const std::array<selfsame::index_t, 4> shape{static_cast<selfsame::index_t>(indices.size()), images.channels,
                                                 size.height, size.width};
    augment::apply(thrust::omp::par, make_pipeline(kind, images, statistics),
                   selfsame::image_batch<std::uint8_t>{batch, images.channels}, names,
                   augment::key{.seed = seed, .epoch = static_cast<std::uint32_t>(epoch), .view = view},
                   selfsame::view(out, shape));
}

void normalize_images(const image_set& images, const channel_statistics& statistics, std::int64_t first,
                      std::int64_t last, float* out) {
    const std::array<selfsame::index_t, 4> from{last - first, images.height, images.width, images.channels};
    const std::array<selfsame::index_t, 4> to{last - first, images.channels, images.height, images.width};
    augment::apply(
        thrust::omp::par,
        augment::pipeline{augment::normalize{.mean = per_channel(statistics.mean, images.channels),
                                             .deviation = per_channel(statistics.deviation, images.channels)}},
        selfsame::view(images.image(first), from), static_cast<std::uint64_t>(first), augment::key{},
        selfsame::view(out, to));
}

}  // namespace pretrain
