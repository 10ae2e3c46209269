#pragma once

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif
#include <algorithm>
#include <type_traits>

#include "selfsame/engine/host/micro_kernel.hpp"

/// \file
/// Products of blocks that are laid out for the micro-kernel. The functions are not inlined: in a larger one compilers
/// run out of registers and spill accumulators in the loop.

namespace selfsame::inline SELFSAME_ISA::host {

/// x = scale a.b + bias for strip_rows rows, `row_step` units apart, and strip_columns columns in a panel; rows of x
/// are `step` apart.
template <class Product, class T>
[[gnu::noinline]] void product_strip(const typename Product::unit* rows, index_t row_step,
                                     const typename Product::unit* panel, index_t units, T scale, T bias, T* x,
                                     index_t step) {
    using V = batch<T>;
    constexpr int MR = strip_rows, NV = strip_registers;
    V acc[MR][NV];
    SELFSAME_UNROLL(6)
    for (int m = 0; m < MR; ++m) {
        SELFSAME_UNROLL(4)
        for (int v = 0; v < NV; ++v) acc[m][v] = V(T(0));
    }
    multiply<Product>(rows, row_step, 1, panel, strip_columns<T>, units, acc);
    SELFSAME_UNROLL(6)
    for (int m = 0; m < MR; ++m) {
        SELFSAME_UNROLL(4)
        for (int v = 0; v < NV; ++v) store(x + m * step + v * lanes<T>, math::fma(acc[m][v], V(scale), V(bias)));
    }
}

template <class Product, class T, int R>
[[gnu::noinline]] void add_panel(const typename Product::unit* weights, index_t row_step, index_t unit_step,
                                 const typename Product::unit* source, index_t width, index_t units, T* target) {
    using V = batch<T>;
    constexpr int MR = strip_rows, L = lanes<T>;
    V g[MR][R];
    SELFSAME_UNROLL(6)
    for (int m = 0; m < MR; ++m) {
        SELFSAME_UNROLL(4)
        for (int v = 0; v < R; ++v) g[m][v] = load<V>(target + m * width + v * L);
    }
    multiply<Product>(weights, row_step, unit_step, source, width, units, g);
    SELFSAME_UNROLL(6)
    for (int m = 0; m < MR; ++m) {
        SELFSAME_UNROLL(4)
        for (int v = 0; v < R; ++v) store(target + m * width + v * L, g[m][v]);
    }
}

/// Begins to load `rows` rows of R registers each, `width` apart.
template <int R, class E>
SELFSAME_INLINE void fetch(const E* x, index_t rows, index_t width) {
    for (index_t m = 0; m < rows; ++m) {
        SELFSAME_UNROLL(4)
        for (int v = 0; v < R; ++v) __builtin_prefetch(x + m * width + v * lanes<E>);
    }
}

/// Bytes of the first-level data cache; 32 KiB where the system does not tell.
inline index_t first_level_cache() {
    static const index_t bytes = [] {
        long told = 0;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
        told = sysconf(_SC_LEVEL1_DCACHE_SIZE);
#endif
        return told > 0 ? index_t(told) : index_t(32 << 10);
    }();
    return bytes;
}

/// `rows` rows of target, a multiple of strip_rows, += weights x `depth` rows of source. Rows of source and target have
/// `width` values, a multiple of the lanes; weights of a target row are `unit_step` units apart, its neighbours'
/// `row_step`.
template <class Product, class T>
void add_products(const typename Product::unit* weights, index_t row_step, index_t unit_step,
                  const typename Product::unit* source, index_t depth, T* target, index_t rows, index_t width) {
    constexpr int MR = strip_rows, NV = strip_registers, L = lanes<T>;
    // Of equal parts of the source, a panel stays in the first-level cache while the target's rows pass. A sum is taken
    // up where the part before left it: the number of parts changes no bit.
    const index_t all = depth / Product::depth;
    const index_t room = first_level_cache() / (strip_columns<T> * static_cast<index_t>(sizeof(*source)));
    const index_t parts = (all + room - 1) / room, deep = parts == 0 ? 0 : (all + parts - 1) / parts;
    for (index_t u = 0; u < all; u += deep) {
        const index_t units = (std::min)(deep, all - u);
        const typename Product::unit* left = weights + u * unit_step;
        const typename Product::unit* right = source + u * width;
        const auto panel = [&]<int R>(std::integral_constant<int, R>, index_t k) {
            for (index_t i = 0; i < rows; i += MR) {
                // What the next strip adds to, and a share of the next panel: rows too far apart for the processor to
                // foresee.
                fetch<R>(target + (i + MR) * width + k, MR, width);
                const index_t from = units * i / rows, to = units * (i + MR) / rows;
                if (k + R * L < width) fetch<R>(right + from * width + k + R * L, to - from, width);
                add_panel<Product, T, R>(left + i * row_step, row_step, unit_step, right + k, width, units,
                                         target + i * width + k);
            }
        };
        index_t k = 0;
        for (; k + NV * L <= width; k += NV * L) panel(std::integral_constant<int, NV>(), k);
        if (NV > 2 && width - k >= 2 * L) panel(std::integral_constant<int, 2>(), (k += 2 * L) - 2 * L);
        if (width - k >= L) panel(std::integral_constant<int, 1>(), k);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
