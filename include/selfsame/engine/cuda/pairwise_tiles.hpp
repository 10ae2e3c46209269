#pragma once

#include <type_traits>

#include "selfsame/core/math.hpp"
#include "selfsame/engine/cuda/block_context.hpp"
#include "selfsame/engine/excluded_diagonals.hpp"

/// \file
/// The kernels that walk the similarity matrix. A block owns some rows and a range of columns; it computes one tile
/// after the other and drops it. What blocks of the same rows find is put together in a fixed order by whoever reads
/// it, so results do not depend on which block ran first.

namespace selfsame::inline SELFSAME_ISA::device {

/// How the matrix is shared among blocks, of which `enough` keep the machine busy.
template <class Products>
struct tile_split {
    index_t row_blocks, splits, tiles_each;

    constexpr tile_split(index_t rows, index_t columns, index_t chunks, index_t enough)
        : row_blocks(blocks_for(rows, Products::tile_rows)), splits(0), tiles_each(0) {
        const index_t tiles = blocks_for(columns, Products::tile_columns);
        if (tiles == 0 || row_blocks == 0) return;
        const index_t wanted = blocks_for(enough, row_blocks * chunks);
        tiles_each = blocks_for(tiles, wanted < tiles ? wanted : tiles);
        splits = blocks_for(tiles, tiles_each);
    }
    constexpr index_t first(index_t split) const { return split * tiles_each * Products::tile_columns; }
};

/// logit of a similarity, affine: two values tell all, and the device is spared the objective's doubles.
template <class T>
struct affine_logit {
    T scale, bias;
    constexpr T operator()(T s) const { return math::fma(s, scale, bias); }
};

/// What rows keep for the backward pass, one array of `stride` values for each member of Objective::row.
template <class T, class Objective>
struct kept_values {
    using row = typename Objective::template row<T>;
    static constexpr int fields = std::is_empty_v<row> ? 0 : static_cast<int>(sizeof(row) / sizeof(T));

    T* data = nullptr;
    index_t stride = 0;

    SELFSAME_DEVICE row at(index_t i) const {
        if constexpr (fields == 0) {
            return row{};
        } else {
            members m;
            SELFSAME_UNROLL_ALL
            for (int f = 0; f < fields; ++f) m.v[f] = data[f * stride + i];
            return __builtin_bit_cast(row, m);
        }
    }
    SELFSAME_DEVICE void put(index_t i, const row& r) const {
        if constexpr (fields > 0) {
            const auto m = __builtin_bit_cast(members, r);
            SELFSAME_UNROLL_ALL
            for (int f = 0; f < fields; ++f) data[f * stride + i] = m.v[f];
        }
    }

  private:
    struct members {
        T v[fields > 0 ? fields : 1];
    };
};

/// The rows of a matrix that have losses of their own: what they keep, and their share in the result.
template <class T, class Objective>
struct weighted_rows {
    kept_values<T, Objective> kept{};
    const T* weight = nullptr;
};

/// What the two kernels have in common.
template <class Products, class Objective>
struct tile_walk {
    using T = typename Products::value;
    using operand = typename Products::operand;
    static constexpr int threads = Products::threads;
    using shared = typename Products::shared;

    Objective objective;
    affine_logit<T> logit;
    operand own, other;
    excluded_diagonals excluded;
    tile_split<Products> split;

    /// f(column0, x) for the tiles of a split; x holds similarities.
    template <block_context C, class F>
    SELFSAME_DEVICE void each_tile(C& c, index_t row0, index_t which, F&& f) const {
        auto& s = c.template shared<shared>();
        const index_t first = split.first(which), end = split.first(which + 1);
        for (index_t column0 = first; column0 < end && column0 < other.count; column0 += Products::tile_columns) {
            T x[Products::rows][Products::columns];
            Products::similarities(c, s, own, row0, other, column0, x);
            f(column0, x);
        }
    }

    /// Whether all elements of a tile count.
    SELFSAME_DEVICE bool is_whole(index_t row0, index_t column0) const {
        return column0 + Products::tile_columns <= other.count &&
               !excluded.meets(row0, Products::tile_rows, column0, Products::tile_columns);
    }
    SELFSAME_DEVICE bool counts(index_t row, index_t column) const {
        return column < other.count && !excluded.contains(row, column);
    }

    /// The same by the place in the tile, in 32 bits. Which form spills no registers, ptxas decides (13.0): this one
    /// where rows are reduced, the other where gradients are.
    struct counted_elements {
        bool all;
        int columns, excluded[3];  // column - row of those that do not count
        constexpr bool has(int row, int column) const {
            const int d = column - row;
            return all || (column < columns && d != excluded[0] && d != excluded[1] && d != excluded[2]);
        }
    };
    SELFSAME_DEVICE counted_elements counted(index_t row0, index_t column0) const {
        constexpr int rows = Products::tile_rows, columns = Products::tile_columns;
        const index_t left = other.count - column0;
        counted_elements c{left >= columns, left < columns ? static_cast<int>(left) : columns, {}};
        SELFSAME_UNROLL_ALL
        for (int d = 0; d < 3; ++d) {
            const index_t at = excluded.offset[d] + row0 - column0;
            const bool inside = d < excluded.count && at > -rows && at < columns;
            c.excluded[d] = inside ? static_cast<int>(at) : columns;
            c.all = c.all && !inside;
        }
        return c;
    }
};

/// The state of every row's reducer: `partial` holds own.count of each split, one split after the other.
template <class Products, class Objective>
struct reduce_tiles : tile_walk<Products, Objective> {
    using typename tile_walk<Products, Objective>::T;
    using reducer = typename Objective::template reducer<T>;
    static constexpr const char* name = "reduce_tiles";

    reducer* partial;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        constexpr int R = Products::rows, N = Products::columns;
        const index_t row0 = c.block() % this->split.row_blocks * Products::tile_rows;
        const index_t which = c.block() / this->split.row_blocks;
        reducer state[R];
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) state[m] = reducer::around(T(0));
        this->each_tile(c, row0, which, [&](index_t column0, T(&x)[R][N]) {
            const auto counted = this->counted(row0, column0);
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < R; ++m) {
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < N; ++n) {
                    const bool counts = counted.has(Products::row(c.thread(), m), Products::column(c.thread(), n));
                    x[m][n] = counts ? take(this->logit(x[m][n])) : nothing;
                }
                absorb(state[m], x[m]);
            }
        });
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) {
            for (int mask = 1; mask < Products::row_lanes; mask *= 2) state[m].merge(c.shuffle_xor(state[m], mask));
            const index_t i = row0 + Products::row(c.thread(), m);
            if (c.lane() % Products::row_lanes == 0 && i < this->own.count) {
                partial[which * this->own.count + i] = state[m];
            }
        }
    }

  private:
    static constexpr bool has_reach = requires { reducer::reach; };

    // What a state absorbs of a pair, and of one that does not count.
    SELFSAME_DEVICE T take(T x) const {
        T t = x;
        if constexpr (requires { this->objective.term(x); }) t = this->objective.term(x);
        return has_reach ? t : reducer::map(t, T(0));
    }
    static constexpr T nothing = has_reach ? -(std::numeric_limits<T>::max)() : T(0);

    template <int N>
    SELFSAME_DEVICE static void absorb(reducer& state, const T (&x)[N]) {
        if constexpr (has_reach) {
            state.absorb(x);
        } else {
            T sum = x[0];
            SELFSAME_UNROLL_ALL
            for (int n = 1; n < N; ++n) sum = sum + x[n];
            state.merge(reducer::from_sum(sum, T(0)));
        }
    }
};

/// sum_j w_ij b_j for every own row i, w_ij = d loss / d logit_ij computed anew: `partial` holds own.count x own.pitch
/// values of each split. Rows have losses, columns have, or both.
template <class Products, class Objective, bool OwnLosses, bool OtherLosses>
struct gradient_tiles : tile_walk<Products, Objective> {
    using typename tile_walk<Products, Objective>::T;
    using weighted = weighted_rows<T, Objective>;
    static constexpr const char* name = "gradient_tiles";
    static_assert(OwnLosses || OtherLosses);

    weighted own_losses, other_losses;
    T* partial;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        using row_type = typename Objective::template row<T>;
        constexpr int R = Products::rows, N = Products::columns, G = Products::chunk_columns;
        const index_t row0 = c.block() % this->split.row_blocks * Products::tile_rows;
        const index_t which = c.block() / this->split.row_blocks % this->split.splits;
        const index_t first = c.block() / this->split.row_blocks / this->split.splits * Products::chunk;

        row_type kept[R];
        T weight[R], g[R][G];
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) {
            if constexpr (OwnLosses) {
                const index_t i = row0 + Products::row(c.thread(), m), there = i < this->own.count ? i : 0;
                kept[m] = own_losses.kept.at(there);
                weight[m] = own_losses.weight[there];
            }
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < G; ++k) g[m][k] = T(0);
        }
        this->each_tile(c, row0, which, [&](index_t column0, T(&x)[R][N]) {
            const bool whole = this->is_whole(row0, column0);
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < N; ++n) {
                const index_t j = column0 + Products::column(c.thread(), n), there = j < this->other.count ? j : 0;
                row_type other_kept{};
                T other_weight = T(0);
                if constexpr (OtherLosses) {
                    other_kept = other_losses.kept.at(there);
                    other_weight = other_losses.weight[there];
                }
                SELFSAME_UNROLL_ALL
                for (int m = 0; m < R; ++m) {
                    const T y = this->logit(x[m][n]);
                    T w = T(0);
                    if constexpr (OwnLosses) w = weight[m] * this->objective.weight(y, kept[m]);
                    if constexpr (OtherLosses) w = w + other_weight * this->objective.weight(y, other_kept);
                    // Selected, not multiplied: weights of what does not count may be infinite.
                    x[m][n] = whole || this->counts(row0 + Products::row(c.thread(), m), j) ? w : T(0);
                }
            }
            Products::accumulate(c, c.template shared<typename Products::shared>(), x, this->other, column0, first, g);
        });
        T* const to = partial + which * (this->own.count * this->own.pitch);
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) {
            const index_t i = row0 + Products::row(c.thread(), m);
            if (i >= this->own.count) continue;
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < G; k += Products::run) {
                const index_t at = first + Products::chunk_column(c.thread(), k);
                if (at >= this->own.pitch) continue;
                neighbours<T, Products::run> some;
                SELFSAME_UNROLL_ALL
                for (int r = 0; r < Products::run; ++r) some.v[r] = g[m][k + r];
                *reinterpret_cast<neighbours<T, Products::run>*>(to + i * this->own.pitch + at) = some;
            }
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
