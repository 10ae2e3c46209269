#include "selfsame/interop/torch_rows.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "selfsame/cluster/sinkhorn.hpp"
#include "torch_helpers.hpp"

namespace {

using selfsame::differentiable;
using selfsame::logit_scores;
using selfsame::reduction;
using selfsame_tests::expect_close;
using selfsame_tests::leaf;

using every_score = logit_scores<selfsame::free_energy, selfsame::max_logit, selfsame::max_probability,
                                 selfsame::entropy, selfsame::margin>;

torch::Tensor dense_scores(const torch::Tensor& logits, double temperature) {
    const auto p = torch::softmax(logits / temperature, 1);
    const auto two = std::get<0>(p.topk(2, 1));
    return torch::stack(
        {-temperature * torch::logsumexp(logits / temperature, 1), std::get<0>(logits.max(1)), two.select(1, 0),
         -(p * torch::log_softmax(logits / temperature, 1)).sum(1), two.select(1, 0) - two.select(1, 1)},
        1);
}

TEST(TorchRows, ScoresAndGradientsMatchAutograd) {
    torch::manual_seed(1);
    for (const std::int64_t classes : {3, 40, 1000}) {
        const auto logits = 3 * torch::randn({19, classes}, torch::kDouble);
        const auto upstream = torch::randn({19, 5}, torch::kDouble);
        const auto x = leaf(logits), y = leaf(logits);
        const auto scores = differentiable(thrust::omp::par, every_score{.temperature = 0.7}, x);
        const auto expected = dense_scores(y, 0.7);
        (scores * upstream).sum().backward();
        (expected * upstream).sum().backward();
        expect_close(scores, expected);
        expect_close(x.grad(), y.grad());
    }
}

TEST(TorchRows, OneScoreIsAVectorWithOneUpstreamValueARow) {
    torch::manual_seed(2);
    const auto logits = torch::randn({21, 10}, torch::kDouble), upstream = torch::randn({21}, torch::kDouble);
    const logit_scores<selfsame::free_energy> energy{.temperature = 2};
    const auto one = torch::ones({1}, torch::kDouble);
    for (const auto& up : {upstream, torch::full({21}, 3.5, torch::kDouble), one.expand({21})}) {
        const auto x = leaf(logits), y = leaf(logits);
        const auto e = differentiable(thrust::seq, energy, x);
        const auto expected = -2 * torch::logsumexp(y / 2, 1);
        expect_close(e, expected);
        e.backward(up);
        expected.backward(up);
        expect_close(x.grad(), y.grad());
    }
}

TEST(TorchRows, StridedLogitsAreReadInPlace) {
    torch::manual_seed(3);
    const auto wide = torch::randn({50, 30}, torch::kDouble);
    const logit_scores<selfsame::free_energy> energy{};
    for (const auto& part : {wide.t(), wide.slice(1, 3, 20), wide.slice(0, 1, 50, 7)}) {
        expect_close(differentiable(thrust::seq, energy, part), -torch::logsumexp(part, 1));
    }
}

TEST(TorchRows, HalfLogitsGetHalfGradientsScaledBeforehand) {
    torch::manual_seed(4);
    const double scale = 16384;
    const auto x = leaf((3 * torch::randn({64, 1000})).to(torch::kHalf)), y = leaf(x.to(torch::kDouble));
    const auto energy = differentiable(thrust::omp::par, logit_scores<selfsame::free_energy>{}, x);
    EXPECT_EQ(energy.scalar_type(), torch::kFloat);
    (scale * energy.mean()).backward();
    (-torch::logsumexp(y, 1)).mean().backward();
    ASSERT_EQ(x.grad().scalar_type(), torch::kHalf);
    const auto error = (x.grad().to(torch::kDouble) / scale - y.grad()).norm() / y.grad().norm();
    EXPECT_LT(error.item<double>(), 1e-3);
}

// One value a sample.
torch::Tensor dense_cross_entropy(const std::vector<torch::Tensor>& targets, const torch::Tensor& students,
                                  std::int64_t views, double temperature) {
    torch::Tensor total;
    double pairs = 0;
    const auto predictions = (students / temperature).chunk(views);
    for (std::size_t t = 0; t < targets.size(); ++t) {
        for (std::size_t s = 0; s < predictions.size(); ++s) {
            if (s == t) continue;
            const auto loss = -(targets[t] * torch::log_softmax(predictions[s], 1)).sum(1);
            total = total.defined() ? total + loss : loss;
            ++pairs;
        }
    }
    return total / pairs;
}

struct Views {
    static constexpr std::int64_t samples = 13, prototypes = 37, students = 5;
    torch::Tensor teacher, student, center, weights;
    Views() {
        torch::manual_seed(5);
        teacher = torch::randn({2 * samples, prototypes}, torch::kDouble) / 4;
        student = torch::randn({students * samples, prototypes}, torch::kDouble);
        center = torch::randn({prototypes}, torch::kDouble) / 4;
        weights = torch::rand({samples}, torch::kDouble);
    }
    std::vector<torch::Tensor> targets(const torch::Tensor& at) const {
        return torch::softmax((teacher - at) / 0.07, 1).chunk(2);
    }
};

selfsame::dino dino(reduction how) {
    return {.targets = {.temperature = 0.07}, .pairing = {2, Views::students}, .temperature = 0.2, .reduction = how};
}

TEST(TorchRows, DinoMatchesAutogradOfThePairsOneByOne) {
    const Views v;
    for (const bool weighted : {false, true}) {
        for (const bool centered : {false, true}) {
            const auto targets = v.targets(centered ? v.center : torch::zeros_like(v.center));
            const auto weights = weighted ? v.weights : torch::ones_like(v.weights);
            for (const auto how : {reduction::mean, reduction::sum, reduction::per_sample}) {
                for (const double scale : {1.0, 3.5}) {
                    const auto x = leaf(v.student), y = leaf(v.student);
                    const auto loss =
                        differentiable(thrust::omp::par, dino(how), v.teacher, x, centered ? v.center : at::Tensor(),
                                       weighted ? v.weights : at::Tensor());
                    auto expected = dense_cross_entropy(targets, y, v.students, 0.2) * weights;
                    if (how == reduction::mean) expected = expected.sum() / weights.sum();
                    if (how == reduction::sum) expected = expected.sum();
                    expect_close(loss, expected);
                    const auto upstream =
                        scale * (how == reduction::per_sample ? v.weights.flip(0) : torch::ones({}, torch::kDouble));
                    loss.backward(upstream);
                    expected.backward(upstream);
                    expect_close(x.grad(), y.grad());
                }
            }
        }
    }
}

TEST(TorchRows, MaskedPatchesMeetTheTeachersOfTheSamePlace) {
    const Views v;
    const auto teacher = v.teacher.slice(0, 0, v.samples), student = v.student.slice(0, 0, v.samples);
    const auto x = leaf(student), y = leaf(student);
    const selfsame::ibot loss{.targets = {.temperature = 0.07}, .temperature = 0.2};
    const auto value = differentiable(thrust::seq, loss, teacher, x, v.center, v.weights);
    const auto targets = torch::softmax((teacher - v.center) / 0.07, 1);
    const auto each = -(targets * torch::log_softmax(y / 0.2, 1)).sum(1);
    const auto expected = (each * v.weights).sum() / v.weights.sum();
    value.backward();
    expected.backward();
    expect_close(value, expected);
    expect_close(x.grad(), y.grad());
}

TEST(TorchRows, GivenTargetsOfSinkhornAreSwavsLoss) {
    const Views v;
    auto codes = torch::empty_like(v.teacher);
    const selfsame::sinkhorn<> sinkhorn{.epsilon = 0.3, .iterations = 3};
    for (const std::int64_t view : {0, 1}) {
        const auto rows = [&](const torch::Tensor& x) { return x.slice(0, view * v.samples, (view + 1) * v.samples); };
        selfsame::assign(thrust::omp::par, sinkhorn, selfsame::torch_view<const double, 2>(rows(v.teacher)),
                         selfsame::torch_view<double, 2>(rows(codes)));
        auto q = torch::exp(rows(v.teacher) / 0.3);
        for (int k = 0; k < 3; ++k) {
            q = q / q.sum(0, true) / v.prototypes;
            q = q / q.sum(1, true) / v.samples;
        }
        expect_close(rows(codes), q * v.samples);
    }
    const auto x = leaf(v.student), y = leaf(v.student);
    const selfsame::swapped_prediction swav{.pairing = {2, Views::students}, .temperature = 0.2};
    const auto loss = differentiable(thrust::seq, swav, codes, x);
    const auto expected = dense_cross_entropy(codes.chunk(2), y, v.students, 0.2).mean();
    expect_close(loss, expected);
    loss.backward();
    expected.backward();
    expect_close(x.grad(), y.grad());
}

TEST(TorchRows, SinkhornWritesCodesOverTransposedScores) {
    torch::manual_seed(6);
    const auto scores = torch::randn({40, 9}, torch::kDouble);
    auto codes = scores.t().contiguous().t(), expected = torch::empty_like(scores);
    const selfsame::sinkhorn<> options{.epsilon = 0.5};
    selfsame::assign(thrust::seq, options, selfsame::torch_view<const double, 2>(scores),
                     selfsame::torch_view<double, 2>(expected));
    selfsame::assign(thrust::seq, options, selfsame::torch_view<const double, 2>(codes),
                     selfsame::torch_view<double, 2>(codes));
    expect_close(codes, expected);
}

TEST(TorchRows, LossScalingKeepsHalfGradientsOfStudents) {
    const Views v;
    const double scale = 16384;
    const auto teacher = v.teacher.to(torch::kHalf), center = v.center.to(torch::kFloat);
    const auto x = leaf(v.student.to(torch::kHalf)), y = leaf(x.to(torch::kDouble));
    (scale * differentiable(thrust::omp::par, dino(reduction::mean), teacher, x, center)).backward();
    const auto targets = torch::softmax((teacher.to(torch::kDouble) - center.to(torch::kDouble)) / 0.07, 1).chunk(2);
    dense_cross_entropy(targets, y, v.students, 0.2).mean().backward();
    ASSERT_EQ(x.grad().scalar_type(), torch::kHalf);
    const auto error = (x.grad().to(torch::kDouble) / scale - y.grad()).norm() / y.grad().norm();
    EXPECT_LT(error.item<double>(), 1e-3);
}

TEST(TorchRows, ARetainedGraphIsWalkedAgain) {
    const Views v;
    const auto x = leaf(v.student);
    const auto loss = differentiable(thrust::seq, dino(reduction::mean), v.teacher, x, v.center);
    loss.backward({}, true);
    const auto once = x.grad().clone();
    (loss * 2).backward({}, true);
    loss.backward();
    expect_close(x.grad(), 4 * once);
}

TEST(TorchRows, NothingFlowsBackToTheTeacher) {
    const Views v;
    const auto teacher = leaf(v.teacher), center = leaf(v.center);
    EXPECT_FALSE(differentiable(thrust::seq, dino(reduction::mean), teacher, v.student, center).requires_grad());
    const auto x = leaf(v.student);
    differentiable(thrust::seq, dino(reduction::mean), teacher, x, center).backward();
    EXPECT_FALSE(teacher.grad().defined());
    EXPECT_FALSE(center.grad().defined());
}

TEST(TorchRows, RefusesWhatItCannotDo) {
    const Views v;
    const auto loss = dino(reduction::mean);
    const logit_scores<selfsame::free_energy> energy{};
    EXPECT_THROW(differentiable(thrust::seq, energy, v.student.to(torch::kInt)), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, energy, v.student.flatten()), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, energy, at::Tensor()), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, loss, v.teacher.to(torch::kFloat), v.student), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, loss, v.teacher, at::Tensor()), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, loss, v.teacher, v.student, v.weights), std::invalid_argument);
    EXPECT_THROW(differentiable(thrust::seq, selfsame::swapped_prediction{.pairing = {2, Views::students}}, v.teacher,
                                v.student, v.center),
                 std::invalid_argument);
    const auto x = leaf(v.student);
    const auto up = torch::ones({}, torch::TensorOptions().dtype(torch::kDouble)).set_requires_grad(true);
    EXPECT_ANY_THROW(torch::autograd::grad({differentiable(thrust::seq, loss, v.teacher, x)}, {x}, {up}, true, true));
    const auto rows = torch::ones({x.size(0)}, torch::TensorOptions().dtype(torch::kDouble)).set_requires_grad(true);
    EXPECT_ANY_THROW(torch::autograd::grad({differentiable(thrust::seq, energy, x)}, {x}, {rows}, true, true));
}

}  // namespace
