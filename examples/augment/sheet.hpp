#pragma once

#include <cstddef>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

/// A contact sheet: pictures in rows, each as large as it is.
class contact_sheet {
  public:
    explicit contact_sheet(std::size_t rows) : rows_(rows) {}

    [[nodiscard]] std::size_t rows() const { return rows_.size(); }
    /// Puts an RGB picture at the end of a row.
    void add(std::size_t row, const cv::Mat& picture) { rows_.at(row).push_back(picture); }
    /// The sheet as the bytes of a file; `ending` is .png or another that OpenCV knows.
    [[nodiscard]] std::string encoded(const std::string& ending) const;

  private:
    std::vector<std::vector<cv::Mat>> rows_;
};
