#pragma once

#include "selfsame/engine/host/byte_rows.hpp"
#include "selfsame/engine/host/imagewise_resize.hpp"

/// \file
/// Rows of interleaved bytes resized along themselves, where the processor permutes bytes and multiplies them with
/// 8-bit numbers. A weight is a number of 23 bits, sign included, in three digits; sums are exact, so that the result
/// is as good as with float weights.

namespace selfsame::inline SELFSAME_ISA::host {

#if defined(SELFSAME_AVX512_BYTES)

/// The horizontal axis for `resize_bytes`. Outputs are made in groups of 16, four taps of each in a lane; a group's
/// bytes come from one place of the row, or its parts' from one each.
struct byte_axis {
    static constexpr std::int32_t group = 16, taps_at_once = 4, digits = 3, vector = 64, most_parts = 4;
    static constexpr std::int32_t most_blocks = 11;
    static constexpr float unit = 0x1p22f;  ///< 1 in units of weights

    byte_axis() = default;
    explicit byte_axis(void* const* piece)
        : weights(static_cast<std::int8_t*>(piece[0])), places(static_cast<std::uint8_t*>(piece[1])),
          first(static_cast<std::int32_t*>(piece[2])), row_copy(static_cast<std::uint8_t*>(piece[3])) {}
    /// Calls f<T>(count) for each piece of memory.
    template <class F>
    static void pieces(index_t row_bytes, index_t out, F&& f) {
        f.template operator()<std::int8_t>(groups(out) * most_blocks * digits * vector);
        f.template operator()<std::uint8_t>(groups(out) * vector);
        f.template operator()<std::int32_t>(groups(out) * most_parts);
        f.template operator()<std::uint8_t>(row_bytes + 4 * taps_at_once * most_blocks + vector);
    }

    std::int8_t* weights;  ///< group by group, blocks of four taps, digits, lanes
    std::uint8_t* places;  ///< group by group: places of a block's bytes from the part's first pixel on
    std::int32_t* first;   ///< part by part: the first byte
    std::uint8_t* row_copy;
    std::int32_t blocks, parts;

    static constexpr index_t groups(index_t out) { return (out + group - 1) / group; }

    /// Takes over a table of weights that sum to 1; false where pixels lie too far apart.
    template <int C>
    bool fill(const axis_table& axis, index_t out) {
        blocks = (axis.taps + taps_at_once - 1) / taps_at_once;
        if (blocks > most_blocks) return false;
        for (parts = 1; !find_parts<C>(axis, out); parts *= 2) {
            if (parts == most_parts) return false;
        }
        for (index_t g = 0; g < groups(out); ++g) fill_group<C>(axis, g, out);
        return true;
    }

    /// Bytes that may be loaded from a part's first on.
    template <int C>
    index_t needed() const {
        return C * taps_at_once * (blocks - 1) + vector;
    }

  private:
    /// Whether the first block of every part lies within a vector.
    template <int C>
    bool find_parts(const axis_table& axis, index_t out) {
        const index_t size = group / parts;
        for (index_t k = 0; k < groups(out) * parts; ++k) {
            // The axis may run backwards.
            const std::int32_t one = axis.first[(std::min)(k * size, out - 1)];
            const std::int32_t other = axis.first[(std::min)((k + 1) * size, out) - 1];
            first[k] = C * (std::min)(one, other);
            if (C * ((std::max)(one, other) + taps_at_once) - first[k] > vector) return false;
        }
        return true;
    }
    template <int C>
    void fill_group(const axis_table& axis, index_t g, index_t out) {
        const std::int32_t count = blocks * taps_at_once;
        float w[most_blocks * taps_at_once][group] = {};
        for (index_t l = 0; l < group; ++l) {
            const index_t i = (std::min)(g * group + l, out - 1);
            for (std::int32_t t = 0; t < axis.taps; ++t) w[t][l] = axis.weights[i * axis.taps + t];
            // The bytes of four taps, C apart.
            const std::int32_t place = C * axis.first[i] - first[g * parts + l * parts / group];
            const std::uint32_t four = static_cast<std::uint32_t>(place) * 0x01010101u + C * 0x03020100u;
            std::memcpy(places + g * vector + l * taps_at_once, &four, sizeof(four));
        }
        std::int32_t whole[most_blocks * taps_at_once][group], rest[group];
        for (index_t l = 0; l < group; ++l) rest[l] = static_cast<std::int32_t>(unit);
        for (std::int32_t t = 0; t < count; ++t) {
            for (index_t l = 0; l < group; ++l) {
                const float x = w[t][l] * unit;
                whole[t][l] = static_cast<std::int32_t>(x + (x < 0 ? -0.5f : 0.5f));
                rest[l] -= whole[t][l];
            }
        }
        for (index_t l = 0; l < group; ++l) whole[axis.taps / 2][l] += rest[l];
        for (std::int32_t b = 0; b < blocks; ++b) {
            std::uint32_t digit[digits][group] = {};
            for (std::int32_t t = 0; t < taps_at_once; ++t) {
                for (index_t l = 0; l < group; ++l) {
                    std::int32_t v = whole[b * taps_at_once + t][l];
                    for (std::int32_t d = 0; d < digits; ++d) {
                        const std::int32_t low = static_cast<std::int8_t>(v);
                        digit[d][l] |= (static_cast<std::uint32_t>(low) & 0xffu) << (8 * t);
                        v = (v - low) >> 8;
                    }
                }
            }
            std::memcpy(weights + (g * blocks + b) * digits * vector, digit, sizeof(digit));
        }
    }
};

namespace detail {

typedef std::int32_t int_lanes __attribute__((vector_size(64)));

SELFSAME_INLINE int_lanes load_lanes(const void* p) {
    int_lanes x;
    std::memcpy(&x, p, sizeof(x));
    return x;
}
/// Bytes by number: of the vector at from[k] for the k-th part of the lanes.
template <int Parts>
SELFSAME_INLINE int_lanes pick(const int_lanes (&from)[Parts], int_lanes places) {
    const auto p = reinterpret_cast<byte_lanes>(places);
    const auto at = [&](int k) { return permute_bytes(reinterpret_cast<byte_lanes>(from[k]), p); };
    byte_lanes x = at(0);
    SELFSAME_UNROLL(4)
    for (int k = 1; k < Parts; ++k) x = select_bytes(~0ull << (byte_axis::vector / Parts * k), x, at(k));
    return reinterpret_cast<int_lanes>(x);
}
/// Adds the products of four unsigned with four signed bytes in each lane.
SELFSAME_INLINE int_lanes multiply_add(int_lanes sum, int_lanes bytes, int_lanes weights) {
#if defined(__clang__)
    return reinterpret_cast<int_lanes>(__builtin_ia32_vpdpbusd512(sum, bytes, weights));
#else
    return __builtin_ia32_vpdpbusd_v16si(sum, bytes, weights);
#endif
}

template <int C, int Parts, int Blocks>
void resize_bytes_n(const std::uint8_t* row, index_t width, index_t readable, const byte_axis& axis, index_t out_width,
                    row_planes out, fetched_row ahead) {
    constexpr int D = byte_axis::digits, B = byte_axis::vector;
    const std::int32_t blocks = Blocks > 0 ? Blocks : axis.blocks;
    // Loads pass the end of what they need: where that may not be read they are done in a copy.
    if (width * C + axis.needed<C>() > readable) {
        row = static_cast<const std::uint8_t*>(std::memcpy(axis.row_copy, row, static_cast<std::size_t>(width * C)));
    }
    const std::int8_t* w = axis.weights;
    const std::uint8_t* places_at = axis.places;
    const std::int32_t* first = axis.first;
    const index_t plane = out.plane;
    float* to = out.data;
    const index_t groups = byte_axis::groups(out_width);
    for (index_t g = 0; g < groups; ++g, places_at += B, to += byte_axis::group, first += Parts) {
        ahead.fetch_next();
        const int_lanes places = load_lanes(places_at);
        int_lanes sums[C][D] = {};
        SELFSAME_UNROLL(4)
        for (std::int32_t b = 0; b < blocks; ++b, w += D * B) {
            int_lanes from[Parts];
            for (int k = 0; k < Parts; ++k) from[k] = load_lanes(row + first[k] + b * C * byte_axis::taps_at_once);
            SELFSAME_UNROLL(4)
            for (int c = 0; c < C; ++c) {
                const int_lanes x = pick<Parts>(from, places + c * 0x01010101);
                SELFSAME_UNROLL(4)
                for (int d = D - 1; d >= 0; --d) {
                    // With one block the digits make one chain of sums.
                    if (Blocks == 1 && d < D - 1) sums[c][d] = sums[c][d + 1] << 8;
                    sums[c][d] = multiply_add(sums[c][d], x, load_lanes(w + d * B));
                }
            }
        }
        SELFSAME_UNROLL(4)
        for (int c = 0; c < C; ++c) {
            if (Blocks != 1) sums[c][0] += (sums[c][1] + (sums[c][2] << 8)) << 8;
            using V = batch<float>;
            store(to + c * plane, V(__builtin_convertvector(sums[c][0], V::native)));
        }
    }
    ahead.fetch_rest();
}

}  // namespace detail

/// A row of `width` pixels resized, in units of 1 / (255 unit); `readable` bytes from its first on may be read. May
/// write 15 values beyond the end.
template <int C>
void resize_bytes(const std::uint8_t* row, index_t width, index_t readable, const byte_axis& axis, index_t out_width,
                  row_planes out, fetched_row ahead) {
    const bool one = axis.blocks == 1;
    const auto resize = axis.parts == 1   ? one ? detail::resize_bytes_n<C, 1, 1> : detail::resize_bytes_n<C, 1, 0>
                        : axis.parts == 2 ? one ? detail::resize_bytes_n<C, 2, 1> : detail::resize_bytes_n<C, 2, 0>
                                          : detail::resize_bytes_n<C, 4, 0>;
    resize(row, width, readable, axis, out_width, out, ahead);
}

#else

/// Stands for what this processor does not have: takes over no axis.
struct byte_axis {
    static constexpr float unit = 1;
    byte_axis() = default;
    explicit byte_axis(void* const*) {}
    template <class F>
    static void pieces(index_t, index_t, F&&) {}
    template <int C>
    bool fill(const axis_table&, index_t) {
        return false;
    }
};
template <int C>
void resize_bytes(const std::uint8_t*, index_t, index_t, const byte_axis&, index_t, row_planes, fetched_row) {}

#endif

}  // namespace selfsame::inline SELFSAME_ISA::host
