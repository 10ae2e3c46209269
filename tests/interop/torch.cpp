#include "selfsame/interop/torch.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "selfsame/objective/info_nce.hpp"
#include "torch_helpers.hpp"

namespace {

using selfsame::differentiable;
using selfsame::info_nce;
using selfsame::nt_xent;
using selfsame_tests::leaf;

// The public four-block form of NT-Xent over normalized rows, one value a sample (the mean of its two rows).
torch::Tensor dense_nt_xent(const torch::Tensor& a, const torch::Tensor& p, const torch::Tensor& temperature) {
    const auto z = torch::nn::functional::normalize(torch::cat({a, p}));
    const auto n = a.size(0);
    const auto logits = (z.mm(z.t()) / temperature).masked_fill(torch::eye(2 * n, torch::kBool), -1e300);
    const auto labels = torch::cat({torch::arange(n, 2 * n), torch::arange(0, n)});
    const auto rows = torch::nn::functional::cross_entropy(
        logits, labels, torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kNone));
    return (rows.slice(0, 0, n) + rows.slice(0, n)) / 2;
}

struct Batch {
    torch::Tensor a, p, temperature = torch::tensor(0.2, torch::kDouble);
    explicit Batch(std::int64_t n, std::int64_t d = 7) {
        torch::manual_seed(n);
        a = torch::randn({n, d}, torch::kDouble);
        p = a + torch::randn({n, d}, torch::kDouble);
    }
};

TEST(Torch, ValueAndGradientMatchAutogradOfTheDenseForm) {
    const Batch b(37);
    const auto a = leaf(b.a), p = leaf(b.p), t = leaf(b.temperature);
    const auto loss = differentiable(thrust::omp::par, nt_xent{}, a, p, {}, t);
    (3.5 * loss).backward();
    const auto a2 = leaf(b.a), p2 = leaf(b.p), t2 = leaf(b.temperature);
    const auto expected = dense_nt_xent(a2, p2, t2).mean();
    (3.5 * expected).backward();
    EXPECT_EQ(loss.dim(), 0);
    EXPECT_TRUE(torch::allclose(loss, expected, 1e-12, 1e-12));
    EXPECT_TRUE(torch::allclose(a.grad(), a2.grad(), 1e-9, 1e-12));
    EXPECT_TRUE(torch::allclose(p.grad(), p2.grad(), 1e-9, 1e-12));
    EXPECT_TRUE(torch::allclose(t.grad(), t2.grad(), 1e-9, 1e-12));
}

TEST(Torch, PerSampleLossesTakePerSampleUpstream) {
    const Batch b(21);
    const auto weights = torch::rand({21}, torch::kDouble);
    const auto a = leaf(b.a), p = leaf(b.p), t = leaf(b.temperature);
    const nt_xent each{.temperature = 0.2, .reduction = selfsame::reduction::per_sample};
    const auto losses = differentiable(thrust::seq, each, a, p, {}, t);
    (losses * weights).sum().backward();
    const auto a2 = leaf(b.a), p2 = leaf(b.p), t2 = leaf(b.temperature);
    const auto expected = dense_nt_xent(a2, p2, t2);
    (expected * weights).sum().backward();
    EXPECT_TRUE(torch::allclose(losses, expected, 1e-12, 1e-12));
    EXPECT_TRUE(torch::allclose(a.grad(), a2.grad(), 1e-9, 1e-12));
    EXPECT_TRUE(torch::allclose(p.grad(), p2.grad(), 1e-9, 1e-12));
    EXPECT_TRUE(torch::allclose(t.grad(), t2.grad(), 1e-9, 1e-12));
}

TEST(Torch, LossScalingKeepsHalfGradientsAboveTheSubnormals) {
    const Batch b(512, 16);
    const double scale = 16384;
    const auto a = leaf(b.a.to(torch::kHalf)), p = leaf(b.p.to(torch::kHalf));
    (scale * differentiable(thrust::omp::par, nt_xent{.temperature = 0.5}, a, p)).backward();
    const auto a2 = leaf(a.to(torch::kDouble)), p2 = leaf(p.to(torch::kDouble));
    dense_nt_xent(a2, p2, torch::tensor(0.5, torch::kDouble)).mean().backward();
    ASSERT_EQ(a.grad().scalar_type(), torch::kHalf);
    const auto error = (a.grad().to(torch::kDouble) / scale - a2.grad()).norm() / a2.grad().norm();
    EXPECT_LT(error.item<double>(), 1e-3);
}

TEST(Torch, QueueGetsAGradientOnlyIfItAsksForOne) {
    const Batch b(9);
    const auto q = torch::randn({40, 7}, torch::kDouble);
    const selfsame::moco moco{.temperature = 0.3};
    const auto dense = [](const torch::Tensor& a, const torch::Tensor& p, const torch::Tensor& k) {
        namespace F = torch::nn::functional;
        const auto x = F::normalize(a), y = F::normalize(p);
        const auto logits = torch::cat({(x * y).sum(1, true), x.mm(F::normalize(k).t())}, 1) / 0.3;
        return F::cross_entropy(logits, torch::zeros({a.size(0)}, torch::kLong));
    };
    const auto a = leaf(b.a), a2 = leaf(b.a), k = leaf(q), k2 = leaf(q);
    differentiable(thrust::seq, moco, a, b.p, k).backward();
    dense(a2, b.p, k2).backward();
    EXPECT_TRUE(torch::allclose(a.grad(), a2.grad(), 1e-9, 1e-12));
    EXPECT_TRUE(torch::allclose(k.grad(), k2.grad(), 1e-9, 1e-12));
    const auto a3 = leaf(b.a);
    differentiable(thrust::seq, moco, a3, b.p, q).backward();
    EXPECT_TRUE(torch::equal(a.grad(), a3.grad()));
}

TEST(Torch, StridedTensorsAreReadInPlace) {
    const Batch b(20, 6);
    const auto wide = torch::cat({b.a, b.p}, 1).t().contiguous().t();  // column-major
    const auto a = wide.slice(1, 0, 6), p = wide.slice(1, 6, 12);
    const auto strided = differentiable(thrust::seq, nt_xent{}, a, p);
    EXPECT_TRUE(torch::equal(strided, differentiable(thrust::seq, nt_xent{}, b.a, b.p)));
}

TEST(Torch, RefusesWhatItCannotDo) {
    const Batch b(4);
    EXPECT_THROW(differentiable(thrust::seq, nt_xent{}, b.a.to(torch::kInt), b.p), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, nt_xent{}, b.a, b.p.to(torch::kFloat)), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, nt_xent{}, b.a.flatten(), b.p), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, nt_xent{}, at::Tensor(), b.p), std::invalid_argument);
    const auto a = leaf(b.a);
    const auto loss = differentiable(thrust::seq, nt_xent{}, a, b.p);
    const auto up = torch::ones({}, torch::TensorOptions().dtype(torch::kDouble)).set_requires_grad(true);
    EXPECT_ANY_THROW(torch::autograd::grad({loss}, {a}, {up}, true, true));
}

TEST(Torch, GradcheckByCentralDifferences) {
    const Batch b(5, 3);
    const info_nce<selfsame::dot, selfsame::in_batch_two_way> clip{.temperature = 0.7};
    const auto a = leaf(b.a);
    differentiable(thrust::seq, clip, a, b.p).backward();
    const double h = 1e-5;
    for (std::int64_t i = 0; i < a.numel(); ++i) {
        auto up = b.a.clone(), down = b.a.clone();
        up.view(-1)[i] += h;
        down.view(-1)[i] -= h;
        const double slope =
            (differentiable(thrust::seq, clip, up, b.p) - differentiable(thrust::seq, clip, down, b.p)).item<double>() /
            (2 * h);
        EXPECT_NEAR(a.grad().view(-1)[i].item<double>(), slope, 1e-8);
    }
}

}  // namespace
