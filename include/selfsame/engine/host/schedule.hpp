#pragma once

#include <atomic>
#include <thread>

#include "selfsame/core/execution.hpp"

/// \file
/// The order in which tiles are visited. Blocks of rows or columns are gathered in groups; in a round no two tasks
/// (pairs of groups) share a group, and a task waits until its groups have finished the round before. So every block is
/// updated in one order, whatever the number of threads, without locks or barriers.

namespace selfsame::inline SELFSAME_ISA::host {

class tile_schedule {
  public:
    struct tile {
        index_t row_block, column_block;
        index_t number;  ///< unique, from 0; dense but for few gaps
    };

    /// Over row_blocks x column_blocks, or over the pairs a <= b of one set of blocks.
    tile_schedule(index_t row_blocks, index_t column_blocks, bool one_set)
        : rows_(row_blocks), columns_(column_blocks), one_set_(one_set), row_group_(group_size(row_blocks)),
          column_group_(group_size(column_blocks)),
          groups_((std::max)((row_blocks + row_group_ - 1) / row_group_,
                             (column_blocks + column_group_ - 1) / column_group_)),
          in_round_(one_set ? groups_ / 2 + 1 : groups_) {}

    /// An upper bound of tile numbers.
    index_t numbers() const { return groups_ * in_round_ * row_group_ * column_group_; }

    using ticket = std::atomic<index_t>;
    /// `run` takes this many tickets of working memory.
    index_t tickets() const { return 2 * groups_; }

    /// body(tile, next, worker) for all tiles; next is the tile that the worker probably visits then, or the same one.
    template <class Context, class Body>
    void run(const Context& ctx, ticket* finished, Body&& body) const {
        for (index_t g = 0; g < tickets(); ++g) new (finished + g) ticket(0);
        ticket* rows = finished;
        ticket* columns = one_set_ ? finished : finished + groups_;
        ticket next(0);
        // Tasks are taken in order, so the earliest unfinished one never waits.
        parallel_for(ctx, workers(ctx), [&](index_t, int worker) {
            for (index_t n = next++; n < groups_ * in_round_; n = next++) {
                const index_t round = n / in_round_;
                const task t = at(round, n % in_round_);
                if (t.row < 0) continue;
                wait_for(rows[t.row], round);
                wait_for(columns[t.column], round);
                visit(t, n, n + workers(ctx), worker, body);
                rows[t.row].store(round + 1, std::memory_order_release);
                columns[t.column].store(round + 1, std::memory_order_release);
            }
        });
    }

  private:
    struct task {
        index_t row, column;
    };

    // Larger groups reuse blocks in cache; smaller ones leave more tasks to run side by side: a few rows against a long
    // queue are groups of one block against groups of four. A function of the
    // problem alone: the order of updates, and so the bits of the result, must not depend on the machine.
    static constexpr index_t largest_group = 4;
    static constexpr index_t group_size(index_t blocks) { return blocks < 24 ? 1 : blocks < 128 ? 2 : largest_group; }

    static void wait_for(const ticket& t, index_t round) {
        for (int spins = 0; t.load(std::memory_order_acquire) < round; ++spins) {
            if (spins > 1000) std::this_thread::yield();
        }
    }

    // One set, the circle method: the pairs with a + b = round or a + b = round + groups.
    task at(index_t round, index_t k) const {
        if (!one_set_) return {k, (k + round) % groups_};
        const index_t low = round / 2 + 1;
        if (k < low) return {k, round - k};
        const index_t a = round + 1 + k - low, b = groups_ - 1 - (k - low);
        return a <= b ? task{a, b} : task{-1, -1};
    }

    template <class Body>
    void visit(const task& t, index_t n, index_t next, int worker, Body& body) const {
        tile own[largest_group * largest_group], others[largest_group * largest_group];
        const int count = tiles_of(t, n, own);
        const bool more =
            next < groups_ * in_round_ && tiles_of(at(next / in_round_, next % in_round_), next, others) > 0;
        for (int k = 0; k < count; ++k) body(own[k], k + 1 < count ? own[k + 1] : more ? others[0] : own[k], worker);
    }

    /// Writes the tiles of the task of number n, in order; returns how many.
    int tiles_of(const task& t, index_t n, tile* tiles) const {
        if (t.row < 0) return 0;
        int count = 0;
        for (index_t u = 0; u < row_group_; ++u) {
            for (index_t v = 0; v < column_group_; ++v) {
                // Back and forth, so that consecutive tiles share a block.
                index_t a = t.row * row_group_ + u,
                        b = t.column * column_group_ + (u % 2 == 0 ? v : column_group_ - 1 - v);
                if (a >= rows_ || b >= columns_) continue;
                if (one_set_ && a > b) {
                    if (t.row == t.column) continue;
                    std::swap(a, b);
                }
                tiles[count++] = {a, b, (n * row_group_ + u) * column_group_ + v};
            }
        }
        return count;
    }

    index_t rows_, columns_;
    bool one_set_;
    index_t row_group_, column_group_, groups_, in_round_;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
