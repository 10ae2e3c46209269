#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include "selfsame/core/half.hpp"
#include "selfsame/core/math.hpp"

/// \file
/// A register of N lanes over the compilers' vector extensions: the host's value type for policies.

namespace selfsame::inline SELFSAME_ISA {

#if defined(SELFSAME_AVX512)
inline constexpr int register_bytes = 64, register_count = 32;
#elif defined(__AVX2__)
inline constexpr int register_bytes = 32, register_count = 16;
#elif defined(__ARM_NEON)
inline constexpr int register_bytes = 16, register_count = 32;
#else
inline constexpr int register_bytes = 16, register_count = 16;
#endif

/// Lanes of T in a register.
template <class T>
inline constexpr int lanes = register_bytes / static_cast<int>(sizeof(T));

template <class T, int N = lanes<T>>
struct batch {
    typedef T native __attribute__((vector_size(N * sizeof(T))));
    native v;

    batch() = default;
    SELFSAME_INLINE batch(T x) : v(x - native{}) {}  // x - 0 broadcasts; x + 0 would lose the sign of -0
    // A template, since g++ takes a dependent vector type for its element type when it compares signatures.
    template <class Native>
        requires(sizeof(Native) == N * sizeof(T) && N > 1)
    SELFSAME_INLINE explicit batch(Native x) : v(x) {}

    SELFSAME_INLINE friend batch operator+(batch a, batch b) { return batch(a.v + b.v); }
    SELFSAME_INLINE friend batch operator-(batch a, batch b) { return batch(a.v - b.v); }
    SELFSAME_INLINE friend batch operator*(batch a, batch b) { return batch(a.v * b.v); }
    SELFSAME_INLINE friend batch operator/(batch a, batch b) { return batch(a.v / b.v); }
    SELFSAME_INLINE friend batch operator&(batch a, batch b) { return batch(a.v & b.v); }
    SELFSAME_INLINE friend batch operator|(batch a, batch b) { return batch(a.v | b.v); }
    SELFSAME_INLINE friend batch operator<<(batch a, int n) { return batch(a.v << n); }
    SELFSAME_INLINE friend batch operator>>(batch a, int n) { return batch(a.v >> n); }
    SELFSAME_INLINE friend batch operator-(batch a) { return batch(-a.v); }
    SELFSAME_INLINE batch& operator+=(batch b) { return v += b.v, *this; }
    SELFSAME_INLINE batch& operator-=(batch b) { return v -= b.v, *this; }
    SELFSAME_INLINE batch& operator*=(batch b) { return v *= b.v, *this; }

    // Comparisons give lanes of 0 and -1, to be used with math::select.
    SELFSAME_INLINE friend auto operator<(batch a, batch b) { return a.v < b.v; }
    SELFSAME_INLINE friend auto operator>(batch a, batch b) { return a.v > b.v; }
    SELFSAME_INLINE friend auto operator<=(batch a, batch b) { return a.v <= b.v; }
    SELFSAME_INLINE friend auto operator>=(batch a, batch b) { return a.v >= b.v; }
    SELFSAME_INLINE friend auto operator==(batch a, batch b) { return a.v == b.v; }

    SELFSAME_INLINE T operator[](int lane) const { return v[lane]; }
};

// Builtins, since the intrinsic headers cost half a second of compile time.

namespace detail {
/// Lanes of a and then of b, by number.
template <int... K, class T, int N>
SELFSAME_INLINE batch<T, N> shuffle(batch<T, N> a, batch<T, N> b) {
#if defined(__CUDACC__)  // its front end loses packs in builtins
    constexpr int numbers[] = {K...};
    batch<T, N> r = a;
    for (int l = 0; l < N; ++l) r.v[l] = numbers[l] < N ? a.v[numbers[l]] : b.v[numbers[l] - N];
    return r;
#else
    return batch<T, N>(__builtin_shufflevector(a.v, b.v, K...));
#endif
}
}  // namespace detail

namespace math {

template <class T, int N>
struct value_traits<batch<T, N>> {
    using V = batch<T, N>;
    using scalar = T;
    using integer_scalar = typename value_traits<T>::integer;
    using integer = batch<integer_scalar, N>;
    using unsigned_mask = std::conditional_t<N == 16, unsigned short, unsigned char>;
#if defined(__clang__)
    using product_mask = unsigned_mask;
#else
    using product_mask = std::make_signed_t<unsigned_mask>;
#endif

    template <class M>
    SELFSAME_INLINE static V select(M mask, V yes, V no) {
        return V(mask ? yes.v : no.v);
    }
    SELFSAME_INLINE static integer bits(V x) { return integer(reinterpret_cast<typename integer::native>(x.v)); }
    SELFSAME_INLINE static V from_bits(integer x) { return V(reinterpret_cast<typename V::native>(x.v)); }
    SELFSAME_INLINE static V convert(integer x) { return V(__builtin_convertvector(x.v, typename V::native)); }
    SELFSAME_INLINE static integer shift_left(integer x, int n) { return x << n; }
#if defined(SELFSAME_AVX512)
    static constexpr bool fma_rounds_once = N * sizeof(T) == 64 && std::is_floating_point_v<T>;
#else
    static constexpr bool fma_rounds_once = false;
#endif
    SELFSAME_INLINE static V fma(V a, V b, V c) {
#if defined(SELFSAME_AVX512)
        if constexpr (fma_rounds_once) {
            constexpr auto all = static_cast<product_mask>(-1);
            if constexpr (sizeof(T) == 4) {
                return V(__builtin_ia32_vfmaddps512_mask(a.v, b.v, c.v, all, current_rounding));
            } else {
                return V(__builtin_ia32_vfmaddpd512_mask(a.v, b.v, c.v, all, current_rounding));
            }
        }
#endif
        return V(a.v * b.v + c.v);  // one expression, so that compilers which contract only within an expression do
    }

    SELFSAME_INLINE static V spread_maximum(V x) { return larger_half<N / 2>(x, std::make_integer_sequence<int, N>()); }
    SELFSAME_INLINE static bool any_greater(V a, V b) {
#if defined(SELFSAME_AVX512)
        constexpr int greater = 30, mode = 4;  // ordered, quiet; the current rounding mode
        if constexpr (N == 16 && sizeof(T) == 4) {
            return __builtin_ia32_cmpps512_mask(a.v, b.v, greater, static_cast<unsigned short>(-1), mode) != 0;
        } else if constexpr (N == 8 && sizeof(T) == 8) {
            return __builtin_ia32_cmppd512_mask(a.v, b.v, greater, static_cast<unsigned char>(-1), mode) != 0;
        }
#endif
        return any(a.v > b.v);
    }
    SELFSAME_INLINE static bool any_not_finite(V x) {
        const V largest((std::numeric_limits<T>::max)());
#if defined(SELFSAME_AVX512)
        constexpr int not_less_equal = 22, mode = 4;  // or unordered
        const V a = math::abs(x);
        if constexpr (N == 16 && sizeof(T) == 4) {
            return __builtin_ia32_cmpps512_mask(a.v, largest.v, not_less_equal, static_cast<unsigned short>(-1),
                                                mode) != 0;
        } else if constexpr (N == 8 && sizeof(T) == 8) {
            return __builtin_ia32_cmppd512_mask(a.v, largest.v, not_less_equal, static_cast<unsigned char>(-1), mode) !=
                   0;
        }
#endif
        return any(~(math::abs(x).v <= largest.v));
    }

#if defined(SELFSAME_AVX512) && !defined(__CUDACC__)
    // One instruction each; g++ 12 makes a comparison and a blend of `select` for registers of this size.
#if defined(__clang__)
#define SELFSAME_MINMAX(name) __builtin_ia32_##name##512(a.v, b.v, 4)
#else
#define SELFSAME_MINMAX(name) __builtin_ia32_##name##512_mask(a.v, b.v, a.v, all, 4)
#endif
    SELFSAME_INLINE static V larger(V a, V b)
        requires(N * sizeof(T) == 64 && std::is_floating_point_v<T>)
    {
        [[maybe_unused]] constexpr auto all = static_cast<unsigned_mask>(-1);
        if constexpr (sizeof(T) == 4) {
            return V(SELFSAME_MINMAX(maxps));
        } else {
            return V(SELFSAME_MINMAX(maxpd));
        }
    }
    SELFSAME_INLINE static V smaller(V a, V b)
        requires(N * sizeof(T) == 64 && std::is_floating_point_v<T>)
    {
        [[maybe_unused]] constexpr auto all = static_cast<unsigned_mask>(-1);
        if constexpr (sizeof(T) == 4) {
            return V(SELFSAME_MINMAX(minps));
        } else {
            return V(SELFSAME_MINMAX(minpd));
        }
    }
#undef SELFSAME_MINMAX
    SELFSAME_INLINE static V reciprocal(V x)
        requires(N == 16 && sizeof(T) == 4 && std::is_floating_point_v<T>)
    {
        // 14 bits, and one step of Newton's iteration: a division takes as long as ten products.
        constexpr auto all = static_cast<unsigned_mask>(-1);
        const V r(__builtin_ia32_rcp14ps512_mask(x.v, x.v, all));
        return fma(r, fma(-x, r, V(1.0f)), r);
    }
#endif

#if defined(SELFSAME_AVX512)
    SELFSAME_INLINE static V exp2(V x)
        requires(N * sizeof(T) == 64)
    {
        if constexpr (sizeof(T) == 4) {
            return scale_by_power(detail::exp2_upper_polynomial(above_floor(x)), x);
        } else {
            const V n = nearest(x);
            return scale_by_power(detail::exp2_polynomial(x - n), n);
        }
    }

    static constexpr T exp2_unit = sizeof(T) == 4 && N == 16 ? T(detail::exp2_highest) : T(1);
    SELFSAME_INLINE static V exp2_in_units(V x)
        requires(N == 16 && sizeof(T) == 4)
    {
        return scale_by_power(detail::exp2_monic_polynomial(above_floor(x)), x);
    }
#endif

  private:
#if defined(SELFSAME_AVX512)
    static constexpr int current_rounding = 4;
    SELFSAME_INLINE static V nearest(V x)
        requires(sizeof(T) == 8)
    {
        constexpr int to_nearest = 8;  // no exceptions raised
        constexpr auto all = static_cast<unsigned_mask>(-1);
        return V(__builtin_ia32_rndscalepd_mask(x.v, to_nearest, x.v, all, current_rounding));
    }
    // x - floor(x) by one instruction; 0 for infinities.
    SELFSAME_INLINE static V above_floor(V x)
        requires(N == 16 && sizeof(T) == 4)
    {
        constexpr int to_floor = 9;  // no exceptions raised
        constexpr auto all = static_cast<unsigned_mask>(-1);
#if defined(__clang__)
        return V(__builtin_ia32_reduceps512_mask(x.v, to_floor, x.v, all, current_rounding));
#else
        return V(__builtin_ia32_reduceps512_mask(x.v, to_floor, x.v, all));
#endif
    }
    // x 2^floor(n), 0 where 2^n is not normal: some processors take a hundred times as long for a result that is
    // subnormal. It treats overflow, infinities and NaN as exp2 should.
    SELFSAME_INLINE static V scale_by_power(V x, V n) {
        constexpr auto all = static_cast<unsigned_mask>(-1);
        constexpr int not_less = 21;  // or unordered
        const V zero(T(0)), least(T(1 - math::detail::format<T>::bias));
        if constexpr (sizeof(T) == 4) {
            const auto normal = __builtin_ia32_cmpps512_mask(n.v, least.v, not_less, all, current_rounding);
            return V(__builtin_ia32_scalefps512_mask(x.v, n.v, zero.v, normal, current_rounding));
        } else {
            const auto normal = __builtin_ia32_cmppd512_mask(n.v, least.v, not_less, all, current_rounding);
            return V(__builtin_ia32_scalefpd512_mask(x.v, n.v, zero.v, normal, current_rounding));
        }
    }
#endif

    template <int Half, int... L>
    SELFSAME_INLINE static V larger_half(V x, std::integer_sequence<int, L...> all) {
        if constexpr (Half == 0) {
            return x;
        } else {
            return larger_half<Half / 2>((math::max)(x, selfsame::detail::shuffle<(L ^ Half)...>(x, x)), all);
        }
    }

    template <class M>
    SELFSAME_INLINE static bool any(M mask) {
#if defined(__AVX2__)
        if constexpr (N == 8 && sizeof(T) == 4) {
            return __builtin_ia32_movmskps256(reinterpret_cast<typename V::native>(mask)) != 0;
        } else if constexpr (N == 4 && sizeof(T) == 8) {
            return __builtin_ia32_movmskpd256(reinterpret_cast<typename V::native>(mask)) != 0;
        }
#endif
        bool found = false;
        for (int l = 0; l < N; ++l) found |= mask[l] != 0;
        return found;
    }
};

}  // namespace math

/// N consecutive values at any address.
template <class V>
SELFSAME_INLINE V load(const math::scalar_t<V>* p) {
    V x;
    std::memcpy(&x, p, sizeof(V));
    return x;
}
template <class T, int N>
SELFSAME_INLINE void store(T* p, batch<T, N> x) {
    std::memcpy(p, &x, sizeof(x));
}
/// x as it is; compilers would rather read memory again for every use of what was loaded, lines crossed or not.
template <class V>
SELFSAME_INLINE V in_register(V x) {
#if defined(SELFSAME_AVX512)
    if constexpr (sizeof(V) == 64) asm("" : "+v"(x.v));
#endif
    return x;
}

/// Past the caches where the address allows: for results that are not read again soon.
template <class T, int N>
SELFSAME_INLINE void stream(T* p, batch<T, N> x) {
#if defined(__x86_64__)
    if (reinterpret_cast<std::uintptr_t>(p) % sizeof(x) == 0) {
#if defined(__clang__)
        __builtin_nontemporal_store(x.v, reinterpret_cast<typename batch<T, N>::native*>(p));
        return;
#elif defined(SELFSAME_AVX512)
        if constexpr (sizeof(x) == 64 && sizeof(T) == 4) return __builtin_ia32_movntps512(p, x.v);
        if constexpr (sizeof(x) == 64 && sizeof(T) == 8) return __builtin_ia32_movntpd512(p, x.v);
#elif defined(__AVX2__)
        if constexpr (sizeof(x) == 32 && sizeof(T) == 4) return __builtin_ia32_movntps256(p, x.v);
        if constexpr (sizeof(x) == 32 && sizeof(T) == 8) return __builtin_ia32_movntpd256(p, x.v);
#endif
    }
#endif
    store(p, x);
}

/// 0, 1, 2, ... N - 1.
template <class V>
SELFSAME_INLINE V lane_numbers() {
    V x;
    for (int l = 0; l < static_cast<int>(sizeof(V) / sizeof(math::scalar_t<V>)); ++l) x.v[l] = math::scalar_t<V>(l);
    return x;
}

namespace detail {
// Processors interleave within 16 bytes, and pick whole 16 bytes, in one cheap step each; what else there is costs
// more.
template <class T>
inline constexpr int quarter = 16 / static_cast<int>(sizeof(T));

// Of each 16 bytes the lower (Upper: upper) half of a and b, Block lanes of one and Block lanes of the other in turn.
template <int Block, bool Upper, class T, int N, int... L>
SELFSAME_INLINE batch<T, N> interleave(batch<T, N> a, batch<T, N> b, std::integer_sequence<int, L...>) {
    constexpr int Q = quarter<T>;
    return shuffle<(L / Q * Q + (Upper ? Q / 2 : 0) + L % Q / (2 * Block) * Block + L % Block +
                    (L / Block % 2 == 0 ? 0 : N))...>(a, b);
}
// The even (Odd: odd) 16 bytes of a, then those of b.
template <bool Odd, class T, int N, int... L>
SELFSAME_INLINE batch<T, N> alternate(batch<T, N> a, batch<T, N> b, std::integer_sequence<int, L...>) {
    constexpr int Q = quarter<T>;
    return shuffle<((2 * (L / Q) + (Odd ? 1 : 0)) * Q + L % Q)...>(a, b);
}
template <int Half, class T, int N>
SELFSAME_INLINE void transpose_by(batch<T, N> (&x)[N]) {
    constexpr std::make_integer_sequence<int, N> all;
    SELFSAME_UNROLL(16)
    for (int r = 0; r < N; ++r) {
        if ((r & Half) != 0) continue;
        const batch<T, N> a = x[r], b = x[r + Half];
        if constexpr (Half < quarter<T>) {
            x[r] = interleave<Half, false>(a, b, all);
            x[r + Half] = interleave<Half, true>(a, b, all);
        } else {
            x[r] = alternate<false>(a, b, all);
            x[r + Half] = alternate<true>(a, b, all);
        }
    }
    if constexpr (2 * Half < N) transpose_by<2 * Half>(x);
}
}  // namespace detail

/// Lane l of x[r] becomes lane r of x[l].
template <class T, int N>
SELFSAME_INLINE void transpose(batch<T, N> (&x)[N]) {
    detail::transpose_by<1>(x);
    if constexpr (detail::quarter<T> == 4) {  // two steps of interleaving leave the middle ones in each other's place
        SELFSAME_UNROLL(4)
        for (int r = 0; r < N; r += 4) std::swap(x[r + 1], x[r + 2]);
    }
}

/// The first (Odd: the second) of every two neighbouring lanes of a, and then of b.
template <bool Odd, class T, int N>
SELFSAME_INLINE batch<T, N> lanes_of_pairs(batch<T, N> a, batch<T, N> b) {
    return [&]<int... L>(std::integer_sequence<int, L...>) __attribute__((always_inline)) {
        return detail::shuffle<(2 * L + (Odd ? 1 : 0))...>(a, b);
    }(std::make_integer_sequence<int, N>());
}

template <class T, int N>
SELFSAME_INLINE T sum(batch<T, N> x) {
    alignas(sizeof(x)) T t[N];
    store(t, x);
    for (int half = N / 2; half > 0; half /= 2) {
        for (int k = 0; k < half; ++k) t[k] += t[k + half];
    }
    return t[0];
}

/// The largest lane; NaN if a lane is NaN.
template <class T, int N>
SELFSAME_INLINE T maximum(batch<T, N> x) {
    alignas(sizeof(x)) T t[N];
    store(t, x);
    T m = t[0];
    for (int k = 1; k < N; ++k) m = m != m || m > t[k] ? m : t[k];
    return m;
}

}  // namespace selfsame::inline SELFSAME_ISA
