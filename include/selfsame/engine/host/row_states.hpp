#pragma once

#include <cstring>
#include <type_traits>

#include "selfsame/core/simd.hpp"

/// \file
/// States of rows as vectors: every member is a batch, whose lanes are rows, or parts of a row.

namespace selfsame::inline SELFSAME_ISA::host {

/// Fields has members of type batch<T> alone, a row in each lane.
template <class T, class Fields>
inline constexpr int field_count = std::is_empty_v<Fields> ? 0 : static_cast<int>(sizeof(Fields) / sizeof(batch<T>));

/// Every field of lane `lane`, in all lanes.
template <class T, class Fields>
SELFSAME_INLINE Fields spread(const Fields& x, int lane) {
    Fields result = x;
    const auto* from = reinterpret_cast<const unsigned char*>(&x) + sizeof(T) * static_cast<std::size_t>(lane);
    auto* to = reinterpret_cast<unsigned char*>(&result);
    // One at a time: all together are a call of memcpy.
    SELFSAME_UNROLL(16)
    for (int f = 0; f < field_count<T, Fields>; ++f, from += sizeof(batch<T>), to += sizeof(batch<T>)) {
        T one;
        std::memcpy(&one, from, sizeof(one));
        const batch<T> all(one);
        std::memcpy(to, &all, sizeof(all));
    }
    return result;
}

/// Of two reducers of as many rows each, one of all these rows, each in half as many lanes. `SameLevels`: whether the
/// reducer has a merge for states of one level, which is taken where `same_level`.
template <class T, bool SameLevels, class Reducer>
SELFSAME_INLINE Reducer joined(const Reducer& a, const Reducer& b, bool same_level, T scale) {
    constexpr int fields = field_count<T, Reducer>;
    batch<T> x[fields], y[fields];
    std::memcpy(x, &a, sizeof(x));
    std::memcpy(y, &b, sizeof(y));
    SELFSAME_UNROLL(8)
    for (int f = 0; f < fields; ++f) {
        const batch<T> from_a = x[f], from_b = y[f];
        x[f] = lanes_of_pairs<false>(from_a, from_b);
        y[f] = lanes_of_pairs<true>(from_a, from_b);
    }
    Reducer even, odd;
    std::memcpy(static_cast<void*>(&even), x, sizeof(x));
    std::memcpy(static_cast<void*>(&odd), y, sizeof(y));
    if constexpr (SameLevels) {
        if (same_level) {
            even.template merge<true>(odd, scale);
            return even;
        }
    }
    even.merge(odd, scale);
    return even;
}

}  // namespace selfsame::inline SELFSAME_ISA::host
