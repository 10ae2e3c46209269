#include "evaluate.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "logistic.hpp"

namespace pretrain {
namespace {

/// Three classes around three axes.
feature_set clusters(double spread) {
    torch::manual_seed(0);
    const auto make = [&](std::int64_t count) {
        const torch::Tensor labels = torch::arange(count) % 3;
        return std::pair(torch::eye(5).index_select(0, labels) + spread * torch::randn({count, 5}), labels);
    };
    const auto [train, train_labels] = make(600);
    const auto [test, test_labels] = make(150);
    return {train, test, train_labels, test_labels, 3};
}

TEST(Evaluation, SeparatedClassesAreAllFound) {
    const scores result = evaluate(clusters(0.05), 0);
    EXPECT_EQ(result.knn, 1);
    EXPECT_EQ(result.linear, 1);
    EXPECT_EQ(result.linear_10, 1);
    EXPECT_EQ(result.linear_100, 1);
}

TEST(Evaluation, NoiseIsGuessed) {
    const scores result = evaluate(clusters(100), 0);
    EXPECT_NEAR(result.knn, 1 / 3.0, 0.15);
    EXPECT_NEAR(result.linear, 1 / 3.0, 0.15);
}

TEST(Evaluation, IsAFunctionOfItsInput) {
    const scores first = evaluate(clusters(0.5), 4);
    const scores second = evaluate(clusters(0.5), 4);
    EXPECT_EQ(first.linear, second.linear);
    EXPECT_EQ(first.linear_10, second.linear_10);
}

TEST(Evaluation, PerplexityIsTheNumberOfPrototypesThatAreUsed) {
    EXPECT_DOUBLE_EQ(perplexity({7, 7, 7, 7}), 4);
    EXPECT_DOUBLE_EQ(perplexity({0, 5, 0, 5}), 2);
    EXPECT_DOUBLE_EQ(perplexity({0, 9}), 1);
    EXPECT_NEAR(perplexity({1, 3}), std::pow(4, 0.25) * std::pow(4 / 3.0, 0.75), 1e-12);
}

TEST(Evaluation, LogisticRegressionReachesTheOptimum) {
    const feature_set data = clusters(0.4);
    const torch::Tensor predicted = logistic_predictions(data.train, data.train_labels, data.train, 3, 1e-4);
    torch::Tensor x = (data.train - data.train.mean(0)) / (data.train.std(0, false) + 1e-5);
    x = torch::cat({x, torch::ones({600, 1})}, 1).to(torch::kFloat64);
    torch::Tensor weights = torch::zeros({6, 3}, torch::TensorOptions().dtype(torch::kFloat64).requires_grad(true));
    for (int step = 0; step < 2000; ++step) {
        const torch::Tensor loss = torch::cross_entropy_loss(torch::mm(x, weights), data.train_labels) +
                                   1e-4 * weights.narrow(0, 0, 5).square().sum();
        const torch::Tensor gradient = torch::autograd::grad({loss}, {weights})[0];
        const torch::NoGradGuard no_grad;
        weights -= gradient;
    }
    EXPECT_LE(torch::mm(x, weights).argmax(1).ne(predicted).sum().item<int>(), 1);
}

}  // namespace
}  // namespace pretrain
