#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "chart.hpp"
#include "results.hpp"

namespace pretrain {

/// All that the report shows; pictures and charts are of the first seed, the curves of all.
struct report {
    std::string data;
    std::string summary;  // one line on the run
    std::vector<std::string> class_names;
    std::vector<score_row> rows;
    std::vector<std::string> seed_names;
    std::vector<std::vector<float>> losses;
    std::int64_t epochs = 0;
    std::string views;  // <img>
    std::string asks;   // what the objective asks of views
    bool has_local_views = false;
    std::vector<std::int64_t> members;  // test images of each prototype; empty for an objective without
    prototype_use use;
    std::vector<histogram> similarities_before;
    std::vector<histogram> similarities_after;
    std::vector<point> map;
    std::vector<std::int64_t> map_labels;
    std::string neighbours;  // <img>
};

/// A page that needs nothing beside itself.
std::string to_html(const report& content);

}  // namespace pretrain
