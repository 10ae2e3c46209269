#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pretrain {

struct point {
    float x = 0;
    float y = 0;
};

/// Shares of values in equal bins of a chart's range.
struct histogram {
    std::string name;
    std::vector<double> shares;
};

struct value_range {
    double low = -1;
    double high = 1;
    std::string title = "cosine similarity";
};

/// Charts as SVG elements; their classes are styled by the report's style sheet. Names and titles must be escaped.
namespace chart {

/// A curve a seed over the epochs, or what else `title` says: values at equal distances.
std::string curves(const std::vector<std::vector<float>>& values, const std::vector<std::string>& names,
                   std::int64_t epochs, const std::string& title = "epoch");

/// The first part in gray, behind the others.
std::string histograms(const std::vector<histogram>& parts, const value_range& range = {});

/// Counts from the largest to the smallest, in units of the mean.
std::string ranked(std::vector<std::int64_t> counts, const std::string& title);

/// Points coloured by class, and a legend.
std::string scatter(const std::vector<point>& points, const std::vector<std::int64_t>& classes,
                    const std::vector<std::string>& names);

}  // namespace chart
}  // namespace pretrain
