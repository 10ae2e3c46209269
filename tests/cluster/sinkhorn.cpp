#include "selfsame/cluster/sinkhorn.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "goldens.hpp"
#include "helpers.hpp"

namespace selfsame_tests {
namespace {

using selfsame::exponential_domain;
using selfsame::log_domain;
using selfsame::sinkhorn;
namespace marginals = selfsame::marginals;

const selfsame::context one_thread{thrust::omp::par, 1};

template <class T>
class Sinkhorn : public testing::Test {};
using scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Sinkhorn, scalars);

TYPED_TEST(Sinkhorn, ScoresThatShareMemory) {
    using T = TypeParam;
    for (const layout in : {layout::repeated, layout::constant}) {
        const dense scores = stored<T>(random_scores(30, 21, 3), in).get();
        const dense expected = sinkhorn_reference(scores, {});
        EXPECT_LT(largest_difference(assign<T, T>(1, sinkhorn<>{}, scores, {}, in).codes, expected, true),
                  (allowance<T, T>(scores, 0.05)));
    }
}

// From where exp(x / epsilon) overflows double to where the codes are all but equal.
TYPED_TEST(Sinkhorn, ExtremeEpsilon) {
    using T = TypeParam;
    for (const double epsilon : {1e-3, 3e-3, 0.01, 0.1, 1.0, 10.0}) {
        for (const double size : {1.0, 5.0}) {
            const dense scores = rounded<T>(random_scores(83, 37, 5, size));
            const dense expected = sinkhorn_reference(scores, {.epsilon = epsilon});
            const double bound = allowance<T, T>(scores, epsilon);
            EXPECT_LT(largest_difference(assign<T>(sinkhorn<>{.epsilon = epsilon}, scores).codes, expected, true),
                      bound)
                << epsilon;
            EXPECT_LT(
                largest_difference(assign<T>(sinkhorn<log_domain>{.epsilon = epsilon}, scores).codes, expected, true),
                bound)
                << epsilon;
        }
    }
}

// A shift by a sample's own maximum would be exact only once the iteration has converged: here it would be off by more
// than a tenth. A shift of all scores or of a prototype's changes nothing.
TYPED_TEST(Sinkhorn, ShiftsOfATruncatedIteration) {
    using T = TypeParam;
    dense scores = random_scores(64, 16, 7);
    // Multiples of 2^-16, so that shifts are exact.
    for (double& v : scores.values) v = std::round(v * 0x1p16) * 0x1p-16;
    const dense plain = assign<T>(sinkhorn<>{}, scores).codes;
    dense by_prototype = scores, by_sample = scores;
    for (std::size_t b = 0; b < 64; ++b) {
        const double top = *std::max_element(scores.row(b), scores.row(b) + 16);
        for (std::size_t k = 0; k < 16; ++k) {
            by_prototype.row(b)[k] += 0.25 * static_cast<double>(k) - 2;
            by_sample.row(b)[k] -= top;
        }
    }
    const double bound = allowance<T, T>(by_prototype, 0.05);
    EXPECT_LT(largest_difference(assign<T>(sinkhorn<>{}, by_prototype).codes, plain, true), bound);
    EXPECT_GT(largest_difference(sinkhorn_reference(by_sample, {}), plain), 0.02);
    EXPECT_LT(largest_difference(sinkhorn_reference(scores, {}), plain), bound);
}

// One sample far below all others: its terms underflow under any shift that samples share.
TYPED_TEST(Sinkhorn, SampleFarBelowOthers) {
    using T = TypeParam;
    dense scores = random_scores(20, 12, 9);
    for (std::size_t k = 0; k < 12; ++k) scores.row(13)[k] -= 100;
    for (const double epsilon : {0.05, 0.02}) {
        const dense expected = sinkhorn_reference(rounded<T>(scores), {.epsilon = epsilon});
        const double bound = allowance<T, T>(scores, epsilon);
        EXPECT_LT(
            largest_difference(assign<T>(sinkhorn<>{.epsilon = epsilon}, rounded<T>(scores)).codes, expected, true),
            bound);
        EXPECT_LT(largest_difference(assign<T>(sinkhorn<log_domain>{.epsilon = epsilon}, rounded<T>(scores)).codes,
                                     expected, true),
                  bound);
    }
}

TYPED_TEST(Sinkhorn, LogAndExponentialDomain) {
    using T = TypeParam;
    const dense scores = random_scores(150, 700, 11);
    for (const double epsilon : {0.02, 0.05, 0.3}) {
        const auto a = assign<T>(sinkhorn<>{.epsilon = epsilon, .iterations = 5}, scores);
        const auto b = assign<T>(sinkhorn<log_domain>{.epsilon = epsilon, .iterations = 5}, scores);
        EXPECT_LT(largest_difference(a.codes, b.codes, true), (allowance<T, T>(scores, epsilon)));
        EXPECT_NEAR(a.report.marginal_error, b.report.marginal_error, (allowance<T, T>(scores, epsilon)));
    }
}

TYPED_TEST(Sinkhorn, Marginals) {
    using T = TypeParam;
    const dense scores = rounded<T>(random_scores(90, 30, 13));
    const auto expect = [&](const auto& options, const transport& how) {
        const auto got = assign<T>(options, scores);
        EXPECT_LT(largest_difference(got.codes, sinkhorn_reference(scores, how), true),
                  (allowance<T, T>(scores, 0.05)));
        EXPECT_NEAR(got.report.marginal_error, marginal_error(got.codes, how), 1e-5);
    };
    std::vector<double> weights(30);
    for (const double p : {0.0, 0.5, 1.0, 2.0}) {
        for (std::size_t k = 0; k < 30; ++k) weights[k] = std::pow(static_cast<double>(k + 1), -p);
        expect(sinkhorn<exponential_domain, marginals::power_law>{.marginals = {p}}, {.marginals = weights});
        expect(sinkhorn<log_domain, marginals::power_law>{.marginals = {p}}, {.marginals = weights});
    }
    std::mt19937_64 random(4);
    for (double& w : weights) w = static_cast<double>(random() % 50);
    weights[3] = weights[29] = 0;
    using given = marginals::given<std::span<const double>>;
    expect(sinkhorn<exponential_domain, given>{.marginals = {weights}}, {.marginals = weights});
    const std::vector<float> floats(weights.begin(), weights.end());
    expect(sinkhorn<log_domain, marginals::given<std::vector<float>>>{.marginals = {floats}}, {.marginals = weights});
}

TYPED_TEST(Sinkhorn, Tolerance) {
    using T = TypeParam;
    const dense scores = rounded<T>(random_scores(300, 40, 15));
    const double tolerance = sizeof(T) == 4 ? 1e-4 : 1e-9;
    const auto got = assign<T>(sinkhorn<>{.iterations = 1000, .tolerance = tolerance}, scores);
    EXPECT_TRUE(got.report.converged);
    EXPECT_GT(got.report.iterations, 3);
    EXPECT_LT(got.report.iterations, 1000);
    EXPECT_LE(got.report.marginal_error, tolerance);
    EXPECT_LT(marginal_error(got.codes, {}), 1.5 * tolerance);
    for (std::size_t b = 0; b < scores.rows; ++b) {
        EXPECT_NEAR(std::accumulate(got.codes.row(b), got.codes.row(b) + 40, 0.0), 1, sizeof(T) == 4 ? 1e-6 : 1e-14);
    }
    // The same as if that number had been asked for, and one fewer would not have done.
    const int n = got.report.iterations;
    const auto fixed = assign<T>(sinkhorn<>{.iterations = n}, scores);
    EXPECT_LT(largest_difference(fixed.codes, got.codes, true), (allowance<T, T>(scores, 0.05)));
    EXPECT_FALSE(fixed.report.converged);
    EXPECT_FALSE(assign<T>(sinkhorn<>{.iterations = n - 1, .tolerance = tolerance}, scores).report.converged);
    EXPECT_EQ(assign<T>(sinkhorn<>{.iterations = n - 1, .tolerance = tolerance}, scores).report.iterations, n - 1);
    const auto exact = assign<T>(sinkhorn<>{.iterations = n, .tolerance = tolerance}, scores);
    EXPECT_TRUE(exact.report.converged);
    EXPECT_TRUE(same(exact.codes.values, fixed.codes.values));
}

TYPED_TEST(Sinkhorn, Mask) {
    using T = TypeParam;
    for (const std::size_t samples : {3u, 17u, 130u}) {
        for (const unsigned one_in : {2u, 5u, 1000u}) {
            const dense scores = rounded<T>(random_scores(samples, 45, samples));
            std::mt19937_64 random(samples + one_in);
            std::vector<bool> mask(samples);
            for (std::size_t b = 0; b < samples; ++b) mask[b] = random() % one_in == 0;
            const transport how{.mask = mask};
            const dense expected = sinkhorn_reference(scores, how);
            // What does not count must not be looked at.
            dense spoiled = scores;
            for (std::size_t b = 0; b < samples; ++b) {
                for (std::size_t k = 0; k < 45 && !mask[b]; ++k) spoiled.row(b)[k] = NAN;
            }
            const double bound = allowance<T, T>(scores, 0.05);
            const auto got = assign<T>(sinkhorn<>{}, spoiled, mask);
            EXPECT_LT(largest_difference(got.codes, expected, true), bound);
            if (largest(expected) > 0) {
                EXPECT_NEAR(got.report.marginal_error, marginal_error(expected, how), 1e-5);
            }
            EXPECT_LT(largest_difference(assign<T>(sinkhorn<log_domain>{}, spoiled, mask).codes, expected, true),
                      bound);
        }
    }
}

// Longer than what is summed at once, in place and by way of buffers.
TYPED_TEST(Sinkhorn, LongRows) {
    using T = TypeParam;
    const dense scores = rounded<half>(random_scores(19, 2 * 8192 + 77, 16));
    const dense expected = sinkhorn_reference(scores, {});
    const double bound = allowance<T, T>(scores, 0.05);
    const auto got = assign<T>(sinkhorn<>{}, scores);
    EXPECT_LT(largest_difference(got.codes, expected, true), bound);
    EXPECT_NEAR(got.report.marginal_error, marginal_error(expected, {}), 1e-5);
    EXPECT_LT(largest_difference(assign<T>(sinkhorn<log_domain>{}, scores).codes, expected, true), bound);
    EXPECT_LT(largest_difference(assign<half, T>(1, sinkhorn<>{}, scores).codes, expected, true), bound);
}

TYPED_TEST(Sinkhorn, HardCodes) {
    using T = TypeParam;
    using selfsame::hard_codes;
    const dense scores = rounded<T>(random_scores(77, 29, 17));
    std::vector<bool> mask(77, true);
    mask[5] = mask[76] = false;
    for (const bool logarithmic : {false, true}) {
        const dense soft = assign<T>(sinkhorn<>{}, scores, mask).codes;
        const auto got = logarithmic
                             ? assign<T>(sinkhorn<log_domain, marginals::uniform, hard_codes>{}, scores, mask)
                             : assign<T>(sinkhorn<exponential_domain, marginals::uniform, hard_codes>{}, scores, mask);
        for (std::size_t b = 0; b < 77; ++b) {
            const auto top = std::max_element(soft.row(b), soft.row(b) + 29) - soft.row(b);
            for (std::size_t k = 0; k < 29; ++k) {
                EXPECT_EQ(got.codes.row(b)[k], mask[b] && k == static_cast<std::size_t>(top) ? 1 : 0);
            }
        }
        EXPECT_GT(got.report.marginal_error, 0);
    }
}

TYPED_TEST(Sinkhorn, PositionsAreProblemsOfTheirOwn) {
    using T = TypeParam;
    constexpr index_t positions = 37, samples = 21, prototypes = 50;
    // As P x B x K and as B x P x K, by strides; a mask that leaves out one position altogether.
    for (const bool samples_first : {false, true}) {
        for (const double tolerance : {0.0, 0.03}) {
            const dense flat = rounded<T>(random_scores(positions * samples, prototypes, 19));
            std::vector<T> x(flat.values.begin(), flat.values.end()), q(x.size(), T(-1));
            const std::array<index_t, 3> shape{positions, samples, prototypes};
            const auto strides = samples_first ? std::array<index_t, 3>{prototypes, positions * prototypes, 1}
                                               : std::array<index_t, 3>{samples * prototypes, prototypes, 1};
            std::vector<std::uint8_t> mask(positions * samples, 1);
            for (std::size_t b = 0; b < static_cast<std::size_t>(samples); ++b) mask[11 * samples + b] = 0;
            mask[3] = 0;
            const sinkhorn<> options{.epsilon = 0.06, .iterations = 9, .tolerance = tolerance};
            const auto report = selfsame::assign(
                one_thread, options, selfsame::view(static_cast<const T*>(x.data()), shape, strides),
                selfsame::view(q.data(), shape, strides), selfsame::matrix(mask.data(), positions, samples));
            double worst = 0;
            int longest = 0;
            for (index_t p = 0; p < positions; ++p) {
                const auto from =
                    selfsame::view(static_cast<const T*>(x.data()) + p * strides[0],
                                   std::array<index_t, 2>{samples, prototypes}, std::array<index_t, 2>{strides[1], 1});
                std::vector<T> alone(samples * prototypes);
                const auto r =
                    selfsame::assign(one_thread, options, from, selfsame::matrix(alone.data(), samples, prototypes),
                                     std::span<const std::uint8_t>(mask.data() + p * samples, samples));
                worst = (std::max)(worst, r.marginal_error);
                longest = (std::max)(longest, r.iterations);
                for (index_t b = 0; b < samples; ++b) {
                    for (index_t k = 0; k < prototypes; ++k) {
                        ASSERT_EQ(q[static_cast<std::size_t>(p * strides[0] + b * strides[1] + k)],
                                  alone[static_cast<std::size_t>(b * prototypes + k)]);
                    }
                }
            }
            EXPECT_EQ(report.marginal_error, worst);
            EXPECT_EQ(report.iterations, longest);
        }
    }
}

TYPED_TEST(Sinkhorn, CodesInPlaceOfScores) {
    using T = TypeParam;
    for (const layout how : {layout::packed, layout::padded, layout::transposed, layout::spread}) {
        for (const std::size_t samples : {5u, 40u, 200u}) {
            const dense scores = random_scores(samples, 70, 21);
            const dense expected = assign<T, T>(1, sinkhorn<>{}, scores, {}, how, how).codes;
            stored<T> x(scores, how);
            selfsame::assign(one_thread, sinkhorn<>{}, x.view(), x.view());
            EXPECT_TRUE(same(x.get().values, expected.values));
            EXPECT_TRUE(x.untouched());
            stored<T> y(scores, how);
            using hard = sinkhorn<exponential_domain, marginals::uniform, selfsame::hard_codes>;
            selfsame::assign(one_thread, hard{}, y.view(), y.view());
            EXPECT_TRUE(same(y.get().values, assign<T>(hard{}, scores).codes.values));
        }
    }
}

TYPED_TEST(Sinkhorn, AsPOT) {
    using T = TypeParam;
    for (const golden& g : goldens) {
        dense scores(static_cast<std::size_t>(g.samples), static_cast<std::size_t>(g.prototypes)), expected = scores;
        for (int b = 0; b < g.samples; ++b) {
            for (int k = 0; k < g.prototypes; ++k) {
                scores.row(static_cast<std::size_t>(b))[k] = ((37 * b + 101 * k) % 64 - 32) / 32.0;
            }
        }
        expected.values = g.codes;
        const auto expect = [&](auto options) {
            options.epsilon = g.epsilon;
            options.marginals = {g.power};
            options.iterations = g.iterations > 0 ? g.iterations : 100000;
            if (g.iterations == 0) options.tolerance = sizeof(T) == 4 ? 3e-7 : 1e-14;
            // In float, rounding of x / epsilon = 20 alone is 2e-6.
            EXPECT_LT(largest_difference(assign<T>(options, scores).codes, expected), sizeof(T) == 4 ? 3e-6 : 1e-9);
        };
        expect(sinkhorn<exponential_domain, marginals::power_law>{});
        expect(sinkhorn<log_domain, marginals::power_law>{});
    }
}

}  // namespace
}  // namespace selfsame_tests
