#pragma once

#include "selfsame/core/execution.hpp"

/// \file
/// The order in which tiles are visited: rounds in which no two tiles share a block of rows or of columns, so that
/// tiles of a round run in parallel without locks, and every block is updated in the same order on any number of
/// threads.

namespace selfsame::inline SELFSAME_ISA::host {

class tile_schedule {
  public:
    struct tile {
        index_t row_block, column_block;
        index_t number;  ///< unique; dense but for a few gaps
    };

    /// Over row_blocks x column_blocks, or over the pairs a <= b of one set of blocks.
    tile_schedule(index_t row_blocks, index_t column_blocks, bool one_set)
        : rows_(row_blocks), columns_(column_blocks), rounds_((std::max)(row_blocks, column_blocks)), one_set_(one_set) {}

    index_t largest_round() const { return one_set_ ? rounds_ / 2 + 1 : (std::min)(rows_, columns_); }
    index_t numbers() const { return rounds_ * largest_round(); }

    template <class Context, class Body>
    void run(const Context& ctx, Body&& body) const {
        for (index_t r = 0; r < rounds_; ++r) {
            parallel_for(ctx, round_size(r), [&](index_t k, int worker) { body(at(r, k), worker); });
        }
    }

  private:
    // One set, the circle method: the pairs with a + b = r or a + b = r + n.
    index_t low_pairs(index_t r) const { return r / 2 + 1; }
    index_t round_size(index_t r) const {
        return one_set_ ? low_pairs(r) + (r + rounds_) / 2 - r : (std::min)(rows_, columns_);
    }
    tile at(index_t r, index_t k) const {
        const index_t number = r * largest_round() + k;
        if (!one_set_) {
            const index_t other = (k + r) % rounds_;
            return rows_ <= columns_ ? tile{k, other, number} : tile{other, k, number};
        }
        const index_t low = low_pairs(r);
        return k < low ? tile{k, r - k, number} : tile{r + 1 + k - low, rounds_ - 1 - (k - low), number};
    }

    index_t rows_, columns_, rounds_;
    bool one_set_;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
