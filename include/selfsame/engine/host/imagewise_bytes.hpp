#pragma once

#include "selfsame/engine/host/imagewise_resize.hpp"

/// \file
/// Rows of interleaved bytes resized along themselves, where the processor permutes bytes and multiplies them with
/// 8-bit numbers. A weight is a number of 23 bits, sign included, in three digits; sums are exact, so that the result
/// is as good as with float weights.

namespace selfsame::inline SELFSAME_ISA::host {

#if defined(SELFSAME_AVX512_BYTES)

/// The horizontal axis for `resize_bytes`. Outputs are made in groups of 16, a tap of each in a vector's lane.
struct byte_axis {
    static constexpr std::int32_t group = 16, taps_at_once = 4, digits = 3, vector = 64;
    static constexpr std::int32_t most_blocks = 11;
    static constexpr float unit = 0x1p22f;  ///< 1 in units of weights
    /// Bytes at the end of a row, and room for loads that pass it.
    static constexpr std::int32_t tail = 4 * vector, tail_room = tail + 4 * vector;

    byte_axis() = default;
    explicit byte_axis(void* const* piece)
        : weights(static_cast<std::int8_t*>(piece[0])), places(static_cast<std::uint8_t*>(piece[1])),
          first(static_cast<std::int32_t*>(piece[2])), row_end(static_cast<std::uint8_t*>(piece[3])) {}
    /// Calls f<T>(count) for each piece of memory.
    template <class F>
    static void pieces(index_t out, F&& f) {
        f.template operator()<std::int8_t>(groups(out) * most_blocks * digits * vector);
        f.template operator()<std::uint8_t>(groups(out) * vector);
        f.template operator()<std::int32_t>(groups(out));
        f.template operator()<std::uint8_t>(tail_room);
    }

    std::int8_t* weights;  ///< group by group, blocks of four taps, digits, lanes
    std::uint8_t* places;  ///< group by group: places of a block's bytes from the group's first pixel on
    std::int32_t* first;   ///< group by group: the first pixel
    std::uint8_t* row_end;
    std::int32_t blocks, vectors;

    static constexpr index_t groups(index_t out) { return (out + group - 1) / group; }

    /// Takes over a table of weights that sum to 1; false where pixels lie too far apart.
    template <int C>
    bool fill(const axis_table& axis, index_t out) {
        blocks = (axis.taps + taps_at_once - 1) / taps_at_once;
        std::int32_t furthest = 0;
        for (index_t g = 0; g < groups(out); ++g) {
            std::int32_t low = axis.first[g * group], high = low;
            for (index_t l = 1; l < group; ++l) {
                const std::int32_t x = axis.first[(std::min)(g * group + l, out - 1)];
                low = (std::min)(low, x);
                high = (std::max)(high, x);
            }
            first[g] = low;
            furthest = (std::max)(furthest, high - low);
        }
        const std::int32_t span = C * (furthest + taps_at_once);
        // Blocks beyond the first read on from further places, which must lie in the room after a row's end.
        if (blocks > most_blocks || span > 2 * vector || C * taps_at_once * (blocks - 1) + 2 * vector > tail)
            return false;
        vectors = span > vector ? 2 : 1;
        for (index_t g = 0; g < groups(out); ++g) {
            for (index_t l = 0; l < group; ++l) {
                const index_t i = (std::min)(g * group + l, out - 1);
                const std::int32_t place = axis.first[i] - first[g];
                for (std::int32_t b = 0; b < taps_at_once; ++b) {
                    places[g * vector + l * 4 + b] = static_cast<std::uint8_t>(C * (place + b));
                }
                put_weights(axis, i, g, l);
            }
        }
        return true;
    }

  private:
    void put_weights(const axis_table& axis, index_t i, index_t g, index_t lane) {
        const float* w = axis.weights + i * axis.taps;
        std::int32_t rest = static_cast<std::int32_t>(unit), largest = 0;
        for (std::int32_t t = 0; t < axis.taps; ++t) {
            rest -= whole(w[t]);
            if (w[t] > w[largest]) largest = t;
        }
        std::int8_t* to = weights + g * blocks * digits * vector + lane * 4;
        for (std::int32_t t = 0; t < blocks * taps_at_once; ++t) {
            const std::int32_t v = t < axis.taps ? whole(w[t]) + (t == largest ? rest : 0) : 0;
            const auto low = static_cast<std::int8_t>(v);
            const std::int32_t upper = (v - low) >> 8;
            const auto middle = static_cast<std::int8_t>(upper);
            std::int8_t* at = to + t / taps_at_once * digits * vector + t % taps_at_once;
            at[0] = low;
            at[vector] = middle;
            at[2 * vector] = static_cast<std::int8_t>((upper - middle) >> 8);
        }
    }
    static std::int32_t whole(float w) {
        const float x = w * unit;
        return static_cast<std::int32_t>(x < 0 ? x - 0.5f : x + 0.5f);
    }
};

namespace detail {

typedef std::int32_t int_lanes __attribute__((vector_size(64)));
typedef char byte_lanes __attribute__((vector_size(64)));

SELFSAME_INLINE int_lanes load_lanes(const void* p) {
    int_lanes x;
    std::memcpy(&x, p, sizeof(x));
    return x;
}
/// Bytes of `low`, or of `low` and then `high`, by number.
template <int Vectors>
SELFSAME_INLINE int_lanes pick(int_lanes low, [[maybe_unused]] int_lanes high, int_lanes places) {
    const auto a = reinterpret_cast<byte_lanes>(low), p = reinterpret_cast<byte_lanes>(places);
#if defined(__clang__)
    if constexpr (Vectors == 1) return reinterpret_cast<int_lanes>(__builtin_ia32_permvarqi512(a, p));
    return reinterpret_cast<int_lanes>(__builtin_ia32_vpermi2varqi512(a, p, reinterpret_cast<byte_lanes>(high)));
#else
    constexpr unsigned long long all = ~0ull;
    if constexpr (Vectors == 1) return reinterpret_cast<int_lanes>(__builtin_ia32_permvarqi512_mask(a, p, a, all));
    return reinterpret_cast<int_lanes>(
        __builtin_ia32_vpermt2varqi512_mask(p, a, reinterpret_cast<byte_lanes>(high), all));
#endif
}
/// Adds the products of four unsigned with four signed bytes in each lane.
SELFSAME_INLINE int_lanes multiply_add(int_lanes sum, int_lanes bytes, int_lanes weights) {
#if defined(__clang__)
    return reinterpret_cast<int_lanes>(__builtin_ia32_vpdpbusd512(sum, bytes, weights));
#else
    return __builtin_ia32_vpdpbusd_v16si(sum, bytes, weights);
#endif
}

template <int C, int Vectors, int Blocks>
void resize_bytes_n(const std::uint8_t* row, index_t width, index_t readable, const byte_axis& axis, index_t out_width,
                    const row_planes& out) {
    constexpr int D = byte_axis::digits, B = byte_axis::vector;
    const std::int32_t blocks = Blocks > 0 ? Blocks : axis.blocks;
    // Loads pass the end of what they need: where that may not be read they are done in a copy of the row's end.
    const index_t bytes = width * C, needed = C * byte_axis::taps_at_once * (blocks - 1) + Vectors * B;
    const index_t copied = (std::min)(bytes, index_t{byte_axis::tail});
    if (bytes + needed > readable) {
        std::memcpy(axis.row_end, row + bytes - copied, static_cast<std::size_t>(copied));
    }
    const std::int8_t* w = axis.weights;
    const std::uint8_t* places_at = axis.places;
    const index_t plane = out.plane;
    float* to = out.data;
    const index_t groups = byte_axis::groups(out_width);
    for (index_t g = 0; g < groups; ++g, places_at += B, to += byte_axis::group) {
        const index_t begin = axis.first[g] * index_t{C};
        const std::uint8_t* p = begin + needed <= readable ? row + begin : axis.row_end + (begin - (bytes - copied));
        const int_lanes places = load_lanes(places_at);
        int_lanes sums[C][D] = {};
        SELFSAME_UNROLL(4)
        for (std::int32_t b = 0; b < blocks; ++b, p += C * byte_axis::taps_at_once, w += D * B) {
            const int_lanes low = load_lanes(p), high = Vectors == 2 ? load_lanes(p + B) : low;
            SELFSAME_UNROLL(4)
            for (int c = 0; c < C; ++c) {
                const int_lanes x = pick<Vectors>(low, high, places + c * 0x01010101);
                SELFSAME_UNROLL(4)
                for (int d = 0; d < D; ++d) sums[c][d] = multiply_add(sums[c][d], x, load_lanes(w + d * B));
            }
        }
        using V = batch<float>;
        const auto real = [](int_lanes x) { return V(__builtin_convertvector(x, V::native)); };
        SELFSAME_UNROLL(4)
        for (int c = 0; c < C; ++c) {
            const V low = real((sums[c][1] << 8) + sums[c][0]), high = real(sums[c][2]);
            store(to + c * plane, math::fma(high, V(65536.0f), low));
        }
    }
}

}  // namespace detail

/// A row of `width` pixels resized, in units of 1 / (255 unit); `readable` bytes from its first on may be read. May
/// write 15 values beyond the end.
template <int C>
void resize_bytes(const std::uint8_t* row, index_t width, index_t readable, const byte_axis& axis, index_t out_width,
                  const row_planes& out) {
    const auto resize = axis.blocks > 1     ? detail::resize_bytes_n<C, 2, 0>
                        : axis.vectors == 2 ? detail::resize_bytes_n<C, 2, 1>
                                            : detail::resize_bytes_n<C, 1, 1>;
    resize(row, width, readable, axis, out_width, out);
}

#else

/// Stands for what this processor does not have: takes over no axis.
struct byte_axis {
    static constexpr float unit = 1;
    byte_axis() = default;
    explicit byte_axis(void* const*) {}
    template <class F>
    static void pieces(index_t, F&&) {}
    template <int C>
    bool fill(const axis_table&, index_t) {
        return false;
    }
};
template <int C>
void resize_bytes(const std::uint8_t*, index_t, index_t, const byte_axis&, index_t, const row_planes&) {}

#endif

}  // namespace selfsame::inline SELFSAME_ISA::host
