#pragma once

#include <torch/types.h>

#include <vector>

#include "chart.hpp"

namespace pretrain {

/// t-SNE (van der Maaten and Hinton 2008), exact, begun from the first two principal components: a function of the rows
/// alone. Quadratic in their number: meant for some 2,000 rows.
std::vector<point> tsne(const torch::Tensor& rows);

}  // namespace pretrain
