#pragma once

#include <string>

namespace at {
class Tensor;
}

namespace pretrain {

/// A new objective is one more entry of the table in objective.cpp.
bool is_objective(const std::string& name);
std::string objective_names();

/// The mean loss of a batch of projected pairs, row i of one belonging to row i of the other; `backward` on it reaches
/// both.
at::Tensor objective_loss(const std::string& name, const at::Tensor& first, const at::Tensor& second);

}  // namespace pretrain
