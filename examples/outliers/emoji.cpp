#include "emoji.hpp"

#include <ATen/ATen.h>
#include <ft2build.h>
#include FT_FREETYPE_H

#include <algorithm>
#include <memory>
#include <opencv2/imgproc.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "error.hpp"
#include "files.hpp"

namespace outliers {
namespace {

constexpr double least_brightness = 16;  // mean of a picture; below it is a dark shape that black swallows
constexpr float same = 0.9f;             // correlation of pixels

template <auto Done>
struct closer {
    template <class T>
    void operator()(T* handle) const {
        Done(handle);
    }
};

/// Colours are multiplied with their opacity already: their gray is that of the picture on black.
cv::Mat gray_square(const FT_Bitmap& bitmap, std::int64_t side) {
    const int height = static_cast<int>(bitmap.rows), width = static_cast<int>(bitmap.width);
    const cv::Mat colours(height, width, CV_8UC4, bitmap.buffer, static_cast<std::size_t>(bitmap.pitch));
    cv::Mat gray, small;
    cv::cvtColor(colours, gray, cv::COLOR_BGRA2GRAY);
    const int longest = std::max(height, width), above = (longest - height) / 2, left = (longest - width) / 2;
    cv::copyMakeBorder(gray, gray, above, longest - height - above, left, longest - width - left, cv::BORDER_CONSTANT);
    cv::resize(gray, small, cv::Size(static_cast<int>(side), static_cast<int>(side)), 0, 0, cv::INTER_AREA);
    return small;
}

/// Indices of pictures that resemble none kept before them.
std::vector<std::int64_t> distinct(const pretrain::image_set& images) {
    const std::int64_t count = images.size();
    at::Tensor x = at::from_blob(const_cast<std::uint8_t*>(images.pixels.data()), {count, images.image_bytes()},
                                 at::kByte)
                       .to(at::kFloat);
    x = x - x.mean(1, true);
    x = x / x.norm(2, {1}, true);
    const at::Tensor correlations = at::mm(x, x.t());
    const auto* correlation = correlations.data_ptr<float>();
    std::vector<std::int64_t> kept;
    for (std::int64_t i = 0; i < count; ++i) {
        if (std::none_of(kept.begin(), kept.end(),
                         [&](std::int64_t before) { return correlation[i * count + before] > same; })) {
            kept.push_back(i);
        }
    }
    return kept;
}

}  // namespace

pretrain::image_set load_emoji(const std::filesystem::path& font, std::int64_t side) {
    std::string bytes;
    try {
        bytes = pretrain::read_file(font);
    } catch (const pretrain::user_error& error) {
        throw pretrain::user_error(
            std::string(error.what()) +
            " (Debian's package fonts-noto-color-emoji has the font; for a copy elsewhere use --emoji FILE)");
    }
    FT_Library started = nullptr;
    if (FT_Init_FreeType(&started) != 0) throw std::runtime_error("FreeType does not start");
    const std::unique_ptr<FT_LibraryRec_, closer<FT_Done_FreeType>> library(started);
    FT_Face opened = nullptr;
    if (FT_New_Memory_Face(library.get(), reinterpret_cast<const FT_Byte*>(bytes.data()),
                           static_cast<FT_Long>(bytes.size()), 0, &opened) != 0) {
        throw pretrain::user_error(font.string() + " is not a font");
    }
    const std::unique_ptr<FT_FaceRec_, closer<FT_Done_Face>> face(opened);
    if (!FT_HAS_COLOR(face.get()) || face->num_fixed_sizes == 0 || FT_Select_Size(face.get(), 0) != 0) {
        throw pretrain::user_error(font.string() + " has no colour bitmaps");
    }

    pretrain::image_set all{side, side, 1, {}, {}};
    for (FT_Long glyph = 0; glyph < face->num_glyphs; ++glyph) {
        if (FT_Load_Glyph(face.get(), static_cast<FT_UInt>(glyph), FT_LOAD_COLOR) != 0) continue;  // it has no bitmap
        const FT_Bitmap& bitmap = face->glyph->bitmap;
        if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.rows == 0 || bitmap.width == 0) continue;
        const cv::Mat picture = gray_square(bitmap, side);
        if (cv::mean(picture)[0] < least_brightness) continue;
        all.pixels.insert(all.pixels.end(), picture.datastart, picture.dataend);
        all.labels.push_back(0);
    }
    if (all.size() == 0) throw pretrain::user_error(font.string() + " has no colour bitmaps");

    pretrain::image_set result{side, side, 1, {}, {}};
    for (const std::int64_t i : distinct(all)) {
        result.pixels.insert(result.pixels.end(), all.image(i), all.image(i) + all.image_bytes());
        result.labels.push_back(0);
    }
    return result;
}

}  // namespace outliers
