#pragma once

#include "selfsame/core/tensor.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// Which elements of a similarity matrix do not count: those with column - row equal to one of a few offsets.
struct excluded_diagonals {
    index_t offset[3] = {};
    int count = 0;

    /// Of the negatives of N anchors: a row itself and its positive.
    template <class Negatives>
    static constexpr excluded_diagonals of(index_t anchors) {
        if constexpr (Negatives::one_set) {
            return {{0, anchors, -anchors}, 3};
        } else if constexpr (!Negatives::own_queue) {
            return {{0}, 1};
        } else {
            return {};
        }
    }

    constexpr bool contains(index_t row, index_t column) const {
        for (int d = 0; d < count; ++d) {
            if (column - row == offset[d]) return true;
        }
        return false;
    }
    constexpr bool meets(index_t row, index_t rows, index_t column, index_t columns) const {
        for (int d = 0; d < count; ++d) {
            if (row + offset[d] < column + columns && row + rows + offset[d] > column) return true;
        }
        return false;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
