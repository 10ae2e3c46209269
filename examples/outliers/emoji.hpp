#pragma once

#include <cstdint>
#include <filesystem>

#include "dataset.hpp"

namespace outliers {

/// The colour bitmaps of a font, in gray on black, brought to side x side, in the font's order. Of pictures that are
/// nearly the same (skin tones, most of all) only the first is kept. Throws user_error if the file is missing or is
/// no font with colour bitmaps.
pretrain::image_set load_emoji(const std::filesystem::path& font, std::int64_t side);

}  // namespace outliers
