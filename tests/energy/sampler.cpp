#include "selfsame/energy/sampler.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <stdexcept>

#include "helpers.hpp"

/// \file
/// Samplers: against the moments of what they sample, against a step written out, and where chains break down. Bounds
/// of estimates are 5 standard errors.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

const index_t chain_count = sanitized ? 4000 : 40000;

struct moments {
    double mean, variance, mean_error, variance_error;
};
/// Of column k, over rows that are independent.
moments moments_of(const doubles& x, std::size_t width, std::size_t k) {
    const double n = static_cast<double>(x.size() / width);
    double mean = 0, second = 0, fourth = 0;
    for (std::size_t i = k; i < x.size(); i += width) mean += x[i] / n;
    for (std::size_t i = k; i < x.size(); i += width) {
        second += std::pow(x[i] - mean, 2) / n;
        fourth += std::pow(x[i] - mean, 4) / n;
    }
    return {mean, second, std::sqrt(second / n), std::sqrt((fourth - second * second) / n)};
}
void expect_moments(const doubles& x, const doubles& mean, const doubles& variance) {
    for (std::size_t k = 0; k < mean.size(); ++k) {
        const moments m = moments_of(x, mean.size(), k);
        EXPECT_NEAR(m.mean, mean[k], 5 * m.mean_error) << k;
        EXPECT_NEAR(m.variance, variance[k], 5 * m.variance_error) << k;
    }
}

TEST(RandomRow, IsStandardNormalAndUniformAtAnyLength) {
    const index_t n = 300001;  // beyond one run of the position's 16 bits
    std::vector<float> x(n), u(n), again(n);
    random_row(7, 1, 2, 3).normal(x.data(), n);
    random_row(7, 1, 2, 3).uniform(u.data(), n, -2.0f, 3.0f);
    double mean = 0, square = 0, cross = 0, middle = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
        mean += x[k] / double(n);
        square += x[k] * x[k] / double(n);
        if (k > 0) cross += x[k] * x[k - 1] / double(n);
        middle += u[k] / double(n);
        ASSERT_TRUE(u[k] >= -2 && u[k] <= 3);
    }
    EXPECT_NEAR(mean, 0, 5 / std::sqrt(n));
    EXPECT_NEAR(square, 1, 5 * std::sqrt(2.0 / n));
    EXPECT_NEAR(cross, 0, 5 / std::sqrt(n));
    EXPECT_NEAR(middle, 0.5, 5 * 5 / std::sqrt(12.0 * n));
    // The second run of positions is no repetition of the first, and a prefix is a prefix.
    EXPECT_NE(x[0], x[1 << 18]);
    random_row(7, 1, 2, 3).normal(again.data(), 1001);
    EXPECT_TRUE(std::equal(x.begin(), x.begin() + 1001, again.begin()));
    // The first block of a row is that of the stream of its name.
    random_stream stream(7, 1, 2, 0, 3);
    const std::uint32_t a = stream.bits(), b = stream.bits();
    EXPECT_EQ(x[0], exact::normal_pair(a, b)[0]);
    EXPECT_EQ(x[1], exact::normal_pair(a, b)[1]);
}

// On a Gaussian a Langevin step is affine, so the stationary variance is known: s^2 / (1 - step / (2 s^2)).
TEST(Langevin, StationaryMomentsWithTheirKnownBias) {
    const gaussian energy{{1, -2, 0.5}, {1, 0.6, 2}};
    const double step = 0.2;
    doubles x(static_cast<std::size_t>(chain_count) * 3), variance;
    for (const double s : energy.deviation) variance.push_back(s * s / (1 - step / (2 * s * s)));
    // Begun in the stationary distribution of the widest coordinate's order, and run until the start is forgotten.
    const auto report = sample(ctx, langevin::of(step), energy, rows_of(x, 3), chain_key{.seed = 3}, 150);
    EXPECT_TRUE(report.divergences.empty());
    expect_moments(x, energy.mean, variance);
    // The bias is seen: without it the bound would be missed.
    const moments m = moments_of(x, 3, 1);
    EXPECT_GT(std::fabs(m.variance - 0.36), 10 * m.variance_error);
}

TEST(Langevin, IsItsFormula) {
    const gaussian energy{{1, -2, 0.5}, {1, 0.6, 2}};
    const langevin sampler{.step = 0.3, .noise = 0.2, .clip = 1.5, .low = -1.8, .high = 1.2};
    doubles x = uniforms(12, -1, 1, 1), expected = x;
    const auto report = sample(ctx, sampler, energy, rows_of(x, 3), chain_key{.seed = 5, .first = 40, .step = 9}, 6);
    bool clipped = false, clamped = false;
    for (std::uint32_t t = 0; t < 6; ++t) {
        for (std::size_t i = 0; i < 4; ++i) {
            double noise[3];
            random_row(5, 9 + t, 40 + i, random_row::noise_op).normal(noise, 3);
            for (std::size_t k = 0; k < 3; ++k) {
                double& v = expected[i * 3 + k];
                double g = (v - energy.mean[k]) / std::pow(energy.deviation[k], 2);
                clipped = clipped || std::fabs(g) > 1.5;
                g = std::min(1.5, std::max(-1.5, g));
                v = v - 0.3 * g + 0.2 * noise[k];
                clamped = clamped || v < -1.8 || v > 1.2;
                v = std::min(1.2, std::max(-1.8, v));
            }
        }
    }
    EXPECT_TRUE(clipped && clamped);
    for (std::size_t k = 0; k < x.size(); ++k) EXPECT_NEAR(x[k], expected[k], 1e-14);
    ASSERT_EQ(report.energies.size(), 4u);
    doubles values(4), gradients(12);
    energy(rows_of(x, 3), vector(values.data(), 4), rows_of(gradients, 3));
    EXPECT_EQ(report.energies, values);
}

TEST(Langevin, DefaultsAreJems) {
    EXPECT_EQ(jem_sampler.step, 1.0);
    EXPECT_EQ(jem_sampler.noise, 0.01);
    EXPECT_EQ(jem_steps, 20);
    EXPECT_DOUBLE_EQ(langevin::of(0.08).noise, 0.4);
}

// A step's noise is named by the chain and the step alone.
RC_GTEST_PROP(Samplers, ChainsReplayInOtherBatchesAndCalls, ()) {
    const index_t n = *rc::gen::inRange(1, 30), width = *rc::gen::inRange(1, 12);
    const index_t steps = *rc::gen::inRange(1, 12), cut = *rc::gen::inRange<index_t>(0, steps + 1);
    const index_t split = *rc::gen::inRange<index_t>(0, n + 1);
    const auto seed = static_cast<std::uint64_t>(*rc::gen::inRange(0, 1000));
    const gaussian energy{doubles(static_cast<std::size_t>(width), 0.5), doubles(static_cast<std::size_t>(width), 1.5)};
    const auto run = [&](const auto& sampler, auto zero) {
        using T = decltype(zero);
        const std::vector<T> start = converted<T>(uniforms(static_cast<std::size_t>(n * width), -1, 1, seed));
        std::vector<T> whole = start, parts = start, shuffled;
        const chain_key key{.seed = seed, .first = 100, .step = 3};
        sample(thrust::seq, sampler, energy, rows_of(whole, width), key, steps);
        for (const auto& [from, to] : {std::pair<index_t, index_t>{0, split}, {split, n}}) {
            const auto rows = matrix(parts.data() + from * width, to - from, width);
            const auto first = key.first + static_cast<std::uint64_t>(from);
            sample(ctx, sampler, energy, rows, chain_key{seed, first, 3}, cut);
            sample(ctx, sampler, energy, rows, chain_key{seed, first, key.step_after(cut)}, steps - cut);
        }
        RC_ASSERT(whole == parts);
        // In reverse order, named by a list.
        std::vector<std::uint64_t> names;
        for (index_t i = n; i-- > 0;) {
            names.push_back(100 + static_cast<std::uint64_t>(i));
            shuffled.insert(shuffled.end(), start.begin() + i * width, start.begin() + (i + 1) * width);
        }
        sample(ctx, sampler, energy, rows_of(shuffled, width), chain_key{.seed = seed, .step = 3, .chains = names},
               steps);
        for (index_t i = 0; i < n; ++i) {
            RC_ASSERT(std::equal(whole.begin() + i * width, whole.begin() + (i + 1) * width,
                                 shuffled.begin() + (n - 1 - i) * width));
        }
    };
    run(langevin::of(0.3), 0.0);
    run(jem_sampler, 0.0f);
    run(mala{.step = 0.4}, 0.0);
    run(mala{.step = 0.4}, 0.0f);
}

TEST(Samplers, SeedsChainsAndStepsDiffer) {
    const gaussian energy{{0}, {1}};
    const auto end = [&](const chain_key& key) {
        doubles x{0.0};
        sample(ctx, langevin::of(0.1), energy, rows_of(x, 1), key, 1);
        return x[0];
    };
    const double base = end({.seed = 1, .first = 1, .step = 1});
    EXPECT_NE(base, end({.seed = 2, .first = 1, .step = 1}));
    EXPECT_NE(base, end({.seed = 1, .first = 2, .step = 1}));
    EXPECT_NE(base, end({.seed = 1, .first = 1, .step = 2}));
}

// Begun in the distribution itself, every step must leave it: no burn-in, and rows are independent.
TEST(Mala, MomentsOfAGaussianWithoutBias) {
    const gaussian energy{{1, -2, 0.5}, {1, 0.6, 2}};
    doubles x(static_cast<std::size_t>(chain_count) * 3);
    random_row(11, 0, 0, 0).normal(x.data(), chain_count * 3);
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = energy.mean[k % 3] + energy.deviation[k % 3] * x[k];
    const auto report = sample(ctx, mala{.step = 0.3}, energy, rows_of(x, 3), chain_key{.seed = 12}, 60);
    EXPECT_GT(report.acceptance, 0.4);
    EXPECT_LT(report.acceptance, 0.95);
    EXPECT_TRUE(report.divergences.empty());
    expect_moments(x, energy.mean, {1, 0.36, 4});
}

TEST(Mala, FindsAGaussianFromAfar) {
    const gaussian energy{{1, -2}, {1, 0.6}};
    doubles x(static_cast<std::size_t>(chain_count) * 2, 4.0);
    sample(ctx, mala{.step = 0.2}, energy, rows_of(x, 2), chain_key{.seed = 13}, 200);
    expect_moments(x, energy.mean, {1, 0.36});
}

TEST(Mala, MomentsOfTwoWells) {
    doubles x;
    for (index_t i = 0; i < chain_count; ++i) x.push_back(i % 2 == 0 ? 1 : -1);
    const auto report = sample(ctx, mala{.step = 0.1}, two_wells{}, rows_of(x, 1), chain_key{.seed = 14}, 120);
    EXPECT_GT(report.acceptance, 0.5);
    double weight = 0, square = 0;
    for (int k = -4000; k <= 4000; ++k) {
        const double v = k * 1e-3, w = std::exp(-two_wells::energy(v));
        weight += w;
        square += w * v * v;
    }
    expect_moments(x, {0}, {square / weight});
}

/// log of the density at `to` of Langevin's proposals from `from`.
double log_proposal(double from, double to, double step) {
    const double mean = from - step * two_wells::slope(from);
    return -(to - mean) * (to - mean) / (4 * step) - 0.5 * std::log(4 * std::acos(-1.0) * step);
}

TEST(Mala, AcceptsAsMetropolisAndHastingsSay) {
    const mala sampler{.step = 0.15};
    int accepted = 0, rejected = 0;
    for (int chain = 0; chain < 2000; ++chain) {
        const double x = uniforms(1, -2, 2, static_cast<std::uint64_t>(chain))[0];
        doubles state{x};
        const auto name = static_cast<std::uint64_t>(chain);
        const auto report = sample(thrust::seq, sampler, two_wells{}, rows_of(state, 1), chain_key{21, name, 5}, 1);
        double noise;
        random_row(21, 5, name, random_row::noise_op).normal(&noise, 1);
        const double proposal = x - 0.15 * two_wells::slope(x) + std::sqrt(0.3) * noise;
        const double ratio = std::exp(two_wells::energy(x) - two_wells::energy(proposal) +
                                      log_proposal(proposal, x, 0.15) - log_proposal(x, proposal, 0.15));
        random_stream random(21, 5, name, 0, random_row::accept_op);
        const double u = static_cast<double>(random.bits()) / 4294967296.0;
        if (std::fabs(u - ratio) < 1e-9) continue;
        const bool expected = u < ratio;
        EXPECT_EQ(report.acceptance, expected ? 1 : 0);
        EXPECT_NEAR(state[0], expected ? proposal : x, 1e-14);
        EXPECT_NEAR(report.energies[0], two_wells::energy(state[0]), 1e-14);
        (expected ? accepted : rejected) += 1;
    }
    EXPECT_GT(accepted, 500);
    EXPECT_GT(rejected, 100);
}

// p(x) q(x, y) a(x, y) = p(y) q(y, x) a(y, x), with the library's acceptance.
RC_GTEST_PROP(Mala, BalancesInDetail, ()) {
    const double x = *rc::gen::inRange(-2000, 2000) / 1024.0, y = *rc::gen::inRange(-2000, 2000) / 1024.0;
    const double step = *rc::gen::inRange(1, 1000) / 1024.0;
    const mala sampler{.step = step};
    const auto flow = [&](double from, double to) {
        const double forth = to - from + step * two_wells::slope(from), back = from - to + step * two_wells::slope(to);
        const double log_a =
            sampler.log_acceptance(two_wells::energy(from), two_wells::energy(to), forth * forth, back * back);
        return -two_wells::energy(from) + log_proposal(from, to, step) + std::min(0.0, log_a);
    };
    RC_ASSERT(std::fabs(flow(x, y) - flow(y, x)) <= 1e-9 * (1 + std::fabs(flow(x, y))));
}

// Outside [0, 1] the energy is infinite: a uniform distribution with hard walls.
TEST(Mala, RejectsWhereTheEnergyIsInfinite) {
    doubles x = uniforms(static_cast<std::size_t>(chain_count), 0, 1, 2);
    const auto walls = [](const auto& at, const auto& values, const auto& gradients) {
        for (index_t i = 0; i < at.extent(0); ++i) {
            values(i) = at(i, 0) < 0 || at(i, 0) > 1 ? std::numeric_limits<double>::infinity() : 0;
            gradients(i, 0) = 0;
        }
    };
    const auto report = sample(ctx, mala{.step = 0.05}, walls, rows_of(x, 1), chain_key{.seed = 15}, 40);
    EXPECT_TRUE(report.divergences.empty());
    EXPECT_LT(report.acceptance, 0.95);
    for (const double v : x) ASSERT_TRUE(v >= 0 && v <= 1);
    expect_moments(x, {0.5}, {1.0 / 12});
}

// x <- -2 x: an unstable step, until the energy of float overflows.
TEST(Langevin, ReportsTheChainAndTheStepThatDiverges) {
    const langevin sampler{.step = 3, .noise = 0};
    const auto energy = [](const auto& x, const auto& values, const auto& gradients) {
        for (index_t i = 0; i < x.extent(0); ++i) {
            values(i) = x(i, 0) * x(i, 0) / 2;
            gradients(i, 0) = x(i, 0);
        }
    };
    std::vector<float> x{0, 1, 0, -8, 0};
    const auto report =
        sample(ctx, sampler, energy, rows_of(x, 1), chain_key{.seed = 1, .first = 70, .step = 1000}, 200);
    // 2^2t / 2 is finite up to 2^63: t = 63 from 1, t = 60 from 8. The steps 63 and 60 lead out of it.
    EXPECT_EQ(report.divergences,
              (std::vector<divergence>{{71, 1063, divergence::energy}, {73, 1060, divergence::energy}}));
    EXPECT_EQ(x, (std::vector<float>{0, -0x1p63f, 0, -0x1p63f, 0}));
    EXPECT_EQ(report.energies, (doubles{0, 0x1p125, 0, 0x1p125, 0}));
}

struct fault {
    int evaluation;
    double value, slope;
};
/// A quadratic whose second row goes wrong in one evaluation and all that follow.
auto faulty(const fault& f, int& calls) {
    return [&f, &calls](const auto& x, const auto& values, const auto& gradients) {
        for (index_t i = 0; i < x.extent(0); ++i) {
            const bool wrong = i == 1 && calls >= f.evaluation;
            values(i) = wrong ? f.value : x(i, 0) * x(i, 0) / 2;
            gradients(i, 0) = wrong ? f.slope : x(i, 0);
        }
        ++calls;
    };
}

TEST(Samplers, AFaultLeavesTheLastFiniteState) {
    const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
    const gaussian sound{{0}, {1}};
    for (const double value : {nan, infinity, -infinity}) {
        for (int evaluation = 0; evaluation <= 5; ++evaluation) {
            const fault f{evaluation, value, 0};
            int calls = 0;
            doubles x{1, 2, 3}, expected{1, 2, 3}, others{1, 2, 3};
            const chain_key key{.seed = 9, .first = 5, .step = 20};
            const auto report = sample(ctx, langevin::of(0.1), faulty(f, calls), rows_of(x, 1), key, 5);
            EXPECT_EQ(calls, 6);
            const auto at = static_cast<std::uint32_t>(evaluation == 0 ? 20 : 20 + evaluation - 1);
            EXPECT_EQ(report.divergences,
                      (std::vector<divergence>{{6, at, evaluation == 0 ? divergence::start : divergence::energy}}));
            sample(ctx, langevin::of(0.1), sound, rows_of(expected, 1), key, (std::max)(0, evaluation - 1));
            sample(ctx, langevin::of(0.1), sound, rows_of(others, 1), key, 5);
            EXPECT_EQ(x, (doubles{others[0], expected[1], others[2]})) << evaluation;
            EXPECT_EQ(std::isfinite(report.energies[1]), evaluation > 0);
            if (evaluation > 0) {
                EXPECT_EQ(report.energies[1], x[1] * x[1] / 2);
            }
        }
    }
    // A gradient: the energy of the state before was finite, and that state stays.
    for (const double slope : {nan, infinity}) {
        const fault f{2, 1.0, slope};
        int calls = 0;
        doubles x{1, 2, 3}, expected{1, 2, 3};
        const auto report = sample(ctx, langevin::of(0.1), faulty(f, calls), rows_of(x, 1), chain_key{9, 5, 20}, 5);
        EXPECT_EQ(report.divergences, (std::vector<divergence>{{6, 22, divergence::state}}));
        sample(ctx, langevin::of(0.1), sound, rows_of(expected, 1), chain_key{9, 5, 20}, 2);
        EXPECT_EQ(x[1], expected[1]);
    }
    // A box does not hide that a step went to infinity, and a clip does not hide a NaN.
    for (const double slope : {nan, infinity}) {
        const fault f{0, 1.0, slope};
        int calls = 0;
        doubles x{0.1, 0.2, 0.3};
        const langevin sampler{.clip = slope == slope ? 1e300 * 1e10 : 1, .low = -1, .high = 1};
        const auto report = sample(ctx, sampler, faulty(f, calls), rows_of(x, 1), chain_key{}, 3);
        EXPECT_EQ(report.divergences, (std::vector<divergence>{{1, 0, divergence::state}}));
        EXPECT_EQ(x[1], 0.2);
    }
}

TEST(Samplers, MalaRejectsAndReportsAFault) {
    const double nan = std::nan("");
    for (const fault& f : {fault{3, nan, 0}, fault{3, -std::numeric_limits<double>::infinity(), 0}, fault{3, 0, nan}}) {
        int calls = 0;
        doubles x{1, 2, 3}, expected{1, 2, 3};
        const auto report = sample(ctx, mala{.step = 0.1}, faulty(f, calls), rows_of(x, 1), chain_key{9, 5, 20}, 5);
        EXPECT_EQ(calls, 6);
        EXPECT_EQ(report.divergences, (std::vector<divergence>{{6, 22, divergence::energy}}));
        sample(ctx, mala{.step = 0.1}, gaussian{{0}, {1}}, rows_of(expected, 1), chain_key{9, 5, 20}, 2);
        EXPECT_EQ(x[1], expected[1]);
        EXPECT_EQ(report.energies[1], x[1] * x[1] / 2);
    }
    const fault from_the_start{0, nan, 0};
    int calls = 0;
    doubles x{1, 2, 3};
    const auto report = sample(ctx, mala{.step = 0.1}, faulty(from_the_start, calls), rows_of(x, 1), chain_key{}, 3);
    EXPECT_EQ(report.divergences, (std::vector<divergence>{{1, 0, divergence::start}}));
    EXPECT_EQ(x[1], 2);
}

TEST(Samplers, EdgesAndStrides) {
    const gaussian energy{{0, 0}, {1, 1}};
    doubles none_at_all;
    int calls = 0;
    const auto counting = [&](const auto& x, const auto& values, const auto& gradients) {
        ++calls;
        energy(x, values, gradients);
    };
    EXPECT_TRUE(sample(ctx, langevin{}, counting, rows_of(none_at_all, 2), chain_key{}, 3).energies.empty());
    EXPECT_EQ(calls, 0);
    doubles x{1, 2}, wide{1, 9, 2, 9};
    EXPECT_EQ(sample(ctx, langevin{}, counting, rows_of(x, 2), chain_key{}, 0).energies, doubles{2.5});
    EXPECT_EQ(sample(ctx, mala{}, counting, rows_of(x, 2), chain_key{}, 0).energies, doubles{2.5});
    EXPECT_EQ(x, (doubles{1, 2}));
    calls = 0;
    EXPECT_TRUE(sample(ctx, langevin{.check_last = false}, counting, rows_of(x, 2), chain_key{}, 4).energies.empty());
    EXPECT_EQ(calls, 4);
    sample(ctx, langevin{}, energy, view(wide.data(), std::array<index_t, 2>{1, 2}, std::array<index_t, 2>{4, 2}),
           chain_key{}, 4);
    EXPECT_EQ(wide, (doubles{x[0], 9, x[1], 9}));
}

TEST(Samplers, RefuseBadInputAndLeaveTheStates) {
    const gaussian energy{{0, 0}, {1, 1}};
    doubles x{1, 2, 3, 4};
    const auto refused = [&](const char* message, const auto& sampler, const chain_key& key, index_t steps) {
        EXPECT_EQ(refusal([&] { sample(ctx, sampler, energy, rows_of(x, 2), key, steps); }), message);
        EXPECT_EQ(x, (doubles{1, 2, 3, 4}));
    };
    refused("selfsame: step: got 0, expected > 0", langevin{.step = 0}, {}, 1);
    refused("selfsame: step: got -1, expected > 0", mala{.step = -1}, {}, 1);
    refused("selfsame: noise: got -1, expected >= 0", langevin{.noise = -1}, {}, 1);
    refused("selfsame: clip: got 0, expected > 0 (infinity: none)", langevin{.clip = 0}, {}, 1);
    refused("selfsame: low: got 1, expected less than high", langevin{.low = 1, .high = 1}, {}, 1);
    refused("selfsame: steps: got -1, expected >= 0", langevin{}, {}, -1);
    refused("selfsame: steps: got 7, expected step numbers below 2^32 (key.step is 4294967290)", langevin{},
            {.step = 4294967290u}, 7);
    const std::vector<std::uint64_t> names{1, 2, 3};
    refused("selfsame: key.chains: got 3, expected 2 values, as many as rows of states", langevin{}, {.chains = names},
            1);
    const auto throwing = [](const auto&, const auto&, const auto&) { throw std::runtime_error("energy"); };
    EXPECT_THROW(sample(ctx, langevin{}, throwing, rows_of(x, 2), chain_key{}, 1), std::runtime_error);
    EXPECT_EQ(x, (doubles{1, 2, 3, 4}));
}

static_assert(langevin{.step = 0.5, .noise = 1}.move(1.0f, 2.0f, 3.0f) == 3);
static_assert(mala{.step = 0.5}.move(1.0, 2.0, 3.0) == 3);

}  // namespace
