#pragma once

#include <cmath>
#include <limits>

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/matrix_unit.hpp"
#include "selfsame/engine/host/micro_kernel.hpp"

/// \file
/// Embeddings in the layouts that products read, and their gradients on the way back.

namespace selfsame::inline SELFSAME_ISA::host {

inline constexpr index_t tile_size = 192;  // a multiple of the strip's rows and columns; three tiles fit in L2

constexpr index_t round_up(index_t n, index_t step) { return (n + step - 1) / step * step; }

/// Which layouts a set is needed in.
struct set_use {
    bool columns = false;   ///< as the columns of a similarity tile
    bool products = false;  ///< in gradients of the other side
    bool gradient = false;  ///< has a gradient of its own from tiles
};

/// As the micro-kernel reads them.
template <class Precision, class T>
struct register_layout {
    using value = T;
    using product = host::product<Precision, T>;
    using unit = typename product::unit;
    static constexpr bool reads_rows = product::depth == 1;  // as they are
    static constexpr index_t width_step = lanes<T>;
    static constexpr index_t units_in(index_t width) { return (width + product::depth - 1) / product::depth; }
    /// Panels of rows, each of `units`, `step` apart.
    static void pack_panels(const unit* rows, index_t step, index_t units, unit* panels) {
        constexpr index_t strip = strip_columns<T>;
        for (index_t j = 0; j < tile_size; j += strip) {
            for (index_t u = 0; u < units; ++u) {
                for (index_t c = 0; c < strip; ++c) *panels++ = rows[(j + c) * step + u];
            }
        }
    }
};

#if defined(SELFSAME_AMX)
/// As the matrix unit reads them: the columns of tiles alone, rows are split on the way.
template <int Parts>
struct split_layout {
    using value = float;
    using unit = std::int32_t;
    static constexpr bool reads_rows = true;
    static constexpr index_t width_step = tiled_depth;
    static constexpr index_t units_in(index_t width) { return round_up(width, width_step) / 2 * Parts; }
    static void pack_panels(const float* rows, index_t step, index_t, unit* panels) {
        pack_tiles<Parts, along::depth_in_rows, false>(rows, step, tile_size, step, panels);
    }
};

template <class Precision, class T>
struct choose_layout {
    using type = register_layout<Precision, T>;
};
template <>
struct choose_layout<full_precision, float> {
    using type = split_layout<3>;
};
template <>
struct choose_layout<bfloat16_products, float> {
    using type = split_layout<1>;
};
template <class Precision, class T>
using layout_of = typename choose_layout<Precision, T>::type;
#else
template <class Precision, class T>
using layout_of = register_layout<Precision, T>;
#endif

/// `count` rows of `width` values, transformed as the similarity wants, padded with zeros to whole tiles.
template <class Similarity, class Layout>
class embedding_set {
    using T = typename Layout::value;
    using unit = typename Layout::unit;
    static constexpr bool reads_rows = Layout::reads_rows;
    static constexpr int depth = reads_rows ? 1 : 2;

  public:
    embedding_set(index_t count, index_t width, set_use use)
        : count_(count), width_(width), padded_width_(round_up(width, Layout::width_step)),
          padded_count_(round_up(count, tile_size)), use_(use) {}

    std::size_t bytes() const {
        const index_t all = padded_count_ * padded_width_, units = padded_count_ * units_deep();
        std::size_t total = scratch_bytes<T>(all) + scratch_bytes<T>(padded_count_);
        if (use_.columns) total += scratch_bytes<unit>(units);
        if (use_.gradient) total += scratch_bytes<T>(all);
        if (!reads_rows) total += scratch_bytes<unit>(units);
        if (!reads_rows && use_.products) total += scratch_bytes<unit>(all / depth);
        return total;
    }

    template <class Scratch>
    void allocate(Scratch& memory) {
        const index_t all = padded_count_ * padded_width_;
        rows_ = memory.template take<T>(all);
        inverse_norm_ = memory.template take<T>(padded_count_);
        if (use_.columns) panels_ = memory.template take<unit>(padded_count_ * units_deep());
        if (use_.gradient) gradient_ = memory.template take<T>(all);
        if constexpr (!reads_rows) {
            row_units_ = memory.template take<unit>(padded_count_ * units_deep());
            if (use_.products) pair_units_ = memory.template take<unit>(all / depth);
        }
    }

    /// Takes rows [first, first + x.extent(0)) from a tensor.
    template <class Context, class Tensor>
    void fill(const Context& ctx, const Tensor& x, index_t first) {
        constexpr index_t chunk = 64;
        const index_t n = x.extent(0);
        parallel_for(ctx, (n + chunk - 1) / chunk, [&](index_t k, int) {
            const index_t end = (std::min)(n, (k + 1) * chunk);
            for (index_t i = k * chunk; i < end; ++i) fill_row(x, i, first + i);
        });
    }

    /// After all rows are filled: zeroes the padding and the gradient, and lays out panels.
    template <class Context>
    void finish_filling(const Context& ctx) {
        parallel_for(ctx, padded_count_ / tile_size, [&](index_t block, int) {
            const index_t begin = block * tile_size;
            for (index_t i = (std::max)(begin, count_); i < begin + tile_size; ++i) {
                for (index_t k = 0; k < padded_width_; ++k) rows_[i * padded_width_ + k] = T(0);
            }
            if constexpr (!reads_rows) fill_units(begin);
            if (use_.columns) {
                Layout::pack_panels(row_units(begin), row_step(), units_deep(), panels_ + begin * units_deep());
            }
            if (use_.gradient) {
                for (index_t e = begin * padded_width_; e < (begin + tile_size) * padded_width_; ++e)
                    gradient_[e] = T(0);
            }
        });
    }

    index_t count() const { return count_; }
    index_t width() const { return width_; }
    index_t padded_count() const { return padded_count_; }
    index_t padded_width() const { return padded_width_; }
    index_t blocks() const { return padded_count_ / tile_size; }
    /// Units along a row.
    index_t units_deep() const { return Layout::units_in(width_); }

    const T* row(index_t i) const { return rows_ + i * padded_width_; }
    /// Row-major, as the left operand; see row_step.
    auto row_units(index_t i) const {
        if constexpr (reads_rows) {
            return row(i);
        } else {
            return static_cast<const unit*>(row_units_ + i * units_deep());
        }
    }
    index_t row_step() const { return reads_rows ? padded_width_ : units_deep(); }
    /// Columns from j on as the right operand; j a multiple of a strip's columns.
    const unit* panel(index_t j) const { return panels_ + j * units_deep(); }
    /// Rows [i, ...) as the right operand of a product over rows; i a multiple of the depth.
    auto product_rows(index_t i) const {
        if constexpr (reads_rows) {
            return row(i);
        } else {
            return static_cast<const unit*>(pair_units_ + i / depth * padded_width_);
        }
    }
    /// What products with `n` rows from i on read.
    struct read_range {
        const void* begin;
        std::size_t bytes;
    };
    read_range left_memory(index_t i, index_t n) const { return span(row_units(i), n * row_step()); }
    read_range panel_memory(index_t j, index_t n) const { return span(panel(j), n * units_deep()); }
    read_range product_memory(index_t i, index_t n) const { return span(product_rows(i), n * padded_width_ / depth); }
    T* gradient(index_t i) const { return gradient_ + i * padded_width_; }
    bool has_gradient() const { return use_.gradient; }

    /// Sum over the row of its gradient times its value, before the normalization is differentiated.
    T slope(index_t i, const T* g) const { return inner(g, row(i)); }

    /// From the gradient of the transformed row to that of the row as given, in place.
    void differentiate(index_t i, T* g) const {
        if constexpr (Similarity::normalizes) {
            using V = batch<T>;
            const T scale = inverse_norm_[i];
            const bool clamped = scale >= T(1 / Similarity::epsilon);
            const V along(clamped ? T(0) : inner(g, row(i))), factor(scale);
            for (index_t k = 0; k < padded_width_; k += lanes<T>) {
                store(g + k, factor * (load<V>(g + k) - along * load<V>(row(i) + k)));
            }
        }
    }

    T inner(const T* a, const T* b) const {
        using V = batch<T>;
        V s(T(0));
        for (index_t k = 0; k < padded_width_; k += lanes<T>) s = math::fma(load<V>(a + k), load<V>(b + k), s);
        return sum(s);
    }

  private:
    template <class E>
    static read_range span(const E* begin, index_t count) {
        return {begin, sizeof(E) * static_cast<std::size_t>(count)};
    }

    template <class Tensor>
    void fill_row(const Tensor& x, index_t from, index_t to) {
        using E = typename Tensor::value_type;
        T* row = rows_ + to * padded_width_;
        const E* source = x.data_handle() + from * x.stride(0);
        const index_t step = x.stride(1);
        if (step == 1) {
            for (index_t k = 0; k < width_; ++k) row[k] = element_cast<T>(source[k]);
        } else {
            for (index_t k = 0; k < width_; ++k) row[k] = element_cast<T>(source[k * step]);
        }
        for (index_t k = width_; k < padded_width_; ++k) row[k] = T(0);
        if constexpr (Similarity::normalizes) {
            const T scale = T(1 / (std::max)(norm(row), Similarity::epsilon));
            inverse_norm_[to] = scale;
            for (index_t k = 0; k < width_; ++k) row[k] *= scale;
        }
    }

    // In double: squares of large float values must not overflow, nor those of small ones vanish.
    double norm(const T* row) const {
        double part[lanes<T>] = {};
        for (index_t k = 0; k < padded_width_; k += lanes<T>) {
            for (int l = 0; l < lanes<T>; ++l) part[l] += double(row[k + l]) * double(row[k + l]);
        }
        double total = 0;
        for (const double p : part) total += p;
        if (sizeof(T) == 8 && total > (std::numeric_limits<double>::max)()) return long_norm(row);
        return std::sqrt(total);
    }

    // Squares of doubles overflow from 1e154 on.
    [[gnu::noinline]] double long_norm(const T* row) const {
        double largest = 0, total = 0;
        for (index_t k = 0; k < width_; ++k) largest = (std::max)(largest, std::fabs(double(row[k])));
        for (index_t k = 0; k < width_; ++k) total += double(row[k]) / largest * (double(row[k]) / largest);
        return largest * std::sqrt(total);
    }

    void fill_units(index_t begin) {
        using product = typename Layout::product;
        const auto value = [&](index_t i, index_t k) { return k < width_ ? rows_[i * padded_width_ + k] : T(0); };
        for (index_t i = begin; i < begin + tile_size; ++i) {
            for (index_t u = 0; u < units_deep(); ++u) {
                row_units_[i * units_deep() + u] = product::pack(value(i, depth * u), value(i, depth * u + depth - 1));
            }
        }
        if (!use_.products) return;
        for (index_t i = begin; i < begin + tile_size; i += depth) {
            for (index_t k = 0; k < padded_width_; ++k) {
                pair_units_[i / depth * padded_width_ + k] = product::pack(value(i, k), value(i + depth - 1, k));
            }
        }
    }

    index_t count_, width_, padded_width_, padded_count_;
    set_use use_;
    T* rows_ = nullptr;
    T* inverse_norm_ = nullptr;
    T* gradient_ = nullptr;
    unit* panels_ = nullptr;
    unit* row_units_ = nullptr;
    unit* pair_units_ = nullptr;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
