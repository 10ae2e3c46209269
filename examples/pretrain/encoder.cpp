#include "encoder.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/torch.h>

#include <cmath>
#include <string>

namespace pretrain {
namespace {

constexpr std::int64_t hidden_width = 256;

struct stage_shape {
    std::int64_t width;
    std::int64_t kernel;
    std::int64_t stride;
};
constexpr stage_shape shapes[] = {{32, 4, 2}, {64, 3, 2}, {64, 3, 1}, {128, 3, 2}};
constexpr std::int64_t coarse = 2;
constexpr std::int64_t fine = 4;

/// Averages of side x side parts: where something is seen matters.
torch::Tensor pooled(const torch::Tensor& map, std::int64_t side) {
    return torch::adaptive_avg_pool2d(map, {side, side}).flatten(1);
}

}  // namespace

encoder_impl::encoder_impl(std::int64_t channels, std::uint64_t seed) {
    std::int64_t width = channels;
    for (const stage_shape& shape : shapes) {
        add_stage(width, shape.width, shape.kernel, shape.stride);
        width = shape.width;
    }
    hidden_ = register_module(
        "hidden", torch::nn::Linear(torch::nn::LinearOptions(width * coarse * coarse, hidden_width).bias(false)));
    hidden_norm_ = register_module("hidden_norm", torch::nn::BatchNorm1d(hidden_width));
    output_ = register_module("output",
                              torch::nn::Linear(torch::nn::LinearOptions(hidden_width, projection_width).bias(false)));

    const torch::NoGradGuard no_grad;
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    for (stage& part : stages_) {
        torch::Tensor& weight = part.convolution->weight;
        const auto fan_out = static_cast<double>(weight.size(0) * weight.size(2) * weight.size(3));
        weight.normal_(0, std::sqrt(2 / fan_out), generator);
    }
    for (torch::nn::Linear* layer : {&hidden_, &output_}) {
        torch::Tensor& weight = (*layer)->weight;
        weight.normal_(0, std::sqrt(1 / static_cast<double>(weight.size(1))), generator);
    }
}

void encoder_impl::add_stage(std::int64_t from, std::int64_t to, std::int64_t kernel, std::int64_t stride) {
    const std::string number = std::to_string(stages_.size());
    const auto convolution =
        torch::nn::Conv2dOptions(from, to, kernel).stride(stride).padding((kernel - 1) / 2).bias(false);
    stages_.push_back({register_module("convolution" + number, torch::nn::Conv2d(convolution)),
                       register_module("norm" + number, torch::nn::BatchNorm2d(to)), from == to && stride == 1});
}

std::vector<torch::Tensor> encoder_impl::maps(const torch::Tensor& images) {
    std::vector<torch::Tensor> result;
    torch::Tensor map = images;
    for (stage& part : stages_) {
        torch::Tensor next = part.norm(part.convolution(map));
        if (part.is_residual) next = next + map;
        map = torch::relu_(next);
        result.push_back(map);
    }
    return result;
}

torch::Tensor encoder_impl::project(const torch::Tensor& images) {
    return output_(torch::relu(hidden_norm_(hidden_(pooled(maps(images).back(), coarse)))));
}

torch::Tensor encoder_impl::features(const torch::Tensor& images) {
    const std::vector<torch::Tensor> all = maps(images);
    return torch::cat({pooled(all[all.size() - 2], fine), pooled(all.back(), coarse)}, 1);
}

}  // namespace pretrain
