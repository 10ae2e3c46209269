#include <gtest/gtest.h>

#include <thrust/system/cpp/execution_policy.h>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "fiber_machine.hpp"
#include "selfsame/energy/device_scores.hpp"

// Scores of logits on the device's rowwise engine, every thread a fiber, beside the host's and a float64 reference.

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
scored in_fibers(const Set& set, std::vector<float> z, index_t rows, index_t columns, thread_order order = {}) {
    scored s{std::vector<float>(static_cast<std::size_t>(rows * Set::count)), std::vector<float>(z.size())};
    fibers policy;
    policy.order = order;
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
    for (std::size_t e = 0; e < again.size(); ++e) {
        if (again[e] == s.values[e] || (std::isnan(again[e]) && std::isnan(s.values[e]))) continue;
        EXPECT_NEAR(again[e], s.values[e], 1e-6 * (std::max)(1.0f, std::fabs(s.values[e])));
    }
    return s;
}

TEST(cuda_scores, agree_with_float64) {
    const double temperature = 1.5;
    for (const index_t columns : {1, 7, 33, 1024, 1025, 3000}) {
        const index_t rows = 5;
        const auto z = random_logits(rows * columns, 4);
        const scored got = in_fibers(all_scores{temperature}, z, rows, columns, {thread_order::shuffled, 5});
        for (index_t i = 0; i < rows; ++i) {
            const float* row = z.data() + i * columns;
            double top = -1e300, second = -1e300, sum = 0, entropy = 0;
            for (index_t k = 0; k < columns; ++k) {
                if (row[k] > top) {
                    second = top;
                    top = row[k];
                } else if (row[k] > second) {
                    second = row[k];
                }
            }
            for (index_t k = 0; k < columns; ++k) sum += std::exp((row[k] - top) / temperature);
            for (index_t k = 0; k < columns; ++k) {
                const double log_p = (row[k] - top) / temperature - std::log(sum);
                entropy -= std::exp(log_p) * log_p;
            }
            const double expected[] = {-temperature * (top / temperature + std::log(sum)), top, 1 / sum, entropy,
                                       (1 - std::exp((second - top) / temperature)) / sum};
            for (index_t s = 0; s < 5; ++s) {
                ASSERT_NEAR(got.values[static_cast<std::size_t>(5 * i + s)], expected[s],
                            2e-6 * (std::max)(1.0, std::fabs(expected[s])))
                    << columns << " columns, score " << s;
            }
        }
    }
}

TEST(cuda_scores, have_the_gradients_of_the_host) {
    for (const index_t columns : {9, 1500}) {
        const index_t rows = 6;
        auto z = random_logits(rows * columns, 3);
        const scored got = in_fibers(all_scores{0.7}, z, rows, columns);
        std::vector<float> values(got.values.size()), gradient(z.size());
        selfsame::value_and_grad(thrust::cpp::par, all_scores{0.7}, selfsame::matrix(z.data(), rows, columns),
                                 selfsame::matrix(values.data(), rows, 5),
                                 selfsame::matrix(gradient.data(), rows, columns));
        double off = 0, size = 0;
        for (std::size_t e = 0; e < z.size(); ++e) {
            off += std::pow(double(got.gradient[e]) - double(gradient[e]), 2);
            size += std::pow(double(gradient[e]), 2);
        }
        EXPECT_LE(std::sqrt(off / size), 2e-6);
    }
}

TEST(cuda_scores, of_infinite_and_missing_logits_are_those_of_the_host) {
    const float inf = std::numeric_limits<float>::infinity();
    std::vector<float> z = {-inf, -inf, -inf, 1, -inf, 2, std::nanf(""), 1, 2};
    const scored got = in_fibers(selfsame::logit_scores<selfsame::free_energy>{}, z, 3, 3);
    EXPECT_EQ(got.values[0], inf);
    EXPECT_NEAR(got.values[1], -std::log(std::exp(1.0) + std::exp(2.0)), 1e-6);
    EXPECT_TRUE(std::isnan(got.values[2]));
}

TEST(cuda_scores, gradients_may_be_the_memory_of_the_logits_and_may_be_added) {
    const index_t rows = 3, columns = 40;
    auto z = random_logits(rows * columns, 2);
    const selfsame::logit_scores<selfsame::free_energy> set{};
    const scored apart = in_fibers(set, z, rows, columns);
    std::vector<float> sums(z.size(), 1.0f), upstream = {2, 2, 2}, values(3);
    selfsame::backward(fibers{}, set, device_matrix(z, rows, columns), on_device(upstream),
                       selfsame::accumulate{device_matrix(sums, rows, columns)});
    for (std::size_t e = 0; e < z.size(); ++e) EXPECT_NEAR(sums[e], 1 + 2 * apart.gradient[e], 1e-6);
    const auto x = device_matrix(z, rows, columns);
    selfsame::value_and_grad(fibers{}, set, x, on_device(values), x);
    EXPECT_EQ(z, apart.gradient);
}

}  // namespace
