#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "support.hpp"
#include "views.hpp"

namespace soft_cross_entropy_tests {

using selfsame::matrix;
using selfsame::reduction;
using selfsame_tests::refusal;

template <class E>
struct outcome {
    doubles loss;
    std::vector<E> gradient;
};

template <class E, class Objective>
outcome<E> run(const problem& p, Objective o, int threads = 1) {
    std::vector<E> teacher = as<E>(p.teacher), student = as<E>(p.student), center = as<E>(p.center),
                   weights = as<E>(p.weights);
    outcome<E> out{doubles(static_cast<std::size_t>(o.reduction == reduction::per_sample ? p.samples : 1)),
                   std::vector<E>(student.size())};
    const selfsame::context ctx{thrust::omp::par, threads};
    const auto t = matrix(teacher.data(), p.teachers * p.samples, p.columns);
    const auto s = matrix(student.data(), p.students * p.samples, p.columns);
    const auto g = matrix(out.gradient.data(), p.students * p.samples, p.columns);
    if (!p.center.empty() && !p.weights.empty()) {
        if constexpr (requires { o.targets.temperature; })
            selfsame::value_and_grad(ctx, o, selfsame::views{t, s, center, weights}, out.loss, g);
    } else if (!p.center.empty()) {
        if constexpr (requires { o.targets.temperature; })
            selfsame::value_and_grad(ctx, o, selfsame::views{t, s, center}, out.loss, g);
    } else if (!p.weights.empty()) {
        selfsame::value_and_grad(ctx, o, selfsame::views{t, s, selfsame::none{}, weights}, out.loss, g);
    } else {
        selfsame::value_and_grad(ctx, o, selfsame::views{t, s}, out.loss, g);
    }
    return out;
}

selfsame::dino dino_of(const problem& p) {
    return {.targets = {.temperature = p.target_temperature},
            .pairing = {.teachers = static_cast<int>(p.teachers), .students = static_cast<int>(p.students)},
            .temperature = p.temperature};
}

template <class E>
void check_values() {
    EXPECT_TRUE(rc::check([] {
        const auto teachers = *rc::gen::inRange<index_t>(1, 4);
        const auto students = *rc::gen::inRange<index_t>((std::max)(teachers, index_t(2)), index_t(8));
        const auto samples = *rc::gen::inRange<index_t>(1, 6);
        const auto columns = *rc::gen::oneOf(rc::gen::inRange<index_t>(1, 70), rc::gen::inRange<index_t>(70, 1500));
        const problem p = random_problem(teachers, students, samples, columns, *rc::gen::arbitrary<bool>(),
                                         *rc::gen::arbitrary<bool>(), static_cast<unsigned>(*rc::gen::inRange(0, 999)));
        selfsame::dino o = dino_of(p);
        const double expected = reference(p), unit = std::is_same_v<E, double> ? 1e-12 : 1e-6;
        const double got = run<E>(p, o, *rc::gen::inRange(1, 4)).loss[0];
        RC_ASSERT(std::fabs(got - expected) <= unit * (std::max)(1.0, std::fabs(expected)));
        o.reduction = reduction::per_sample;
        doubles each;
        reference(p, &each);
        const doubles losses = run<E>(p, o).loss;
        for (std::size_t b = 0; b < each.size(); ++b) {
            RC_ASSERT(std::fabs(losses[b] - each[b]) <= unit * (std::max)(1.0, std::fabs(each[b])));
        }
    }));
}

TEST(SoftCrossEntropy, Floats) { check_values<float>(); }
TEST(SoftCrossEntropy, Doubles) { check_values<double>(); }
TEST(SoftCrossEntropy, Halves) { check_values<selfsame::half>(); }
TEST(SoftCrossEntropy, Bfloats) { check_values<selfsame::bfloat16>(); }

template <class Objective>
void check_gradient(problem p, const Objective& o) {
    const doubles gradient = run<double>(p, o).gradient;
    double largest = 0;
    for (const double g : gradient) largest = (std::max)(largest, std::fabs(g));
    for (std::size_t e = 0; e < gradient.size(); e += 7) {
        const double h = 1e-5, before = p.student[e];
        p.student[e] = before + h;
        const double up = reference(p);
        p.student[e] = before - h;
        const double down = reference(p);
        p.student[e] = before;
        ASSERT_NEAR(gradient[e], (up - down) / (2 * h), 1e-6 * largest + 1e-12) << e;
    }
}

TEST(SoftCrossEntropy, GradientsAreFiniteDifferences) {
    for (const index_t columns : {1, 5, 31, 64, 100, 333}) {
        problem p = random_problem(2, 5, 3, columns, true, true, 3);
        check_gradient(p, dino_of(p));
        p = random_problem(3, 3, 2, columns, false, false, 4);
        check_gradient(p, dino_of(p));
        p.target_temperature = 0;  // as given, and not even normalized
        check_gradient(
            p, selfsame::swapped_prediction{.pairing = {.teachers = 3, .students = 3}, .temperature = p.temperature});
        p = random_problem(1, 1, 9, columns, false, true, 5);
        p.others = false;
        check_gradient(p,
                       selfsame::ibot{.targets = {.temperature = p.target_temperature}, .temperature = p.temperature});
    }
}

TEST(SoftCrossEntropy, UpstreamScalesTheGradientAndItMayBeTheStudents) {
    const problem p = random_problem(2, 4, 5, 130, true, false, 6);
    selfsame::dino o = dino_of(p);
    o.reduction = reduction::per_sample;
    const doubles plain = run<double>(p, o).gradient;
    doubles teacher = p.teacher, student = p.student;
    const doubles upstream = {1, -2, 0.5, 0, 3};
    const auto s = matrix(student.data(), 20, 130);
    selfsame::backward(thrust::seq, o, selfsame::views{matrix(teacher.data(), 10, 130), s, p.center}, upstream, s);
    for (std::size_t e = 0; e < plain.size(); ++e) {
        ASSERT_DOUBLE_EQ(student[e], plain[e] * upstream[e / 130 % 5]) << e;
    }
}

TEST(SoftCrossEntropy, NumberOfThreadsChangesNoBit) {
    const problem p = random_problem(2, 6, 37, 210, true, true, 7);
    const outcome<float> first = run<float>(p, dino_of(p), 1);
    for (const int threads : {2, 3, 7}) {
        const outcome<float> again = run<float>(p, dino_of(p), threads);
        EXPECT_EQ(first.loss, again.loss);
        EXPECT_EQ(std::memcmp(first.gradient.data(), again.gradient.data(), first.gradient.size() * sizeof(float)), 0);
    }
}

TEST(SoftCrossEntropy, ExtremeLogits) {
    problem p = random_problem(2, 3, 2, 200, false, false, 8);
    for (double& x : p.student) x *= 1e4;
    p.target_temperature = 1e-3;
    const double expected = reference(p);
    const outcome<float> got = run<float>(p, dino_of(p));
    EXPECT_NEAR(got.loss[0], expected, 2e-6 * expected);
    for (const float g : got.gradient) ASSERT_TRUE(std::isfinite(g));
    p.student[70] = std::numeric_limits<double>::quiet_NaN();
    EXPECT_TRUE(std::isnan(run<float>(p, dino_of(p)).loss[0]));
}

// Nothing is to choose from: whatever the logit, not a rounding of it is left.
TEST(SoftCrossEntropy, OneClassCostsNothing) {
    for (const float z : {-1e4f, 1e4f, 3.3f}) {
        const float one = 1;
        float gradient = 9;
        const float loss = selfsame::value_and_grad(
            thrust::seq, selfsame::soft_cross_entropy<selfsame::given_targets, selfsame::same_row>{.temperature = 0.07},
            selfsame::views{matrix(&one, 1, 1), matrix(&z, 1, 1)}, matrix(&gradient, 1, 1));
        EXPECT_NEAR(loss, 0, 3e-7) << z;
        EXPECT_NEAR(gradient, 0, 5e-6) << z;
    }
}

TEST(SoftCrossEntropy, EmptyBatchIsZero) {
    const problem p = random_problem(2, 4, 0, 10, false, false, 1);
    EXPECT_EQ(run<float>(p, dino_of(p)).loss[0], 0);
}

TEST(SoftCrossEntropy, RefusesWhatDoesNotFit) {
    doubles t(40), s(80), g(80), c(9);
    const auto T = matrix(t.data(), 4, 10), S = matrix(s.data(), 8, 10), G = matrix(g.data(), 8, 10);
    const selfsame::dino o{.pairing = {.teachers = 2, .students = 4}};
    EXPECT_EQ(refusal([&] { selfsame::value_and_grad(thrust::seq, o, selfsame::views{T, S}, G); }), "");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, o, selfsame::views{T, S, c}); }),
              "selfsame: center: got 9, expected 10 values, one a column");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, o, selfsame::views{S, S}); }),
              "selfsame: teacher: got 8 x 10, expected 2 x 2 rows of 10 (views of each sample, view after view)");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, selfsame::dino{.temperature = 0}, selfsame::views{T, S}); }),
              "selfsame: temperature: got 0, expected > 0");
    EXPECT_EQ(refusal([&] { selfsame::value_and_grad(thrust::seq, o, selfsame::views{T, S}, T); }),
              "selfsame: gradient: got 4 x 10, expected the shape of students");
}

}  // namespace soft_cross_entropy_tests
