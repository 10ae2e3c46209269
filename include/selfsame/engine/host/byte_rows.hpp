#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

#include "selfsame/core/simd.hpp"
#include "selfsame/core/tensor.hpp"

/// \file
/// Loops over rows of pixels that are bytes and stay bytes: looked up in tables, in reversed order, their least and
/// greatest. C: channels, one beside the other.

namespace selfsame::inline SELFSAME_ISA::host {

/// A table for each channel of pixels.
template <int C>
struct byte_tables {
    std::uint8_t of[C][256];
};

/// The least and the greatest of each channel.
template <int C>
struct byte_extremes {
    std::uint8_t low[C], high[C];
};

#if defined(SELFSAME_AVX512_BYTES)

namespace detail {

typedef char byte_lanes __attribute__((vector_size(64)));
using byte_mask = unsigned long long;
inline constexpr index_t byte_lane_count = sizeof(byte_lanes);

/// Places for `permute_bytes`, of f(lane).
template <class F>
constexpr std::array<std::uint8_t, byte_lane_count> byte_places(F f) {
    std::array<std::uint8_t, byte_lane_count> places{};
    for (index_t k = 0; k < byte_lane_count; ++k) {
        places[static_cast<std::size_t>(k)] = static_cast<std::uint8_t>(f(k));
    }
    return places;
}
/// Lane l of the result is lane places[l] of x; of places the lowest six bits count.
SELFSAME_INLINE byte_lanes permute_bytes(byte_lanes x, byte_lanes places) {
#if defined(__clang__)
    return __builtin_ia32_permvarqi512(x, places);
#else
    return __builtin_ia32_permvarqi512_mask(x, places, places, ~0ull);
#endif
}
SELFSAME_INLINE byte_lanes permute_bytes(byte_lanes x, const std::array<std::uint8_t, byte_lane_count>& places) {
    byte_lanes lanes;
    std::memcpy(&lanes, &places, sizeof(lanes));
    return permute_bytes(x, lanes);
}
/// Lanes of b where a bit is set, else those of a.
SELFSAME_INLINE byte_lanes select_bytes(byte_mask bits, byte_lanes a, byte_lanes b) {
#if defined(__clang__)
    return __builtin_ia32_selectb_512(bits, b, a);
#else
    return __builtin_ia32_blendmb_512_mask(a, b, bits);
#endif
}
/// Loads and stores touch the chosen bytes alone.
SELFSAME_INLINE byte_lanes load_bytes(const std::uint8_t* p, byte_mask chosen) {
#if defined(__clang__)
    return __builtin_ia32_loaddquqi512_mask(reinterpret_cast<const byte_lanes*>(p), byte_lanes{}, chosen);
#else
    return __builtin_ia32_loaddquqi512_mask(reinterpret_cast<const char*>(p), byte_lanes{}, chosen);
#endif
}
SELFSAME_INLINE void store_bytes(std::uint8_t* p, byte_lanes x, byte_mask chosen) {
#if defined(__clang__)
    __builtin_ia32_storedquqi512_mask(reinterpret_cast<byte_lanes*>(p), x, chosen);
#else
    __builtin_ia32_storedquqi512_mask(reinterpret_cast<char*>(p), x, chosen);
#endif
}
constexpr byte_mask first_bytes(index_t n) { return n >= byte_lane_count ? ~0ull : (1ull << n) - 1; }

/// A table of 256 bytes in registers.
class table_registers {
  public:
    SELFSAME_INLINE explicit table_registers(const std::uint8_t* table) { std::memcpy(part_, table, sizeof(part_)); }
    SELFSAME_INLINE byte_lanes operator[](byte_lanes x) const {
#if defined(__clang__)
        const byte_lanes low = __builtin_ia32_vpermi2varqi512(part_[0], x, part_[1]);
        const byte_lanes high = __builtin_ia32_vpermi2varqi512(part_[2], x, part_[3]);
#else
        const byte_lanes low = __builtin_ia32_vpermt2varqi512_mask(x, part_[0], part_[1], ~0ull);
        const byte_lanes high = __builtin_ia32_vpermt2varqi512_mask(x, part_[2], part_[3], ~0ull);
#endif
        return select_bytes(__builtin_ia32_cvtb2mask512(x), low, high);
    }

  private:
    byte_lanes part_[4];
};

}  // namespace detail

inline void map_bytes(const std::uint8_t* in, index_t n, const std::uint8_t* table, std::uint8_t* out) {
    const detail::table_registers t(table);
    for (index_t i = 0; i < n; i += detail::byte_lane_count) {
        const detail::byte_mask there = detail::first_bytes(n - i);
        detail::store_bytes(out + i, t[detail::load_bytes(in + i, there)], there);
    }
}

template <int C>
void map_pixels(const std::uint8_t* in, index_t width, const byte_tables<C>& tables, std::uint8_t* out) {
    using detail::select_bytes;
    const detail::table_registers t0(tables.of[0]), t1(tables.of[1]), t2(tables.of[2]), t3(tables.of[C - 1]);
    constexpr index_t block = detail::byte_lane_count / C * C;
    constexpr auto of_channel = [](index_t c) {
        detail::byte_mask bits = 0;
        for (index_t k = c; k < block; k += C) bits |= 1ull << k;
        return bits;
    };
    constexpr detail::byte_mask second = of_channel(1), third = of_channel(2), fourth = of_channel(3);
    for (index_t i = 0; i < width * C; i += block) {
        const detail::byte_mask there = detail::first_bytes((std::min)(width * C - i, block));
        const detail::byte_lanes x = detail::load_bytes(in + i, there);
        detail::byte_lanes y = select_bytes(third, select_bytes(second, t0[x], t1[x]), t2[x]);
        if constexpr (C == 4) y = select_bytes(fourth, y, t3[x]);
        detail::store_bytes(out + i, y, there);
    }
}

template <int C>
void reverse_pixels(const std::uint8_t* in, index_t width, std::uint8_t* out) {
    constexpr index_t block = detail::byte_lane_count / C * C;
    static constexpr auto reversed =
        detail::byte_places([](index_t k) { return k < block ? block - C - k / C * C + k % C : k; });
    const std::uint8_t* end = in + width * C;
    for (index_t i = 0; i < width * C; i += block) {
        const index_t n = (std::min)(width * C - i, block);
        end -= n;
        // Fewer than a block lie at its end.
        const auto x =
            detail::load_bytes(end - (block - n), detail::first_bytes(block) & ~detail::first_bytes(block - n));
        detail::store_bytes(out + i, detail::permute_bytes(x, reversed), detail::first_bytes(n));
    }
}

#else

inline void map_bytes(const std::uint8_t* in, index_t n, const std::uint8_t* table, std::uint8_t* out) {
    SELFSAME_UNROLL(8)
    for (index_t i = 0; i < n; ++i) out[i] = table[in[i]];
}

template <int C>
void map_pixels(const std::uint8_t* in, index_t width, const byte_tables<C>& tables, std::uint8_t* out) {
    for (index_t i = 0; i < width; ++i) {
        SELFSAME_UNROLL(4)
        for (index_t c = 0; c < C; ++c) out[i * C + c] = tables.of[c][in[i * C + c]];
    }
}

template <int C>
void reverse_pixels(const std::uint8_t* in, index_t width, std::uint8_t* out) {
    index_t done = 0;
#if defined(__SSSE3__)  // else no instruction moves bytes within a vector
    using bytes = batch<std::uint8_t, 16>;
    constexpr index_t block = 16 / C;
    const std::uint8_t* const last = in + width * C - 16;
    // Of 16 bytes with three channels the first of a source and the last of a result are of another block.
    for (; done + block < width; done += block) {
        const bytes x = load<bytes>(last - done * C);
        store(out + done * C, [&]<int... K>(std::integer_sequence<int, K...>) {
            return selfsame::detail::shuffle<(K < block * C ? 16 - C - K / C * C + K % C : 0)...>(x, x);
        }(std::make_integer_sequence<int, 16>()));
    }
#endif
    for (; done < width; ++done) {
        for (index_t c = 0; c < C; ++c) out[done * C + c] = in[(width - 1 - done) * C + c];
    }
}

#endif

/// Of an image, whose rows begin `row_stride` bytes apart.
template <int C>
byte_extremes<C> extremes(const std::uint8_t* in, index_t height, index_t width, index_t row_stride) {
    typedef std::uint8_t bytes __attribute__((vector_size(sizeof(batch<float>))));
    constexpr index_t L = sizeof(bytes);
    byte_extremes<C> found;
    for (index_t c = 0; c < C; ++c) found.low[c] = found.high[c] = in[c];
    const auto absorb = [&](index_t c, std::uint8_t low, std::uint8_t high) {
        found.low[c] = (std::min)(found.low[c], low);
        found.high[c] = (std::max)(found.high[c], high);
    };
    if (width < L) {
        for (index_t y = 0; y < height; ++y) {
            for (index_t i = 0; i < width * C; ++i) absorb(i % C, in[y * row_stride + i], in[y * row_stride + i]);
        }
        return found;
    }
    // Of C vectors in a row, byte l of vector v is of channel (v L + l) % C.
    bytes low[C], high[C];
    std::memcpy(low, in, sizeof(low));
    std::memcpy(high, in, sizeof(high));
    for (index_t y = 0; y < height; ++y) {
        const std::uint8_t* p = in + y * row_stride;
        const std::uint8_t* const last = p + (width - L) * C;
        for (;; p = (std::min)(p + C * L, last)) {
            SELFSAME_UNROLL(4)
            for (index_t v = 0; v < C; ++v) {
                bytes x;
                std::memcpy(&x, p + v * L, sizeof(x));
                low[v] = x < low[v] ? x : low[v];
                high[v] = x > high[v] ? x : high[v];
            }
            if (p == last) break;
        }
    }
    for (index_t k = 0; k < C * L; ++k) absorb(k % C, low[k / L][k % L], high[k / L][k % L]);
    return found;
}

}  // namespace selfsame::inline SELFSAME_ISA::host
