#include "selfsame/energy/scores.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "support.hpp"

namespace {

using selfsame::index_t;
using selfsame_tests::refusal;
using all_scores = selfsame::logit_scores<selfsame::free_energy, selfsame::max_logit, selfsame::max_probability,
                                          selfsame::entropy, selfsame::margin>;
constexpr double inf = std::numeric_limits<double>::infinity();

/// The definitions, in double.
std::vector<double> scores_of(const std::vector<double>& z, double temperature) {
    std::vector<double> x = z;
    for (double& v : x) v /= temperature;
    const double top = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const double v : x) sum += std::exp(v - top);
    const double total = top + std::log(sum);
    double entropy = 0;
    for (const double v : x) {
        const double p = std::exp(v - total);
        if (p > 0) entropy -= p * (v - total);
    }
    std::vector<double> sorted = x;
    std::sort(sorted.rbegin(), sorted.rend());
    const double second = sorted.size() > 1 ? std::exp(sorted[1] - total) : 0;
    return {-temperature * total, top * temperature, std::exp(top - total), entropy, std::exp(top - total) - second};
}

/// B x K logits of an element type in memory with any strides.
template <class E>
struct logits {
    index_t rows, columns, row_step, column_step;
    std::vector<E> memory;

    logits(index_t b, index_t k, index_t gap, bool by_columns, double scale, unsigned seed)
        : rows(b), columns(k), row_step(by_columns ? 1 : (k + gap)), column_step(by_columns ? b + gap : 1),
          memory(static_cast<std::size_t>((b + gap) * (k + gap) + 1)) {
        std::mt19937 random(seed);
        std::normal_distribution<double> normal;
        for (E& e : memory) e = selfsame::element_cast<E>(scale * normal(random));
    }
    auto view() {
        return selfsame::view(memory.data(), std::array<index_t, 2>{rows, columns},
                              std::array<index_t, 2>{row_step, column_step});
    }
    E& at(index_t b, index_t k) { return memory[static_cast<std::size_t>(b * row_step + k * column_step)]; }
    std::vector<double> row(index_t b) {
        std::vector<double> r;
        for (index_t k = 0; k < columns; ++k) r.push_back(selfsame::element_cast<double>(at(b, k)));
        return r;
    }
};

template <class E>
void check_values() {
    EXPECT_TRUE(rc::check([] {
        const auto b = *rc::gen::inRange<index_t>(0, 40), gap = *rc::gen::inRange<index_t>(0, 3);
        const auto k = *rc::gen::oneOf(rc::gen::inRange<index_t>(1, 80), rc::gen::inRange<index_t>(80, 2500));
        const bool by_columns = *rc::gen::arbitrary<bool>();
        const double scale = *rc::gen::element(0.01, 1.0, 30.0, 1e4),
                     temperature = *rc::gen::element(1e-3, 0.5, 1.0, 1e3);
        const int threads = *rc::gen::inRange(1, 4);
        logits<E> z(b, k, gap, by_columns, scale, static_cast<unsigned>(*rc::gen::inRange(0, 1000)));
        std::vector<double> got(static_cast<std::size_t>(5 * b));
        selfsame::forward(selfsame::context{thrust::omp::par, threads}, all_scores{.temperature = temperature},
                          z.view(), selfsame::matrix(got.data(), b, 5));
        const double unit = std::is_same_v<E, double> ? 1e-13 : 3e-7;
        for (index_t i = 0; i < b; ++i) {
            const std::vector<double> expected = scores_of(z.row(i), temperature);
            for (std::size_t s = 0; s < 5; ++s) {
                const double tolerance =
                    unit * (s < 2 ? (std::max)(1.0, std::fabs(expected[s])) + temperature * std::log(double(k) + 1)
                                  : 32 * (std::max)(1.0, std::fabs(expected[s])));
                RC_ASSERT(std::fabs(got[static_cast<std::size_t>(i) * 5 + s] - expected[s]) <= tolerance);
            }
        }
    }));
}

TEST(LogitScores, Floats) { check_values<float>(); }
TEST(LogitScores, Doubles) { check_values<double>(); }
TEST(LogitScores, Halves) { check_values<selfsame::half>(); }
TEST(LogitScores, Bfloats) { check_values<selfsame::bfloat16>(); }

template <class Scores>
void check_gradient(const Scores& scores) {
    for (const index_t k : {1, 2, 5, 15, 16, 17, 40, 200}) {
        constexpr index_t b = 19;
        constexpr int n = Scores::count;
        logits<double> z(b, k, 1, false, 2, static_cast<unsigned>(k));
        std::mt19937 random(5);
        std::normal_distribution<double> normal;
        std::vector<double> upstream(b * n), values(b * n), gradient(static_cast<std::size_t>(b * k));
        for (double& u : upstream) u = normal(random);
        const auto shaped = [](std::vector<double>& v) {
            if constexpr (n == 1) {
                return selfsame::vector(v.data(), b);
            } else {
                return selfsame::matrix(v.data(), b, n);
            }
        };
        selfsame::backward(thrust::seq, scores, z.view(), shaped(upstream), selfsame::matrix(gradient.data(), b, k));
        const auto value = [&] {
            selfsame::forward(thrust::seq, scores, z.view(), shaped(values));
            double s = 0;
            for (std::size_t i = 0; i < values.size(); ++i) s += upstream[i] * values[i];
            return s;
        };
        double largest = 0;
        for (const double g : gradient) largest = (std::max)(largest, std::fabs(g));
        for (index_t i = 0; i < b; i += 6) {
            for (index_t j = 0; j < k; j += selfsame_tests::sanitized ? 13 : 3) {
                const double h = 1e-5, before = z.at(i, j);
                z.at(i, j) = before + h;
                const double up = value();
                z.at(i, j) = before - h;
                const double down = value();
                z.at(i, j) = before;
                EXPECT_NEAR(gradient[static_cast<std::size_t>(i * k + j)], (up - down) / (2 * h), 1e-6 * largest + 1e-9)
                    << i << " " << j << " of " << k;
            }
        }
    }
}

TEST(LogitScores, GradientsAreFiniteDifferences) {
    check_gradient(selfsame::logit_scores<selfsame::free_energy>{.temperature = 0.7});
    check_gradient(selfsame::logit_scores<selfsame::max_logit>{});
    check_gradient(selfsame::logit_scores<selfsame::max_probability>{.temperature = 2});
    check_gradient(selfsame::logit_scores<selfsame::entropy>{.temperature = 0.7});
    check_gradient(selfsame::logit_scores<selfsame::margin>{.temperature = 1.5});
    check_gradient(all_scores{.temperature = 0.9});
}

TEST(LogitScores, InfiniteLogits) {
    for (const index_t k : {3, 40, 100}) {
        logits<float> z(4, k, 0, false, 1, 3);
        for (index_t j = 0; j < k; ++j) z.at(0, j) = -static_cast<float>(inf);  // nothing is possible
        z.at(1, k / 2) = -static_cast<float>(inf);
        z.at(2, k - 1) = static_cast<float>(inf);
        z.at(3, 1) = std::numeric_limits<float>::quiet_NaN();
        std::vector<float> got(20);
        selfsame::forward(thrust::seq, all_scores{}, z.view(), selfsame::matrix(got.data(), 4, 5));
        EXPECT_EQ(got[0], inf);
        EXPECT_EQ(got[1], -inf);
        const std::vector<double> expected = scores_of(z.row(1), 1);
        for (std::size_t s = 0; s < 5; ++s) EXPECT_NEAR(got[5 + s], expected[s], 4e-6) << s << " of " << k;
        EXPECT_EQ(got[10], -inf);
        EXPECT_EQ(got[11], inf);
        EXPECT_TRUE(std::isnan(got[15])) << k;
        EXPECT_TRUE(std::isnan(got[18])) << k;
    }
}

TEST(LogitScores, WhatComesLateMayBeFarAboveWhatCameFirst) {
    for (const double late : {5.0, 15.0, 25.0, 80.0, 1e4}) {
        logits<float> z(3, 500, 0, false, 1, 8);
        for (const index_t j : {70, 333, 490}) z.at(1, j) = static_cast<float>(late);
        std::vector<float> got(3);
        selfsame::forward(thrust::seq, selfsame::logit_scores<selfsame::free_energy>{}, z.view(), got);
        for (index_t i = 0; i < 3; ++i) {
            const double expected = scores_of(z.row(i), 1)[0];
            EXPECT_NEAR(got[static_cast<std::size_t>(i)], expected, 1e-6 * std::fabs(expected)) << late;
        }
    }
}

// More results than the caches hold go past them, from where lines begin.
// A product of logit and 1 / temperature that is rounded would be off by 5e-4.
TEST(LogitScores, LogitsOfTenThousandLoseNothingOfTheirDifferences) {
    for (const double offset : {-1e4, 1e4, -3e4}) {
        for (const double temperature : {1.0, 0.37}) {
            for (const index_t k : {1, 2, 7, 64, 65, 128, 129, 1000}) {
                std::vector<float> z, scores(5), gradient(static_cast<std::size_t>(k));
                for (index_t j = 0; j < k; ++j) z.push_back(static_cast<float>(offset + double(j * 37 % 101) / 256));
                const auto logits = selfsame::matrix(static_cast<const float*>(z.data()), 1, k);
                selfsame::forward(thrust::seq, all_scores{.temperature = temperature}, logits,
                                  selfsame::matrix(scores.data(), 1, 5));
                const std::vector<double> row(z.begin(), z.end()), expected = scores_of(row, temperature);
                for (std::size_t s = 2; s < 5; ++s)
                    EXPECT_NEAR(scores[s], expected[s], 1e-6 * (1 + std::fabs(expected[s]))) << s << " of " << k;
                float energy = 0;
                selfsame::value_and_grad(thrust::seq,
                                         selfsame::logit_scores<selfsame::free_energy>{.temperature = temperature},
                                         logits, selfsame::vector(&energy, 1), selfsame::matrix(gradient.data(), 1, k));
                EXPECT_FLOAT_EQ(energy, static_cast<float>(expected[0]));
                for (index_t j = 0; j < k; ++j) {
                    const double p = std::exp((row[static_cast<std::size_t>(j)] + expected[0]) / temperature);
                    EXPECT_NEAR(gradient[static_cast<std::size_t>(j)], -p, 2e-6 * p) << j << " of " << k;
                }
            }
        }
    }
}

TEST(LogitScores, LargeGradients) {
    const index_t b = 9, k = 500001;
    logits<float> z(b, k, 0, false, 1, 9);
    std::vector<float> values(static_cast<std::size_t>(b)), g(static_cast<std::size_t>(b * k), 7);
    selfsame::value_and_grad(thrust::seq, selfsame::logit_scores<selfsame::max_logit>{}, z.view(), values,
                             selfsame::matrix(g.data(), b, k));
    for (index_t i = 0; i < b; ++i) {
        const auto row = z.memory.begin() + i * k;
        const auto top = std::max_element(row, row + k) - row;
        for (index_t j = 0; j < k; ++j) {
            ASSERT_EQ(g[static_cast<std::size_t>(i * k + j)], j == top ? 1.0f : 0.0f) << i << " " << j;
        }
    }
}

TEST(LogitScores, EqualLogitsTakeTheLowestColumn) {
    for (const index_t k : {4, 33, 100}) {
        std::vector<float> z(static_cast<std::size_t>(k), 1.5f), value(1), g(z.size());
        selfsame::value_and_grad(thrust::seq, selfsame::logit_scores<selfsame::max_logit>{},
                                 selfsame::matrix(z.data(), 1, k), value, selfsame::matrix(g.data(), 1, k));
        EXPECT_EQ(value[0], 1.5f);
        EXPECT_EQ(g[0], 1.0f);
        EXPECT_EQ(std::count(g.begin(), g.end(), 0.0f), k - 1);
        selfsame::forward(thrust::seq, selfsame::logit_scores<selfsame::margin>{}, selfsame::matrix(z.data(), 1, k),
                          value);
        EXPECT_EQ(value[0], 0.0f);
    }
}

TEST(LogitScores, NumberOfThreadsChangesNoBitAndTheGradientMayBeTheLogits) {
    const index_t b = 301;
    for (const index_t k : {7, 31, 513}) {
        logits<float> z(b, k, 0, false, 3, 4);
        std::vector<float> values(static_cast<std::size_t>(5 * b)), first_values, first;
        std::vector<float> g(static_cast<std::size_t>(b * k));
        for (const int threads : {1, 2, 5}) {
            selfsame::value_and_grad(selfsame::context{thrust::omp::par, threads}, all_scores{}, z.view(),
                                     selfsame::matrix(values.data(), b, 5), selfsame::matrix(g.data(), b, k));
            if (threads == 1) {
                first = g;
                first_values = values;
            }
            EXPECT_EQ(std::memcmp(g.data(), first.data(), g.size() * sizeof(float)), 0);
            EXPECT_EQ(values, first_values);
        }
        selfsame::value_and_grad(thrust::seq, all_scores{}, z.view(), selfsame::matrix(values.data(), b, 5), z.view());
        for (std::size_t e = 0; e < first.size(); ++e) ASSERT_EQ(z.memory[e], first[e]) << e;
    }
}

TEST(LogitScores, RefusesWhatDoesNotFit) {
    std::vector<float> z(12), values(4), g(12);
    const auto Z = selfsame::matrix(z.data(), 4, 3);
    using energy = selfsame::logit_scores<selfsame::free_energy>;
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, energy{.temperature = 0}, Z, values); }),
              "selfsame: temperature: got 0, expected > 0");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, energy{}, Z, g); }),
              "selfsame: values: got 12 x 1, expected 4 x 1 (rows of logits x scores)");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, energy{}, selfsame::matrix(z.data(), 4, 0), values); }),
              "selfsame: logits: got 4 x 0, expected at least one column");
    EXPECT_EQ(refusal([&] { selfsame::backward(thrust::seq, energy{}, Z, values, selfsame::matrix(g.data(), 3, 4)); }),
              "selfsame: gradient: got 3 x 4, expected 4 x 3 (the shape of logits)");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, energy{}, Z, values); }), "");
}

}  // namespace
