#pragma once

#include <type_traits>

#include "selfsame/core/math.hpp"
#include "selfsame/engine/cuda/packed_rows.hpp"
#include "selfsame/engine/excluded_diagonals.hpp"

/// \file
/// The kernels that walk the similarity matrix. A block owns some rows and a range of columns; it computes one tile
/// after the other and drops it, or its weights are written to a slab of bounded size that the second product reads:
/// rows are too long for a block to hold their gradients. What blocks of the same rows find is put together in a fixed
/// order by whoever reads it, so results do not depend on which block ran first.

namespace selfsame::inline SELFSAME_ISA::device {

/// How `columns` by tiles of `tile` are shared among blocks, of which `enough` keep the machine busy, where there are
/// `others` for each column.
struct tile_split {
    index_t splits = 0, columns_each = 0;

    constexpr tile_split(index_t columns, index_t tile, index_t others, index_t enough) {
        const index_t tiles = blocks_for(columns, tile);
        if (tiles == 0 || others == 0) return;
        const index_t wanted = enough > others ? enough / others : 1;
        const index_t tiles_each = blocks_for(tiles, wanted < tiles ? wanted : tiles);
        splits = blocks_for(tiles, tiles_each);
        columns_each = tiles_each * tile;
    }
    constexpr index_t first(index_t split) const { return split * columns_each; }
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

    struct members {
        T v[fields > 0 ? fields : 1];
    };

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
};

/// The rows of a matrix that have losses of their own: what they keep, and their share in the result.
template <class T, class Objective>
struct weighted_rows {
    using row = typename kept_values<T, Objective>::row;
    static constexpr int fields = kept_values<T, Objective>::fields;

    kept_values<T, Objective> kept{};
    const T* weight = nullptr;

    /// Those of rows from `first` into shared memory, field by field, the weights last; zeros from `count` on.
    template <int Threads, block_context C, int Columns>
    SELFSAME_DEVICE void stage(C& c, T (&to)[fields + 1][Columns], index_t first, index_t count) const {
        for (int k = c.thread(); k < Columns; k += Threads) {
            const index_t i = first + k;
            SELFSAME_UNROLL_ALL
            for (int f = 0; f < fields; ++f) c.write(to[f][k], i < count ? kept.data[f * kept.stride + i] : T(0));
            c.write(to[fields][k], i < count ? weight[i] : T(0));
        }
    }
    /// What was staged of some neighbours.
    template <block_context C, int Columns, int N>
    SELFSAME_DEVICE static void take(C& c, const T (&from)[fields + 1][Columns], int k, row (&rows)[N],
                                     T (&weights)[N]) {
        T v[fields + 1][N];
        SELFSAME_UNROLL_ALL
        for (int f = 0; f <= fields; ++f) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < N; n += 4) {
                const auto four = c.read(*reinterpret_cast<const quad<T>*>(&from[f][k + n]));
                SELFSAME_UNROLL_ALL
                for (int r = 0; r < 4; ++r) v[f][n + r] = four.v[r];
            }
        }
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < N; ++n) {
            if constexpr (fields > 0) {
                typename kept_values<T, Objective>::members m;
                SELFSAME_UNROLL_ALL
                for (int f = 0; f < fields; ++f) m.v[f] = v[f][n];
                rows[n] = __builtin_bit_cast(row, m);
            }
            weights[n] = v[fields][n];
        }
    }
};

/// What kernels have in common whose blocks own some rows from `row0` on, and walk a range of columns.
template <class Products, class Objective>
struct tile_walk {
    using T = typename Products::value;
    using operand = typename Products::operand;
    static constexpr int threads = Products::threads;
    static constexpr index_t resident = Products::resident;
    using shared = typename Products::shared;

    Objective objective;
    affine_logit<T> logit;
    operand own, other;
    excluded_diagonals excluded;

    /// x[m][n] from the product of rows; `left` and `right` are their factors.
    SELFSAME_DEVICE T logit_of(T x, T left, T right) const {
        return logit(Products::has_factors ? x * (left * right) : x);
    }

    /// Whether all elements of a tile count.
    SELFSAME_DEVICE bool is_whole(index_t row0, index_t column0) const {
        return column0 + Products::tile_columns <= other.count &&
               !excluded.meets(row0, Products::tile_rows, column0, Products::tile_columns);
    }
    /// x of what does not count becomes `nothing`; x begins with a thread's column number `first` of the tile.
    template <class Part, int N>
    SELFSAME_DEVICE void drop(int thread, index_t row, index_t column0, int first, T (&x)[N], T nothing) const {
        const index_t base = column0 + Part::column(thread, 0), left = other.count - base;
        const int columns = left < Products::tile_columns ? static_cast<int>(left) : Products::tile_columns;
        int gone[3];
        SELFSAME_UNROLL_ALL
        for (int d = 0; d < 3; ++d) {
            const index_t at = excluded.offset[d] + row - base;
            gone[d] = d < excluded.count && at >= 0 && at < Products::tile_columns ? static_cast<int>(at) : -1;
        }
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < N; ++n) {
            const int k = Part::column(0, first + n);  // the columns of a thread lie alike in all
            const bool counts = k < columns && k != gone[0] && k != gone[1] && k != gone[2];
            x[n] = counts ? x[n] : nothing;
        }
    }
};

/// The state of every row's reducer: `partial` holds own.count of each group of threads that share a row, for each
/// split.
template <class Products, class Objective>
struct reduce_tiles : tile_walk<Products, Objective> {
    using typename tile_walk<Products, Objective>::T;
    using reducer = typename Objective::template reducer<T>;
    static constexpr const char* name = "reduce_tiles";

    index_t row_blocks;
    tile_split split;
    reducer* partial;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        using part = typename Products::template held<C>;
        constexpr int R = part::rows, N = part::columns;
        const index_t row0 = c.block() % row_blocks * Products::tile_rows, which = c.block() / row_blocks;
        const index_t end = split.first(which + 1);
        reducer state[R];
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) state[m] = reducer::around(T(0));
        auto& s = c.template shared<typename Products::shared>();
        Products::each_tile(
            c, s, this->own, row0, this->other, split.first(which), end < this->other.count ? end : this->other.count,
            [](index_t) {},
            [&](index_t column0, T(&x)[R][N]) {
                T left[R], right[part::run];
                SELFSAME_UNROLL_ALL
                for (int m = 0; m < R; ++m) {
                    left[m] = Products::row_factor(this->own, row0 + part::row(c.thread(), m));
                }
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < N; n += part::run) {
                    Products::column_factors(c, s, column0, n, right);
                    SELFSAME_UNROLL_ALL
                    for (int r = 0; r < part::run; ++r) {
                        SELFSAME_UNROLL_ALL
                        for (int m = 0; m < R; ++m) x[m][n + r] = take(this->logit_of(x[m][n + r], left[m], right[r]));
                    }
                }
                if (!this->is_whole(row0, column0)) {
                    SELFSAME_UNROLL_ALL
                    for (int m = 0; m < R; ++m) {
                        const index_t i = row0 + part::row(c.thread(), m);
                        this->template drop<part>(c.thread(), i, column0, 0, x[m], nothing);
                    }
                }
                SELFSAME_UNROLL_ALL
                for (int m = 0; m < R; ++m) absorb(state[m], x[m]);
            });
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) {
            for (int mask = 1; mask < part::row_lanes; mask *= 2) state[m].merge(c.shuffle_xor(state[m], mask));
            const index_t i = row0 + part::row(c.thread(), m);
            if (c.lane() % part::row_lanes == 0 && i < this->own.count) {
                partial[(which * part::row_groups + part::row_group(c.thread())) * this->own.count + i] = state[m];
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

/// A part of the matrix of weights: rows from `row0`, columns from `column0`, as many as the slab has room for.
struct weight_slab {
    index_t row0, rows, column0, columns;

    /// As an operand; rows are padded to whole tiles.
    template <class Products, class U>
    constexpr typename Products::operand operand(U* weights) const {
        return {weights, nullptr, rows, columns, blocks_for(rows, Products::tile_rows) * Products::tile_rows};
    }
};

/// w_ij = d loss / d logit_ij of a slab, from similarities that are computed anew, zero beyond the matrix's columns.
/// Rows have losses, columns have, or both.
template <class Products, class Objective, bool OwnLosses, bool OtherLosses>
struct weigh_tiles : tile_walk<Products, Objective> {
    using typename tile_walk<Products, Objective>::T;
    using weighted = weighted_rows<T, Objective>;
    using unit = typename Products::unit;
    static constexpr const char* name = "weigh_tiles";
    static_assert(OwnLosses || OtherLosses);

    static constexpr int fields = weighted::fields + 1;
    struct shared {
        typename Products::shared tiles;
        alignas(16) T columns[2][fields][Products::tile_columns];  // what they keep, and their weights
    };

    weighted own_losses, other_losses;
    weight_slab slab;
    index_t row_blocks;
    tile_split split;  // of the slab's columns
    unit* to;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        using row_type = typename Objective::template row<T>;
        using part = typename Products::template held<C>;
        constexpr int R = part::rows, N = part::columns, together = part::run;
        const index_t in_slab = c.block() % row_blocks * Products::tile_rows, row0 = slab.row0 + in_slab;
        const index_t which = c.block() / row_blocks;
        const index_t end = split.first(which + 1) < slab.columns ? split.first(which + 1) : slab.columns;

        auto& s = c.template shared<shared>();
        const auto begin = [&](index_t column0) {
            if constexpr (OtherLosses)
                other_losses.template stage<tile_walk<Products, Objective>::threads>(c, s.columns[parity(column0)],
                                                                                     column0, this->other.count);
        };
        Products::each_tile(
            c, s.tiles, this->own, row0, this->other, slab.column0 + split.first(which), slab.column0 + end, begin,
            [&](index_t column0, T(&x)[R][N]) {
                const bool whole = this->is_whole(row0, column0);
                const auto whole_slab = slab.template operand<Products>(to);
                unit* const tile =
                    to + unit_layout<unit>::offset(in_slab, column0 - slab.column0, whole_slab.pitch, whole_slab.rows);
                // A few columns at a time, from products to what is stored, so that registers become free.
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < N; n += together) {
                    SELFSAME_UNROLL_ALL
                    for (int m = 0; m < R; ++m) {
                        const int i = part::row(c.thread(), m);
                        const T left = Products::row_factor(this->own, row0 + i);
                        [[maybe_unused]] row_type kept{};
                        [[maybe_unused]] T weight = T(0);
                        if constexpr (OwnLosses) {
                            const index_t there = row0 + i < this->own.count ? row0 + i : 0;
                            kept = own_losses.kept.at(there);
                            weight = own_losses.weight[there];
                        }
                        T w[together];
                        SELFSAME_UNROLL_ALL
                        for (int r = 0; r < together; r += 4) {
                            T right[4];
                            Products::column_factors(c, s.tiles, column0, n + r, right);
                            [[maybe_unused]] row_type other_kept[4];
                            [[maybe_unused]] T other_weight[4];
                            if constexpr (OtherLosses) {
                                weighted::take(c, s.columns[parity(column0)], part::column(c.thread(), n + r),
                                               other_kept, other_weight);
                            }
                            SELFSAME_UNROLL_ALL
                            for (int q = 0; q < 4; ++q) {
                                const T y = this->logit_of(x[m][n + r + q], left, right[q]);
                                T v = T(0);
                                if constexpr (OwnLosses) v = weight * this->objective.weight(y, kept);
                                if constexpr (OtherLosses) {
                                    v = v + other_weight[q] * this->objective.weight(y, other_kept[q]);
                                }
                                w[r + q] = v;
                            }
                        }
                        // Weights of what does not count may be infinite.
                        if (!whole) this->template drop<part>(c.thread(), row0 + i, column0, n, w, T(0));
                        Products::store(c, s.tiles, w, column0, i, n, tile, whole_slab);
                    }
                }
            });
    }

  private:
    static constexpr int parity(index_t column0) { return static_cast<int>(column0 / Products::tile_columns % 2); }
};

/// sum_j w_ij b_j of a slab's rows i and columns j: `partial` holds slab.rows x b.pitch values of each split, which are
/// added to where there are some.
template <class Sums>
struct sum_tiles {
    using T = typename Sums::value;
    static constexpr const char* name = "sum_tiles";
    static constexpr int threads = Sums::threads;
    static constexpr index_t resident = Sums::resident;
    using shared = typename Sums::shared;

    weight_slab slab;
    const typename Sums::unit* weights;
    typename Sums::operand b;
    index_t row_blocks, chunks;
    tile_split split;
    T* partial;
    bool adds;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        using part = typename Sums::template held<C>;
        constexpr int R = part::rows, N = part::columns;
        const index_t row0 = c.block() % row_blocks * Sums::tile_rows;
        const index_t column0 = c.block() / row_blocks % chunks * Sums::tile_columns;
        const index_t which = c.block() / row_blocks / chunks;
        const index_t first = split.first(which);
        const index_t end = split.first(which + 1) < slab.columns ? split.first(which + 1) : slab.columns;
        if (first >= end) return;  // a later slab may have fewer columns than the first
        T x[R][N];
        Sums::sum(c, c.template shared<shared>(), slab.template operand<Sums>(weights), row0, b, slab.column0, column0,
                  first, end, x);
        T* const to = partial + which * slab.rows * b.pitch;
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < R; ++m) {
            const index_t i = row0 + part::row(c.thread(), m);
            if (i >= slab.rows) continue;
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < N; k += part::run) {
                const index_t at = column0 + part::column(c.thread(), k);
                if (at >= b.pitch) continue;
                auto* const there = reinterpret_cast<neighbours<T, part::run>*>(to + i * b.pitch + at);
                neighbours<T, part::run> some;
                SELFSAME_UNROLL_ALL
                for (int r = 0; r < part::run; ++r) some.v[r] = x[m][k + r];
                if (adds) {
                    const auto before = read_together(there);
                    SELFSAME_UNROLL_ALL
                    for (int r = 0; r < part::run; ++r) some.v[r] = before.v[r] + some.v[r];
                }
                write_together(there, some);
            }
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
