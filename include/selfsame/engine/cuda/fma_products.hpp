#pragma once

#include "selfsame/core/math.hpp"
#include "selfsame/engine/cuda/packed_rows.hpp"

/// \file
/// Products of tiles by fused multiply-adds, in the type of the computation.

namespace selfsame::inline SELFSAME_ISA::device {

/// A block multiplies tile_rows rows by tile_columns columns; a thread holds `rows` x `columns` of the products. A row
/// belongs to `row_lanes` neighbouring lanes. Gradients are made `chunk` values of a row at a time, of which a thread
/// holds `rows` x `chunk_columns`.
template <class T, int Rows, int ChunkColumns>
struct fma_products {
    using value = T;
    using unit = T;
    using operand = packed_rows<T, T>;

    static constexpr int threads = 128, rows = Rows, columns = 4, chunk_columns = ChunkColumns, row_lanes = 16;
    static constexpr int tile_rows = threads / row_lanes * rows, tile_columns = row_lanes * columns;
    static constexpr index_t chunk = row_lanes * chunk_columns;
    static constexpr int run = 4;  // values of a row that follow each other
    static_assert(rows % 4 == 0 && chunk_columns % 4 == 0);

    static constexpr int depth = 16;  // staged at once
    struct shared {
        // By depth, then by row or column: what a thread multiplies at once lies together.
        alignas(16) T a[depth][tile_rows + 4];
        alignas(16) T b[depth][tile_columns + 4];
        alignas(16) T weights[tile_columns][tile_rows + 4];
        alignas(16) T right[depth][chunk];
    };

    static constexpr int row(int thread, int m) { return thread / row_lanes * rows + m; }
    static constexpr int column(int thread, int n) { return thread % row_lanes * columns + n; }
    static constexpr int chunk_column(int thread, int n) {
        return n / 4 * (4 * row_lanes) + thread % row_lanes * 4 + n % 4;
    }

    /// x = a b^T for the rows of a from `row0` and those of b from `column0`; 0 outside.
    template <block_context C>
    SELFSAME_DEVICE static void similarities(C& c, shared& s, const operand& a, index_t row0, const operand& b,
                                             index_t column0, T (&x)[rows][columns]) {
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < rows; ++m) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < columns; ++n) x[m][n] = T(0);
        }
        for (index_t k = 0; k < a.pitch; k += depth) {
            c.sync();  // what was staged before has been read
            stage_by_depth<tile_rows>(c, s.a, a, row0, k);
            stage_by_depth<tile_columns>(c, s.b, b, column0, k);
            c.sync();
            SELFSAME_UNROLL_ALL
            for (int d = 0; d < depth; ++d) {
                T left[rows], right[columns];
                take<rows>(c, &s.a[d][row(c.thread(), 0)], left);
                take<columns>(c, &s.b[d][column(c.thread(), 0)], right);
                multiply(left, right, x);
            }
        }
    }

    /// g += weights b, for the columns of b from `first` and the rows of b from `column0`; after `similarities`.
    template <block_context C>
    SELFSAME_DEVICE static void accumulate(C& c, shared& s, const T (&weights)[rows][columns], const operand& b,
                                           index_t column0, index_t first, T (&g)[rows][chunk_columns]) {
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < columns; ++n) {
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < rows; m += 4) {
                T* const to = &s.weights[column(c.thread(), n)][row(c.thread(), m)];
                c.write(*reinterpret_cast<quad<T>*>(to),
                        {{weights[m][n], weights[m + 1][n], weights[m + 2][n], weights[m + 3][n]}});
            }
        }
        for (int j = 0; j < tile_columns; j += depth) {
            if (j > 0) c.sync();  // what was staged before has been read
            for (int e = c.thread(); e < depth * int(chunk) / 4; e += threads) {
                const int d = e / (int(chunk) / 4), k = e % (int(chunk) / 4) * 4;
                c.write(*reinterpret_cast<quad<T>*>(&s.right[d][k]), four(b, column0 + j + d, first + k));
            }
            c.sync();
            SELFSAME_UNROLL_ALL
            for (int d = 0; d < depth; ++d) {
                T left[rows], right[chunk_columns];
                take<rows>(c, &s.weights[j + d][row(c.thread(), 0)], left);
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < chunk_columns; n += 4)
                    take<4>(c, &s.right[d][chunk_column(c.thread(), n)], right + n);
                multiply(left, right, g);
            }
        }
    }

  private:
    template <int N, int M>
    SELFSAME_DEVICE static void multiply(const T (&left)[M], const T (&right)[N], T (&x)[M][N]) {
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < M; ++m) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < N; ++n) x[m][n] = math::fma(left[m], right[n], x[m][n]);
        }
    }

    template <int N, block_context C>
    SELFSAME_DEVICE static void take(C& c, const T* from, T* to) {
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < N; n += 4) {
            const quad<T> q = c.read(*reinterpret_cast<const quad<T>*>(from + n));
            SELFSAME_UNROLL_ALL
            for (int i = 0; i < 4; ++i) to[n + i] = q.v[i];
        }
    }

    SELFSAME_DEVICE static quad<T> four(const operand& x, index_t row, index_t k) {
        if (row < x.count && k < x.pitch) return *reinterpret_cast<const quad<T>*>(x.units + row * x.pitch + k);
        return {};
    }

    template <int Count, int Pitch, block_context C>
    SELFSAME_DEVICE static void stage_by_depth(C& c, T (&to)[depth][Pitch], const operand& x, index_t row0, index_t k) {
        for (int e = c.thread(); e < Count * depth / 4; e += threads) {
            const int r = e / (depth / 4), d = e % (depth / 4) * 4;
            const quad<T> q = four(x, row0 + r, k + d);
            SELFSAME_UNROLL_ALL
            for (int i = 0; i < 4; ++i) c.write(to[d + i][r], q.v[i]);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
