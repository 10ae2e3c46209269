#include "selfsame/interop/torch_energies.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "torch_helpers.hpp"

namespace {

using namespace selfsame;
using selfsame_tests::expect_close;
using selfsame_tests::leaf;

const auto ctx = thrust::omp::par;

torch::Tensor random(at::IntArrayRef sizes) { return torch::randn(sizes, torch::kDouble); }

/// fused and dense give the same values and gradients of an upstream, of leaves of the given values; those that are
/// `constant` have no gradient.
template <class Fused, class Dense>
void expect_same(const std::vector<torch::Tensor>& given, Fused&& fused, Dense&& dense,
                 const std::vector<bool>& constant = {}) {
    std::vector<torch::Tensor> x, y;
    for (std::size_t k = 0; k < given.size(); ++k) {
        const bool is_constant = k < constant.size() && constant[k];
        x.push_back(is_constant ? given[k] : leaf(given[k]));
        y.push_back(is_constant ? given[k] : leaf(given[k]));
    }
    const auto loss = fused(x), expected = dense(y);
    expect_close(loss, expected);
    const auto upstream = torch::randn(expected.sizes(), torch::kDouble);
    loss.backward(upstream);
    expected.backward(upstream);
    for (std::size_t k = 0; k < given.size(); ++k) {
        if (x[k].requires_grad()) {
            expect_close(x[k].grad(), y[k].grad());
        } else {
            EXPECT_FALSE(x[k].grad().defined());
        }
    }
}

torch::Tensor reduced(const torch::Tensor& losses, reduction how) {
    return how == reduction::mean ? losses.mean() : how == reduction::sum ? losses.sum() : losses;
}
constexpr reduction every_reduction[] = {reduction::mean, reduction::sum, reduction::per_sample};

TEST(TorchEnergies, OfDataAndSamples) {
    torch::manual_seed(1);
    expect_same(
        {random({13}), random({40})},
        [](const auto& x) {
            return differentiable(ctx, contrastive_divergence{.regularization = 0.3}, energy_samples{x[0], x[1]});
        },
        [](const auto& x) { return (x[0] + 0.3 * x[0].pow(2)).mean() + (0.3 * x[1].pow(2) - x[1]).mean(); });
    expect_same(
        {random({40}), random({13})},
        [](const auto& x) {
            return differentiable(ctx, energy_bounds{.inside = -1, .outside = 0.5, .weight = 2},
                                  energy_samples{x[0], x[1]});
        },
        [](const auto& x) { return 2 * (x[0] + 1).relu().pow(2).mean() + 2 * (0.5 - x[1]).relu().pow(2).mean(); });
}

TEST(TorchEnergies, Margins) {
    torch::manual_seed(2);
    for (const auto how : every_reduction) {
        const generalized_margin<log_margin> objective{.reduction = how};
        expect_same(
            {random({57}), random({57})},
            [&](const auto& x) { return differentiable(ctx, objective, energy_pairs{x[0], x[1]}); },
            [&](const auto& x) { return reduced(torch::softplus(x[0] - x[1]), how); });
        const auto labels = torch::arange(0, 21) % 6;
        const generalized_margin<hinge> rows{.reduction = how};
        expect_same(
            {random({21, 6})},
            [&](const auto& x) { return differentiable(ctx, rows, labelled_energies{x[0], labels}); },
            [&](const auto& x) {
                const auto mask = torch::one_hot(labels, 6).to(torch::kBool);
                const auto correct = x[0].masked_select(mask);
                return reduced((1 + correct - std::get<0>(x[0].masked_fill(mask, 1e9).min(1))).relu(), how);
            });
    }
}

TEST(TorchEnergies, LikelihoodIsCrossEntropy) {
    torch::manual_seed(3);
    const auto labels = torch::arange(0, 30) % 40;
    for (const auto how : every_reduction) {
        const negative_log_likelihood objective{.temperature = 0.5, .reduction = how};
        expect_same(
            {random({30, 40})},
            [&](const auto& x) { return differentiable(ctx, objective, labelled_energies{x[0], labels}); },
            [&](const auto& x) {
                return reduced(0.5 * torch::nn::functional::cross_entropy(
                                         -x[0] / 0.5, labels,
                                         torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone)),
                               how);
            });
    }
}

TEST(TorchEnergies, NoiseContrastiveIsLogisticClassification) {
    torch::manual_seed(4);
    for (const bool constant : {false, true}) {
        expect_same(
            {random({12}), random({12}), random({30}), random({30})},
            [](const auto& x) {
                return differentiable(ctx, noise_contrastive{}, log_densities{x[0], x[1], x[2], x[3]});
            },
            [](const auto& x) {
                const double ratio = 2.5;
                return torch::softplus(-(x[0] - x[1] - std::log(ratio))).mean() +
                       ratio * torch::softplus(x[2] - x[3] - std::log(ratio)).mean();
            },
            {false, constant, false, constant});
    }
}

TEST(TorchEnergies, ScoreMatching) {
    torch::manual_seed(5);
    const auto sigmas = torch::rand({11}, torch::kDouble) + 0.5;
    for (const auto how : every_reduction) {
        for (const bool constant : {false, true}) {
            const denoising_score_matching denoising{.weighted = true, .reduction = how};
            expect_same(
                {random({11, 50}), random({11, 50})},
                [&](const auto& x) { return differentiable(ctx, denoising, noisy_scores{x[0], x[1], sigmas}); },
                [&](const auto& x) { return reduced(0.5 * (sigmas.unsqueeze(1) * x[0] + x[1]).pow(2).sum(1), how); },
                {false, constant});
            const sliced_score_matching sliced{.reduction = how};
            expect_same(
                {random({11, 50}), random({11, 50}), random({11})},
                [&](const auto& x) { return differentiable(ctx, sliced, sliced_scores{x[0], x[1], x[2]}); },
                [&](const auto& x) { return reduced(x[2] + 0.5 * (x[0] * x[1]).sum(1).pow(2), how); },
                {false, constant, false});
        }
        expect_same(
            {random({11, 3}), random({11, 3})},
            [&](const auto& x) {
                return differentiable(ctx, denoising_score_matching{.sigma = 0.3, .reduction = how},
                                      noisy_scores{x[0], x[1]});
            },
            [&](const auto& x) { return reduced(0.5 * (x[0] + x[1] / 0.3).pow(2).sum(1), how); });
    }
}

TEST(TorchEnergies, HalfGradientsAreScaledBeforehand) {
    torch::manual_seed(6);
    const double scale = 16384;
    const auto x = leaf(random({4096}).to(torch::kHalf)), y = leaf(x.to(torch::kDouble));
    (scale * differentiable(ctx, contrastive_divergence{.regularization = 0.1}, energy_samples{x, x.detach()}))
        .backward();
    (y + 0.1 * y.pow(2)).mean().backward();
    ASSERT_EQ(x.grad().scalar_type(), torch::kHalf);
    const auto error = (x.grad().to(torch::kDouble) / scale - y.grad()).norm() / y.grad().norm();
    EXPECT_LT(error.item<double>(), 1e-3);
}

TEST(TorchEnergies, RefuseWhatTheyCannotDo) {
    const auto x = leaf(random({4}));
    const contrastive_divergence objective;
    EXPECT_THROW(differentiable(ctx, objective, energy_samples{x, x.to(torch::kFloat)}), std::invalid_argument);
    EXPECT_THROW(differentiable(ctx, objective, energy_samples{x, at::Tensor()}), std::invalid_argument);
    EXPECT_THROW(differentiable(ctx, objective, energy_samples{x, random({4, 2})}), std::invalid_argument);
    EXPECT_THROW(differentiable(ctx, negative_log_likelihood{}, labelled_energies{random({4, 2}), x}),
                 std::invalid_argument);
    const auto loss = differentiable(ctx, objective, energy_samples{x, x.detach()});
    const auto up = torch::ones({}, torch::TensorOptions().dtype(torch::kDouble)).set_requires_grad(true);
    EXPECT_ANY_THROW(torch::autograd::grad({loss}, {x}, {up}, true, true));
    const torch::NoGradGuard guard;
    EXPECT_FALSE(differentiable(ctx, objective, energy_samples{x, x}).requires_grad());
}

}  // namespace
