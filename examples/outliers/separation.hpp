#pragma once

#include <span>

namespace outliers {

/// How well a score that is high for what is known tells it from what is not.
struct separation {
    double auroc = 0;  ///< the chance that a known sample scores above an unknown one, ties counted half
    double fpr95 = 0;  ///< the share of unknown samples let through where at least 95% of the known are
};

/// Scores must not be NaN, and neither set empty.
separation separate(std::span<const float> known, std::span<const float> unknown);

}  // namespace outliers
