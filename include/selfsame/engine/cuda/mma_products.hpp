#pragma once

#include "selfsame/engine/cuda/fragments.hpp"
#include "selfsame/engine/cuda/packed_rows.hpp"

/// \file
/// Products of tiles by tensor cores: operands of 16 bits, sums in float.

namespace selfsame::inline SELFSAME_ISA::device {

/// The shape of `fma_products`, a warp owning 16 rows. Similarities stay in the registers where a policy sees them, and
/// become the left operand of the second product there.
template <class U>
struct mma_products {
    using value = float;
    using unit = U;
    using operand = packed_rows<U, float>;

    static constexpr int threads = 128, rows = 2, columns = 16, chunk_columns = 32, row_lanes = 4;
    static constexpr int tile_rows = threads / warp_size * 16, tile_columns = columns * row_lanes;
    static constexpr index_t chunk = chunk_columns * row_lanes;
    static constexpr int run = 2;     // values of a row that follow each other
    static constexpr int depth = 32;  // staged at once

    // Rows are 16 bytes longer than their contents, so that eight of them lie in different banks.
    struct shared {
        alignas(16) U a[2][tile_rows][depth + 8];
        alignas(16) U b[2][tile_columns][depth + 8];
        alignas(16) U right[tile_columns][chunk + 8];
    };

    static constexpr int row(int thread, int m) {
        return thread / warp_size * 16 + fragment::c_row(thread % warp_size, 2 * m);
    }
    static constexpr int column(int thread, int n) { return n / 2 * 8 + fragment::c_column(thread % warp_size, n); }
    static constexpr int chunk_column(int thread, int n) { return column(thread, n); }

    template <block_context C>
    SELFSAME_DEVICE static void similarities(C& c, shared& s, const operand& a, index_t row0, const operand& b,
                                             index_t column0, float (&x)[rows][columns]) {
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < rows; ++m) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < columns; ++n) x[m][n] = 0;
        }
        c.sync();  // what was staged for the tile before has been read
        stage(c, s, 0, a, row0, b, column0, 0);
        int now = 0;
        for (index_t k = 0; k < a.pitch; k += depth, now = 1 - now) {
            c.copy_wait();
            c.sync();  // this stage is there for all, and the other one has been read
            if (k + depth < a.pitch) stage(c, s, 1 - now, a, row0, b, column0, k + depth);
            multiply_stage(c, s, now, x);
        }
        scale(a, row0, b, column0, c.thread(), x);
    }

    template <block_context C>
    SELFSAME_DEVICE static void accumulate(C& c, shared& s, const float (&weights)[rows][columns], const operand& b,
                                           index_t column0, index_t first, float (&g)[rows][chunk_columns]) {
        copy_rows(c, s.right, b, column0, first);
        c.copy_commit();
        word left[tile_columns / 16][4];
        to_operand(c, weights, b, column0, left);
        c.copy_wait();
        c.sync();
        SELFSAME_UNROLL_ALL
        for (int j = 0; j < tile_columns / 16; ++j) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < int(chunk) / 16; ++n) {
                word right[4];
                c.template load_matrices<true>(right, &s.right[16 * j + c.lane() % 16][16 * n + 8 * (c.lane() / 16)]);
                multiply_pair(c, g, n, left[j], right);
            }
        }
    }

  private:
    template <int Rows, int Pitch, block_context C>
    SELFSAME_DEVICE static void copy_rows(C& c, U (&to)[Rows][Pitch], const operand& x, index_t row0, index_t k0) {
        constexpr int pieces = (Pitch - 8) / 8;  // of 16 bytes
        for (int e = c.thread(); e < Rows * pieces; e += threads) {
            const int r = e / pieces, k = e % pieces * 8;
            const bool there = row0 + r < x.count && k0 + k < x.pitch;
            c.copy_async(&to[r][k], x.units + (there ? (row0 + r) * x.pitch + k0 + k : 0), there);
        }
    }

    template <block_context C>
    SELFSAME_DEVICE static void stage(C& c, shared& s, int which, const operand& a, index_t row0, const operand& b,
                                      index_t column0, index_t k) {
        copy_rows(c, s.a[which], a, row0, k);
        copy_rows(c, s.b[which], b, column0, k);
        c.copy_commit();
    }

    template <block_context C>
    SELFSAME_DEVICE static void multiply_stage(C& c, shared& s, int which, float (&x)[rows][columns]) {
        const int lane = c.lane();
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < depth; k += 16) {
            word left[4];
            c.template load_matrices<false>(left, &s.a[which][16 * c.warp() + lane % 16][k + 8 * (lane / 16)]);
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < tile_columns / 16; ++n) {
                word right[4];
                c.template load_matrices<false>(
                    right, &s.b[which][16 * n + lane % 8 + 8 * (lane / 16)][k + 8 * (lane / 8 % 2)]);
                multiply_pair(c, x, n, left, right);
            }
        }
    }

    /// Adds the products for columns 16 n to 16 n + 15.
    template <int N, block_context C>
    SELFSAME_DEVICE static void multiply_pair(C& c, float (&x)[rows][N], int n, const word (&left)[4],
                                              const word (&right)[4]) {
        SELFSAME_UNROLL_ALL
        for (int h = 0; h < 2; ++h) {
            const int at = 4 * n + 2 * h;
            float t[4] = {x[0][at], x[0][at + 1], x[1][at], x[1][at + 1]};
            c.template multiply<U>(t, left, right[2 * h], right[2 * h + 1]);
            x[0][at] = t[0];
            x[0][at + 1] = t[1];
            x[1][at] = t[2];
            x[1][at + 1] = t[3];
        }
    }

    SELFSAME_DEVICE static float factor_of(const operand& x, index_t i) { return i < x.count ? x.factor[i] : 0.0f; }

    SELFSAME_DEVICE static void scale(const operand& a, index_t row0, const operand& b, index_t column0, int thread,
                                      float (&x)[rows][columns]) {
        float left[rows];
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < rows; ++m) left[m] = factor_of(a, row0 + row(thread, m));
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < columns; ++n) {
            const float right = factor_of(b, column0 + column(thread, n));
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < rows; ++m) x[m][n] *= left[m] * right;
        }
    }

    /// Two neighbouring 16 x 8 matrices of accumulators are one 16 x 16 left operand, in the same registers.
    template <block_context C>
    SELFSAME_DEVICE static void to_operand(C& c, const float (&x)[rows][columns], const operand& b, index_t column0,
                                           word (&to)[tile_columns / 16][4]) {
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < columns; n += 2) {
            const float first = factor_of(b, column0 + column(c.thread(), n)),
                        second = factor_of(b, column0 + column(c.thread(), n + 1));
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < rows; ++m) {
                to[n / 4][m + n / 2 % 2 * 2] = c.template pack<U>(first * x[m][n], second * x[m][n + 1]);
            }
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
