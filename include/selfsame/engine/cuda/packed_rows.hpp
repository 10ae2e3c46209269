#pragma once

#include "selfsame/core/half.hpp"
#include "selfsame/engine/cuda/block_context.hpp"

/// \file
/// Embeddings in the device's working memory.

namespace selfsame::inline SELFSAME_ISA::device {

/// Units of 16 bits lie as tensor cores read them: 64 units of a row are a line of 128 bytes, lines of all rows follow
/// each other, and in a line pieces of 16 bytes change places by the row's number, so that eight rows that are read at
/// once are in different banks of shared memory ("128-byte swizzle", PTX ISA, "Strides" of wgmma's matrices). What a
/// block needs of some rows is one contiguous copy.
template <class U>
struct unit_layout {
    static constexpr bool is_swizzled = sizeof(U) == 2;
    static constexpr index_t line = is_swizzled ? 64 : 16, rows_together = is_swizzled ? 256 : 1;
    static constexpr int piece = 8;

    static constexpr int in_line(int row, int k) { return (k / piece ^ row % 8) * piece + k % piece; }
    static constexpr index_t offset(index_t i, index_t k, index_t pitch, index_t rows) {
        if constexpr (is_swizzled) {
            return (k / line * rows + i) * line + in_line(static_cast<int>(i % 8), static_cast<int>(k % line));
        } else {
            return i * pitch + k;
        }
    }
    static constexpr index_t pitch_for(index_t width) { return blocks_for(width, line) * line; }
    static constexpr index_t rows_for(index_t count) { return blocks_for(count, rows_together) * rows_together; }
};

/// Rows of `pitch` units, zero from the width on, and `rows` of them, zero from `count` on, as tiles are multiplied.
/// Units of 16 bits are the row divided by a power of two, which loses nothing of a row of that type; `factor` is what
/// they are to be multiplied by, 0 from `count` on.
template <class U, class T>
struct packed_rows {
    const U* units = nullptr;
    const T* factor = nullptr;  // null: 1
    index_t count = 0, pitch = 0, rows = 0;
};

/// Rows in the type of the computation: as such, or as packed units where those are exact.
template <class T, class U>
struct row_values {
    const T* values = nullptr;
    const U* units = nullptr;
    const T* factor = nullptr;
    index_t pitch = 0, rows = 0, first = 0;

    constexpr bool has_data() const { return values != nullptr || units != nullptr; }
    SELFSAME_DEVICE T at(index_t i, index_t k) const {
        if (values != nullptr) return values[(first + i) * pitch + k];
        return factor[first + i] * element_cast<T>(units[unit_layout<U>::offset(first + i, k, pitch, rows)]);
    }
    /// Of columns k to k + 3, k a multiple of 4.
    SELFSAME_DEVICE quad<T> four(index_t i, index_t k) const {
        if (values != nullptr) return read_together(reinterpret_cast<const quad<T>*>(values + (first + i) * pitch + k));
        const U* const from = units + unit_layout<U>::offset(first + i, k, pitch, rows);
        const T f = factor[first + i];
        quad<T> q;
        SELFSAME_UNROLL_ALL
        for (int r = 0; r < 4; ++r) q.v[r] = f * element_cast<T>(from[r]);
        return q;
    }
    constexpr row_values from(index_t i) const {
        row_values r = *this;
        r.first += i;
        return r;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
