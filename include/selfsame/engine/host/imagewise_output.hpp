#pragma once

#include "selfsame/engine/host/imagewise_rows.hpp"

/// \file
/// Rows of the result in the caller's element type and order.

namespace selfsame::inline SELFSAME_ISA::host {

/// Where the result goes; strides in elements.
struct image_target {
    void* data;
    index_t plane, row, column;
    bool streamed;  ///< past the caches: the whole result is larger than they are
    /// Writes row y, from planes that are read by whole vectors; `room` has room for a row of all channels.
    void (*put)(const image_target& to, const_row_planes row, index_t width, index_t y, float* room);
    bool planar_floats;  ///< rows of floats, one after the other

    /// Whether rows of whole vectors may be written to it, aligned where they are streamed.
    bool takes_vectors(index_t width) const {
        constexpr index_t L = lanes<float>, bytes = L * sizeof(float);
        if (!planar_floats || width % L != 0) return false;
        return !streamed || (reinterpret_cast<std::uintptr_t>(data) % bytes == 0 && plane % L == 0 && row % L == 0);
    }
};

/// `to_byte` of a vector of values.
SELFSAME_INLINE batch<std::int32_t> to_bytes(batch<float> x) {
    using V = batch<float>;
    // The greater of NaN and 0 is 0, in this order.
    const V y = (math::min)((math::max)(x * V(255.0f), V(0.0f)), V(255.0f)) + V(0.5f);
    return batch<std::int32_t>(__builtin_convertvector(y.v, batch<std::int32_t>::native));
}
SELFSAME_INLINE void store_bytes(std::uint8_t* p, batch<float> x) {
    constexpr int L = lanes<float>;
    const auto i = to_bytes(x).v;
#if defined(SELFSAME_AVX512) && !defined(__clang__)  // as in load_values
    typedef char chars __attribute__((vector_size(16)));
    const auto b = __builtin_ia32_pmovdb512_mask(i, chars{}, static_cast<unsigned short>(-1));
#elif defined(__AVX2__) && !defined(__clang__)
    typedef int ints __attribute__((vector_size(16)));
    typedef short shorts __attribute__((vector_size(16)));
    ints half[2];
    std::memcpy(half, &i, sizeof(half));
    const auto s = reinterpret_cast<shorts>(__builtin_ia32_packusdw128(half[0], half[1]));
    const auto b = __builtin_ia32_packuswb128(s, s);
#else
    typedef std::uint8_t bytes __attribute__((vector_size(L)));
    const auto b = __builtin_convertvector(i, bytes);
#endif
    std::memcpy(p, &b, L);
}

/// n values in the type of the result.
template <class Out>
void write_values(const float* in, index_t n, Out* out, [[maybe_unused]] bool streamed) {
    constexpr index_t L = lanes<float>;
    index_t i = 0;
    if constexpr (std::is_same_v<Out, float>) {
        if (streamed) {
            for (; i + L <= n; i += L) stream(out + i, load<batch<float>>(in + i));
        }
        std::memcpy(out + i, in + i, static_cast<std::size_t>(n - i) * sizeof(float));
    } else if constexpr (is_byte<Out>) {
        for (; i + L <= n; i += L) store_bytes(out + i, load<batch<float>>(in + i));
        for (; i < n; ++i) out[i] = to_byte(in[i]);
    } else {
        // A fixed count makes vectors of it.
        constexpr index_t block = 16;
        for (; i + block <= n; i += block) {
            Out values[block];
            for (index_t k = 0; k < block; ++k) values[k] = to_output<Out>(in[i + k]);
            std::memcpy(out + i, values, sizeof(values));
        }
        for (; i < n; ++i) out[i] = to_output<Out>(in[i]);
    }
}

/// From planes of values to pixels of bytes. Reads whole vectors, and writes nothing beyond the pixels.
template <int C>
void join_pixels(const_row_planes in, index_t width, std::uint8_t* out) {
    constexpr index_t L = lanes<float>, written = detail::pixels_touched<C>;
    const auto at = [&](index_t i, std::uint8_t* p) {
        batch<std::int32_t> pixels(0);
        SELFSAME_UNROLL(4)
        for (int c = 0; c < C; ++c) pixels = pixels | to_bytes(load<batch<float>>(in[c] + i)) << (8 * c);
        detail::store_pixels<C>(p, pixels);
    };
    index_t i = 0;
    for (; i + written <= width; i += L) at(i, out + C * i);
    for (; i < width; i += L) {
        std::uint8_t rest[C * written];
        at(i, rest);
        std::memcpy(out + C * i, rest, static_cast<std::size_t>(C * (std::min)(L, width - i)));
    }
}

template <class Out, int C>
void put_row(const image_target& to, const_row_planes row, index_t width, index_t y, float* room) {
    Out* out = static_cast<Out*>(to.data) + y * to.row;
    if (to.column == 1) {
        for (index_t c = 0; c < C; ++c) write_values(row[c], width, out + c * to.plane, to.streamed);
    } else if (C > 1 && to.plane == 1 && to.column == C) {
        if constexpr (is_byte<Out>) {
            join_pixels<C>(row, width, out);
        } else {
            interleave<C>(row, width, room);
            write_values(room, C * width, out, to.streamed);
        }
    } else {
        for (index_t c = 0; c < C; ++c) {
            for (index_t x = 0; x < width; ++x) out[c * to.plane + x * to.column] = to_output<Out>(row[c][x]);
        }
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
