#pragma once

#include "selfsame/core/math.hpp"
#include "selfsame/engine/cuda/packed_rows.hpp"

/// \file
/// Products of tiles by fused multiply-adds, in the type of the computation.

namespace selfsame::inline SELFSAME_ISA::device {

/// A thread holds Rows x Columns of a block's products. Operands are staged by slices of 16 along the sum, what a
/// thread multiplies at once lying together.
template <class T, int Rows, int Columns>
struct fma_block {
    using value = T;
    using unit = T;
    using operand = packed_rows<T, T>;

    static constexpr int threads = 128, depth = 16;
    static constexpr int rows = Rows, columns = Columns, row_lanes = 16, row_parts = 1;
    static constexpr index_t resident = 2;  // blocks of a multiprocessor
    static constexpr int tile_rows = threads / row_lanes * rows, tile_columns = row_lanes * columns;
    static_assert(rows % 4 == 0 && columns % 4 == 0);

    /// What a thread holds of a tile: a row belongs to `row_lanes` neighbouring lanes of one warp, `run` columns follow
    /// each other.
    template <class>
    struct held {
        static constexpr int rows = Rows, columns = Columns, row_lanes = fma_block::row_lanes, run = 4;
        static constexpr int row(int thread, int m) { return thread / row_lanes * rows + m; }
        static constexpr int column(int thread, int n) {
            return n / run * (run * row_lanes) + thread % row_lanes * run + n % run;
        }
        static constexpr int row_groups = 1;
        static constexpr int row_group(int) { return 0; }
    };

    struct shared {
        alignas(16) T a[depth][tile_rows + 4];
        alignas(16) T b[depth][tile_columns + 4];
    };

  protected:
    SELFSAME_DEVICE static void clear(T (&x)[rows][columns]) {
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < rows; ++m) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < columns; ++n) x[m][n] = T(0);
        }
    }

    template <block_context C>
    SELFSAME_DEVICE static void multiply_slice(C& c, shared& s, T (&x)[rows][columns]) {
        SELFSAME_UNROLL_ALL
        for (int d = 0; d < depth; ++d) {
            T left[rows], right[columns];
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < rows; m += 4) take(c, &s.a[d][held<C>::row(c.thread(), m)], left + m);
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < columns; n += 4) take(c, &s.b[d][held<C>::column(c.thread(), n)], right + n);
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < rows; ++m) {
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < columns; ++n) x[m][n] = math::fma(left[m], right[n], x[m][n]);
            }
        }
    }

    SELFSAME_DEVICE static quad<T> four(const operand& x, index_t row, index_t k) {
        if (row < x.count && k < x.pitch) return *reinterpret_cast<const quad<T>*>(x.units + row * x.pitch + k);
        return {};
    }

    /// Columns k to k + depth of rows from row0, column by column.
    template <int Count, int Pitch, block_context C>
    SELFSAME_DEVICE static void stage_by_depth(C& c, T (&to)[depth][Pitch], const operand& x, index_t row0, index_t k) {
        for (int e = c.thread(); e < Count * depth / 4; e += threads) {
            const int r = e / (depth / 4), d = e % (depth / 4) * 4;
            const quad<T> q = four(x, row0 + r, k + d);
            SELFSAME_UNROLL_ALL
            for (int i = 0; i < 4; ++i) c.write(to[d + i][r], q.v[i]);
        }
    }

  private:
    template <block_context C>
    SELFSAME_DEVICE static void take(C& c, const T* from, T* to) {
        const quad<T> q = c.read(*reinterpret_cast<const quad<T>*>(from));
        SELFSAME_UNROLL_ALL
        for (int i = 0; i < 4; ++i) to[i] = q.v[i];
    }
};

/// a b^T.
template <class T, int Rows, int Columns>
struct fma_products : fma_block<T, Rows, Columns> {
    using block = fma_block<T, Rows, Columns>;
    using block::columns, block::depth, block::rows, block::tile_columns, block::tile_rows;
    using typename block::operand, typename block::shared;

    /// begin(column0), then end(column0, x), with a sync in between, for the tiles of rows from row0, columns from
    /// `first` to `last`; x holds similarities, 0 outside.
    template <block_context C, class Begin, class End>
    SELFSAME_DEVICE static void each_tile(C& c, shared& s, const operand& a, index_t row0, const operand& b,
                                          index_t first, index_t last, Begin&& begin, End&& end) {
        for (index_t column0 = first; column0 < last; column0 += tile_columns) {
            begin(column0);
            T x[rows][columns];
            block::clear(x);
            for (index_t k = 0; k < a.pitch; k += depth) {
                c.sync();  // what was staged before has been read
                block::template stage_by_depth<tile_rows>(c, s.a, a, row0, k);
                block::template stage_by_depth<tile_columns>(c, s.b, b, column0, k);
                c.sync();
                block::multiply_slice(c, s, x);
            }
            end(column0, x);
        }
    }

    static constexpr bool has_factors = false;
    static constexpr T row_factor(const operand&, index_t) { return T(1); }
    template <block_context C, int N>
    SELFSAME_DEVICE static void column_factors(C& c, const shared&, index_t, int, T (&)[N]) {
        c.keep_order();
    }

    /// Weights of row i of the tile and a thread's columns from number n for the second product; `to` is where the tile
    /// begins in the slab.
    template <block_context C, int N>
    SELFSAME_DEVICE static void store(C& c, const shared&, const T (&w)[N], index_t, int i, int n, T* to,
                                      const operand& slab) {
        using part = typename block::template held<C>;
        static_assert(N == 4 && part::run == N);
        T* const there = to + i * slab.pitch + part::column(c.thread(), n);
        write_together(reinterpret_cast<quad<T>*>(there), {{w[0], w[1], w[2], w[3]}});
    }
};

/// w b, the sum over the rows of b.
template <class T, int Rows, int Columns>
struct fma_sums : fma_block<T, Rows, Columns> {
    using block = fma_block<T, Rows, Columns>;
    using block::columns, block::depth, block::rows, block::tile_columns, block::tile_rows;
    using typename block::operand, typename block::shared;

    /// x = rows of w from row0 times columns of b from column0, over w's columns and b's rows from `first` to `end`;
    /// w's first column belongs to the row `offset` of b.
    template <block_context C>
    SELFSAME_DEVICE static void sum(C& c, shared& s, const operand& w, index_t row0, const operand& b, index_t offset,
                                    index_t column0, index_t first, index_t end, T (&x)[rows][columns]) {
        block::clear(x);
        for (index_t j = first; j < end; j += depth) {
            c.sync();  // what was staged before has been read
            block::template stage_by_depth<tile_rows>(c, s.a, w, row0, j);
            for (int e = c.thread(); e < depth * tile_columns / 4; e += block::threads) {
                const int d = e / (tile_columns / 4), k = e % (tile_columns / 4) * 4;
                c.write(*reinterpret_cast<quad<T>*>(&s.b[d][k]), block::four(b, offset + j + d, column0 + k));
            }
            c.sync();
            block::multiply_slice(c, s, x);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
