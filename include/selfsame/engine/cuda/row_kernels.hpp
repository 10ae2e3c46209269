#pragma once

#include <limits>

#include "selfsame/core/math.hpp"
#include "selfsame/engine/cuda/packed_rows.hpp"

/// \file
/// Kernels over the rows of embeddings, a warp a row, and over values, a thread each.

namespace selfsame::inline SELFSAME_ISA::device {

/// A matrix as the caller gave it.
template <class E>
struct strided_rows {
    E* data = nullptr;
    index_t count = 0, width = 0, row_step = 0, step = 0;

    constexpr E& at(index_t i, index_t k) const { return data[i * row_step + k * step]; }
    /// Without the first i.
    constexpr strided_rows from(index_t i) const { return {data + i * row_step, count - i, width, row_step, step}; }
};
template <class Tensor>
auto rows_of(const Tensor& x) {
    return strided_rows<typename Tensor::element_type>{x.data_handle(), x.extent(0), x.extent(1), x.stride(0),
                                                       x.stride(1)};
}

/// A vector as the caller gave it.
template <class E>
struct strided_values {
    E* data = nullptr;
    index_t step = 0;

    constexpr E& operator[](index_t i) const { return data[i * step]; }
};
template <class Tensor>
auto values_of(const Tensor& x) {
    return strided_values<typename Tensor::element_type>{x.data_handle(), x.stride(0)};
}

/// What is known of samples: a value, or a tensor of one or of one a sample.
struct upstream_value {
    double value;
    constexpr double operator()(index_t) const { return value; }
};
template <class E>
struct upstream_values {
    strided_values<const E> values;
    bool each;
    constexpr double operator()(index_t i) const { return element_cast<double>(values[each ? i : 0]); }
};

/// A kernel of a warp for each row.
struct warp_each {
    static constexpr int threads = 128;
    using shared = no_shared;
    static constexpr index_t blocks(index_t rows) { return blocks_for(rows, threads / warp_size); }

    template <block_context C>
    SELFSAME_DEVICE static index_t item(const C& c) {
        return c.block() * (threads / warp_size) + c.warp();
    }
};

/// A kernel of a thread for each value.
struct thread_each {
    static constexpr int threads = 128;
    using shared = no_shared;
    static constexpr index_t blocks(index_t values) { return blocks_for(values, threads); }

    template <block_context C>
    SELFSAME_DEVICE static index_t item(const C& c) {
        return c.block() * threads + c.thread();
    }
};

/// Rows transformed as the similarity wants: in the type of the computation, as units (see `packed_rows`), or both;
/// zero from the width to the pitch. Row i becomes row first + i; those from there to `end` that are not given are
/// zero.
template <class T, class U, class E, class Similarity>
struct pack_rows : warp_each {
    static constexpr const char* name = "pack_rows";
    strided_rows<E> from;
    index_t first, end, pitch, rows;
    T* values;        // null: not wanted
    U* units;         // null: not wanted
    T* factor;        // of units
    T* inverse_norm;  // where the similarity normalizes

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c), at = first + i;
        if (at >= end) return;
        if (i >= from.count) {
            if (c.lane() == 0) factor[at] = T(0);
            for (index_t k = c.lane(); k < pitch; k += warp_size) units[place(at, k)] = U();
            return;
        }
        T scale = T(1);
        if constexpr (Similarity::normalizes) {
            const double length = norm(c, i);
            scale = T(1 / (math::max)(Similarity::epsilon, length));
            if (c.lane() == 0) inverse_norm[at] = scale;
        }
        if (values != nullptr) {
            for (index_t k = c.lane(); k < pitch; k += warp_size) {
                values[at * pitch + k] = k < from.width ? scale * value(i, k) : T(0);
            }
        }
        if (units != nullptr) {
            const T unit = power_of_two(scale);
            if (c.lane() == 0) factor[at] = scale / unit;
            for (index_t k = c.lane(); k < pitch; k += warp_size) {
                units[place(at, k)] = element_cast<U>(k < from.width ? unit * value(i, k) : T(0));
            }
        }
    }

  private:
    constexpr index_t place(index_t i, index_t k) const { return unit_layout<U>::offset(i, k, pitch, rows); }
    SELFSAME_DEVICE T value(index_t i, index_t k) const { return element_cast<T>(from.at(i, k)); }

    // The largest that is not above x, and no subnormal one.
    SELFSAME_DEVICE static T power_of_two(T x) {
        const auto exponent = __builtin_bit_cast(std::uint32_t, static_cast<float>(x)) & 0x7f800000u;
        return T(__builtin_bit_cast(float, exponent > 0x00800000u ? exponent : 0x00800000u));
    }

    // In double: squares of large float values must not overflow, nor those of small ones vanish.
    template <block_context C>
    SELFSAME_DEVICE double norm(C& c, index_t i) const {
        const double squares = sum_of_squares(c, i, 1);
        if (sizeof(T) == 4 || !(squares > (std::numeric_limits<double>::max)())) return math::sqrt(squares);
        double largest = 0;
        for (index_t k = c.lane(); k < from.width; k += warp_size) {
            largest = (math::max)(largest, math::abs(double(value(i, k))));
        }
        for (int mask = 1; mask < warp_size; mask *= 2) largest = (math::max)(largest, c.shuffle_xor(largest, mask));
        return largest * math::sqrt(sum_of_squares(c, i, largest));
    }
    template <block_context C>
    SELFSAME_DEVICE double sum_of_squares(C& c, index_t i, double unit) const {
        double sum = 0;
        for (index_t k = c.lane(); k < from.width; k += warp_size) {
            const double v = double(value(i, k)) / unit;
            sum += v * v;
        }
        return warp_sum(c, sum);
    }
};

/// Rows scaled to length 1, in place; rows of zeros stay.
template <class E>
struct normalize_each : warp_each {
    static constexpr const char* name = "normalize_each";
    strided_rows<E> rows;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i >= rows.count) return;
        double squares = 0;
        for (index_t k = c.lane(); k < rows.width; k += warp_size) {
            const double v = element_cast<double>(rows.at(i, k));
            squares += v * v;
        }
        squares = warp_sum(c, squares);
        const double scale = squares > 0 ? 1 / math::sqrt(squares) : 1;
        for (index_t k = c.lane(); k < rows.width; k += warp_size) {
            rows.at(i, k) = element_cast<E>(element_cast<double>(rows.at(i, k)) * scale);
        }
    }
};

/// result_i = f(a_i . b_i).
template <class T, class U, class F>
struct paired_products : warp_each {
    static constexpr const char* name = "paired_products";
    row_values<T, U> a, b;
    index_t count;
    F f;
    T* result;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i >= count) return;
        T sum = T(0);
        for (index_t k = c.lane(); k < a.pitch; k += warp_size) sum = math::fma(a.at(i, k), b.at(i, k), sum);
        sum = warp_sum(c, sum);
        if (c.lane() == 0) result[i] = f(sum);
    }
};

/// result = finish(sum of term(i) for i < count), in double and one order; a single block.
template <class F, class E>
struct total : thread_each {
    static constexpr const char* name = "total";
    struct shared {
        double sums[threads / warp_size];
    };
    F f;
    index_t count;
    strided_values<E> result;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        auto& s = c.template shared<shared>();
        double sum = 0;
        for (index_t i = c.thread(); i < count; i += threads) sum += f.term(i);
        sum = warp_sum(c, sum);
        if (c.lane() == 0) c.write(s.sums[c.warp()], sum);
        c.sync();
        if (c.thread() != 0) return;
        for (int w = 1; w < threads / warp_size; ++w) sum += c.read(s.sums[w]);
        result[0] = element_cast<E>(f.finish(sum, result[0]));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
