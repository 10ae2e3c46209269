#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "selfsame/objective/soft_cross_entropy.hpp"

namespace {

using selfsame::index_t;
using selfsame::matrix;
using selfsame::update_center;
using doubles = std::vector<double>;

/// Values that half and bfloat16 hold exactly, away from 0 in the mean.
doubles values(index_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal(1, 0.5);
    doubles x;
    for (index_t k = 0; k < n; ++k) x.push_back(std::round(32 * normal(random)) / 32);
    return x;
}

template <class E>
std::vector<E> as(const doubles& x) {
    std::vector<E> y;
    for (const double v : x) y.push_back(selfsame::element_cast<E>(v));
    return y;
}

doubles reference(doubles center, double momentum, const doubles& rows) {
    const std::size_t columns = center.size(), count = rows.size() / columns;
    for (std::size_t k = 0; k < columns; ++k) {
        double sum = 0;
        for (std::size_t r = 0; r < count; ++r) sum += rows[r * columns + k];
        center[k] = momentum * center[k] + (1 - momentum) * sum / static_cast<double>(count);
    }
    return center;
}

/// Two tensors of teachers; the first lies transposed or in rows with a gap behind them.
template <class E, class C>
void check_values() {
    EXPECT_TRUE(rc::check([] {
        const auto columns = *rc::gen::oneOf(rc::gen::inRange<index_t>(1, 40), rc::gen::inRange<index_t>(500, 1100));
        const auto first = *rc::gen::inRange<index_t>(1, 40), second = *rc::gen::inRange<index_t>(0, 300);
        const auto seed = static_cast<unsigned>(*rc::gen::inRange(0, 999));
        const double momentum = *rc::gen::element(0.0, 0.25, 0.9, 1.0);
        const doubles rows = values((first + second) * columns, seed), before = values(columns, seed + 1);
        const bool transposed = *rc::gen::arbitrary<bool>();
        const index_t step = transposed ? 1 : columns + 3, column_step = transposed ? first : 1;
        std::vector<E> apart(static_cast<std::size_t>(first * (columns + 3)), selfsame::element_cast<E>(77));
        for (index_t r = 0; r < first; ++r) {
            for (index_t k = 0; k < columns; ++k) {
                apart[static_cast<std::size_t>(r * step + k * column_step)] =
                    selfsame::element_cast<E>(rows[static_cast<std::size_t>(r * columns + k)]);
            }
        }
        std::vector<E> rest = as<E>(doubles(rows.begin() + first * columns, rows.end()));
        std::vector<C> center = as<C>(before);
        update_center(selfsame::context{thrust::omp::par, *rc::gen::inRange(1, 4)}, center, momentum,
                      selfsame::view(apart.data(), std::array<index_t, 2>{first, columns},
                                     std::array<index_t, 2>{step, column_step}),
                      matrix(rest.data(), second, columns));
        const doubles expected = reference(before, momentum, rows);
        const double unit = std::is_same_v<E, double> ? 1e-14 : std::is_same_v<C, float> ? 1e-6 : 1e-2;
        for (std::size_t k = 0; k < center.size(); ++k) {
            RC_ASSERT(std::fabs(selfsame::element_cast<double>(center[k]) - expected[k]) <=
                      unit * (1 + std::fabs(expected[k])));
        }
    }));
}

TEST(UpdateCenter, Floats) { check_values<float, float>(); }
TEST(UpdateCenter, Doubles) { check_values<double, double>(); }
TEST(UpdateCenter, Halves) { check_values<selfsame::half, float>(); }
TEST(UpdateCenter, BfloatsInBoth) { check_values<selfsame::bfloat16, selfsame::bfloat16>(); }

TEST(UpdateCenter, NumberOfThreadsChangesNoBit) {
    std::mt19937 random(4);
    std::normal_distribution<float> normal;
    std::vector<float> rows(3001 * 70), first(70, 0.5f);
    for (float& x : rows) x = normal(random);
    update_center(selfsame::context{thrust::omp::par, 1}, first, 0.9, matrix(rows.data(), 3001, 70));
    for (const int threads : {2, 3, 7}) {
        std::vector<float> again(70, 0.5f);
        update_center(selfsame::context{thrust::omp::par, threads}, again, 0.9, matrix(rows.data(), 3001, 70));
        EXPECT_EQ(std::memcmp(first.data(), again.data(), sizeof(float) * 70), 0);
    }
}

TEST(UpdateCenter, MicroBatchesOfAStepAreOneBatch) {
    const doubles rows = values(12 * 9, 1);
    doubles one(9, 2), parts(9, 2), twice(9, 2);
    update_center(thrust::seq, one, 0.9, matrix(rows.data(), 12, 9));
    update_center(thrust::seq, parts, 0.9, matrix(rows.data(), 5, 9), matrix(rows.data() + 45, 7, 9));
    update_center(thrust::seq, twice, 0.9, matrix(rows.data(), 5, 9));
    update_center(thrust::seq, twice, 0.9, matrix(rows.data() + 45, 7, 9));
    for (std::size_t k = 0; k < 9; ++k) {
        EXPECT_NEAR(parts[k], one[k], 1e-15);
        EXPECT_GT(std::fabs(twice[k] - one[k]), 1e-3);
    }
}

TEST(UpdateCenter, NaNAndInfinityStayInTheirColumns) {
    std::vector<float> rows(20 * 33, 1.0f), center(33, 0.0f);
    rows[7 * 33 + 2] = std::numeric_limits<float>::quiet_NaN();
    rows[9 * 33 + 5] = -std::numeric_limits<float>::infinity();
    update_center(thrust::seq, center, 0.5, matrix(rows.data(), 20, 33));
    for (std::size_t k = 0; k < 33; ++k) {
        if (k == 2) {
            EXPECT_TRUE(std::isnan(center[k]));
        } else if (k == 5) {
            EXPECT_EQ(center[k], -std::numeric_limits<float>::infinity());
        } else {
            EXPECT_EQ(center[k], 0.5f) << k;
        }
    }
}

TEST(UpdateCenter, RefusesWhatDoesNotFit) {
    doubles rows(20), center(5, 3);
    const auto refusal = [](auto&& f) -> std::string {
        try {
            f();
        } catch (const std::invalid_argument& e) {
            return e.what();
        }
        return "accepted";
    };
    const auto T = matrix(rows.data(), 4, 5), wide = matrix(rows.data(), 2, 10), none = matrix(rows.data(), 0, 5);
    EXPECT_EQ(refusal([&] { update_center(thrust::seq, center, 0.9, wide); }),
              "selfsame: teacher: got 2 x 10, expected 5 columns, as the center has");
    EXPECT_EQ(refusal([&] { update_center(thrust::seq, center, 0.9, T, wide); }),
              "selfsame: teacher: got 2 x 10, expected 5 columns, as the center has");
    EXPECT_EQ(refusal([&] { update_center(thrust::seq, center, 1.5, T); }),
              "selfsame: momentum: got 1.5, expected from 0 to 1");
    EXPECT_EQ(refusal([&] { update_center(thrust::seq, center, std::nan(""), T); }).substr(0, 18),
              "selfsame: momentum");
    EXPECT_EQ(refusal([&] { update_center(thrust::seq, center, 0.9, none); }), "accepted");
    EXPECT_EQ(center, doubles(5, 3)) << "what is refused, and a step without rows, changes nothing";
}

}  // namespace
