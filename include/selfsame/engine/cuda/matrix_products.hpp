#pragma once

#include "selfsame/engine/cuda/fma_products.hpp"
#include "selfsame/engine/cuda/pairwise_tiles.hpp"

/// \file
/// Products of matrices that are in memory as a whole.

namespace selfsame::inline SELFSAME_ISA::device {

/// How a matrix is read: a row of the product's own, along the sum, or a row for each term of the sum.
enum class lies { along, across };

/// to = left right, the sum over `depth` terms in parts: `to` holds rows x pitch values of each. Operands are zero
/// beyond what counts of their rows, and so are the product's columns beyond the right operand.
template <class Block, lies Left, lies Right>
struct multiply_tiles : Block {
    using T = typename Block::value;
    using operand = typename Block::operand;
    using shared = typename Block::shared;
    static constexpr const char* name = "multiply_tiles";

    operand left, right;
    index_t depth_in_all, row_blocks, column_blocks;
    tile_split split;  // of the depth
    T* to;
    index_t count, pitch;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        using part = typename Block::template held<C>;
        const index_t row0 = c.block() % row_blocks * Block::tile_rows;
        const index_t column0 = c.block() / row_blocks % column_blocks * Block::tile_columns;
        const index_t which = c.block() / row_blocks / column_blocks;
        const index_t end = split.first(which + 1) < depth_in_all ? split.first(which + 1) : depth_in_all;
        auto& s = c.template shared<shared>();
        T x[Block::rows][Block::columns];
        Block::clear(x);
        for (index_t k = split.first(which); k < end; k += Block::depth) {
            c.sync();  // what was staged before has been read
            stage<Left, Block::tile_rows>(c, s.a, left, row0, k);
            stage<Right, Block::tile_columns>(c, s.b, right, column0, k);
            c.sync();
            Block::multiply_slice(c, s, x);
        }
        T* const from_here = to + which * count * pitch;
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < Block::rows; ++m) {
            const index_t i = row0 + part::row(c.thread(), m);
            if (i >= count) continue;
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < Block::columns; n += part::run) {
                static_assert(part::run == 4);
                const index_t j = column0 + part::column(c.thread(), n);
                if (j >= pitch) continue;
                write_together(reinterpret_cast<quad<T>*>(from_here + i * pitch + j),
                               {{x[m][n], x[m][n + 1], x[m][n + 2], x[m][n + 3]}});
            }
        }
    }

  private:
    template <lies Lies, int Count, int Pitch, block_context C>
    SELFSAME_DEVICE static void stage(C& c, T (&to)[Block::depth][Pitch], const operand& x, index_t first, index_t k) {
        if constexpr (Lies == lies::along) {
            Block::template stage_by_depth<Count>(c, to, x, first, k);
        } else {
            for (int e = c.thread(); e < Block::depth * Count / 4; e += Block::threads) {
                const int d = e / (Count / 4), i = e % (Count / 4) * 4;
                c.write(*reinterpret_cast<quad<T>*>(&to[d][i]), Block::four(x, k + d, first + i));
            }
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
