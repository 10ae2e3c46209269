#include "selfsame/core/half.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "helpers.hpp"

namespace {

using selfsame::bfloat16;
using selfsame::half;

/// What a representation stands for, from the definition of the format.
template <class H>
double meaning(std::uint16_t bits) {
    constexpr int mantissa = std::is_same_v<H, half> ? 10 : 7, bias = std::is_same_v<H, half> ? 15 : 127;
    const int exponent = (bits & 0x7fff) >> mantissa, fraction = bits & ((1 << mantissa) - 1);
    const double sign = (bits & 0x8000) != 0 ? -1 : 1;
    if (exponent == (1 << (15 - mantissa)) - 1) {
        return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                             : sign * std::numeric_limits<double>::infinity();
    }
    if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - mantissa);
    return sign * std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
}

/// The nearest representation, ties to even, by bisection over the positive ones, whose values increase.
template <class H>
std::uint16_t nearest(float x) {
    const std::uint16_t sign = std::signbit(x) ? 0x8000 : 0;
    const double magnitude = std::fabs(static_cast<double>(x));
    const std::uint16_t infinity = std::is_same_v<H, half> ? 0x7c00 : 0x7f80;
    std::uint16_t low = 0, high = infinity;
    while (high - low > 1) {
        const auto middle = static_cast<std::uint16_t>((low + high) / 2);
        (meaning<H>(middle) <= magnitude ? low : high) = middle;
    }
    // Past the largest number the next power of two takes the place of infinity.
    const double above =
        high == infinity ? 2 * meaning<H>(low) - meaning<H>(static_cast<std::uint16_t>(low - 1)) : meaning<H>(high);
    const double down = magnitude - meaning<H>(low), up = above - magnitude;
    const bool takes_high = up < down || (up == down && (high & 1) == 0);
    return static_cast<std::uint16_t>(sign | (takes_high ? high : low));
}

template <class H>
class HalfPrecision : public testing::Test {};
using halves = testing::Types<half, bfloat16>;
TYPED_TEST_SUITE(HalfPrecision, halves);

template <class H>
H of(int bits) {
    H h;
    h.bits = static_cast<std::uint16_t>(bits);
    return h;
}

TYPED_TEST(HalfPrecision, EveryRepresentationRoundTrips) {
    using H = TypeParam;
    for (int bits = 0; bits < 65536; ++bits) {
        const H h = of<H>(bits);
        const float x = static_cast<float>(h);
        const double expected = meaning<H>(h.bits);
        if (std::isnan(expected)) {
            ASSERT_TRUE(std::isnan(x)) << std::hex << bits;
            ASSERT_TRUE(std::isnan(static_cast<float>(H(x)))) << std::hex << bits;
            ASSERT_EQ(H(x).bits & 0x8000, bits & 0x8000) << std::hex << bits;
        } else {
            ASSERT_EQ(static_cast<double>(x), expected) << std::hex << bits;
            ASSERT_EQ(std::signbit(x), (bits & 0x8000) != 0) << std::hex << bits;
            ASSERT_EQ(H(x), h) << std::hex << bits;
        }
    }
}

TYPED_TEST(HalfPrecision, RoundsToNearestEvenBetweenNeighbours) {
    using H = TypeParam;
    const int infinity = std::is_same_v<H, half> ? 0x7c00 : 0x7f80;
    for (int bits = 0; bits < infinity; ++bits) {
        const double a = meaning<H>(static_cast<std::uint16_t>(bits));
        const double b = bits + 1 == infinity ? 2 * a - meaning<H>(static_cast<std::uint16_t>(bits - 1))
                                              : meaning<H>(static_cast<std::uint16_t>(bits + 1));
        const float middle = static_cast<float>((a + b) / 2);
        for (const float x : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, INFINITY)}) {
            ASSERT_EQ(H(x).bits, nearest<H>(x)) << x;
            ASSERT_EQ(H(-x).bits, nearest<H>(-x)) << -x;
        }
    }
}

TYPED_TEST(HalfPrecision, RoundsAnyFloat) {
    using H = TypeParam;
    std::mt19937 random(7);
    const int count = selfsame_tests::sanitized ? 20000 : 1000000;
    for (int k = 0; k < count; ++k) {
        const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
        if (std::isnan(x)) {
            ASSERT_TRUE(std::isnan(static_cast<float>(H(x))));
        } else {
            ASSERT_EQ(H(x).bits, nearest<H>(x)) << x;
        }
    }
    const float infinity = std::numeric_limits<float>::infinity();
    EXPECT_EQ(static_cast<float>(H(infinity)), infinity);
    EXPECT_EQ(static_cast<float>(H(-infinity)), -infinity);
    EXPECT_EQ(static_cast<float>(H(std::numeric_limits<float>::max())), infinity);
    EXPECT_TRUE(std::isnan(static_cast<float>(H(std::bit_cast<float>(0x7f800001u))))) << "a payload that rounds away";
    EXPECT_TRUE(std::isnan(static_cast<float>(H(std::bit_cast<float>(0x7fffffffu)))));
    EXPECT_TRUE(std::isnan(static_cast<float>(H(std::bit_cast<float>(0xffffffffu)))));
    EXPECT_EQ(H(std::numeric_limits<float>::denorm_min()).bits, 0);
    EXPECT_EQ(H(-0.0f).bits, 0x8000);
}

TEST(HalfPrecisionValues, KnownValues) {
    EXPECT_EQ(half(1.0f).bits, 0x3c00);
    EXPECT_EQ(half(-2.0f).bits, 0xc000);
    EXPECT_EQ(half(65504.0f).bits, 0x7bff);
    EXPECT_EQ(half(65519.996f).bits, 0x7bff);
    EXPECT_EQ(half(65520.0f).bits, 0x7c00);
    EXPECT_EQ(half(0x1p-24f).bits, 0x0001);
    EXPECT_EQ(half(0x1p-25f).bits, 0x0000);
    EXPECT_EQ(half(0x1.8p-25f).bits, 0x0001);
    EXPECT_EQ(half(0x1p-14f).bits, 0x0400);
    EXPECT_EQ(bfloat16(1.0f).bits, 0x3f80);
    EXPECT_EQ(bfloat16(0x1.01p0f).bits, 0x3f80) << "a tie goes to even";
    EXPECT_EQ(bfloat16(0x1.03p0f).bits, 0x3f82) << "a tie goes to even";
}

TEST(HalfPrecisionValues, Constant) {
    static_assert(half(0.333251953125f).bits == 0x3555);
    static_assert(static_cast<float>(half(0x1p-20f)) == 0x1p-20f);
    static_assert(static_cast<float>(bfloat16(3.0f)) == 3.0f);
    static_assert(half(1.0f) == half(1.0f) && !(bfloat16(1.0f) == bfloat16(2.0f)));
    static_assert(sizeof(half) == 2 && sizeof(bfloat16) == 2);
    static_assert(half().bits == 0 && bfloat16().bits == 0);
}

TEST(HalfPrecisionValues, ElementCastsGoByWayOfFloat) {
    using selfsame::element_cast;
    EXPECT_EQ(element_cast<half>(0.5).bits, half(0.5f).bits);
    EXPECT_EQ(element_cast<bfloat16>(half(0.5f)).bits, bfloat16(0.5f).bits);
    EXPECT_EQ(element_cast<double>(bfloat16(1.5f)), 1.5);
    EXPECT_EQ(element_cast<float>(0.1), 0.1f);
    EXPECT_EQ(element_cast<double>(0.1), 0.1);
    EXPECT_EQ(element_cast<half>(1e10).bits, 0x7c00);
    static_assert(std::is_same_v<selfsame::compute<half>::type, float>);
    static_assert(std::is_same_v<selfsame::compute<bfloat16>::type, float>);
    static_assert(std::is_same_v<selfsame::compute<float>::type, float>);
    static_assert(std::is_same_v<selfsame::compute<double>::type, double>);
    static_assert(selfsame::real_element<half> && !selfsame::real_element<int> && !selfsame::real_element<long double>);
}

}  // namespace
