#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pretrain {

/// Equally sized images in rows and columns, with a gap between them and a wider one after the first column.
class image_sheet {
  public:
    image_sheet(std::int64_t rows, std::int64_t columns, std::int64_t height, std::int64_t width,
                std::int64_t channels);

    /// `pixels` is HWC.
    void place(std::int64_t row, std::int64_t column, const std::uint8_t* pixels);
    /// A smaller image, in the middle of its place.
    void place(std::int64_t row, std::int64_t column, const std::uint8_t* pixels, std::int64_t height,
               std::int64_t width);

    /// An <img> element with the sheet inside, each pixel drawn `zoom` times as large.
    [[nodiscard]] std::string to_html(std::int64_t zoom, const std::string& description) const;

  private:
    [[nodiscard]] std::int64_t left_of(std::int64_t column) const;

    std::int64_t height_;
    std::int64_t width_;
    std::int64_t channels_;
    std::int64_t sheet_height_;
    std::int64_t sheet_width_;
    std::vector<std::uint8_t> canvas_;  // BGRA, as OpenCV writes it
};

}  // namespace pretrain
