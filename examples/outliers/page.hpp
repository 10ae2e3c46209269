#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "classifier.hpp"
#include "kinds.hpp"
#include "separation.hpp"

namespace outliers {

using separations = std::array<separation, scores.size()>;

/// Scores of the known images and of every kind of outlier by one state of the classifier.
struct stage {
    double accuracy = 0;
    at::Tensor known;
    std::vector<at::Tensor> unknown;
    std::vector<separations> of_kind;

    stage(const classifier& model, const pretrain::image_set& images, const std::vector<kind>& kinds);

    /// Means over the kinds; `all`, or those that were not seen in tuning.
    [[nodiscard]] separations mean(const std::vector<kind>& kinds, bool all) const;
};

struct findings {
    std::string data;
    std::vector<kind> kinds;
    std::int64_t trained_on = 0, tuned_on = 0;
    bounds limits;
    std::vector<float> training_losses, tuning_losses;
    std::int64_t epochs = 0, tuning_epochs = 0;
    double training_seconds = 0, tuning_seconds = 0;
};

/// A row of the table of results: both states, for a kind or a mean of kinds.
struct row {
    std::string name;
    separations before, after;
};
std::vector<row> table_of(const findings& found, const stage& before, const stage& after);

/// A page that needs nothing beside itself.
std::string to_html(const findings& found, const pretrain::image_set& images, const stage& before, const stage& after);

std::string to_json(const findings& found, const stage& before, const stage& after);

}  // namespace outliers
