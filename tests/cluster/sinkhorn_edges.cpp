#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include "helpers.hpp"

/// \file
/// Empty and degenerate problems, infinities and NaN, and options that are refused.

namespace selfsame_tests {
namespace {

using selfsame::exponential_domain;
using selfsame::hard_codes;
using selfsame::log_domain;
using selfsame::sinkhorn;
namespace marginals = selfsame::marginals;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// In both domains.
template <class F>
void in_domains(F&& f) {
    f(sinkhorn<>{});
    f(sinkhorn<log_domain>{});
}

TEST(SinkhornEdges, NoSamples) {
    in_domains([](const auto& options) {
        const auto got = assign<float>(options, dense(0, 5));
        EXPECT_EQ(got.report.iterations, 0);
        EXPECT_EQ(got.report.marginal_error, 0);
        EXPECT_TRUE(got.report.converged);
    });
    std::vector<float> nothing;
    const auto empty = selfsame::view(nothing.data(), std::array<index_t, 3>{0, 4, 5});
    EXPECT_TRUE(selfsame::assign(thrust::seq, sinkhorn<>{}, empty, empty).converged);
}

TEST(SinkhornEdges, AllSamplesMasked) {
    in_domains([](const auto& options) {
        const auto got = assign<float>(options, random_scores(9, 5, 1), std::vector<bool>(9, false));
        EXPECT_EQ(largest(got.codes), 0);
        EXPECT_EQ(got.report.marginal_error, 0);
    });
}

TEST(SinkhornEdges, OnePrototypeOrOneSample) {
    in_domains([](const auto& options) {
        for (const double v : assign<float>(options, random_scores(50, 1, 1)).codes.values) EXPECT_NEAR(v, 1, 3e-7);
        for (const double v : assign<float>(options, random_scores(1, 50, 1)).codes.values) EXPECT_NEAR(v, 0.02, 1e-6);
    });
}

TEST(SinkhornEdges, DuplicatePrototypesAndSamples) {
    dense scores = random_scores(60, 20, 2);
    for (std::size_t b = 0; b < 60; ++b) {
        for (std::size_t k = 10; k < 20; ++k) scores.row(b)[k] = scores.row(b)[3];
    }
    for (std::size_t b = 30; b < 60; ++b) std::copy(scores.row(0), scores.row(0) + 20, scores.row(b));
    scores = rounded<float>(scores);
    in_domains([&](auto options) {
        options.iterations = 10;
        const dense got = assign<float>(options, scores).codes;
        EXPECT_LT(largest_difference(got, sinkhorn_reference(scores, {.iterations = 10}), true), 2e-5);
        for (std::size_t b = 0; b < 60; ++b) {
            for (std::size_t k = 10; k < 20; ++k) EXPECT_EQ(got.row(b)[k], got.row(b)[3]);
        }
        for (std::size_t b = 31; b < 60; ++b) {
            for (std::size_t k = 0; k < 20; ++k) EXPECT_NEAR(got.row(b)[k], got.row(30)[k], 1e-7);
        }
    });
}

// One-hot scores; prototypes that nobody is near, and one that everybody is nearest to.
TEST(SinkhornEdges, OneHotScoresAndEmptyClusters) {
    for (const double epsilon : {1e-3, 0.05, 1.0}) {
        dense one_hot(32, 8), crowded = random_scores(32, 8, 3);
        for (std::size_t b = 0; b < 32; ++b) {
            one_hot.row(b)[b % 8 < 5 ? b % 8 : 0] = 1;
            crowded.row(b)[2] = 10;
            crowded.row(b)[5] = -10;
        }
        for (const dense& scores : {rounded<float>(one_hot), rounded<float>(crowded)}) {
            in_domains([&](auto options) {
                options.epsilon = epsilon;
                const auto got = assign<float>(options, scores);
                EXPECT_LT(largest_difference(got.codes, sinkhorn_reference(scores, {.epsilon = epsilon}), true),
                          (allowance<float, float>(scores, epsilon)))
                    << epsilon;
            });
        }
    }
}

TEST(SinkhornEdges, ConstantScores) {
    for (const double value : {0.0, 1e4, -1e4}) {
        dense scores(33, 7);
        scores.values.assign(33 * 7, value);
        in_domains([&](auto options) {
            options.epsilon = 1e-3;
            for (const double v : assign<float>(options, scores).codes.values) EXPECT_NEAR(v, 1.0 / 7, 1e-6);
        });
    }
}

TEST(SinkhornEdges, MinusInfinity) {
    dense scores = rounded<float>(random_scores(40, 11, 4));
    for (std::size_t k = 0; k < 11; ++k) scores.row(7)[k] = -infinity;          // a sample
    for (std::size_t b = 0; b < 40; ++b) scores.row(b)[10] = -infinity;         // a prototype
    for (std::size_t b = 1; b < 40; b += 2) scores.row(b)[b % 10] = -infinity;  // here and there
    in_domains([&](const auto& options) {
        const auto got = assign<float>(options, scores);
        const dense expected = sinkhorn_reference(scores, {});
        EXPECT_LT(largest_difference(got.codes, expected, true), 1e-4);
        for (std::size_t b = 0; b < 40; ++b) {
            for (std::size_t k = 0; k < 11; ++k) {
                if (scores.row(b)[k] == -infinity) {
                    EXPECT_EQ(got.codes.row(b)[k], 0);
                }
            }
        }
    });
    const auto hard = assign<float>(sinkhorn<exponential_domain, marginals::uniform, hard_codes>{}, scores);
    for (std::size_t k = 0; k < 11; ++k) EXPECT_EQ(hard.codes.row(7)[k], 0);
}

TEST(SinkhornEdges, NaNIsNeverLost) {
    for (const double bad : {static_cast<double>(NAN), infinity}) {
        for (const std::size_t at : {0u, 17u, 200u, 299u}) {
            dense scores = random_scores(300, 21, 5);
            scores.row(at)[20 - at % 21] = bad;
            in_domains([&](auto options) {
                for (const double tolerance : {0.0, 1e-3}) {
                    options.tolerance = tolerance;
                    const auto got = assign<float>(options, scores);
                    for (const double v : got.codes.values) EXPECT_TRUE(std::isnan(v));
                    EXPECT_TRUE(std::isnan(got.report.marginal_error));
                    EXPECT_FALSE(got.report.converged);
                }
            });
            const auto hard = assign<float>(sinkhorn<exponential_domain, marginals::uniform, hard_codes>{}, scores);
            for (const double v : hard.codes.values) EXPECT_TRUE(std::isnan(v));
        }
    }
}

TEST(SinkhornEdges, NaNStaysInItsPosition) {
    const dense scores = random_scores(30, 6, 6);
    std::vector<float> x(scores.values.begin(), scores.values.end());
    x[10 * 6 + 2] = NAN;
    const auto all = selfsame::view(x.data(), std::array<index_t, 3>{3, 10, 6});
    const auto report = selfsame::assign(thrust::seq, sinkhorn<>{}, all, all);
    EXPECT_TRUE(std::isnan(report.marginal_error));
    for (std::size_t e = 0; e < x.size(); ++e) EXPECT_EQ(std::isnan(x[e]), e >= 60 && e < 120);
}

TEST(SinkhornEdges, HardCodesOfTies) {
    dense scores(4, 6);
    const auto got = assign<float>(sinkhorn<exponential_domain, marginals::uniform, hard_codes>{}, scores);
    for (std::size_t b = 0; b < 4; ++b) EXPECT_EQ(got.codes.row(b)[0], 1);
}

TEST(SinkhornEdges, MarginalsOfManyMagnitudes) {
    const dense scores = rounded<float>(random_scores(64, 200, 8));
    std::vector<double> weights(200);
    for (std::size_t k = 0; k < 200; ++k) weights[k] = std::pow(static_cast<double>(k + 1), -16);
    in_domains([&](const auto& options) {
        using domain = typename std::remove_cvref_t<decltype(options)>::domain;
        const auto got = assign<float>(sinkhorn<domain, marginals::power_law>{.marginals = {16}}, scores);
        EXPECT_LT(largest_difference(got.codes, sinkhorn_reference(scores, {.marginals = weights}), true), 1e-4);
    });
}

TEST(SinkhornEdges, CodesMayReplaceTheirScoresAloneAndNoPart) {
    std::vector<float> memory(40, 0.5f);
    const auto part = [&](int first) { return selfsame::matrix(memory.data() + first, 4, 5); };
    EXPECT_EQ(refusal([&] { selfsame::assign(thrust::seq, sinkhorn<>{}, part(0), part(0)); }), "");
    EXPECT_EQ(refusal([&] { selfsame::assign(thrust::seq, sinkhorn<>{}, part(0), part(20)); }), "");
    EXPECT_EQ(refusal([&] { selfsame::assign(thrust::seq, sinkhorn<>{}, part(0), part(5)); }),
              "selfsame: codes: got a part of the memory of the scores, expected all of it, element by element, or "
              "memory of its own");
}

TEST(SinkhornEdges, RefusedOptions) {
    using testing::HasSubstr;
    const dense scores = random_scores(4, 3, 7);
    const auto with = [&](const auto& options) { return refusal([&] { assign<float>(options, scores); }); };
    EXPECT_EQ(with(sinkhorn<>{.epsilon = 0}), "selfsame: epsilon: got 0, expected > 0");
    EXPECT_THAT(with(sinkhorn<>{.epsilon = NAN}), HasSubstr("epsilon"));
    EXPECT_THAT(with(sinkhorn<>{.epsilon = -1}), HasSubstr("epsilon"));
    EXPECT_THAT(with(sinkhorn<>{.epsilon = infinity}), HasSubstr("epsilon"));
    EXPECT_THAT(with(sinkhorn<>{.iterations = 0}), HasSubstr("iterations: got 0"));
    EXPECT_THAT(with(sinkhorn<>{.tolerance = -1e-9}), HasSubstr("tolerance"));
    EXPECT_THAT(with(sinkhorn<>{.tolerance = NAN}), HasSubstr("tolerance"));
    using power_law = sinkhorn<exponential_domain, marginals::power_law>;
    EXPECT_THAT(with(power_law{.marginals = {-1}}), HasSubstr("marginals.p"));
    using given = sinkhorn<exponential_domain, marginals::given<std::vector<double>>>;
    EXPECT_EQ(with(given{.marginals = {{1, 2}}}), "selfsame: marginals.weights: got 2, expected 3 values");
    EXPECT_THAT(with(given{.marginals = {{1, -2, 3}}}), HasSubstr("marginals.weights: got -2"));
    EXPECT_THAT(with(given{.marginals = {{1, NAN, 3}}}), HasSubstr("marginals.weights"));
    EXPECT_THAT(with(given{.marginals = {{0, 0, 0}}}), HasSubstr("a sum > 0"));
}

TEST(SinkhornEdges, RefusedShapes) {
    using testing::HasSubstr;
    std::vector<float> x(24), q(24);
    const auto m = [](std::vector<float>& v, index_t rows, index_t columns) {
        return selfsame::matrix(v.data(), rows, columns);
    };
    EXPECT_EQ(refusal([&] { selfsame::assign(thrust::seq, sinkhorn<>{}, m(x, 4, 6), m(q, 6, 4)); }),
              "selfsame: codes: got 6 x 4, expected 4 x 6");
    EXPECT_THAT(refusal([&] { selfsame::assign(thrust::seq, sinkhorn<>{}, m(x, 4, 0), m(q, 4, 0)); }),
                HasSubstr("scores: got 4 x 0"));
    EXPECT_THAT(refusal([&] {
                    selfsame::assign(
                        thrust::seq, sinkhorn<>{}, m(x, 4, 6),
                        selfsame::view(q.data(), std::array<index_t, 2>{4, 6}, std::array<index_t, 2>{0, 1}));
                }),
                HasSubstr("codes: got a stride of 0"));
    EXPECT_THAT(refusal([&] {
                    selfsame::assign(thrust::seq, sinkhorn<>{}, m(x, 4, 6), m(q, 4, 6), std::vector<std::uint8_t>(3));
                }),
                HasSubstr("mask: got 3, expected a value for each sample of 4 x 6"));
}

}  // namespace
}  // namespace selfsame_tests
