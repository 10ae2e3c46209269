#include "classifier.hpp"

#include <torch/autograd.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adamw.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "encoder.hpp"
#include "progress.hpp"
#include "selfsame/energy/energy.hpp"
#include "selfsame/interop/torch.hpp"
#include "views.hpp"

namespace outliers {
namespace {

using selfsame::torch_view;

constexpr std::int64_t batch = 128, outlier_batch = 64, features = 1536;
constexpr double learning_rate = 2e-3, tuning_rate = 1e-4, weight_decay = 1e-2;
const auto ctx = thrust::omp::par;

at::Tensor pixels_of(const pretrain::image_set& images) {
    return at::from_blob(const_cast<std::uint8_t*>(images.pixels.data()),
                         {images.size(), images.channels, images.height, images.width}, at::kByte);
}

}  // namespace

struct classifier::parts : torch::nn::Module {
    const pretrain::image_set& images;
    pretrain::channel_statistics statistics;
    std::uint64_t seed;
    at::Tensor labels;
    std::shared_ptr<pretrain::encoder_impl> encoder;
    torch::nn::Linear head{nullptr};

    parts(const pretrain::image_set& training, std::uint64_t key)
        : images(training), statistics(measure_channels(training)), seed(key),
          labels(at::from_blob(const_cast<std::int64_t*>(training.labels.data()), {training.size()}, at::kLong)),
          encoder(register_module("encoder", std::make_shared<pretrain::encoder_impl>(training.channels, key))) {
        torch::manual_seed(seed);
        head = register_module("head", torch::nn::Linear(features, labels.max().item<std::int64_t>() + 1));
    }

    [[nodiscard]] at::Tensor input(const at::Tensor& bytes) const {
        return (bytes.to(at::kFloat) / 255 - statistics.mean[0]) / statistics.deviation[0];
    }
    at::Tensor forward(const at::Tensor& x) { return head(encoder->features(x)); }

    /// Steps of a batch of training images; `gradients` adds those of one step, given the images' places and labels.
    template <class Gradients>
    std::vector<float> optimize(const std::string& title, double rate, std::int64_t epochs, Gradients gradients) {
        torch::optim::AdamW optimizer(parameters(), torch::optim::AdamWOptions(rate).weight_decay(weight_decay));
        pretrain::progress_line progress(title);
        std::vector<float> losses;
        const std::int64_t steps = images.size() / batch, total = epochs * steps;
        for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
            const at::Tensor order = at::randperm(images.size(), at::kLong);
            for (std::int64_t step = 0; step < steps; ++step) {
                const double at = static_cast<double>(epoch * steps + step) / static_cast<double>(total);
                for (auto& group : optimizer.param_groups()) {
                    group.options().set_lr(rate * std::min(1.0, 20 * (at + 1e-3)) *
                                           (1 + std::cos(std::numbers::pi * at)) / 2);
                }
                optimizer.zero_grad();
                losses.push_back(gradients(order.slice(0, step * batch, (step + 1) * batch)));
                if (!std::isfinite(losses.back())) throw std::runtime_error("the loss is not finite");
                optimizer.step();
                progress.update("epoch " + std::to_string(epoch + 1) + " of " + std::to_string(epochs) + "  loss " +
                                    std::to_string(losses.back()),
                                step + 1 == steps);
            }
        }
        progress.finish();
        return losses;
    }
};

classifier::classifier(const pretrain::image_set& images, std::uint64_t seed)
    : parts_(std::make_unique<parts>(images, seed)) {}
classifier::~classifier() = default;

std::vector<float> classifier::train(std::int64_t epochs) {
    parts& p = *parts_;
    const at::Tensor pixels = pixels_of(p.images);
    p.train();
    return p.optimize("training", learning_rate, epochs, [&](const at::Tensor& chosen) {
        const at::Tensor loss = at::cross_entropy_loss(p.forward(p.input(pixels.index_select(0, chosen))),
                                                       p.labels.index_select(0, chosen));
        loss.backward();
        return loss.item<float>();
    });
}

bounds classifier::measure_bounds(const pretrain::image_set& outliers) const {
    const auto mean_energy = [&](const pretrain::image_set& images) {
        return read_scores(logits(images)).select(1, 0).mean().item<double>();
    };
    return {mean_energy(parts_->images), mean_energy(outliers)};
}

std::vector<float> classifier::tune(const pretrain::image_set& outliers, const bounds& limits, std::int64_t epochs) {
    parts& p = *parts_;
    const at::Tensor known = pixels_of(p.images);
    std::int64_t draw = 0;
    const selfsame::logit_scores<selfsame::free_energy> energy;
    const selfsame::energy_bounds objective{.inside = limits.inside, .outside = limits.outside};
    // Statistics of batches that are in part outliers would not be those of the images to come.
    p.eval();
    return p.optimize("tuning", tuning_rate, epochs, [&](const at::Tensor& chosen) {
        // Crops and other views: the outliers to learn from are few, those to come of many kinds.
        const at::Tensor others = at::randint(outliers.size(), {outlier_batch}, at::kLong);
        at::Tensor unknown = at::empty({outlier_batch, outliers.channels, outliers.height, outliers.width});
        pretrain::make_views(pretrain::view_kind::global, outliers, p.statistics,
                             {others.data_ptr<std::int64_t>(), outlier_batch}, p.seed, draw++, 0,
                             unknown.data_ptr<float>());
        const at::Tensor logits = p.forward(at::cat({p.input(known.index_select(0, chosen)), unknown}));
        const at::Tensor z = logits.detach().contiguous();
        at::Tensor energies = at::empty({z.size(0)}), energy_gradient = at::empty_like(energies);
        at::Tensor gradient = at::empty_like(z);
        const auto parts_of = [&](const at::Tensor& x) {
            return selfsame::energy_samples{torch_view<float, 1>(x.slice(0, 0, batch)),
                                            torch_view<float, 1>(x.slice(0, batch))};
        };
        selfsame::forward(ctx, energy, torch_view<const float, 2>(z), torch_view<float, 1>(energies));
        const float loss = selfsame::value_and_grad(ctx, objective, parts_of(energies), parts_of(energy_gradient));
        selfsame::backward(ctx, energy, torch_view<const float, 2>(z), torch_view<const float, 1>(energy_gradient),
                           torch_view<float, 2>(gradient));
        const at::Tensor entropy = at::cross_entropy_loss(logits.slice(0, 0, batch), p.labels.index_select(0, chosen));
        torch::autograd::backward({entropy, logits}, {at::ones_like(entropy), gradient});
        return loss;
    });
}

at::Tensor classifier::logits(const pretrain::image_set& images) const {
    const torch::NoGradGuard no_graph;
    const bool training = parts_->is_training();
    parts_->eval();
    std::vector<at::Tensor> rows;
    for (const at::Tensor& bytes : pixels_of(images).split(500)) rows.push_back(parts_->forward(parts_->input(bytes)));
    parts_->train(training);
    return at::cat(rows).contiguous();
}

at::Tensor read_scores(const at::Tensor& logits) {
    const selfsame::logit_scores<selfsame::free_energy, selfsame::max_logit, selfsame::max_probability,
                                 selfsame::entropy, selfsame::margin>
        all;
    at::Tensor values = at::empty({logits.size(0), static_cast<std::int64_t>(scores.size())});
    selfsame::forward(ctx, all, torch_view<const float, 2>(logits), torch_view<float, 2>(values));
    return values;
}

double accuracy(const at::Tensor& logits, const std::vector<std::int64_t>& labels) {
    const at::Tensor truth =
        at::from_blob(const_cast<std::int64_t*>(labels.data()), {static_cast<std::int64_t>(labels.size())}, at::kLong);
    return logits.argmax(1).eq(truth).to(at::kDouble).mean().item<double>();
}

}  // namespace outliers
