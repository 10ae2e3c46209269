#pragma once

#include "selfsame/core/half.hpp"
#include "selfsame/engine/cuda/block_context.hpp"

/// \file
/// Embeddings in the device's working memory.

namespace selfsame::inline SELFSAME_ISA::device {

/// Rows of `pitch` units, a multiple of 16, zero from the width on, as tiles are multiplied. Units of 16 bits are the
/// row divided by a power of two, which loses nothing of a row of that type; `factor` is what they are to be multiplied
/// by.
template <class U, class T>
struct packed_rows {
    const U* units = nullptr;
    const T* factor = nullptr;  // null: 1
    index_t count = 0, pitch = 0;
};

/// Rows in the type of the computation: as such, or as packed units where those are exact.
template <class T, class U>
struct row_values {
    const T* values = nullptr;
    const U* units = nullptr;
    const T* factor = nullptr;
    index_t pitch = 0;

    constexpr bool has_data() const { return values != nullptr || units != nullptr; }
    SELFSAME_DEVICE T at(index_t i, index_t k) const {
        if (values != nullptr) return values[i * pitch + k];
        return factor[i] * element_cast<T>(units[i * pitch + k]);
    }
    constexpr row_values from(index_t i) const {
        row_values r = *this;
        if (r.values != nullptr) r.values += i * pitch;
        if (r.units != nullptr) r.units += i * pitch;
        if (r.factor != nullptr) r.factor += i;
        return r;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
