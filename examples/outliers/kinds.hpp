#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "dataset.hpp"

namespace outliers {

/// Pictures of one kind that a classifier of clothes should not be sure of.
struct kind {
    std::string name;
    pretrain::image_set images;
    bool seen = false;  ///< in tuning: others of this kind, never these
};

/// Square images turned by a right angle, counter-clockwise.
pretrain::image_set turned(const pretrain::image_set& images);

/// With normal noise of this deviation on every pixel (of 255), a function of the seed and the image's place.
pretrain::image_set noised(const pretrain::image_set& images, double deviation, std::uint64_t seed);

/// Each quarter in the place of the one across the centre.
pretrain::image_set crossed(const pretrain::image_set& images);

/// Blocks of neighbours by turns: what is alike lies together in a font and goes to one side.
std::pair<pretrain::image_set, pretrain::image_set> halves(const pretrain::image_set& images);

}  // namespace outliers
