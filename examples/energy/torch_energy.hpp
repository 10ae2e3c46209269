#pragma once

#include <thrust/system/omp/execution_policy.h>
#include <torch/autograd.h>
#include <torch/nn/module.h>

#include <utility>
#include <vector>

#include "selfsame/core/tensor.hpp"

namespace example {

inline const auto ctx = thrust::omp::par;

/// A batch of the library as a tensor of LibTorch, without a copy.
template <class T>
at::Tensor borrowed(const selfsame::tensor<T, 2>& x) {
    return at::from_blob(const_cast<float*>(x.data_handle()), {x.extent(0), x.extent(1)}, at::kFloat);
}
inline at::Tensor borrowed(const selfsame::tensor<float, 1>& x) {
    return at::from_blob(x.data_handle(), {x.extent(0)}, at::kFloat);
}

/// energy(x), N x D to N, as the callable of the library's samplers: values, and gradients by autograd.
template <class Energy>
auto as_callable(Energy energy) {
    return [energy](const selfsame::tensor<const float, 2>& x, const selfsame::tensor<float, 1>& values,
                    const selfsame::tensor<float, 2>& gradients) {
        const at::Tensor at_x = borrowed(x).clone().requires_grad_();
        const at::Tensor e = energy(at_x);
        borrowed(gradients).copy_(torch::autograd::grad({e.sum()}, {at_x})[0]);
        borrowed(values).copy_(e.detach());
    };
}

/// score(x, sigmas), N x D and N to N x D, as the callable of annealed samplers, which need no values.
template <class Score>
auto score_as_callable(Score score) {
    return [score](const selfsame::tensor<const float, 2>& x, double sigma, const selfsame::tensor<float, 1>& values,
                   const selfsame::tensor<float, 2>& gradients) {
        const torch::NoGradGuard no_graph;
        borrowed(gradients).copy_(-score(borrowed(x), at::full({x.extent(0)}, sigma)));
        borrowed(values).zero_();
    };
}

/// An exponential moving average of a module's weights: samples of it are better than those of any one step.
class weight_average {
  public:
    weight_average(torch::nn::Module& module, double decay) : parameters_(module.parameters()), decay_(decay) {
        for (const at::Tensor& p : parameters_) means_.push_back(p.detach().clone());
    }
    void update() {
        const torch::NoGradGuard no_graph;
        ++count_;
        // Early on the mean is over what there is.
        const double decay = std::min(decay_, static_cast<double>(count_) / static_cast<double>(count_ + 10));
        for (std::size_t k = 0; k < means_.size(); ++k) means_[k].lerp_(parameters_[k], 1 - decay);
    }
    /// Puts the averages in the module's place of its weights, for good.
    void apply() const {
        const torch::NoGradGuard no_graph;
        for (std::size_t k = 0; k < means_.size(); ++k) parameters_[k].copy_(means_[k]);
    }

  private:
    mutable std::vector<at::Tensor> parameters_;
    std::vector<at::Tensor> means_;
    double decay_;
    std::int64_t count_ = 0;
};

}  // namespace example
