#pragma once

#include <torch/types.h>

#include <cstdint>

namespace pretrain {

/// Fits multinomial logistic regression with the penalty `decay * |weights|^2` by L-BFGS and returns the predicted
/// classes of `test`.
torch::Tensor logistic_predictions(const torch::Tensor& train, const torch::Tensor& labels, const torch::Tensor& test,
                                   std::int64_t classes, double decay);

}  // namespace pretrain
