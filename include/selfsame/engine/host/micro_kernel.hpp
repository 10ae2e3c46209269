#pragma once

#include <cstdint>

#include "selfsame/core/simd.hpp"
#include "selfsame/core/tensor.hpp"
#include "selfsame/policy/precision.hpp"

/// \file
/// The innermost product: a strip of a few rows and a few registers of columns, accumulated in registers. Operands are
/// sequences of units: one value, or a pair of neighbouring values along the depth where the processor multiplies
/// pairs.

namespace selfsame::inline SELFSAME_ISA {

namespace host {

inline constexpr int strip_rows = 6;                                  // 6 x 4 or 6 x 2 accumulators leave room for
inline constexpr int strip_registers = register_count == 32 ? 4 : 2;  // the operands

/// Columns of a full strip.
template <class T>
inline constexpr int strip_columns = strip_registers * lanes<T>;

/// How operands are stored and multiplied. T: the type of the computation.
template <class Precision, class T>
struct product {
    using unit = T;
    static constexpr int depth = 1;  // values in a unit
    static constexpr unit pack(T first, T) { return first; }
    SELFSAME_INLINE static batch<T> multiply_add(batch<unit> a, batch<unit> b, batch<T> c) {
        return math::fma(a, b, c);
    }
};

template <>
struct product<bfloat16_products, float> {
    using unit = std::int32_t;
    static constexpr int depth = 2;
    static constexpr unit pack(float first, float second) {
        return static_cast<unit>(bfloat16(first).bits | static_cast<std::uint32_t>(bfloat16(second).bits) << 16);
    }
    SELFSAME_INLINE static batch<float> multiply_add(batch<unit> a, batch<unit> b, batch<float> c) {
#if defined(__AVX512BF16__) && defined(SELFSAME_AVX512)
#if defined(__clang__)
        return batch<float>(__builtin_ia32_dpbf16ps_512(c.v, a.v, b.v));
#else
        typedef short operand __attribute__((vector_size(64)));
        return batch<float>(
            __builtin_ia32_dpbf16ps_v16sf(c.v, reinterpret_cast<operand>(a.v), reinterpret_cast<operand>(b.v)));
#endif
#else
        using traits = math::value_traits<batch<float>>;
        const batch<unit> high(static_cast<unit>(0xffff0000u));
        c = math::fma(traits::from_bits(a << 16), traits::from_bits(b << 16), c);
        return math::fma(traits::from_bits(a & high), traits::from_bits(b & high), c);
#endif
    }
};

/// Keeps a value in its register: g++ otherwise loads an operand again for each use, and the loads then bound the loop.
template <class V>
SELFSAME_INLINE void keep_in_register([[maybe_unused]] V& x) {
#if defined(__x86_64__)
    asm("" : "+v"(x.v));
#endif
}

/// acc[m][v] += sum_k a[m a_row + k a_step] b[k b_step + v lanes], over `count` units.
template <class Product, class T, int Registers>
SELFSAME_INLINE void multiply(const typename Product::unit* a, index_t a_row, index_t a_step,
                              const typename Product::unit* b, index_t b_step, index_t count,
                              batch<T> (&acc)[strip_rows][Registers]) {
    using U = batch<typename Product::unit>;
    for (index_t k = 0; k < count; ++k) {
        U columns[Registers];
        SELFSAME_UNROLL(4)
        for (int v = 0; v < Registers; ++v) {
            columns[v] = load<U>(b + v * lanes<T>);
            keep_in_register(columns[v]);
        }
        SELFSAME_UNROLL(6)
        for (int m = 0; m < strip_rows; ++m) {
            const U row(a[m * a_row]);
            SELFSAME_UNROLL(4)
            for (int v = 0; v < Registers; ++v) acc[m][v] = Product::multiply_add(row, columns[v], acc[m][v]);
        }
        a += a_step;
        b += b_step;
    }
}

}  // namespace host
}  // namespace selfsame::inline SELFSAME_ISA
