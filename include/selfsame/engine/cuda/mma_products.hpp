#pragma once

#include <type_traits>

#include "selfsame/engine/cuda/fragments.hpp"
#include "selfsame/engine/cuda/packed_rows.hpp"

/// \file
/// Products of tiles by tensor cores: operands of 16 bits, sums in float. A block has 128 rows; its operands come in
/// slices of 64 along the sum, of which shared memory holds four: 197 KB, more than GPUs before sm_90 have. Where the
/// machine has it, a warpgroup multiplies 64 rows straight from shared memory (wgmma); else a warp multiplies 64 rows
/// and a quarter of the columns from registers.

namespace selfsame::inline SELFSAME_ISA::device {

/// With three, a copy has one step of products to arrive in, and an H200 takes 1.5 times as long.
inline constexpr int mma_slots = 4;

/// What both products have in common. Copies of slices and products overlap; `slot` is where a slice lies.
template <class U, int Columns>
struct mma_block {
    using value = float;
    using unit = U;
    using operand = packed_rows<U, float>;
    using layout = unit_layout<U>;

    static constexpr int threads = 256, tile_rows = 128, tile_columns = Columns, depth = 64;
    static constexpr int row_parts = 4;     // results of a row come from as many groups of threads, or fewer
    static constexpr index_t resident = 1;  // blocks of a multiprocessor

    struct slice {
        alignas(1024) U a[tile_rows * depth];
        alignas(1024) U b[Columns * depth];
    };
    struct slices {
        slice of[mma_slots];
    };

    /// What a thread holds of a tile, by whether warpgroups multiply.
    template <class C>
    struct held {
        static constexpr int warps_of_a_row = C::warpgroups ? 1 : 4, row_lanes = 4;
        static constexpr int rows = C::warpgroups ? 2 : 8, columns = C::warpgroups ? Columns / 4 : Columns / 16;
        static constexpr int warp_rows = 8 * rows, warp_columns = 4 * columns;

        static constexpr int row(int thread, int m) {
            return thread / warp_size / warps_of_a_row * warp_rows + m / 2 * 16 +
                   fragment::c_row(thread % warp_size, m % 2 * 2);
        }
        static constexpr int first_column(int thread) { return thread / warp_size % warps_of_a_row * warp_columns; }
        static constexpr int row_groups = warps_of_a_row;
        static constexpr int row_group(int thread) { return thread / warp_size % warps_of_a_row; }
    };

  protected:
    /// Before the first step.
    template <block_context C, int M, int N>
    SELFSAME_DEVICE static void clear(C&, float (&x)[M][N]) {
        if constexpr (!C::warpgroups) {  // whose first product does not add
            SELFSAME_UNROLL_ALL
            for (int m = 0; m < M; ++m) {
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < N; ++n) x[m][n] = 0;
            }
        }
    }

    /// A line's rows and those that follow, into the same places.
    template <int Lines, block_context C>
    SELFSAME_DEVICE static void copy_lines(C& c, U* to, const U* from, bool there) {
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < Lines * depth / layout::piece / threads; ++n) {
            const int e = (n * threads + c.thread()) * layout::piece;
            c.copy_async(to + e, from + e, there);
        }
    }

    /// x += a slice's products. Lines of b are columns of the product, or, `Transposed`, columns are within lines.
    template <bool Transposed, block_context C, int M, int N>
    SELFSAME_DEVICE static void multiply(C& c, const slice& s, float (&x)[M][N], bool first) {
        if constexpr (C::warpgroups) {
            const U* const a = s.a + c.warp() / 4 * (64 * depth);
            c.multiply_begin();
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < depth; k += 16) {
                c.template multiply_warpgroup<U, Transposed>(x, a + k, s.b + (Transposed ? k * depth : k),
                                                             !first || k > 0);
            }
            c.multiply_commit();
        } else {
            using part = held<C>;
            const int lane = c.lane(), row0 = part::row(c.warp() * warp_size, 0),
                      column0 = part::first_column(c.thread());
            SELFSAME_UNROLL_NONE
            for (int k = 0; k < depth; k += 16) {
                word left[M / 2][4], right[N / 4][4];
                SELFSAME_UNROLL_ALL
                for (int m = 0; m < M / 2; ++m) {
                    const int i = row0 + 16 * m + lane % 16;
                    c.template load_matrices<false>(left[m], s.a + i * depth + layout::in_line(i, k + 8 * (lane / 16)));
                }
                SELFSAME_UNROLL_ALL
                for (int n = 0; n < N / 4; ++n) {
                    if constexpr (Transposed) {
                        const int j = k + lane % 16, at = column0 + 16 * n + 8 * (lane / 16);
                        c.template load_matrices<true>(
                            right[n], s.b + (at / depth * depth + j) * depth + layout::in_line(j, at % depth));
                    } else {
                        const int j = column0 + 16 * n + lane % 8 + 8 * (lane / 16);
                        c.template load_matrices<false>(right[n],
                                                        s.b + j * depth + layout::in_line(j, k + 8 * (lane / 8 % 2)));
                    }
                }
                SELFSAME_UNROLL_ALL
                for (int m = 0; m < M; m += 2) {
                    SELFSAME_UNROLL_ALL
                    for (int n = 0; n < N; n += 2) {
                        float t[4] = {x[m][n], x[m][n + 1], x[m + 1][n], x[m + 1][n + 1]};
                        const auto& b = right[n / 4];
                        c.template multiply<U>(t, left[m / 2], b[n % 4], b[n % 4 + 1]);
                        x[m][n] = t[0];
                        x[m][n + 1] = t[1];
                        x[m + 1][n] = t[2];
                        x[m + 1][n + 1] = t[3];
                    }
                }
            }
        }
    }

    /// Starts the copies that the first steps wait for.
    template <block_context C, class Fill>
    SELFSAME_DEVICE static void start(C& c, slices& s, Fill&& fill) {
        for (int n = 0; n < mma_slots - 2; ++n) {
            fill(s.of[n]);
            c.copy_commit();
        }
    }
    /// One step: waits for its slice, multiplies, and starts the copy of a later slice, into the slot that was
    /// multiplied two steps ago: every thread that is past the barrier has waited for that.
    template <bool Transposed, block_context C, int M, int N, class Fill>
    SELFSAME_DEVICE static void step(C& c, slices& s, unsigned slot, float (&x)[M][N], bool first, Fill&& fill) {
        c.template copy_wait<mma_slots - 3>();
        c.sync_for_warpgroups();
        multiply<Transposed>(c, s.of[slot % mma_slots], x, first);
        fill(s.of[(slot + mma_slots - 2) % mma_slots]);
        c.copy_commit();
        if constexpr (C::warpgroups) c.template multiply_wait<1>(x);
    }
};

/// a b^T.
template <class U>
struct mma_products : mma_block<U, 256> {
    using block = mma_block<U, 256>;
    using block::depth, block::threads, block::tile_columns, block::tile_rows;
    using typename block::layout, typename block::operand, typename block::slice, typename block::slices;

    template <class C>
    struct held : block::template held<C> {
        using base = typename block::template held<C>;
        static constexpr int run = 8;
        /// A thread has eight neighbours of a row at a time.
        static constexpr int column(int thread, int n) {
            return base::first_column(thread) + n / run * 32 + thread % base::row_lanes * run + n % run;
        }
    };

    /// While a tile is used the next one's factors may be written.
    struct shared : slices {
        alignas(16) float factor[2][tile_columns];
    };

    /// begin(column0), then end(column0, x), with a sync in between, for the tiles of rows from row0, columns from
    /// `first` to `last`; x holds products of units, 0 outside.
    template <block_context C, class Begin, class End>
    SELFSAME_DEVICE static void each_tile(C& c, shared& s, const operand& a, index_t row0, const operand& b,
                                          index_t first, index_t last, Begin&& begin, End&& end) {
        using part = held<C>;
        float x[part::rows][part::columns];
        index_t next_column0 = first;
        const int pitch = static_cast<int>(a.pitch);
        int next_k = 0;
        const auto fill = [&](slice& to) {
            if (next_column0 >= last) return;
            block::template copy_lines<tile_rows>(c, to.a, a.units + (next_k / depth * a.rows + row0) * depth, true);
            copy_columns(c, to.b, b.units + (next_k / depth * b.rows + next_column0) * depth);
            next_k += depth;
            if (next_k == pitch) next_k = 0, next_column0 += tile_columns;
        };
        block::start(c, s, fill);
        unsigned slot = 0;
        for (index_t column0 = first; column0 < last; column0 += tile_columns) {
            static_assert(threads == tile_columns);
            c.write(s.factor[column0 / tile_columns % 2][c.thread()], b.factor[column0 + c.thread()]);
            begin(column0);
            block::clear(c, x);
            for (int k = 0; k < pitch; k += depth) block::template step<false>(c, s, slot++, x, k == 0, fill);
            if constexpr (C::warpgroups) c.template multiply_wait<0>(x);
            end(column0, x);
        }
    }

    static constexpr bool has_factors = true;
    SELFSAME_DEVICE static float row_factor(const operand& a, index_t i) { return a.factor[i]; }
    /// Of a thread's columns from number n.
    template <block_context C, int N>
    SELFSAME_DEVICE static void column_factors(C& c, const shared& s, index_t column0, int n, float (&to)[N]) {
        c.keep_order();
        const float* const from = &s.factor[column0 / tile_columns % 2][held<C>::column(c.thread(), n)];
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < N; k += 4) {
            const auto four = c.read(*reinterpret_cast<const quad<float>*>(from + k));
            SELFSAME_UNROLL_ALL
            for (int r = 0; r < 4; ++r) to[k + r] = four.v[r];
        }
    }

    /// Weights of row i of the tile and a thread's columns from number n as the second product wants them: with the
    /// columns' factors. `to` is where the tile begins in the slab.
    template <block_context C, int N>
    SELFSAME_DEVICE static void store(C& c, const shared& s, const float (&w)[N], index_t column0, int i, int n, U* to,
                                      const operand& slab) {
        static_assert(N == layout::piece && held<C>::run == N);
        const int at = held<C>::column(c.thread(), n);
        float factor[N];
        column_factors(c, s, column0, n, factor);
        neighbours<word, 4> words;
        SELFSAME_UNROLL_ALL
        for (int r = 0; r < 4; ++r) {
            words.v[r] = c.template pack<U>(factor[2 * r] * w[2 * r], factor[2 * r + 1] * w[2 * r + 1]);
        }
        U* const there = to + (at / depth * slab.rows + i) * depth + layout::in_line(i, at % depth);
        write_together(reinterpret_cast<neighbours<word, 4>*>(there), words);
    }

  private:
    /// Columns change places within 32: the one that `held::column` says belongs to a thread's n-th value is where the
    /// hardware takes it from.
    template <block_context C>
    SELFSAME_DEVICE static void copy_columns(C& c, U* to, const U* from) {
        constexpr int pieces = depth / layout::piece, together = threads / pieces;
        static_assert(together == 32);
        const int j = c.thread() / pieces, piece = c.thread() % pieces;
        const int place = j % 8 / 2 * 8 + j / 8 * 2 + j % 2;
        U* const there = to + place * depth + (piece ^ j % 8 ^ place % 8) * layout::piece;
        SELFSAME_UNROLL_ALL
        for (int n = 0; n < tile_columns; n += together) {
            c.copy_async(there + n * depth, from + (n + j) * depth + piece * layout::piece, true);
        }
    }
};

/// w b, the sum over the rows of b.
template <class U, int Columns>
struct mma_sums : mma_block<U, Columns> {
    using block = mma_block<U, Columns>;
    using typename block::operand, typename block::slice;
    using shared = typename block::slices;
    using block::depth, block::tile_rows;

    template <class C>
    struct held : block::template held<C> {
        using base = typename block::template held<C>;
        static constexpr int run = 2;
        static constexpr int column(int thread, int n) {
            return base::first_column(thread) + n / 2 * 8 + fragment::c_column(thread % warp_size, n);
        }
    };

    /// x = rows of w from row0 times columns of b from column0, over w's columns and b's rows from `first` to `end`;
    /// w's first column belongs to the row `offset` of b.
    template <block_context C, int M, int N>
    SELFSAME_DEVICE static void sum(C& c, shared& s, const operand& w, index_t row0, const operand& b, index_t offset,
                                    index_t column0, index_t first, index_t end, float (&x)[M][N]) {
        index_t next = first;
        const auto fill = [&](slice& to) {
            if (next >= end) return;
            block::template copy_lines<tile_rows>(c, to.a, w.units + (next / depth * w.rows + row0) * depth, true);
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < Columns; n += depth) {
                const bool there = column0 + n < b.pitch;
                block::template copy_lines<depth>(
                    c, to.b + n * depth,
                    b.units + (there ? ((column0 + n) / depth * b.rows + offset + next) * depth : 0), there);
            }
            next += depth;
        };
        block::start(c, s, fill);
        block::clear(c, x);
        unsigned slot = 0;
        for (index_t j = first; j < end; j += depth) block::template step<true>(c, s, slot++, x, j == first, fill);
        if constexpr (C::warpgroups) c.template multiply_wait<0>(x);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
