#pragma once

#include "selfsame/engine/host/embedding_set.hpp"
#include "selfsame/engine/host/matrix_unit.hpp"
#include "selfsame/engine/host/products.hpp"

/// \file
/// The three products of a tile of the pairwise engine: rows with columns, and the weights of the tile with either.

namespace selfsame::inline SELFSAME_ISA::host {

// Pitch of the tile of weights: off a power of two, so that a column of it does not map to one cache set.
inline constexpr index_t weights_pitch = tile_size + 16;

template <class Layout>
class block_products;

/// By the micro-kernel, in vector registers.
template <class Precision, class T>
class block_products<register_layout<Precision, T>> {
    using product = host::product<Precision, T>;
    using unit = typename product::unit;
    static constexpr index_t pitch = weights_pitch;

  public:
    static constexpr int height = strip_rows, width = strip_columns<T>;  // of a strip
    static constexpr bool runs_beside = false;  // what a strip is used for, beside the products of the next one
    static constexpr int calls_beside(index_t) { return 1; }
    /// What a thread holds while it multiplies.
    struct open {};

    static std::size_t bytes(index_t) { return product::depth == 1 ? 0 : scratch_bytes<unit>(tile_size * pitch); }
    template <class Scratch>
    void allocate(Scratch& m, index_t) {
        if constexpr (product::depth == 2) units_ = m.template take<unit>(tile_size * pitch);
    }

    template <class Set>
    void begin_rows(const Set&, index_t, index_t) const {}

    /// x = scale a.b + bias for the rows from i on and the columns from j on.
    template <class Set>
    SELFSAME_INLINE void strip(const Set& a, index_t i, const Set& b, index_t j, T scale, T bias, T* x,
                               index_t step) const {
        product_strip<product, T>(a.row_units(i), a.row_step(), b.panel(j), b.units_deep(), scale, bias, x, step);
    }

    /// Gradients of `rows` rows from i on += weights . the embeddings from j on.
    template <class Set>
    void add_to_rows(const T* weights, const Set& to, index_t i, index_t rows, const Set& from, index_t j,
                     index_t columns) const {
        const unit* left = nullptr;
        if constexpr (product::depth == 1) {
            left = weights;
        } else {
            for (index_t m = 0; m < rows; ++m) {
                const T* x = weights + m * pitch;
                for (index_t c = 0; c < columns; c += 2) units_[(m * pitch + c) / 2] = product::pack(x[c], x[c + 1]);
            }
            left = units_;
        }
        add_products<product, T>(left, pitch / product::depth, 1, from.product_rows(j), columns, to.gradient(i), rows,
                                 to.padded_width());
    }

    /// Gradients of `columns` rows from j on += transposed weights . the embeddings from i on.
    template <class Set>
    void add_to_columns(const T* weights, const Set& to, index_t j, index_t columns, const Set& from, index_t i,
                        index_t rows) const {
        const unit* left = nullptr;
        if constexpr (product::depth == 1) {
            left = weights;
        } else {
            for (index_t m = 0; m < rows; m += 2) {
                const T* x = weights + m * pitch;
                for (index_t c = 0; c < columns; ++c) units_[m / 2 * pitch + c] = product::pack(x[c], x[c + pitch]);
            }
            left = units_;
        }
        add_products<product, T>(left, 1, pitch, from.product_rows(i), rows, to.gradient(j), columns,
                                 to.padded_width());
    }

  private:
    unit* units_ = nullptr;
};

#if defined(SELFSAME_AMX)
/// In the matrix unit. Rows and weights are split where they are used, columns once a call.
template <int parts>
class block_products<split_layout<parts>> {
    static constexpr index_t pitch = weights_pitch, unit_values = 2;
    using unit = std::int32_t;

  public:
    static constexpr int height = tiled_side, width = tiled_side;
    static constexpr bool runs_beside = true;
    static constexpr int products_of_strip(index_t depth) {
        return static_cast<int>(depth / tiled_depth) * products_in<parts>;
    }
    static constexpr int calls_beside(index_t depth) { return (std::min)(height / 2, products_of_strip(depth)); }
    using open = tiles_open;

    static std::size_t bytes(index_t padded_width) {
        return scratch_bytes<unit>(units(padded_width)) + scratch_bytes<unit>(units(tile_size));
    }
    template <class Scratch>
    void allocate(Scratch& m, index_t padded_width) {
        embeddings_ = m.template take<unit>(units(padded_width));
        weights_ = m.template take<unit>(units(tile_size));
    }

    /// Makes the left operand of `count` rows from i on.
    template <class Set>
    void begin_rows(const Set& a, index_t i, index_t count) const {
        pack_tiles<parts, along::depth_in_rows, true>(a.row(i), a.padded_width(), count, a.padded_width(), embeddings_);
    }

    /// x = a.b for the rows from i of those begun with on, and the columns from j on. beside(from, to), with ranges of
    /// the rows of a strip that make it up, runs in the meantime.
    template <class Set, class Beside>
    SELFSAME_INLINE void strip(const Set& a, index_t i, const Set& b, index_t j, float* x, index_t step,
                               Beside&& beside) const {
        const index_t depth = a.padded_width();
        const int products = products_of_strip(depth);
        int done = 0, from = 0;
        const auto share = [&]() __attribute__((always_inline)) {
            const int to = height / 2 * ++done / products * 2;  // pairs of rows
            if (to > from) beside(from, to);
            from = to;
        };
        multiply_tiles<parts>(embeddings_ + i * a.units_deep(), b.panel(j), depth, false, x, step, share);
    }

    template <class Set>
    void add_to_rows(const float* weights, const Set& to, index_t i, index_t rows, const Set& from, index_t j,
                     index_t columns) const {
        pack_tiles<parts, along::depth_in_rows, true>(weights, pitch, rows, columns, weights_);
        add(to, i, rows, from, j, columns);
    }

    template <class Set>
    void add_to_columns(const float* weights, const Set& to, index_t j, index_t columns, const Set& from, index_t i,
                        index_t rows) const {
        pack_tiles<parts, along::depth_in_columns, true>(weights, pitch, columns, rows, weights_);
        add(to, j, columns, from, i, rows);
    }

  private:
    static constexpr index_t units(index_t deep) { return tile_size * deep / unit_values * parts; }

    template <class Set>
    void add(const Set& to, index_t i, index_t rows, const Set& from, index_t j, index_t depth) const {
        const index_t across = to.padded_width(), row_units = depth / unit_values * parts;
        pack_tiles<parts, along::depth_in_columns, false>(from.row(j), across, across, depth, embeddings_);
        for (index_t k = 0; k < across; k += tiled_side) {
            for (index_t m = 0; m < rows; m += tiled_side) {
                // What the next product adds to: rows too far apart for the processor to foresee.
                const bool last = m + tiled_side == rows;
                const float* next = to.gradient(last ? i : i + m + tiled_side) + (last ? k + tiled_side : k);
                for (index_t r = 0; r < tiled_side; ++r) {
                    __builtin_prefetch(next + r * across);
                    __builtin_prefetch(next + r * across + tile_side);
                }
                multiply_tiles<parts>(weights_ + m * row_units, embeddings_ + k * row_units, depth, true,
                                      to.gradient(i + m) + k, across, [] {});
            }
        }
    }

    unit* embeddings_ = nullptr;
    unit* weights_ = nullptr;
};
#endif

}  // namespace selfsame::inline SELFSAME_ISA::host
