#include "selfsame/interop/torch_swav.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "torch_helpers.hpp"

namespace {

using selfsame::differentiable;
using selfsame::reduction;
using selfsame_tests::expect_close;
using selfsame_tests::leaf;

constexpr std::int64_t samples = 9, prototypes = 21, width = 13, views = 4, queued = 7;

torch::Tensor unit(const torch::Tensor& x) { return x / x.norm(2, {1}, true); }

struct Problem {
    torch::Tensor features, centers, queue;
    Problem() {
        torch::manual_seed(1);
        features = torch::randn({views * samples, width}, torch::kDouble);
        centers = unit(torch::randn({prototypes, width}, torch::kDouble));
        queue = torch::randn({2 * queued, width}, torch::kDouble);
    }
};

selfsame::swav<> swav_of(reduction how) {
    return {.assignment = {.epsilon = 0.2, .iterations = 3},
            .pairing = {.teachers = 2, .students = views},
            .temperature = 0.15,
            .reduction = how};
}

/// The definition, one value a sample.
torch::Tensor dense(const torch::Tensor& features, const torch::Tensor& centers, const torch::Tensor& queue) {
    const auto scores = torch::mm(unit(features), centers.t()).chunk(views);
    torch::Tensor total = torch::zeros({samples}, torch::kDouble);
    for (std::int64_t t = 0; t < 2; ++t) {
        auto all = scores[static_cast<std::size_t>(t)].detach();
        if (queue.defined()) {
            const auto rows = unit(queue).slice(0, t * queued, (t + 1) * queued);
            all = torch::cat({all, torch::mm(rows, centers.detach().t())});
        }
        auto q = torch::exp(all / 0.2);
        for (int k = 0; k < 3; ++k) {
            q = q / q.sum(0, true);
            q = q / q.sum(1, true);
        }
        for (std::int64_t s = 0; s < views; ++s) {
            if (s == t) continue;
            const auto prediction = torch::log_softmax(scores[static_cast<std::size_t>(s)] / 0.15, 1);
            total = total - (q.slice(0, 0, samples) * prediction).sum(1);
        }
    }
    return total / (2 * (views - 1));
}

TEST(TorchSwav, MatchesAutogradOfTheDefinition) {
    const Problem p;
    for (const bool with_queue : {false, true}) {
        const auto queue = with_queue ? p.queue : at::Tensor();
        for (const auto how : {reduction::mean, reduction::sum, reduction::per_sample}) {
            const auto z = leaf(p.features), y = leaf(p.features), c = leaf(p.centers), d = leaf(p.centers);
            const auto loss = differentiable(thrust::omp::par, swav_of(how), z, c, queue);
            auto expected = dense(y, d, queue);
            if (how == reduction::mean) expected = expected.mean();
            if (how == reduction::sum) expected = expected.sum();
            expect_close(loss, expected, 1e-10);
            const auto upstream = how == reduction::per_sample ? torch::randn({samples}, torch::kDouble)
                                                               : torch::full({}, -2.5, torch::kDouble);
            loss.backward(upstream);
            expected.backward(upstream);
            expect_close(z.grad(), y.grad(), 1e-10);
            expect_close(c.grad(), d.grad(), 1e-10);
        }
    }
}

TEST(TorchSwav, FrozenPrototypesGetNoGradientAndFeaturesTheSame) {
    const Problem p;
    for (const auto how : {reduction::mean, reduction::per_sample}) {
        const auto z = leaf(p.features), y = leaf(p.features), c = leaf(p.centers);
        differentiable(thrust::omp::par, swav_of(how), z, p.centers).sum().backward();
        differentiable(thrust::omp::par, swav_of(how), y, c).sum().backward();
        EXPECT_FALSE(p.centers.grad().defined());
        EXPECT_TRUE(c.grad().defined());
        expect_close(z.grad(), y.grad(), 1e-10);
    }
    const torch::NoGradGuard no_grad;
    EXPECT_FALSE(
        differentiable(thrust::omp::par, swav_of(reduction::mean), leaf(p.features), p.centers).requires_grad());
}

TEST(TorchSwav, LossScalingKeepsHalfGradients) {
    const Problem p;
    const double scale = 16384;
    const auto z = leaf(p.features.to(torch::kHalf)), y = leaf(z.to(torch::kDouble));
    const auto c = leaf(p.centers.to(torch::kHalf)), d = leaf(c.to(torch::kDouble));
    const auto loss = differentiable(thrust::omp::par, swav_of(reduction::mean), z, c);
    EXPECT_EQ(loss.scalar_type(), torch::kFloat);
    (scale * loss).backward();
    dense(y, d, {}).mean().backward();
    for (const auto& [x, expected] : {std::pair(z, y), std::pair(c, d)}) {
        ASSERT_EQ(x.grad().scalar_type(), torch::kHalf);
        const auto error = (x.grad().to(torch::kDouble) / scale - expected.grad()).norm() / expected.grad().norm();
        EXPECT_LT(error.item<double>(), 1e-3);
    }
}

TEST(TorchSwav, RefusesWhatItCannotDo) {
    const Problem p;
    const auto loss = swav_of(reduction::mean);
    EXPECT_THROW(differentiable(thrust::omp::par, loss, at::Tensor(), p.centers), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::omp::par, loss, p.features, at::Tensor()), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::omp::par, loss, p.features.flatten(), p.centers), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::omp::par, loss, p.features, p.centers.to(torch::kFloat)),
                 std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::omp::par, loss, p.features.to(torch::kLong), p.centers.to(torch::kLong)),
                 std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::omp::par, loss, p.features, p.centers, p.queue.slice(0, 1)),
                 std::invalid_argument);
    const auto z = leaf(p.features);
    const auto up = torch::ones({}, torch::kDouble).set_requires_grad(true);
    EXPECT_ANY_THROW(
        torch::autograd::grad({differentiable(thrust::omp::par, loss, z, p.centers)}, {z}, {up}, true, true));
}

}  // namespace
