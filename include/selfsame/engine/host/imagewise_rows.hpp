#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "selfsame/core/simd.hpp"
#include "selfsame/engine/pixels.hpp"

/// \file
/// Loops over rows of one image. Rows in working memory are planar, one plane a channel, and padded: vectors may pass
/// their end by up to `row_slack` values, read or written, and the padding holds anything.

namespace selfsame::inline SELFSAME_ISA::host {

inline constexpr index_t row_slack = 32;

/// Values between the beginnings of two rows.
constexpr index_t row_pitch(index_t width) { return (width + 15) / 16 * 16 + row_slack; }

/// The planes of a row, to be read. Passed by value: in memory, halves stored one by one and loaded as a whole would
/// wait for all stores before them.
struct const_row_planes {
    const float* data;
    index_t plane;
    SELFSAME_INLINE const float* operator[](index_t c) const { return data + c * plane; }
};

/// The planes of a row.
struct row_planes {
    float* data;
    index_t plane;
    SELFSAME_INLINE float* operator[](index_t c) const { return data + c * plane; }
    operator const_row_planes() const { return {data, plane}; }
};

SELFSAME_INLINE batch<float> load_values(const float* p) { return load<batch<float>>(p); }
SELFSAME_INLINE batch<float> load_values(const std::uint8_t* p) {
    constexpr int L = lanes<float>;
    using integers = batch<std::int32_t>::native;
    // g++ 12 makes some forty instructions of a conversion to four times the width, so it is told which one it has.
#if defined(__clang__)
    typedef std::uint8_t bytes __attribute__((vector_size(L)));
    bytes b;
    std::memcpy(&b, p, L);
    const auto i = __builtin_convertvector(b, integers);
#elif defined(SELFSAME_AVX512)
    typedef char bytes __attribute__((vector_size(16)));
    bytes b;
    std::memcpy(&b, p, L);
    const auto i =
        reinterpret_cast<integers>(__builtin_ia32_pmovzxbd512_mask(b, integers{}, static_cast<unsigned short>(-1)));
#elif defined(__AVX2__)
    typedef char bytes __attribute__((vector_size(16)));
    typedef long long words __attribute__((vector_size(16)));
    long long low;
    std::memcpy(&low, p, L);
    const auto i = reinterpret_cast<integers>(__builtin_ia32_pmovzxbd256(reinterpret_cast<bytes>(words{low, 0})));
#else
    integers i;
    for (int k = 0; k < L; ++k) i[k] = p[k];
#endif
    return batch<float>(__builtin_convertvector(i, batch<float>::native));
}

namespace detail {

// Lane l of the result is element First + l Step of x[0], x[1], ... one after the other.
template <int First, int Step, int N, int V = 1, int... L>
SELFSAME_INLINE batch<float, N> gathered(const batch<float, N>* x, batch<float, N> so_far,
                                         std::integer_sequence<int, L...> all) {
    constexpr int last = (First + (N - 1) * Step) / N;
    if constexpr (V > last) {
        return so_far;
    } else {
        constexpr auto lane = [](int l) {
            const int e = First + l * Step;
            return e / N == V ? N + e % N : V == 1 && e / N == 0 ? e % N : l;
        };
        return gathered<First, Step, N, V + 1>(x, selfsame::detail::shuffle<lane(L)...>(so_far, x[V]), all);
    }
}
template <int C, int... Channel>
SELFSAME_INLINE void deinterleave_block(const float* in, row_planes out, index_t i,
                                        std::integer_sequence<int, Channel...>) {
    constexpr int N = lanes<float>;
    batch<float> x[C];
    SELFSAME_UNROLL(4)
    for (int v = 0; v < C; ++v) x[v] = load<batch<float>>(in + i * C + v * N);
    (store(out[Channel] + i, gathered<Channel, C, N>(x, x[0], std::make_integer_sequence<int, N>())), ...);
}

// Vector V of the interleaved row: element e is of channel e % C, pixel e / C.
template <int C, int V, int Channel = 1, int... L>
SELFSAME_INLINE batch<float> mingled(const batch<float>* x, batch<float> so_far, std::integer_sequence<int, L...> all) {
    if constexpr (Channel == C) {
        return so_far;
    } else {
        constexpr int N = lanes<float>;
        constexpr auto lane = [](int l) {
            const int e = V * N + l;
            return e % C == Channel ? N + e / C : Channel == 1 && e % C == 0 ? e / C : l;
        };
        return mingled<C, V, Channel + 1>(x, selfsame::detail::shuffle<lane(L)...>(so_far, x[Channel]), all);
    }
}
template <int C, int... V>
SELFSAME_INLINE void interleave_block(const_row_planes in, float* out, index_t i, std::integer_sequence<int, V...>) {
    constexpr int N = lanes<float>;
    batch<float> x[C];
    SELFSAME_UNROLL(4)
    for (index_t c = 0; c < C; ++c) x[c] = load<batch<float>>(in[c] + i);
    (store(out + i * C + V * N, mingled<C, V>(x, x[0], std::make_integer_sequence<int, N>())), ...);
}

}  // namespace detail

/// From interleaved values to planes. Reads and writes whole vectors.
template <int C>
void deinterleave(const float* in, index_t width, row_planes out) {
    for (index_t i = 0; i < width; i += lanes<float>) {
        detail::deinterleave_block<C>(in, out, i, std::make_integer_sequence<int, C>());
    }
}

/// From planes to interleaved values. Reads and writes whole vectors.
template <int C>
void interleave(const_row_planes in, index_t width, float* out) {
    for (index_t i = 0; i < width; i += lanes<float>) {
        detail::interleave_block<C>(in, out, i, std::make_integer_sequence<int, C>());
    }
}

/// n bytes, or values as they are, as floats; bytes are scaled to 1. Reads nothing beyond n.
template <class T>
void read_values(const T* in, index_t n, float* out) {
    constexpr index_t L = lanes<float>;
    const auto at = [&](index_t i) {
        batch<float> v = load_values(in + i);
        if constexpr (is_byte<T>) v = divide_by_255(v);
        store(out + i, v);
    };
    index_t i = 0;
    for (; i + L <= n; i += L) at(i);
    if (i == n) return;
    if (n >= L) return at(n - L);
    for (; i < n; ++i) {
        const auto v = static_cast<float>(in[i]);
        out[i] = is_byte<T> ? divide_by_255(v) : v;
    }
}

namespace detail {

/// Byte k of each 16 of the result is byte place(k) of the 16.
template <class Place, int... K>
SELFSAME_INLINE batch<std::int32_t> shuffle_bytes(batch<std::int32_t> x, Place, std::integer_sequence<int, K...>) {
    batch<std::uint8_t, register_bytes> bytes;
    std::memcpy(&bytes, &x, sizeof(x));
    bytes = selfsame::detail::shuffle<(K / 16 * 16 + Place{}(K % 16))...>(bytes, bytes);
    std::memcpy(&x, &bytes, sizeof(x));
    return x;
}
template <class Place>
SELFSAME_INLINE batch<std::int32_t> shuffle_bytes(batch<std::int32_t> x, Place place) {
    return shuffle_bytes(x, place, std::make_integer_sequence<int, register_bytes>());
}

// Three bytes of a pixel lie in four of a lane; processors move bytes within 16, and these anywhere.
template <int... K>
SELFSAME_INLINE batch<std::int32_t> spread_pixels(batch<std::int32_t> x, std::integer_sequence<int, K...>) {
    const auto parts = selfsame::detail::shuffle<(K / 4 * 3 + K % 4 % 3)...>(x, x);
    return shuffle_bytes(parts, [](int k) { return k / 4 * 3 + k % 4 % 3; });
}
template <int... K>
SELFSAME_INLINE batch<std::int32_t> gather_pixels(batch<std::int32_t> x, std::integer_sequence<int, K...>) {
    const auto parts = shuffle_bytes(x, [](int k) { return k < 12 ? k / 3 * 4 + k % 3 : 0; });
    constexpr int L = lanes<float>;
    return selfsame::detail::shuffle<(K < L / 4 * 3 ? K / 3 * 4 + K % 3 : 0)...>(parts, parts);
}

// g++ 12 copies bytes to a vector of integers by way of the stack.
typedef batch<std::int32_t>::native pixels_anywhere __attribute__((aligned(1), may_alias));

/// A pixel of C bytes in each lane, its first channel lowest; of three the fourth byte is anything. Both read or write
/// a whole vector.
template <int C>
SELFSAME_INLINE batch<std::int32_t> load_pixels(const std::uint8_t* p) {
    const batch<std::int32_t> x(*reinterpret_cast<const pixels_anywhere*>(p));
    return C == 3 ? spread_pixels(x, std::make_integer_sequence<int, lanes<float>>()) : x;
}
template <int C>
SELFSAME_INLINE void store_pixels(std::uint8_t* p, batch<std::int32_t> x) {
    if constexpr (C == 3) x = gather_pixels(x, std::make_integer_sequence<int, lanes<float>>());
    *reinterpret_cast<pixels_anywhere*>(p) = x.v;
}
/// Pixels of C bytes that reach to the end of a vector.
template <int C>
inline constexpr index_t pixels_touched = (register_bytes + C - 1) / C;

}  // namespace detail

/// From pixels of bytes to planes of values, scaled to 1. Reads nothing beyond the pixels, and writes whole vectors.
template <int C>
void split_pixels(const std::uint8_t* in, index_t width, row_planes out) {
    using V = batch<float>;
    constexpr index_t L = lanes<float>, read = detail::pixels_touched<C>;
    const auto at = [&](const std::uint8_t* p, index_t i) {
        const batch<std::int32_t> pixels = detail::load_pixels<C>(p);
        SELFSAME_UNROLL(4)
        for (int c = 0; c < C; ++c) {
            const auto bytes = (pixels >> (8 * c)) & batch<std::int32_t>(255);
            store(out[c] + i, divide_by_255(math::value_traits<V>::convert(bytes)));
        }
    };
    index_t i = 0;
    for (; i + read <= width; i += L) at(in + C * i, i);
    for (; i < width; i += L) {
        std::uint8_t rest[C * read] = {};
        std::memcpy(rest, in + C * i, static_cast<std::size_t>(C * (std::min)(read, width - i)));
        at(rest, i);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
