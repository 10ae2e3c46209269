#include "image_sheet.hpp"

#include <opencv2/imgcodecs.hpp>

namespace pretrain {
namespace {

constexpr std::int64_t gap = 2;
constexpr std::int64_t wide_gap = 8;

std::string base64(const std::vector<std::uint8_t>& bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = std::uint32_t{bytes[i]} << 16;
        if (i + 1 < bytes.size()) group |= std::uint32_t{bytes[i + 1]} << 8;
        if (i + 2 < bytes.size()) group |= bytes[i + 2];
        text += digits[group >> 18];
        text += digits[group >> 12 & 63];
        text += i + 1 < bytes.size() ? digits[group >> 6 & 63] : '=';
        text += i + 2 < bytes.size() ? digits[group & 63] : '=';
    }
    return text;
}

}  // namespace

image_sheet::image_sheet(std::int64_t rows, std::int64_t columns, std::int64_t height, std::int64_t width,
                         std::int64_t channels)
    : height_(height), width_(width), channels_(channels), sheet_height_(rows * (height + gap) - gap),
      sheet_width_(columns * (width + gap) - gap + wide_gap - gap),
      canvas_(static_cast<std::size_t>(4 * sheet_height_ * sheet_width_), 0) {}

std::int64_t image_sheet::left_of(std::int64_t column) const {
    return column * (width_ + gap) + (column > 0 ? wide_gap - gap : 0);
}

void image_sheet::place(std::int64_t row, std::int64_t column, const std::uint8_t* pixels) {
    place(row, column, pixels, height_, width_);
}

void image_sheet::place(std::int64_t row, std::int64_t column, const std::uint8_t* pixels, std::int64_t height,
                        std::int64_t width) {
    const std::int64_t top = row * (height_ + gap) + (height_ - height) / 2;
    const std::int64_t left = left_of(column) + (width_ - width) / 2;
    for (std::int64_t i = 0; i < height; ++i) {
        for (std::int64_t j = 0; j < width; ++j) {
            const std::uint8_t* from = pixels + (i * width + j) * channels_;
            std::uint8_t* to = canvas_.data() + 4 * ((top + i) * sheet_width_ + left + j);
            for (std::int64_t channel = 0; channel < 3; ++channel) to[channel] = from[channels_ == 3 ? 2 - channel : 0];
            to[3] = 255;
        }
    }
}

std::string image_sheet::to_html(std::int64_t zoom, const std::string& description) const {
    const cv::Mat view(static_cast<int>(sheet_height_), static_cast<int>(sheet_width_), CV_8UC4,
                       const_cast<std::uint8_t*>(canvas_.data()));
    std::vector<std::uint8_t> png;
    cv::imencode(".png", view, png);
    return "<img class=\"sheet\" width=\"" + std::to_string(zoom * sheet_width_) + "\" height=\"" +
           std::to_string(zoom * sheet_height_) + "\" alt=\"" + description + "\" src=\"data:image/png;base64," +
           base64(png) + "\">";
}

}  // namespace pretrain
