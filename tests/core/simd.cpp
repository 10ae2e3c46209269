#include "selfsame/core/simd.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace {

using selfsame::batch;

template <class V>
class Simd : public testing::Test {};

template <class V>
struct parts;
template <class T, int N>
struct parts<batch<T, N>> {
    using scalar = T;
    static constexpr int count = N;
};

using batches = testing::Types<batch<float>, batch<double>, batch<float, 4>, batch<double, 2>>;
TYPED_TEST_SUITE(Simd, batches);

template <class V>
V ramp(double first, double step) {
    using T = typename parts<V>::scalar;
    std::array<T, static_cast<std::size_t>(parts<V>::count)> x;
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<T>(first + step * static_cast<double>(k));
    return selfsame::load<V>(x.data());
}

TYPED_TEST(Simd, LoadsAndStoresAtAnyAddress) {
    using V = TypeParam;
    using T = typename parts<V>::scalar;
    constexpr int n = parts<V>::count;
    static_assert(sizeof(V) == n * sizeof(T));
    std::vector<T> from(3 * n), to(3 * n, T(-1));
    std::iota(from.begin(), from.end(), T(1));
    for (int offset = 0; offset < n; ++offset) {
        selfsame::store(to.data() + offset, selfsame::load<V>(from.data() + offset));
        for (int k = 0; k < n; ++k) {
            EXPECT_EQ(to[static_cast<std::size_t>(offset + k)], from[static_cast<std::size_t>(offset + k)]);
        }
        EXPECT_EQ(to[static_cast<std::size_t>(offset + n)], T(-1)) << "wrote past its lanes";
    }
}

TYPED_TEST(Simd, ArithmeticIsByLane) {
    using V = TypeParam;
    using T = typename parts<V>::scalar;
    const V a = ramp<V>(-3, 1.5), b = ramp<V>(2, 0.25);
    V c = a;
    c += b;
    c *= b;
    c -= a;
    for (int k = 0; k < parts<V>::count; ++k) {
        const T x = a[k], y = b[k];
        EXPECT_EQ((a + b)[k], x + y);
        EXPECT_EQ((a - b)[k], x - y);
        EXPECT_EQ((a * b)[k], x * y);
        EXPECT_EQ((a / b)[k], x / y);
        EXPECT_EQ((-a)[k], -x);
        EXPECT_EQ(selfsame::math::select(a < b, a, b)[k], x < y ? x : y);
        EXPECT_EQ(selfsame::math::select(a >= b, a, b)[k], x >= y ? x : y);
        EXPECT_NEAR(selfsame::math::fma(a, b, V(T(1)))[k], x * y + T(1), 1e-5);
        EXPECT_NEAR(c[k], (x + y) * y - x, 1e-4);
    }
}

TYPED_TEST(Simd, BroadcastKeepsTheSignOfZero) {
    using V = TypeParam;
    using T = typename parts<V>::scalar;
    for (int k = 0; k < parts<V>::count; ++k) {
        EXPECT_TRUE(std::signbit(V(T(-0.0))[k]));
        EXPECT_FALSE(std::signbit(V(T(0))[k]));
        EXPECT_TRUE(std::isnan(V(std::numeric_limits<T>::quiet_NaN())[k]));
        EXPECT_EQ(V(std::numeric_limits<T>::infinity())[k], std::numeric_limits<T>::infinity());
    }
}

TYPED_TEST(Simd, SumAndMaximumLookAtEveryLane) {
    using V = TypeParam;
    using T = typename parts<V>::scalar;
    constexpr int n = parts<V>::count;
    EXPECT_EQ(selfsame::sum(ramp<V>(1, 1)), T(n * (n + 1) / 2));
    for (int lane = 0; lane < n; ++lane) {
        std::vector<T> x(n, T(-5));
        x[static_cast<std::size_t>(lane)] = T(3);
        EXPECT_EQ(selfsame::maximum(selfsame::load<V>(x.data())), T(3));
        EXPECT_EQ(selfsame::sum(selfsame::load<V>(x.data())), T(3 - 5 * (n - 1)));
        x[static_cast<std::size_t>(lane)] = std::numeric_limits<T>::quiet_NaN();
        EXPECT_TRUE(std::isnan(selfsame::maximum(selfsame::load<V>(x.data())))) << lane;
        EXPECT_TRUE(std::isnan(selfsame::sum(selfsame::load<V>(x.data())))) << lane;
    }
}

TEST(SimdRegister, ARegisterHoldsWhatTheProcessorHas) {
    EXPECT_EQ(sizeof(batch<float>), static_cast<std::size_t>(selfsame::register_bytes));
    EXPECT_EQ(sizeof(batch<double>), static_cast<std::size_t>(selfsame::register_bytes));
    EXPECT_EQ(selfsame::lanes<float>, 2 * selfsame::lanes<double>);
}

}  // namespace
