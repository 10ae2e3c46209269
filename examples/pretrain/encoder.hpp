#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

namespace pretrain {

/// A small convolutional network for images of some 28 to 64 pixels, and the projection head that is used in training
/// only. It is sized for two processor cores: 4 million multiplications an image of 28 x 28.
class encoder_impl : public torch::nn::Module {
  public:
    /// All initial weights are a function of the seed.
    encoder_impl(std::int64_t channels, std::uint64_t seed);

    static constexpr std::int64_t projection_width = 128;

    /// What the objective compares: N x projection_width.
    torch::Tensor project(const torch::Tensor& images);

    /// What is kept of the training: the last stage pooled to 2 x 2 and the one before to 4 x 4, N x 1536.
    torch::Tensor features(const torch::Tensor& images);

  private:
    struct stage {
        torch::nn::Conv2d convolution;
        torch::nn::BatchNorm2d norm;
        bool is_residual;
    };

    void add_stage(std::int64_t from, std::int64_t to, std::int64_t kernel, std::int64_t stride);
    std::vector<torch::Tensor> maps(const torch::Tensor& images);

    std::vector<stage> stages_;
    torch::nn::Linear hidden_{nullptr};
    torch::nn::BatchNorm1d hidden_norm_{nullptr};
    torch::nn::Linear output_{nullptr};
};

using encoder = std::shared_ptr<encoder_impl>;

}  // namespace pretrain
