#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <map>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "sheet.hpp"

/// Pictures that are in memory together.
struct batch {
    std::vector<cv::Mat> pictures;  ///< RGB bytes
    std::uint64_t first = 0;        ///< number of the first one
};

/// What views are made with, and where they go.
struct studio {
    std::uint64_t seed = 0;
    std::ostream* parameters = nullptr;  ///< drawn parameters are printed there, if anywhere
    contact_sheet& sheet;                ///< shows the first pictures

    std::size_t views = 0;
    double seconds = 0;  ///< spent on them
};

/// Makes the views of a batch that a method trains on.
using recipe = std::function<void(studio&, const batch&)>;

/// By the method's name.
const std::map<std::string, recipe>& recipes_by_name();

/// A picture, RGB, as the sheet shows it beside its views.
cv::Mat thumbnail(const cv::Mat& picture);
