#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "selfsame/energy/device_scores.hpp"
#include "where.hpp"

// Scores of logits on the device's rowwise engine beside a float64 reference.

namespace {

using namespace selfsame_tests;
using all_scores = selfsame::logit_scores<selfsame::free_energy, selfsame::max_logit, selfsame::max_probability,
                                          selfsame::entropy, selfsame::margin>;

std::vector<float> random_logits(index_t count, double size) {
    std::mt19937 random(3);
    std::normal_distribution<double> normal;
    std::vector<float> z;
    for (index_t e = 0; e < count; ++e) z.push_back(static_cast<float>(size * normal(random)));
    return z;
}

struct scored {
    std::vector<float> values, gradient;
};

template <class T>
auto device_matrix(std::vector<T>& v, index_t rows, index_t columns) {
    return selfsame::matrix<selfsame::memory_space::device>(v.data(), rows, columns);
}

template <class Set>
scored score(const Set& set, std::vector<float> z, index_t rows, index_t columns) {
    scored s{std::vector<float>(static_cast<std::size_t>(rows * Set::count)), std::vector<float>(z.size())};
    const auto policy = where::policy();
    std::vector<float> again = s.values;
    const auto view = [&](std::vector<float>& v) {
        if constexpr (Set::count == 1) {
            return on_device(v);
        } else {
            return device_matrix(v, rows, Set::count);
        }
    };
    selfsame::value_and_grad(policy, set, device_matrix(z, rows, columns), view(s.values),
                             device_matrix(s.gradient, rows, columns));
    selfsame::forward(policy, set, device_matrix(z, rows, columns), view(again));
    where::wait();
    for (std::size_t e = 0; e < again.size(); ++e) {
        if (again[e] == s.values[e] || (std::isnan(again[e]) && std::isnan(s.values[e]))) continue;
        EXPECT_NEAR(again[e], s.values[e], 1e-6 * (std::max)(1.0f, std::fabs(s.values[e])));
    }
    return s;
}

/// Free energy, largest logit, largest probability, entropy, and margin of a row.
std::array<double, 5> reference(const std::vector<double>& row, double temperature) {
    double top = -1e300, second = -1e300, sum = 0, entropy = 0;
    for (const double z : row) {
        second = (std::max)(second, (std::min)(z, top));
        top = (std::max)(top, z);
    }
    for (const double z : row) sum += std::exp((z - top) / temperature);
    for (const double z : row) {
        const double log_p = (z - top) / temperature - std::log(sum);
        entropy -= std::exp(log_p) * log_p;
    }
    return {-temperature * (top / temperature + std::log(sum)), top, 1 / sum, entropy,
            (1 - std::exp((second - top) / temperature)) / sum};
}

std::vector<double> row_of(const std::vector<float>& z, index_t row, index_t columns) {
    return {z.begin() + row * columns, z.begin() + (row + 1) * columns};
}

TEST(cuda_scores, agree_with_float64) {
    order_of_threads = 2;
    const double temperature = 1.5;
    for (const index_t columns : {1, 7, 33, 1024, 1025, 3000}) {
        const index_t rows = 5;
        const auto z = random_logits(rows * columns, 4);
        const scored got = score(all_scores{temperature}, z, rows, columns);
        for (index_t i = 0; i < rows; ++i) {
            const auto expected = reference(row_of(z, i, columns), temperature);
            for (std::size_t s = 0; s < 5; ++s) {
                ASSERT_NEAR(got.values[5 * static_cast<std::size_t>(i) + s], expected[s],
                            2e-6 * (std::max)(1.0, std::fabs(expected[s])))
                    << columns << " columns, score " << s;
            }
        }
    }
    order_of_threads = 0;
}

TEST(cuda_scores, have_the_gradients_of_finite_differences) {
    const double temperature = 0.7, step = 1e-5;
    for (const index_t columns : {9, 1500}) {
        const index_t rows = 6;
        const auto z = random_logits(rows * columns, 3);
        const scored got = score(all_scores{temperature}, z, rows, columns);
        for (index_t i = 0; i < rows; ++i) {
            auto row = row_of(z, i, columns);
            const auto sum_at = [&](std::size_t k, double shift) {
                row[k] += shift;
                const auto values = reference(row, temperature);
                row[k] -= shift;
                return std::accumulate(values.begin(), values.end(), 0.0);
            };
            for (std::size_t k = 0; k < row.size(); k += row.size() / 9) {
                const double slope = (sum_at(k, step) - sum_at(k, -step)) / (2 * step);
                EXPECT_NEAR(got.gradient[static_cast<std::size_t>(i * columns) + k], slope, 3e-6) << columns;
            }
        }
    }
}

TEST(cuda_scores, of_infinite_and_missing_logits_are_the_limits) {
    const float inf = std::numeric_limits<float>::infinity();
    std::vector<float> z = {-inf, -inf, -inf, 1, -inf, 2, std::nanf(""), 1, 2};
    const scored got = score(selfsame::logit_scores<selfsame::free_energy>{}, z, 3, 3);
    EXPECT_EQ(got.values[0], inf);
    EXPECT_NEAR(got.values[1], -std::log(std::exp(1.0) + std::exp(2.0)), 1e-6);
    EXPECT_TRUE(std::isnan(got.values[2]));
}

TEST(cuda_scores, gradients_may_be_the_memory_of_the_logits_and_may_be_added) {
    const index_t rows = 3, columns = 40;
    auto z = random_logits(rows * columns, 2);
    const selfsame::logit_scores<selfsame::free_energy> set{};
    const scored apart = score(set, z, rows, columns);
    std::vector<float> sums(z.size(), 1.0f), upstream = {2, 2, 2}, values(3);
    selfsame::backward(where::policy(), set, device_matrix(z, rows, columns), on_device(upstream),
                       selfsame::accumulate{device_matrix(sums, rows, columns)});
    where::wait();
    for (std::size_t e = 0; e < z.size(); ++e) EXPECT_NEAR(sums[e], 1 + 2 * apart.gradient[e], 1e-6);
    const auto x = device_matrix(z, rows, columns);
    selfsame::value_and_grad(where::policy(), set, x, on_device(values), x);
    where::wait();
    EXPECT_EQ(z, apart.gradient);
}

}  // namespace
