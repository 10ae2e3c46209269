#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include "selfsame/core/config.hpp"

/// \file
/// Elementary functions of a value type V: float, double, or a SIMD batch of either. All are constexpr on scalars, so
/// that a policy can be evaluated at compile time, and the same source serves host lanes and device threads.

namespace selfsame::inline SELFSAME_ISA::math {

/// How a value type is made of scalars. Specialized for `batch` in core/simd.hpp.
template <class V>
struct value_traits {
    using scalar = V;
    using integer = std::conditional_t<sizeof(V) == 4, std::int32_t, std::int64_t>;
    static constexpr V select(bool mask, V yes, V no) { return mask ? yes : no; }
    static constexpr integer bits(V x) { return __builtin_bit_cast(integer, x); }
    static constexpr V from_bits(integer x) { return __builtin_bit_cast(V, x); }
    static constexpr V convert(integer x) { return static_cast<V>(x); }
    static constexpr integer shift_left(integer x, int n) {
        using bits = std::make_unsigned_t<integer>;  // nvcc's front end takes a signed overflow for no constant
        return static_cast<integer>(static_cast<bits>(x) << n);
    }
};

template <class V>
using scalar_t = typename value_traits<V>::scalar;

/// yes where mask holds, no elsewhere.
template <class M, class V>
constexpr V select(M mask, V yes, V no) {
    return value_traits<V>::select(mask, yes, no);
}

/// The larger; b where either is NaN, so put the data in b.
template <class V>
constexpr V(max)(V a, V b) {
    if constexpr (requires { value_traits<V>::larger(a, b); }) {
        return value_traits<V>::larger(a, b);
    } else {
        return select(a > b, a, b);
    }
}

/// The smaller; b where either is NaN.
template <class V>
constexpr V(min)(V a, V b) {
    if constexpr (requires { value_traits<V>::smaller(a, b); }) {
        return value_traits<V>::smaller(a, b);
    } else {
        return select(a < b, a, b);
    }
}

/// Whether a > b in any lane.
template <class V>
constexpr bool any_greater(V a, V b) {
    if constexpr (requires { value_traits<V>::any_greater(a, b); }) {
        return value_traits<V>::any_greater(a, b);
    } else {
        return a > b;
    }
}

/// The largest lane, in all lanes.
template <class V>
constexpr V spread_maximum(V x) {
    if constexpr (requires { value_traits<V>::spread_maximum(x); }) {
        return value_traits<V>::spread_maximum(x);
    } else {
        return x;
    }
}

/// Whether any lane is infinite or NaN.
template <class V>
constexpr bool any_not_finite(V x) {
    if constexpr (requires { value_traits<V>::any_not_finite(x); }) {
        return value_traits<V>::any_not_finite(x);
    } else {
        return !(x - x == V(0));
    }
}

template <class V>
constexpr V abs(V x) {
    using traits = value_traits<V>;
    using S = scalar_t<V>;
    constexpr auto keep = static_cast<std::conditional_t<sizeof(S) == 4, std::int32_t, std::int64_t>>(
        sizeof(S) == 4 ? 0x7fffffffll : 0x7fffffffffffffffll);
    return traits::from_bits(traits::bits(x) & typename traits::integer(keep));
}

/// 1 / x for normal x whose reciprocal is normal too, to 2 units in the last place.
template <class V>
constexpr V reciprocal(V x) {
    if constexpr (requires { value_traits<V>::reciprocal(x); }) {
        return value_traits<V>::reciprocal(x);
    } else {
        return V(scalar_t<V>(1)) / x;
    }
}

/// The greatest whole number not above x, for |x| < 2^22 (2^51).
template <class V>
constexpr V floor(V x) {
    using S = scalar_t<V>;
    const V magic(sizeof(S) == 4 ? S(12582912) : S(6755399441055744.0));  // adding it rounds to an integer
    const V r = (x + magic) - magic;
    return r - select(r > x, V(S(1)), V(S(0)));
}

/// a b + c, contracted to one instruction where the processor has it; not guaranteed to round once.
template <class V>
constexpr V fma(V a, V b, V c) {
    if constexpr (requires { value_traits<V>::fma(a, b, c); }) {
        return value_traits<V>::fma(a, b, c);
    } else {
        return a * b + c;
    }
}
/// Whether fma rounds once however the program is compiled.
template <class V>
inline constexpr bool fma_rounds_once = requires { requires value_traits<V>::fma_rounds_once; };

namespace detail {

template <class V, class S, int N>
constexpr V horner(V x, const S (&c)[N]) {
    V p(c[N - 1]);
    SELFSAME_UNROLL(16)
    for (int k = N - 2; k >= 0; --k) p = fma(p, x, V(c[k]));
    return p;
}

// 2^r on [-1/2, 1/2]. float: minimax, relative error 7.5e-8. double: Taylor, 2e-16. The coefficients are local: passed
// by reference from namespace scope they become a trap in nvcc 13's device code, without a warning.
template <class V>
constexpr V exp2_polynomial(V r) {
    if constexpr (sizeof(scalar_t<V>) == 4) {
        constexpr float c[] = {1.0000000716546822f,  0.6931469670647331f,   0.24022119723848476f,
                               0.05550713273542589f, 0.009675541334216184f, 0.0013276471979479397f};
        return horner(r, c);
    } else {
        constexpr double c[] = {1.0,
                                0.693147180559945309,
                                0.240226506959100712,
                                0.0555041086648215800,
                                0.00961812910762847716,
                                0.00133335581464284434,
                                0.000154035303933816099,
                                1.52527338040598403e-5,
                                1.32154867901443095e-6,
                                1.01780860092396998e-7,
                                7.05491162080112334e-9,
                                4.44553827187081150e-10,
                                2.56784359934882051e-11};
        return horner(r, c);
    }
}

// 2^r on [0, 1) for float: minimax of those that are 1 at 0, relative error 8.3e-8.
template <class V>
constexpr V exp2_upper_polynomial(V r) {
    constexpr float c[] = {1.0f,
                           0.693151311804601f,
                           0.2401644501550927f,
                           0.055799913103730774f,
                           0.00901703032244967f,
                           0.001867130069874131f};
    return horner(r, c);
}

/// The minimax of all, relative error 7.5e-8, divided by its highest coefficient: it begins with an addition, for which
/// some processors have ports beside those of multiplications.
inline constexpr double exp2_highest = 0.001877576675211102;
template <class V>
constexpr V exp2_monic_polynomial(V r) {
    constexpr float c[] = {float(0.9999999250635262 / exp2_highest), float(0.6931530732001706 / exp2_highest),
                           float(0.24015361704435997 / exp2_highest), float(0.055826318053339256 / exp2_highest)};
    V p = r + V(float(0.008989340090445308 / exp2_highest));
    SELFSAME_UNROLL(4)
    for (int k = 3; k >= 0; --k) p = fma(p, r, V(c[k]));
    return p;
}

template <class S>
struct format;
template <>
struct format<float> {
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float round_magic = 12582912.0f + bias;  // 1.5 * 2^23 + bias: adding it rounds to an integer
    static constexpr std::int32_t sqrt_half = 0x3f3504f3;
    static constexpr int log_terms = 5, log1p_terms = 9;
};
template <>
struct format<double> {
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double round_magic = 6755399441055744.0 + bias;
    static constexpr std::int64_t sqrt_half = 0x3fe6a09e667f3bcd;
    static constexpr int log_terms = 12, log1p_terms = 18;
};

/// 2 atanh(s) = log((1 + s) / (1 - s)), by its series.
template <int Terms, class V>
constexpr V two_atanh(V s) {
    using S = scalar_t<V>;
    const V s2 = s * s;
    V p(S(1) / S(2 * Terms - 1));
    SELFSAME_UNROLL(32)
    for (int k = Terms - 2; k >= 0; --k) p = fma(p, s2, V(S(1) / S(2 * k + 1)));
    return V(S(2)) * s * p;
}

}  // namespace detail

/// 2^x. Results below the smallest normal number may flush to 0, those within half a binade of overflow may be
/// infinite; NaN stays NaN.
template <class V>
constexpr V exp2(V x) {
    using traits = value_traits<V>;
    if constexpr (requires { traits::exp2(x); }) {
        return traits::exp2(x);
    } else {
#if defined(__CUDA_ARCH__)
        if constexpr (std::is_same_v<V, float>) {
            if (!std::is_constant_evaluated()) {
                float r;
                asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
                return r;
            }
        }
#endif
        using S = scalar_t<V>;
        using F = detail::format<S>;
        using Integer = typename traits::integer;
        constexpr S low = S(1 - F::bias), high = S(F::bias + 1);
        const V c = (min)(V(high), (max)(V(low), x));
        const V shifted = c + V(F::round_magic);
        const V p = detail::exp2_polynomial(c - (shifted - V(F::round_magic)));
        // The low bits of `shifted` hold the biased exponent, for 2^high that of infinity.
        const Integer scale = traits::shift_left(traits::bits(shifted), F::mantissa);
        return select(x < V(low), V(S(0)), p * traits::from_bits(scale));
    }
}

/// 2^x in units of exp2_unit<V>, which is a multiplication less where it can be: for what is scaled later anyway.
template <class V>
constexpr V exp2_in_units(V x) {
    if constexpr (requires { value_traits<V>::exp2_in_units(x); }) {
        return value_traits<V>::exp2_in_units(x);
    } else {
        return exp2(x);
    }
}
template <class V>
inline constexpr scalar_t<V> exp2_unit = [] {
    if constexpr (requires { value_traits<V>::exp2_unit; }) {
        return value_traits<V>::exp2_unit;
    } else {
        return scalar_t<V>(1);
    }
}();

/// e^x; relative error grows as |x| times the rounding unit.
template <class V>
constexpr V exp(V x) {
    return exp2(x * V(scalar_t<V>(1.44269504088896340736)));
}

/// Natural logarithm; -inf at 0, NaN below, +inf at +inf.
template <class V>
constexpr V log(V x) {
    using traits = value_traits<V>;
    using S = scalar_t<V>;
    using F = detail::format<S>;
    using Integer = typename traits::integer;
    using limits = std::numeric_limits<S>;
    // x = 2^e m with m in [sqrt(1/2), sqrt(2))
    const auto tiny = x < V((limits::min)());
    const V lift(sizeof(S) == 4 ? S(16777216) : S(18014398509481984));  // 2^24, 2^54
    const V y = abs(select(tiny, x * lift, x));                         // what is below 0 must not overflow either
    const Integer shifted = traits::bits(y) - Integer(F::sqrt_half);
    const Integer e = shifted >> F::mantissa;
    const V m = traits::from_bits(traits::bits(y) - traits::shift_left(e, F::mantissa));
    const V exponent = traits::convert(e) - select(tiny, V(sizeof(S) == 4 ? S(24) : S(54)), V(S(0)));
    const V s = (m - V(S(1))) / (m + V(S(1)));
    V r = fma(exponent, V(S(0.693147180559945309417)), detail::two_atanh<F::log_terms>(s));
    r = select(x < V(limits::infinity()), r, x);  // +inf and NaN
    r = select(x == V(S(0)), V(-limits::infinity()), r);
    return select(x < V(S(0)), V(limits::quiet_NaN()), r);
}

/// Logarithm to base 2; on a device floats are within 2^-22 of it, and those below the smallest normal number give
/// -inf.
template <class V>
constexpr V log2(V x) {
#if defined(__CUDA_ARCH__)
    if constexpr (std::is_same_v<V, float>) {
        if (!std::is_constant_evaluated()) {
            float r;
            asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
            return r;
        }
    }
#endif
    return log(x) * V(scalar_t<V>(1.44269504088896340736));
}

/// log(1 + u) for u in [0, 1], accurate for small u.
template <class V>
constexpr V log1p_unit(V u) {
    using S = scalar_t<V>;
    return detail::two_atanh<detail::format<S>::log1p_terms>(u / (u + V(S(2))));
}

/// log(1 + e^x), without overflow or cancellation.
template <class V>
constexpr V softplus(V x) {
    using S = scalar_t<V>;
    return (max)(V(S(0)), x) + log1p_unit(exp(-abs(x)));
}

/// 1 / (1 + e^-x), accurate on both sides.
template <class V>
constexpr V sigmoid(V x) {
    using S = scalar_t<V>;
    const V e = exp(-abs(x));
    return select(x < V(S(0)), e, V(S(1))) / (V(S(1)) + e);
}

/// Square root, by Newton's iteration in a constant expression.
template <class S>
constexpr S sqrt(S x) {
    if (!std::is_constant_evaluated()) {
        if constexpr (sizeof(S) == 4) {
            return __builtin_sqrtf(x);
        } else {
            return __builtin_sqrt(x);
        }
    }
    if (!(x > S(0)) || x == std::numeric_limits<S>::infinity()) {
        return x < S(0) ? std::numeric_limits<S>::quiet_NaN() : x;
    }
    S r = x > S(1) ? x : S(1);
    for (S next = (r + x / r) / 2; next < r; next = (r + x / r) / 2) r = next;
    return r;
}

}  // namespace selfsame::inline SELFSAME_ISA::math
