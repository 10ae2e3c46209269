#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "chart.hpp"
#include "dataset.hpp"
#include "encoder.hpp"
#include "evaluate.hpp"
#include "views.hpp"

namespace pretrain {

/// Rows of one image and its random views, local ones last if there are any, as an <img>.
std::string view_sheet(const image_set& images, const channel_statistics& statistics, bool has_local_views,
                       std::uint64_t seed);

/// Similarities of projected views: of two views of one image, and of views of different images.
std::vector<histogram> view_similarities(encoder_impl& network, const image_set& images,
                                         const channel_statistics& statistics, std::uint64_t seed);

/// Places of some test images on a plane, and their labels.
struct embedding_map {
    std::vector<point> points;
    std::vector<std::int64_t> labels;
};
embedding_map map_test_images(const feature_set& features);

/// A test image of each class and the training images whose features are most similar, as an <img>.
std::string neighbour_sheet(const feature_set& features, const dataset& data);

}  // namespace pretrain
