#include "kinds.hpp"

#include <algorithm>
#include <cmath>
#include <selfsame/energy/random_row.hpp>
#include <vector>

namespace outliers {
namespace {

constexpr std::int64_t block = 64;
constexpr std::uint32_t noise_op = 0x90;

/// The same images, pixel (i, j) taken from where `source` says.
template <class Source>
pretrain::image_set rearranged(const pretrain::image_set& images, const Source& source) {
    pretrain::image_set result = images;
    for (std::int64_t n = 0; n < images.size(); ++n) {
        std::uint8_t* to = result.pixels.data() + n * images.image_bytes();
        for (std::int64_t i = 0; i < images.height; ++i) {
            for (std::int64_t j = 0; j < images.width; ++j) {
                const auto [row, column] = source(i, j);
                const std::uint8_t* from = images.image(n) + (row * images.width + column) * images.channels;
                to = std::copy_n(from, images.channels, to);
            }
        }
    }
    return result;
}

}  // namespace

pretrain::image_set turned(const pretrain::image_set& images) {
    return rearranged(images, [&](std::int64_t i, std::int64_t j) { return std::pair{j, images.width - 1 - i}; });
}

pretrain::image_set noised(const pretrain::image_set& images, double deviation, std::uint64_t seed) {
    pretrain::image_set result = images;
    std::vector<float> noise(static_cast<std::size_t>(images.image_bytes()));
    for (std::int64_t n = 0; n < images.size(); ++n) {
        const selfsame::random_row random(seed, 0, static_cast<std::uint64_t>(n), noise_op);
        random.normal(noise.data(), images.image_bytes());
        std::uint8_t* pixel = result.pixels.data() + n * images.image_bytes();
        for (const float unit : noise) {
            const double value = static_cast<double>(*pixel) + deviation * static_cast<double>(unit);
            *pixel++ = static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.0, 255.0)));
        }
    }
    return result;
}

pretrain::image_set crossed(const pretrain::image_set& images) {
    return rearranged(images, [&](std::int64_t i, std::int64_t j) {
        return std::pair{(i + images.height / 2) % images.height, (j + images.width / 2) % images.width};
    });
}

std::pair<pretrain::image_set, pretrain::image_set> halves(const pretrain::image_set& images) {
    const pretrain::image_set none{images.height, images.width, images.channels, {}, {}};
    std::pair result{none, none};
    for (std::int64_t n = 0; n < images.size(); ++n) {
        pretrain::image_set& half = n / block % 2 == 0 ? result.first : result.second;
        half.pixels.insert(half.pixels.end(), images.image(n), images.image(n) + images.image_bytes());
        half.labels.push_back(images.labels[static_cast<std::size_t>(n)]);
    }
    return result;
}

}  // namespace outliers
