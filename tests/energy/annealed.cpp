#include "selfsame/energy/annealed.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "helpers.hpp"

/// \file
/// Annealed Langevin dynamics: against steps written out, against the moments of what they sample, and cut anywhere.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

/// A Gaussian's noisy density: the variance grows by sigma^2.
struct noisy_gaussian {
    double mean, deviation;
    template <class X, class V, class G>
    void operator()(const X& x, double sigma, const V& values, const G& gradients) const {
        const auto width = static_cast<std::size_t>(x.extent(1));
        const double wide = std::sqrt(deviation * deviation + sigma * sigma);
        gaussian{doubles(width, mean), doubles(width, wide)}(x, values, gradients);
    }
};

TEST(AnnealedLangevin, LevelsFallGeometrically) {
    constexpr annealed_langevin schedule{.highest = 8, .lowest = 0.5, .levels = 5};
    static_assert(schedule.sigma(0) == 8 && schedule.sigma(4) == 0.5);
    for (index_t k = 0; k < 5; ++k) EXPECT_DOUBLE_EQ(schedule.sigma(k), 8 * std::pow(0.5, double(k)));
    EXPECT_EQ((annealed_langevin{.highest = 3, .lowest = 3, .levels = 1}.sigma(0)), 3);
    // Song & Ermon 2019: alpha = 2e-5 sigma^2 / 0.01^2, and a step of half of it with noise of variance alpha.
    const annealed_langevin paper;
    EXPECT_DOUBLE_EQ(paper.at(0).step, 0.5 * 2e-5 / (0.01 * 0.01));
    EXPECT_DOUBLE_EQ(paper.at(9).step, 0.5 * 2e-5);
    EXPECT_DOUBLE_EQ(paper.at(9).noise, std::sqrt(2e-5));
    EXPECT_EQ(paper.levels, 10);
    EXPECT_EQ(paper.steps, 100);
}

// Two levels written out, with the noise that the keys of single steps give.
TEST(AnnealedLangevin, IsItsFormula) {
    const noisy_gaussian energy{0.5, 0.7};
    const annealed_langevin schedule{
        .highest = 2, .lowest = 0.5, .levels = 2, .steps = 1, .step = 0.3, .ancestral = true};
    doubles x{1.5, -2}, expected = x;
    sample(ctx, schedule, energy, rows_of(x, 2), chain_key{.seed = 4, .first = 9, .step = 7});
    const double sigma[] = {2, 2, 0.5, 0.5}, to[] = {0, 0.5, 0, 0};
    for (std::uint32_t t = 0; t < 4; ++t) {
        double n[2];
        random_row(4, 7 + t, 9, random_row::noise_op).normal(n, 2);
        const double square = sigma[t] * sigma[t], less = square - to[t] * to[t];
        const double step = t % 2 == 0 ? 0.3 * square : less;
        const double noise = t % 2 == 0 ? std::sqrt(2 * step) : to[t] / sigma[t] * std::sqrt(less);
        for (std::size_t k = 0; k < 2; ++k) {
            expected[k] += noise * n[k] - step * (expected[k] - 0.5) / (0.49 + square);
        }
    }
    EXPECT_NEAR(x[0], expected[0], 1e-12);
    EXPECT_NEAR(x[1], expected[1], 1e-12);
}

// With the exact scores of a Gaussian both kinds end in it but for a bias of the order of the steps: Langevin's at the
// lowest level, whose density it samples, and the ancestral step's.
TEST(AnnealedLangevin, EndsInTheData) {
    const double mean = 3, deviation = 0.5;
    const index_t count = sanitized ? 2000 : 8000;
    const auto variance_of = [&](const annealed_langevin& schedule) {
        doubles x(static_cast<std::size_t>(count));
        replay_buffer<double>(1, 1, 1).draw({.seed = 5}, rows_of(x, 1), normal_start{0, schedule.highest});
        const auto told = sample(ctx, schedule, noisy_gaussian{mean, deviation}, rows_of(x, 1), chain_key{.seed = 5});
        EXPECT_TRUE(told.divergences.empty());
        double m = 0, v = 0;
        for (const double one : x) m += one / double(count);
        for (const double one : x) v += (one - m) * (one - m) / double(count);
        EXPECT_NEAR(m, mean, 0.01 + 5 * deviation / std::sqrt(double(count)));
        return v / (deviation * deviation);
    };
    const double error = 5 * std::sqrt(2.0 / double(count));
    EXPECT_NEAR(variance_of({.highest = 30, .lowest = 0.05, .levels = 100, .steps = 0, .ancestral = true}), 1,
                0.05 + error);
    // The level's step is far smaller than the data, as the last levels are; what is left was settled above them.
    EXPECT_NEAR(variance_of({.highest = 30, .lowest = 0.1, .levels = 30, .steps = 30}), 1.04, 0.05 + error);
}

RC_GTEST_PROP(AnnealedLangevin, LevelsMayBeCutIntoCallsAnywhere, ()) {
    const index_t levels = *rc::gen::inRange(1, 6), cut = *rc::gen::inRange<index_t>(0, levels + 1);
    const annealed_langevin schedule{.highest = 2,
                                     .lowest = 0.5,
                                     .levels = levels,
                                     .steps = *rc::gen::inRange(0, 4),
                                     .ancestral = *rc::gen::arbitrary<bool>()};
    const noisy_gaussian energy{0.2, 1};
    const chain_key key{.seed = 3, .step = 11};
    const doubles start = uniforms(12, -2, 2, 8);
    doubles whole = start, parts = start;
    sample(thrust::seq, schedule, energy, rows_of(whole, 3), key);
    sample(ctx, schedule, energy, rows_of(parts, 3), key, 0, cut);
    sample(ctx, schedule, energy, rows_of(parts, 3), key, cut, levels);
    RC_ASSERT(whole == parts);
}

TEST(AnnealedLangevin, ReportsTheFirstDivergenceOfAChain) {
    const annealed_langevin schedule{.highest = 2, .lowest = 0.5, .levels = 4, .steps = 2, .ancestral = true};
    const noisy_gaussian exact{0, 1};
    const auto broken = [&](const auto& x, double sigma, const auto& values, const auto& gradients) {
        exact(x, sigma, values, gradients);
        if (sigma < 1.9) values(1) = std::numeric_limits<double>::quiet_NaN();
    };
    doubles x{1, 2, 3};
    const auto told = sample(ctx, schedule, broken, rows_of(x, 1), chain_key{.first = 20, .step = 5});
    EXPECT_EQ(told.divergences, (std::vector<divergence>{{21, 8, divergence::start}}));
    EXPECT_TRUE(told.energies.empty());
}

TEST(AnnealedLangevin, RefusesBadInput) {
    const noisy_gaussian energy{0, 1};
    doubles x{1, 2};
    const auto refused = [&](const char* message, const annealed_langevin& schedule, index_t first, index_t last) {
        EXPECT_EQ(refusal([&] { sample(ctx, schedule, energy, rows_of(x, 2), chain_key{}, first, last); }), message);
        EXPECT_EQ(x, (doubles{1, 2}));
    };
    refused("selfsame: lowest: got 0, expected > 0", {.lowest = 0}, 0, 1);
    refused("selfsame: highest: got 1, expected at least lowest", {.highest = 1, .lowest = 2}, 0, 1);
    refused("selfsame: highest: got 1, expected more than lowest", {.lowest = 1, .ancestral = true}, 0, 1);
    refused("selfsame: levels: got 0, expected >= 1", {.levels = 0}, 0, 0);
    refused("selfsame: steps: got -1, expected >= 0", {.steps = -1}, 0, 1);
    refused("selfsame: step: got 0, expected > 0", {.step = 0}, 0, 1);
    refused("selfsame: levels: got [2, 11), expected a range within the 10 levels", {}, 2, 11);
    refused("selfsame: levels: got [3, 2), expected a range within the 10 levels", {}, 3, 2);
}

}  // namespace
