#pragma once

#include <cstdint>
#include <cstring>

#include "selfsame/engine/host/micro_kernel.hpp"

#if defined(SELFSAME_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/// \file
/// The processor's matrix unit, Intel's AMX: products of pairs of bfloat16 with sums in float, in tiles of 16 rows of
/// 64 bytes. (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.)

namespace selfsame::inline SELFSAME_ISA::host {

#if defined(SELFSAME_AMX)

inline constexpr index_t tile_side = 16;                      ///< rows of a tile, and units of 4 bytes in a row
inline constexpr index_t tile_units = tile_side * tile_side;  ///< a tile, dense
inline constexpr index_t tiled_side = 2 * tile_side;          ///< rows and columns of a block of sums
template <int Parts>
inline constexpr int products_in = Parts * (Parts + 1) / 2;
inline constexpr index_t tiled_depth = 2 * tile_side;  ///< values along the depth in a product of tiles

/// Whether the system lets this process use the tiles, which it wants to be asked for.
inline bool may_use_tiles() {
    constexpr long request_permission = 0x1023, tile_data = 18;
    static const bool granted = syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    return granted;
}

/// All tiles full.
struct tile_shapes {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

/// Keeps the thread's unit set up for multiply_tiles: to set it up costs as much as some products.
class tiles_open {
  public:
    tiles_open() {
        if (may_use_tiles()) asm volatile("ldtilecfg %0" ::"m"(shapes));
    }
    ~tiles_open() {
        if (may_use_tiles()) asm volatile("tilerelease");
    }
    tiles_open(const tiles_open&) = delete;
    tiles_open& operator=(const tiles_open&) = delete;

  private:
    alignas(64) static constexpr tile_shapes shapes{};
};

namespace detail {
#define SELFSAME_TILE_LOAD(tile, from, bytes) \
    asm volatile("tileloadd (%0,%1,1), %%tmm" #tile::"r"(from), "r"(static_cast<index_t>(bytes)) : "memory")
#define SELFSAME_TILE_STORE(tile, to, bytes) \
    asm volatile("tilestored %%tmm" #tile ", (%0,%1,1)" ::"r"(to), "r"(static_cast<index_t>(bytes)) : "memory")

// Tiles 0 to 3 are sums, 4 and 5 rows of the left operand, 6 and 7 columns of the right one.
SELFSAME_INLINE void load_left(const std::int32_t* part) {
    SELFSAME_TILE_LOAD(4, part, 64);
    SELFSAME_TILE_LOAD(5, part + tile_units, 64);
}
SELFSAME_INLINE void load_right(const std::int32_t* part) {
    SELFSAME_TILE_LOAD(6, part, 64);
    SELFSAME_TILE_LOAD(7, part + tile_units, 64);
}
SELFSAME_INLINE void multiply_loaded() {
    asm volatile(
        "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\ttdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\t"
        "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\ttdpbf16ps %%tmm7, %%tmm5, %%tmm3" ::);
}
}  // namespace detail

/// What multiply_tiles computes, by vectors: for a process that may not use tiles.
template <int Parts>
[[gnu::noinline]] void multiply_without_tiles(const std::int32_t* left, const std::int32_t* right, index_t depth,
                                              bool adds, float* sums, index_t step) {
    using V = batch<float>;
    using U = batch<std::int32_t>;
    constexpr index_t part = 2 * tile_units;
    for (index_t i = 0; i < tiled_side; ++i) {
        for (index_t j = 0; j < tiled_side; j += tile_side) {
            V x = adds ? load<V>(sums + i * step + j) : V(0.0f);
            for (index_t k = 0; k < depth / tiled_depth * Parts; k += Parts) {
                for (index_t l = Parts - 1; l >= 0; --l) {
                    for (index_t r = Parts - 1 - l; r >= 0; --r) {
                        const std::int32_t* a = left + (k + l) * part + i * tile_side;
                        const std::int32_t* b = right + (k + r) * part + j * tile_side;
                        for (index_t u = 0; u < tile_side; ++u) {
                            x = product<bfloat16_products, float>::multiply_add(U(a[u]), load<U>(b + u * tile_side), x);
                        }
                    }
                }
            }
            store(sums + i * step + j, x);
        }
    }
}

/// sums (tiled_side x tiled_side, rows `step` apart) = left . right, or += where it `adds`, over `depth` values, a
/// multiple of tiled_depth. Operands are Parts summands of bfloat16, as `pack_tiles` lays them out; products of
/// summands count that are above the last bit of the product of the first ones. beside() is called after each of the
/// products_in<Parts> products of every tiled_depth values: the unit goes on while the processor does something else.
template <int Parts, class Beside>
SELFSAME_INLINE void multiply_tiles(const std::int32_t* left, const std::int32_t* right, index_t depth, bool adds,
                                    float* sums, index_t step, Beside&& beside) {
    static_assert(Parts == 1 || Parts == 3);
    constexpr index_t part = 2 * tile_units;
    if (!may_use_tiles()) {
        multiply_without_tiles<Parts>(left, right, depth, adds, sums, step);
        for (index_t k = 0; k < depth; k += tiled_depth) {
            for (int p = 0; p < products_in<Parts>; ++p) beside();
        }
        return;
    }
    const index_t row = step * static_cast<index_t>(sizeof(float));
    float* const lower = sums + tile_side * step;
    if (adds) {
        SELFSAME_TILE_LOAD(0, sums, row);
        SELFSAME_TILE_LOAD(1, sums + tile_side, row);
        SELFSAME_TILE_LOAD(2, lower, row);
        SELFSAME_TILE_LOAD(3, lower + tile_side, row);
    } else {
        asm volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" ::);
    }
    for (index_t k = 0; k < depth; k += tiled_depth, left += Parts * part, right += Parts * part) {
        const auto multiply = [&]() __attribute__((always_inline)) {
            detail::multiply_loaded();
            beside();
        };
        if constexpr (Parts == 3) {
            // Small products first, which rounds less, each with an operand of the one before.
            detail::load_left(left + 2 * part);
            detail::load_right(right);
            multiply();
            detail::load_left(left + part);
            multiply();
            detail::load_right(right + part);
            multiply();
            detail::load_left(left);
            multiply();
            detail::load_right(right + 2 * part);
            multiply();
            detail::load_right(right);
        } else {
            detail::load_left(left);
            detail::load_right(right);
        }
        multiply();
    }
    SELFSAME_TILE_STORE(0, sums, row);
    SELFSAME_TILE_STORE(1, sums + tile_side, row);
    SELFSAME_TILE_STORE(2, lower, row);
    SELFSAME_TILE_STORE(3, lower + tile_side, row);
}

#undef SELFSAME_TILE_LOAD
#undef SELFSAME_TILE_STORE

namespace detail {
SELFSAME_INLINE batch<std::uint32_t> bits_of(batch<float> x) {
    return batch<std::uint32_t>(reinterpret_cast<batch<std::uint32_t>::native>(x.v));
}
SELFSAME_INLINE batch<float> from_bits(batch<std::uint32_t> x) {
    return batch<float>(reinterpret_cast<batch<float>::native>(x.v));
}

/// x rounded to bfloat16, as its upper bits.
template <bool TiesToEven>
SELFSAME_INLINE batch<std::uint32_t> rounded(batch<float> x) {
    using U = batch<std::uint32_t>;
    const U upper(0xffff0000u), b = bits_of(x);
    if constexpr (TiesToEven) {
        const U to_even = b + U(0x7fffu) + ((b >> 16) & U(1u));
        return bits_of(math::select(x == x, from_bits(to_even), from_bits(b | U(0x400000u)))) & upper;
    } else {
        return (b + U(0x8000u)) & upper;
    }
}

/// x as a sum of Parts numbers of bfloat16, each in the upper bits; three hold all bits of a float.
template <int Parts>
SELFSAME_INLINE void split(batch<float> x, batch<std::uint32_t> (&parts)[Parts]) {
    SELFSAME_UNROLL(3)
    for (int p = 0; p < Parts; ++p) {
        // What is left for a last part has no more bits, unless it is subnormal.
        parts[p] =
            Parts > 1 && p == Parts - 1 ? bits_of(x) & batch<std::uint32_t>(0xffff0000u) : rounded<Parts == 1>(x);
        x = x - from_bits(parts[p]);
    }
}
}  // namespace detail

/// Where the values of an operand lie.
enum class along {
    depth_in_rows,    ///< a row of the matrix is a row (of the left operand) or a column (of the right one)
    depth_in_columns  ///< a column of the matrix is
};

/// The units of `count` rows (columns) of an operand, of `depth` values each, both multiples of tiled_side: of each
/// tiled_side of them, of each tiled_depth values, of each part two tiles. A unit is the pair of the values k and k +
/// 16 of 32.
template <int Parts, along Depth, bool Left>
void pack_tiles(const float* x, index_t step, index_t count, index_t depth, std::int32_t* to) {
    constexpr bool in_rows = Depth == along::depth_in_rows;
    // The 16 rows that are read are those of the tile, or its columns.
    constexpr bool turned = in_rows != Left;
    using U = batch<std::uint32_t>;
    const index_t other = in_rows ? tile_side : tile_side * step;
    for (index_t i = 0; i < count; i += tiled_side) {
        for (index_t k = 0; k < depth; k += tiled_depth) {
            for (index_t half = 0; half < tiled_side; half += tile_side) {
                const float* from = in_rows ? x + (i + half) * step + k : x + k * step + i + half;
                U tile[Parts][tile_side];
                SELFSAME_UNROLL(2)
                for (index_t r = 0; r < tile_side; ++r) {
                    U first[Parts], second[Parts];
                    detail::split<Parts>(load<batch<float>>(from + r * step), first);
                    detail::split<Parts>(load<batch<float>>(from + r * step + other), second);
                    SELFSAME_UNROLL(3)
                    for (int p = 0; p < Parts; ++p) tile[p][r] = (first[p] >> 16) | second[p];
                }
                for (int p = 0; p < Parts; ++p) {
                    if constexpr (turned) transpose(tile[p]);
                    std::memcpy(to + p * 2 * tile_units + half * tile_side, tile[p], sizeof(tile[p]));
                }
            }
            to += Parts * 2 * tile_units;
        }
    }
}

#endif

}  // namespace selfsame::inline SELFSAME_ISA::host
