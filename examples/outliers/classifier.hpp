#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataset.hpp"

namespace outliers {

/// What is read of a row of logits, and whether it is high (1) or low (-1) for what the classifier knows.
struct score {
    const char* name;
    double sign;
};
inline constexpr std::array<score, 5> scores{
    {{"free energy", -1}, {"max logit", 1}, {"max probability", 1}, {"entropy", -1}, {"margin", 1}}};

struct bounds {
    double inside = 0, outside = 0;
};

/// A small network with labelled images behind it.
class classifier {
  public:
    /// With initial weights that are a function of the seed; nothing is learnt yet.
    classifier(const pretrain::image_set& images, std::uint64_t seed);
    ~classifier();

    /// By cross-entropy; returns the loss of each step.
    std::vector<float> train(std::int64_t epochs);

    /// Bounds for `tune` where none are known: the mean free energies of the training images and of the outliers.
    [[nodiscard]] bounds measure_bounds(const pretrain::image_set& outliers) const;

    /// Goes on by cross-entropy and the library's energy_bounds on free energies of training images and of random
    /// views of outliers; returns the bounds' part of the loss of each step.
    std::vector<float> tune(const pretrain::image_set& outliers, const bounds& limits, std::int64_t epochs);

    /// N x classes.
    [[nodiscard]] at::Tensor logits(const pretrain::image_set& images) const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};

/// N x scores, from one read of the logits.
at::Tensor read_scores(const at::Tensor& logits);

/// The share of rows whose largest logit is that of the label.
double accuracy(const at::Tensor& logits, const std::vector<std::int64_t>& labels);

}  // namespace outliers
