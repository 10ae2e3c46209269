#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "selfsame/core/config.hpp"

/// \file
/// Arithmetic that gives the same bits on every machine, compiler and instruction set, for what random parameters are
/// drawn with. A compiler may fuse a b + c where it is written so; here every fused operation is explicit, and no
/// product is an operand of a sum. Coefficients are local to their functions: nvcc makes a trap of code that refers to
/// arrays at namespace scope.

namespace selfsame::inline SELFSAME_ISA::exact {

/// a b + c, rounded once.
constexpr float fma(float a, float b, float c) {
    if (std::is_constant_evaluated()) return a * b + c;
    return __builtin_fmaf(a, b, c);
}
constexpr double fma(double a, double b, double c) {
    if (std::is_constant_evaluated()) return a * b + c;
    return __builtin_fma(a, b, c);
}

namespace detail {

inline constexpr double log_two = 0.693147180559945309;
inline constexpr double round_magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer

template <class T, std::size_t N>
constexpr T horner(T x, const T (&c)[N]) {
    T p = c[N - 1];
    for (std::size_t k = N - 1; k-- > 0;) p = fma(p, x, c[k]);
    return p;
}

}  // namespace detail

/// The nearest integer, ties to even, for |x| < 2^51. Where x is a product, the product has to be exact.
constexpr double round(double x) { return (x + detail::round_magic) - detail::round_magic; }

/// Natural logarithm of a normal positive number.
constexpr double log(double x) {
    // x = 2^e m with m in [sqrt(1/2), sqrt(2))
    const auto shifted = __builtin_bit_cast(std::int64_t, x) - std::int64_t{0x3fe6a09e667f3bcd};
    const std::int64_t e = shifted >> 52;
    const double m = __builtin_bit_cast(double, __builtin_bit_cast(std::int64_t, x) - e * (std::int64_t{1} << 52));
    const double s = (m - 1) / (m + 1);
    constexpr double two_atanh[] = {2.0,      2.0 / 3,  2.0 / 5,  2.0 / 7,  2.0 / 9,  2.0 / 11,
                                    2.0 / 13, 2.0 / 15, 2.0 / 17, 2.0 / 19, 2.0 / 21, 2.0 / 23};
    const double series = s * detail::horner(s * s, two_atanh);
    return fma(static_cast<double>(e), detail::log_two, series);
}

/// e^x for |x| < 700.
constexpr double exp(double x) {
    constexpr double log_two_low = 2.31904681384629956e-17;  // of ln 2 beyond double precision
    const double n = fma(x, 1.44269504088896340736, detail::round_magic) - detail::round_magic;
    const double r = fma(-n, log_two_low, fma(-n, detail::log_two, x));
    constexpr double series[] = {1.0,
                                 1.0,
                                 1.0 / 2,
                                 1.0 / 6,
                                 1.0 / 24,
                                 1.0 / 120,
                                 1.0 / 720,
                                 1.0 / 5040,
                                 1.0 / 40320,
                                 1.0 / 362880,
                                 1.0 / 3628800,
                                 1.0 / 39916800,
                                 1.0 / 479001600,
                                 1.0 / 6227020800.0,
                                 1.0 / 87178291200.0};
    return detail::horner(r, series) *
           __builtin_bit_cast(double, (static_cast<std::int64_t>(n) + 1023) * (std::int64_t{1} << 52));
}

/// {sine, cosine} of an angle in degrees; exact at multiples of 90.
constexpr std::array<double, 2> sincos_degrees(double degrees) {
    const double quarters = round(degrees / 90);
    const double t = fma(-90.0, quarters, degrees) * 0.0174532925199432958;
    constexpr double sine[] = {1.0,          -1.0 / 6,        1.0 / 120,          -1.0 / 5040,
                               1.0 / 362880, -1.0 / 39916800, 1.0 / 6227020800.0, -1.0 / 1307674368000.0};
    constexpr double cosine[] = {1.0,
                                 -1.0 / 2,
                                 1.0 / 24,
                                 -1.0 / 720,
                                 1.0 / 40320,
                                 -1.0 / 3628800,
                                 1.0 / 479001600,
                                 -1.0 / 87178291200.0,
                                 1.0 / 20922789888000.0};
    const double s = t * detail::horner(t * t, sine), c = detail::horner(t * t, cosine);
    switch (static_cast<std::int64_t>(quarters) & 3) {
        case 0:
            return {s, c};
        case 1:
            return {c, 0 - s};
        case 2:
            return {0 - s, 0 - c};
        default:
            return {0 - c, s};
    }
}

/// Two independent standard normal variates from 64 random bits (Box-Muller); |z| < 5.8. Free of branches, so that
/// loops over it become vectors.
constexpr std::array<float, 2> normal_pair(std::uint32_t a, std::uint32_t b) {
    // -2 log u for u = (k + 1/2) / 2^23
    const float u = (static_cast<float>(a >> 9) + 0.5f) * 0x1p-23f;
    const auto bits = __builtin_bit_cast(std::int32_t, u);
    const std::int32_t e = (bits - 0x3f3504f3) >> 23;
    const float m = __builtin_bit_cast(float, bits - e * (1 << 23));
    const float s = (m - 1.0f) / (m + 1.0f);
    constexpr float two_atanh[] = {2.0f, 2.0f / 3, 2.0f / 5, 2.0f / 7, 2.0f / 9};
    const float log_m = s * detail::horner(s * s, two_atanh);
    const float y = -2.0f * fma(static_cast<float>(e), 0.693147180559945309f, log_m);

    // Its square root by Newton's iteration on the reciprocal: the library's function would end the vector.
    float z = __builtin_bit_cast(float, 0x5f3759df - (__builtin_bit_cast(std::int32_t, y) >> 1));
    for (int k = 0; k < 3; ++k) {
        const float h = 0.5f * y * z;
        z = fma(z, fma(-h, z, 0.5f), z);
    }
    const float root = y * z;
    const float radius = fma(fma(-root, root, y), 0.5f * z, root);

    // An angle: a quarter turn, and a remainder in [-pi/4, pi/4).
    const float t = static_cast<float>(static_cast<std::int32_t>(b & 0x3fffffffu) - 0x20000000) * 0x1.921fb6p-30f;
    constexpr float sines[] = {1.0f, -1.0f / 6, 1.0f / 120, -1.0f / 5040, 1.0f / 362880};
    constexpr float cosines[] = {1.0f, -1.0f / 2, 1.0f / 24, -1.0f / 720, 1.0f / 40320};
    const float sine = t * detail::horner(t * t, sines), cosine = detail::horner(t * t, cosines);
    const bool swap = (b >> 30 & 1u) != 0;
    const float first = radius * (swap ? sine : cosine), second = radius * (swap ? cosine : sine);
    const std::uint32_t second_sign = b & 0x80000000u, first_sign = second_sign ^ (b << 1 & 0x80000000u);
    return {__builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, first) ^ first_sign),
            __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, second) ^ second_sign)};
}

}  // namespace selfsame::inline SELFSAME_ISA::exact
