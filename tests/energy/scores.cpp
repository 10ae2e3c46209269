#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "helpers.hpp"

/// \file
/// Score matching: against its formulas, against differences, and at the score that it is to find.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

TEST(DenoisingScoreMatching, IsItsFormula) {
    constexpr std::size_t n = 6, width = 5;
    for (const bool weighted : {false, true}) {
        for (const bool each : {false, true}) {
            doubles s = uniforms(n * width, -2, 2, 1), z = uniforms(n * width, -2, 2, 2), g_s(n * width),
                    g_z(n * width);
            const doubles sigmas = each ? uniforms(n, 0.1, 3, 3) : doubles(n, 0.4);
            double expected = 0;
            for (std::size_t i = 0; i < n; ++i) {
                double square = 0;
                for (std::size_t k = i * width; k < (i + 1) * width; ++k)
                    square += std::pow(s[k] + z[k] / sigmas[i], 2);
                expected += (weighted ? sigmas[i] * sigmas[i] : 1) * square / 2 / n;
            }
            const denoising_score_matching objective{.sigma = 0.4, .weighted = weighted};
            const auto gradients = noisy_scores{rows_of(g_s, width), rows_of(g_z, width)};
            const auto loss = [&] {
                return each ? forward(ctx, objective, noisy_scores{rows_of(s, width), rows_of(z, width), sigmas})
                            : forward(ctx, objective, noisy_scores{rows_of(s, width), rows_of(z, width)});
            };
            EXPECT_NEAR(loss(), expected, 1e-14 * expected);
            const double fused =
                each ? value_and_grad(ctx, objective, noisy_scores{rows_of(s, width), rows_of(z, width), sigmas},
                                      gradients)
                     : value_and_grad(ctx, objective, noisy_scores{rows_of(s, width), rows_of(z, width)}, gradients);
            EXPECT_EQ(fused, loss());
            expect_gradient(s, g_s, loss, "scores");
            expect_gradient(z, g_z, loss, "noise");
        }
    }
}

TEST(SlicedScoreMatching, IsItsFormula) {
    constexpr std::size_t n = 6, width = 5;
    for (const bool reduced : {false, true}) {
        doubles s = uniforms(n * width, -2, 2, 4), v = uniforms(n * width, -2, 2, 5), p = uniforms(n, -2, 2, 6);
        doubles g_s(n * width), g_v(n * width), g_p(n);
        double expected = 0;
        for (std::size_t i = 0; i < n; ++i) {
            double along = 0, square = 0;
            for (std::size_t k = i * width; k < (i + 1) * width; ++k) along += v[k] * s[k], square += s[k] * s[k];
            expected += (p[i] + (reduced ? square : along * along) / 2) / n;
        }
        const sliced_score_matching objective{.variance_reduced = reduced};
        const auto loss = [&] {
            return forward(ctx, objective, sliced_scores{rows_of(s, width), rows_of(v, width), p});
        };
        EXPECT_NEAR(loss(), expected, 1e-14 * std::fabs(expected));
        EXPECT_EQ(value_and_grad(ctx, objective, sliced_scores{rows_of(s, width), rows_of(v, width), p},
                                 sliced_scores{rows_of(g_s, width), rows_of(g_v, width), g_p}),
                  loss());
        expect_gradient(s, g_s, loss, "scores");
        expect_gradient(v, g_v, loss, "directions");
        expect_gradient(p, g_p, loss, "products");
    }
}

// Data N(0, 1) with noise sigma are N(0, 1 + sigma^2), whose score -x / (1 + sigma^2) is the minimum.
TEST(DenoisingScoreMatching, FindsTheScoreOfTheNoisyGaussian) {
    constexpr index_t n = 200000;
    const double sigma = 0.8;
    doubles x(n), z(n), slope(n);
    random_row(1, 0, 0, 1).normal(x.data(), n);
    random_row(1, 0, 0, 2).normal(z.data(), n);
    const auto loss = [&](double a) {
        doubles s(n);
        for (std::size_t i = 0; i < n; ++i) s[i] = a * (x[i] + sigma * z[i]);
        return forward(ctx, denoising_score_matching{.sigma = sigma}, noisy_scores{rows_of(s, 1), rows_of(z, 1)});
    };
    const double best = -1 / (1 + sigma * sigma);
    // d loss / da at the best a has mean 0; its deviation is that of (a y + z / sigma) y.
    double variance = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double y = x[i] + sigma * z[i];
        variance += std::pow((best * y + z[i] / sigma) * y, 2) / n;
    }
    EXPECT_NEAR((loss(best + 1e-3) - loss(best - 1e-3)) / 2e-3, 0, 5 * std::sqrt(variance / n));
    EXPECT_LT(loss(best), loss(best + 0.05));
    EXPECT_LT(loss(best), loss(best - 0.05));
    // 1/2 E (a y + z / sigma)^2 = 1/2 (1 / sigma^2 - 1 / (1 + sigma^2)) at the best a, for unit x and z
    EXPECT_NEAR(loss(best), 0.5 * (1 / (sigma * sigma) + best), 0.01);
}

// A Gaussian's score in closed form has ds/dx = -1, so the product is -||v||^2 and the loss -1/2 E||x||^2 + ... = -D/2.
TEST(SlicedScoreMatching, OfTheTrueScoreIsMinusHalfTheDimension) {
    constexpr index_t n = 50000, width = 3;
    doubles s(n * width), v(n * width), p(n);
    random_row(2, 0, 0, 1).normal(s.data(), n * width);
    random_row(2, 0, 0, 2).normal(v.data(), n * width);
    for (std::size_t k = 0; k < s.size(); ++k) s[k] = -s[k], p[k / width] -= v[k] * v[k];
    for (const bool reduced : {false, true}) {
        const sliced_score_matching objective{.variance_reduced = reduced};
        EXPECT_NEAR(forward(ctx, objective, sliced_scores{rows_of(s, width), rows_of(v, width), p}), -1.5, 0.06);
    }
}

TEST(ScoreMatching, EdgesAndAliases) {
    doubles empty, x = uniforms(12, -1, 1, 7), z = uniforms(12, -1, 1, 8), g(12), in_place = x, p(4);
    EXPECT_EQ(forward(ctx, denoising_score_matching{}, noisy_scores{rows_of(empty, 3), rows_of(empty, 3)}), 0);
    EXPECT_EQ(forward(ctx, sliced_score_matching{}, sliced_scores{rows_of(empty, 3), rows_of(empty, 3), empty}), 0);
    const auto no_columns = matrix(static_cast<const double*>(nullptr), 4, 0);
    EXPECT_EQ(forward(ctx, denoising_score_matching{}, noisy_scores{no_columns, no_columns}), 0);
    value_and_grad(ctx, denoising_score_matching{}, noisy_scores{rows_of(x, 3), rows_of(z, 3)},
                   noisy_scores{rows_of(g, 3), none{}});
    value_and_grad(ctx, denoising_score_matching{}, noisy_scores{rows_of(in_place, 3), rows_of(z, 3)},
                   noisy_scores{rows_of(in_place, 3), none{}});
    EXPECT_EQ(in_place, g);
    in_place = x;
    value_and_grad(ctx, sliced_score_matching{}, sliced_scores{rows_of(x, 3), rows_of(z, 3), p},
                   sliced_scores{rows_of(g, 3), none{}, none{}});
    value_and_grad(ctx, sliced_score_matching{}, sliced_scores{rows_of(in_place, 3), rows_of(z, 3), p},
                   sliced_scores{rows_of(in_place, 3), none{}, none{}});
    EXPECT_EQ(in_place, g);
    x[4] = std::nan("");
    EXPECT_TRUE(std::isnan(forward(ctx, denoising_score_matching{}, noisy_scores{rows_of(x, 3), rows_of(z, 3)})));
    EXPECT_TRUE(std::isnan(forward(ctx, sliced_score_matching{}, sliced_scores{rows_of(x, 3), rows_of(z, 3), p})));
}

template <class E>
void expect_agreement(double bound) {
    const auto s = converted<E>(uniforms(40, -2, 2, 9)), z = converted<E>(uniforms(40, -2, 2, 10));
    const auto exact_s = converted<double>(s), exact_z = converted<double>(z);
    std::vector<E> g(40);
    doubles exact_g(40);
    const denoising_score_matching objective{.sigma = 0.25, .weighted = true};
    const double a =
        value_and_grad(ctx, objective, noisy_scores{rows_of(s, 8), rows_of(z, 8)}, noisy_scores{rows_of(g, 8), none{}});
    const double b = value_and_grad(ctx, objective, noisy_scores{rows_of(exact_s, 8), rows_of(exact_z, 8)},
                                    noisy_scores{rows_of(exact_g, 8), none{}});
    EXPECT_NEAR(a, b, 1e-6 * b);
    for (std::size_t k = 0; k < 40; ++k) {
        EXPECT_NEAR(element_cast<double>(g[k]), exact_g[k], bound * (std::max)(1e-2, std::fabs(exact_g[k])));
    }
}
TEST(ScoreMatching, ElementTypes) {
    expect_agreement<float>(1e-5);
    expect_agreement<selfsame::half>(1e-3);
    expect_agreement<bfloat16>(8e-3);
}

// The weight makes levels alike: scores over noise that is c times as strong are 1 / c of what they were.
RC_GTEST_PROP(ScoreMatching, WeightedLossDoesNotSeeTheUnitOfLength, ()) {
    const int width = *rc::gen::inRange(1, 9);
    const double sigma = *rc::gen::inRange(1, 500) / 128.0, c = *rc::gen::inRange(1, 900) / 64.0;
    doubles s, z, scaled;
    for (int k = 0; k < width; ++k) {
        s.push_back(*rc::gen::inRange(-900, 900) / 256.0);
        z.push_back(*rc::gen::inRange(-900, 900) / 256.0);
        scaled.push_back(s.back() / c);
    }
    const double a = forward(thrust::seq, denoising_score_matching{.sigma = sigma, .weighted = true},
                             noisy_scores{rows_of(s, width), rows_of(z, width)});
    const double b = forward(thrust::seq, denoising_score_matching{.sigma = sigma * c, .weighted = true},
                             noisy_scores{rows_of(scaled, width), rows_of(z, width)});
    RC_ASSERT(std::fabs(a - b) <= 1e-12 * (std::max)(1.0, a));
}

TEST(ScoreMatching, RefusesBadInputBeforeAnythingIsWritten) {
    const doubles six(6), four(4), two{1.0, 0.0}, three(3);
    doubles g(6, 7.0);
    double loss = 7;
    const auto refused = [&](const char* message, auto&& f) {
        EXPECT_EQ(refusal(f), message);
        EXPECT_EQ(loss, 7);
        for (const double v : g) EXPECT_EQ(v, 7);
    };
    const auto to = noisy_scores{rows_of(g, 3), none{}};
    refused("selfsame: sigma: got 0, expected > 0", [&] {
        value_and_grad(ctx, denoising_score_matching{.sigma = 0}, noisy_scores{rows_of(six, 3), rows_of(six, 3)}, loss,
                       to);
    });
    refused("selfsame: noise: got 2 x 2, expected the shape of scores, 2 x 3", [&] {
        value_and_grad(ctx, denoising_score_matching{}, noisy_scores{rows_of(six, 3), rows_of(four, 2)}, loss, to);
    });
    refused("selfsame: sigmas: got 0, expected > 0", [&] {
        value_and_grad(ctx, denoising_score_matching{}, noisy_scores{rows_of(six, 3), rows_of(six, 3), two}, loss, to);
    });
    refused("selfsame: sigmas: got 3, expected 2 values, as many as rows of scores", [&] {
        value_and_grad(ctx, denoising_score_matching{}, noisy_scores{rows_of(six, 3), rows_of(six, 3), three}, loss,
                       to);
    });
    refused("selfsame: directions: got 3 x 2, expected the shape of scores, 2 x 3", [&] {
        value_and_grad(ctx, sliced_score_matching{}, sliced_scores{rows_of(six, 3), rows_of(six, 2), two}, loss,
                       sliced_scores{rows_of(g, 3), none{}, none{}});
    });
    refused("selfsame: products: got 3, expected 2 values, as many as rows of scores", [&] {
        value_and_grad(ctx, sliced_score_matching{}, sliced_scores{rows_of(six, 3), rows_of(six, 3), three}, loss,
                       sliced_scores{rows_of(g, 3), none{}, none{}});
    });
    refused("selfsame: gradient of scores: got 3 x 2, expected the shape of its input, 2 x 3", [&] {
        value_and_grad(ctx, denoising_score_matching{}, noisy_scores{rows_of(six, 3), rows_of(six, 3)}, loss,
                       noisy_scores{rows_of(g, 2), none{}});
    });
}

static_assert(denoising_score_matching{}.term(2.0f) == 2 && sliced_score_matching{}.score_term(2.0) == 2);
static_assert(denoising_score_matching{.weighted = true}.factors(3.0).scores == 3);

}  // namespace
