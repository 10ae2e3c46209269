#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "dataset.hpp"
#include "encoder.hpp"
#include "objective.hpp"
#include "scores.hpp"
#include "views.hpp"

namespace pretrain {

/// What an evaluation sees of a data set: one row of features an image, and labels.
struct feature_set {
    torch::Tensor train;
    torch::Tensor test;
    torch::Tensor train_labels;
    torch::Tensor test_labels;
    std::int64_t classes = 0;
};

/// Features of the frozen encoder, each standardized by its mean and deviation over the training set.
feature_set encode(encoder_impl& network, const dataset& data, const channel_statistics& statistics);
feature_set raw_pixels(const dataset& data);

/// The seed draws the subsets of labels.
scores evaluate(const feature_set& features, std::uint64_t seed);

/// Features as the nearest-neighbour search compares them: of length 1.
struct unit_features {
    torch::Tensor train;
    torch::Tensor test;
};
unit_features to_unit(const feature_set& features);

double knn_accuracy(const feature_set& features);

/// How many images belong to each prototype.
std::vector<std::int64_t> count_members(encoder_impl& network, const prototype_set& prototypes, const image_set& images,
                                        const channel_statistics& statistics);

/// exp of the entropy of the shares: the number of prototypes that are used, if all of those are used equally.
double perplexity(const std::vector<std::int64_t>& counts);

}  // namespace pretrain
