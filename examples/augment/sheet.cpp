#include "sheet.hpp"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

std::string contact_sheet::encoded(const std::string& ending) const {
    constexpr int gap = 4;
    std::vector<int> widths, heights;
    for (const auto& row : rows_) {
        int height = 0;
        for (std::size_t k = 0; k < row.size(); ++k) {
            if (k == widths.size()) widths.push_back(0);
            widths[k] = std::max(widths[k], row[k].cols);
            height = std::max(height, row[k].rows);
        }
        if (height > 0) heights.push_back(height);
    }
    const auto together = [](const std::vector<int>& lengths) {
        int sum = gap;
        for (const int length : lengths) sum += length + gap;
        return sum;
    };
    cv::Mat sheet(together(heights), together(widths), CV_8UC3, cv::Scalar::all(255));
    std::size_t line = 0;
    int top = gap;
    for (const auto& row : rows_) {
        if (row.empty()) continue;
        int left = gap;
        for (std::size_t k = 0; k < row.size(); ++k) {
            const cv::Rect place(left + (widths[k] - row[k].cols) / 2, top + (heights[line] - row[k].rows) / 2,
                                 row[k].cols, row[k].rows);
            row[k].copyTo(sheet(place));
            left += widths[k] + gap;
        }
        top += heights[line++] + gap;
    }
    cv::cvtColor(sheet, sheet, cv::COLOR_RGB2BGR);
    std::vector<unsigned char> bytes;
    cv::imencode(ending, sheet, bytes, {cv::IMWRITE_JPEG_QUALITY, 85});
    return {bytes.begin(), bytes.end()};
}
