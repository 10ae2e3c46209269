#include "logistic.hpp"

#include <torch/torch.h>

namespace pretrain {
namespace {

constexpr std::int64_t iterations = 100;
constexpr std::int64_t rows_at_once = 1024;  // a block of features stays in cache between its two products

/// Adds the gradient of the mean cross-entropy to `gradient` (features x classes) and returns the loss; the last
/// row of `weights` is the bias.
double cross_entropy(const torch::Tensor& features, const torch::Tensor& labels, const torch::Tensor& weights,
                     torch::Tensor& gradient) {
    const std::int64_t width = features.size(1);
    const torch::Tensor slopes = weights.narrow(0, 0, width);
    const torch::Tensor bias = weights[width];
    double loss = 0;
    const auto count = static_cast<double>(features.size(0));
    for (std::int64_t first = 0; first < features.size(0); first += rows_at_once) {
        const std::int64_t rows = std::min(rows_at_once, features.size(0) - first);
        const torch::Tensor block = features.narrow(0, first, rows);
        const torch::Tensor target = labels.narrow(0, first, rows).unsqueeze(1);
        const torch::Tensor log_p = torch::log_softmax(torch::addmm(bias, block, slopes), 1);
        loss -= log_p.gather(1, target).sum(torch::kFloat64).item<double>();
        torch::Tensor residual = log_p.exp_();
        residual.scatter_add_(1, target, torch::full_like(target, -1, residual.options()));
        gradient.narrow(0, 0, width).addmm_(block.t(), residual, 1, 1 / count);
        gradient[width].add_(residual.sum(0), 1 / count);
    }
    return loss / count;
}

}  // namespace

torch::Tensor logistic_predictions(const torch::Tensor& train, const torch::Tensor& labels, const torch::Tensor& test,
                                   std::int64_t classes, double decay) {
    const torch::Tensor mean = train.mean(0);
    const torch::Tensor scale = 1 / (train.std(0, false) + 1e-5);
    const torch::Tensor features = (train - mean) * scale;

    torch::Tensor weights = torch::zeros({features.size(1) + 1, classes});
    torch::optim::LBFGS optimizer({weights}, torch::optim::LBFGSOptions(1)
                                                 .max_iter(iterations)
                                                 .tolerance_grad(1e-6)
                                                 .history_size(10)
                                                 .line_search_fn("strong_wolfe"));
    const torch::NoGradGuard no_grad;
    torch::Tensor gradient = torch::zeros_like(weights);
    weights.mutable_grad() = gradient;
    optimizer.step([&]() {
        gradient.zero_();
        double loss = cross_entropy(features, labels, weights, gradient);
        const torch::Tensor slopes = weights.narrow(0, 0, features.size(1));
        loss += decay * slopes.square().sum().item<double>();
        gradient.narrow(0, 0, features.size(1)).add_(slopes, 2 * decay);
        return torch::tensor(loss, torch::kFloat64);
    });
    return torch::addmm(weights[features.size(1)], (test - mean) * scale, weights.narrow(0, 0, features.size(1)))
        .argmax(1);
}

}  // namespace pretrain
