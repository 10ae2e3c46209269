#include "selfsame/core/math.hpp"

#include <gtest/gtest.h>

#include <cstddef>

#include "helpers.hpp"
#include "selfsame/core/simd.hpp"

/// \file
/// Elementary functions against long double, one value at a time and in batches: a batch as wide as a register has
/// instructions of its own on some processors, narrower ones take the generic way.

namespace {

namespace math = selfsame::math;
using selfsame_tests::arguments;
using selfsame_tests::units_off;

template <class V>
struct value {
    using scalar = V;
    static V of(const V& x) { return x; }
    template <class F>
    static std::vector<V> map(const std::vector<V>& x, F&& f) {
        std::vector<V> y;
        for (const V e : x) y.push_back(f(e));
        return y;
    }
};
template <class T, int N>
struct value<selfsame::batch<T, N>> {
    using scalar = T;
    template <class F>
    static std::vector<T> map(std::vector<T> x, F&& f) {
        using V = selfsame::batch<T, N>;
        const std::size_t count = x.size();
        x.resize((count + N - 1) / N * N, T(1));
        std::vector<T> y(x.size());
        for (std::size_t k = 0; k < x.size(); k += N) {
            selfsame::store(y.data() + k, f(selfsame::load<V>(x.data() + k)));
        }
        y.resize(count);
        return y;
    }
};

template <class V>
class Math : public testing::Test {};

template <class V>
struct about {
    using T = typename value<V>::scalar;
    static constexpr bool single = sizeof(T) == 4;
    static constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    static constexpr T smallest = std::numeric_limits<T>::min(), largest = std::numeric_limits<T>::max();
    static constexpr T epsilon = std::numeric_limits<T>::epsilon();

    /// `units` is what f may be off at x, in units of the last place of the result.
    template <class F, class Expected, class Units>
    static void compare(const std::vector<T>& x, F&& f, Expected&& expected, Units&& units) {
        const std::vector<T> y = value<V>::map(x, f);
        int shown = 0;
        for (std::size_t k = 0; k < x.size() && shown < 5; ++k) {
            const long double e = expected(static_cast<long double>(x[k]));
            const double off = units_off(y[k], e);
            if (!(off <= units(static_cast<double>(x[k])))) {
                ADD_FAILURE() << "at " << x[k] << ": " << y[k] << ", expected " << e << ", off by " << off;
                ++shown;
            }
        }
    }
};

using values = testing::Types<float, double, selfsame::batch<float>, selfsame::batch<double>, selfsame::batch<float, 4>,
                              selfsame::batch<double, 2>>;
TYPED_TEST_SUITE(Math, values);

TYPED_TEST(Math, Exp2) {
    using M = about<TypeParam>;
    using T = typename M::T;
    const T top = M::single ? T(127.5) : T(1023.5), bottom = M::single ? T(-125.5) : T(-1021.5);
    M::compare(
        arguments<T>(bottom, top, {T(0), T(-0.0), T(1), T(-1), T(0.5), T(-0.5), T(1.5), T(2.5), T(-2.5)}),
        [](auto x) { return math::exp2(x); }, [](long double x) { return std::exp2(x); },
        // just below a power of two, without contraction of products and sums: 1.4 of the polynomial, 2 of rounding
        [](double) { return 3.5; });
}

TYPED_TEST(Math, Exp2OfIntegersIsNearlyExact) {
    using M = about<TypeParam>;
    using T = typename M::T;
    std::vector<T> x;
    for (int k = M::single ? -126 : -1022; k < (M::single ? 128 : 1024); ++k) x.push_back(static_cast<T>(k));
    M::compare(
        x, [](auto v) { return math::exp2(v); }, [](long double v) { return std::exp2(v); },
        [](double) { return M::single ? 1.0 : 0.0; });
}

TYPED_TEST(Math, ExponentialsAtTheEdges) {
    using M = about<TypeParam>;
    using T = typename M::T;
    // Below the smallest normal number anything from 0 to the right result will do.
    const std::vector<T> low = {T(M::single ? -126.5 : -1022.5), T(M::single ? -140 : -1050), T(-5000), -M::largest};
    for (const T y : value<TypeParam>::map(low, [](auto x) { return math::exp2(x); })) {
        EXPECT_GE(y, T(0));
        EXPECT_LE(y, M::smallest);
    }
    const std::vector<T> ends = {-M::infinity, M::infinity, M::nan, M::largest, T(M::single ? 128 : 1024)};
    for (const bool base_2 : {true, false}) {
        const auto y = value<TypeParam>::map(ends, [=](auto x) { return base_2 ? math::exp2(x) : math::exp(x); });
        EXPECT_EQ(y[0], T(0));
        EXPECT_EQ(y[1], M::infinity);
        EXPECT_TRUE(std::isnan(y[2]));
        EXPECT_EQ(y[3], M::infinity);
        if (base_2) {
            EXPECT_EQ(y[4], M::infinity);
        }
    }
}

// Payloads and signs of NaN are anything; what is computed on the bits must survive them.
TYPED_TEST(Math, EveryKindOfNaN) {
    using M = about<TypeParam>;
    using T = typename M::T;
    using bits = std::conditional_t<M::single, std::uint32_t, std::uint64_t>;
    const bits ones = static_cast<bits>(~bits(0)), sign = static_cast<bits>(bits(1) << (8 * sizeof(T) - 1));
    const auto exponent = std::bit_cast<bits>(M::infinity);
    std::vector<T> x;
    for (const bits b : {ones, static_cast<bits>(ones ^ sign), static_cast<bits>(exponent | 1u),
                         static_cast<bits>(exponent | sign | 1u), std::bit_cast<bits>(M::nan)}) {
        x.push_back(std::bit_cast<T>(b));
    }
    const auto all = [&](auto&& f) {
        for (const T y : value<TypeParam>::map(x, f)) EXPECT_TRUE(std::isnan(y));
    };
    all([](auto v) { return math::exp2(v); });
    all([](auto v) { return math::exp(v); });
    all([](auto v) { return math::log(v); });
    all([](auto v) { return math::softplus(v); });
    all([](auto v) { return math::sigmoid(v); });
    all([](auto v) { return math::abs(v); });
}

TYPED_TEST(Math, Exp) {
    using M = about<TypeParam>;
    using T = typename M::T;
    const T top = M::single ? T(88) : T(709), bottom = M::single ? T(-87) : T(-708);
    M::compare(
        arguments<T>(bottom, top, {T(0), T(-0.0), T(1), T(-1), M::smallest}), [](auto x) { return math::exp(x); },
        [](long double x) { return std::exp(x); }, [](double x) { return 4 + 2.2 * std::fabs(x); });
}

TYPED_TEST(Math, Log) {
    using M = about<TypeParam>;
    using T = typename M::T;
    std::vector<T> x = {
        T(1), T(2), T(0.5), M::smallest, M::largest, M::epsilon, T(1) + M::epsilon, T(1) - M::epsilon / 2};
    for (const T e : arguments<T>(M::single ? T(-87) : T(-708), M::single ? T(88) : T(709))) x.push_back(std::exp(e));
    for (const T e : arguments<T>(T(-0.5), T(0.5))) x.push_back(T(1) + e);
    M::compare(
        x, [](auto v) { return math::log(v); }, [](long double v) { return std::log(v); }, [](double) { return 4.0; });
}

TYPED_TEST(Math, LogAtTheEdges) {
    using M = about<TypeParam>;
    using T = typename M::T;
    const T tiny = std::numeric_limits<T>::denorm_min();
    const std::vector<T> x = {T(0), T(-0.0),         T(-1),        -M::infinity, M::infinity, M::nan,
                              tiny, M::smallest / 4, -M::smallest, -tiny,        -M::largest};
    M::compare(
        x, [](auto v) { return math::log(v); },
        [](long double v) {
            if (v == 0) return -std::numeric_limits<long double>::infinity();
            return v < 0 ? std::numeric_limits<long double>::quiet_NaN() : std::log(v);
        },
        [](double) { return 4.0; });
}

TYPED_TEST(Math, LogOfOnePlus) {
    using M = about<TypeParam>;
    using T = typename M::T;
    M::compare(
        arguments<T>(T(0), T(1), {T(0), T(1), M::smallest}), [](auto x) { return math::log1p_unit(x); },
        [](long double x) { return std::log1p(x); }, [](double) { return 4.0; });
}

TYPED_TEST(Math, Softplus) {
    using M = about<TypeParam>;
    using T = typename M::T;
    const std::vector<T> x =
        arguments<T>(M::single ? T(-86) : T(-707), T(1000), {T(0), T(-0.0), M::largest, M::infinity});
    M::compare(
        x, [](auto v) { return math::softplus(v); },
        [](long double v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); },
        [](double v) { return 5 + (v < 0 ? 2.2 * std::fabs(v) : 0); });
    const auto ends = value<TypeParam>::map(std::vector<T>{-M::infinity, -M::largest, T(-1e4), M::nan},
                                            [](auto v) { return math::softplus(v); });
    EXPECT_EQ(ends[0], T(0));
    EXPECT_EQ(ends[1], T(0));
    EXPECT_EQ(ends[2], T(0));
    EXPECT_TRUE(std::isnan(ends[3]));
}

TYPED_TEST(Math, Sigmoid) {
    using M = about<TypeParam>;
    using T = typename M::T;
    M::compare(
        arguments<T>(M::single ? T(-86) : T(-707), T(1000), {T(0), M::largest, M::infinity}),
        [](auto v) { return math::sigmoid(v); },
        [](long double v) { return v > 0 ? 1 / (1 + std::exp(-v)) : std::exp(v) / (1 + std::exp(v)); },
        [](double v) { return 5 + (v < 0 ? 2.2 * std::fabs(v) : 0); });
    const auto ends =
        value<TypeParam>::map(std::vector<T>{-M::infinity, T(-1e4), M::nan}, [](auto v) { return math::sigmoid(v); });
    EXPECT_EQ(ends[0], T(0));
    EXPECT_EQ(ends[1], T(0));
    EXPECT_TRUE(std::isnan(ends[2]));
}

TYPED_TEST(Math, AbsMinMaxSelect) {
    using M = about<TypeParam>;
    using T = typename M::T;
    const std::vector<T> x = {T(-3), T(-0.0), T(0), T(2), M::nan, -M::infinity, T(0.25), T(-1)};
    const auto in = [&](auto&& f) { return value<TypeParam>::map(x, f); };
    const auto magnitude = in([](auto v) { return math::abs(v); });
    const auto larger = in([](auto v) { return math::max(decltype(v)(T(0.5)), v); });
    const auto smaller = in([](auto v) { return math::min(decltype(v)(T(0.5)), v); });
    const auto chosen = in([](auto v) { return math::select(v < decltype(v)(T(0)), decltype(v)(T(7)), v); });
    for (std::size_t k = 0; k < x.size(); ++k) {
        if (std::isnan(x[k])) {
            EXPECT_TRUE(std::isnan(magnitude[k]) && std::isnan(larger[k]) && std::isnan(smaller[k]))
                << "data is second";
            EXPECT_TRUE(std::isnan(chosen[k]));
            continue;
        }
        EXPECT_EQ(magnitude[k], std::fabs(x[k]));
        EXPECT_FALSE(std::signbit(magnitude[k]));
        EXPECT_EQ(larger[k], x[k] > T(0.5) ? x[k] : T(0.5));
        EXPECT_EQ(smaller[k], x[k] < T(0.5) ? x[k] : T(0.5));
        EXPECT_EQ(chosen[k], x[k] < T(0) ? T(7) : x[k]);
    }
}

template <class T>
class ScalarMath : public testing::Test {};
using scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(ScalarMath, scalars);

TYPED_TEST(ScalarMath, SquareRoot) {
    using T = TypeParam;
    for (const T x : arguments<T>(T(0), std::numeric_limits<T>::max(), {T(0), T(1), T(4), T(1e-30)})) {
        ASSERT_EQ(math::sqrt(x), std::sqrt(x));
    }
    EXPECT_TRUE(std::isnan(math::sqrt(T(-1))));
    EXPECT_TRUE(std::isnan(math::sqrt(std::numeric_limits<T>::quiet_NaN())));
    EXPECT_EQ(math::sqrt(std::numeric_limits<T>::infinity()), std::numeric_limits<T>::infinity());
}

template <class T>
constexpr bool near(T got, double expected) {
    const double off = (static_cast<double>(got) - expected) / expected;
    const double bound = 8 * static_cast<double>(std::numeric_limits<T>::epsilon());
    return off < bound && off > -bound;
}

// Every function is usable in a constant expression: policies are evaluated in one.
template <class T>
constexpr bool constant() {
    constexpr T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
    bool good = near(math::exp2(T(0.5)), 1.41421356237309504880) && near(math::exp2(T(-3)), 0.125);
    good = good && near(math::exp(T(1)), 2.71828182845904523536) && near(math::exp(T(-2)), 0.135335283236612691894);
    good = good && near(math::log(T(10)), 2.30258509299404568402) && math::log(T(1)) == T(0);
    good =
        good && near(math::softplus(T(0)), 0.693147180559945309417) && near(math::sigmoid(T(1)), 0.731058578630004879);
    good = good && near(math::sqrt(T(2)), 1.41421356237309504880) && near(math::sqrt(T(1e-20)), 1e-10);
    good = good && near(math::sqrt(T(1e20)), 1e10) && math::sqrt(T(0)) == T(0) && math::sqrt(infinity) == infinity;
    good = good && math::abs(T(-2)) == T(2) && math::max(T(1), T(2)) == T(2) && math::min(T(1), T(2)) == T(1);
    good = good && math::exp(-infinity) == T(0) && math::exp(infinity) == infinity && math::softplus(-infinity) == T(0);
#if !defined(__clang__)  // for which an operation on NaN is no constant
    good = good && math::exp(nan) != math::exp(nan);
#endif
    good = good && math::sqrt(nan) != math::sqrt(nan);
    good = good && math::log(T(0)) == -infinity && math::log(T(-0.0)) == -infinity && math::log(infinity) == infinity;
    const T negative = math::log(-std::numeric_limits<T>::min()), root = math::sqrt(T(-1));
    return good && negative != negative && root != root;
}
static_assert(constant<float>() && constant<double>());

}  // namespace
