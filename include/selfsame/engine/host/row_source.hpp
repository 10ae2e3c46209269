#pragma once

#include <type_traits>

#include "selfsame/core/simd.hpp"
#include "selfsame/core/tensor.hpp"

/// \file
/// Rows of a matrix of any element type and strides, read and written as stretches of contiguous values of the type of
/// the computation: in place where they are that already, by way of a buffer elsewhere.

namespace selfsame::inline SELFSAME_ISA::host {

/// The bits of as many 16-bit elements as there are lanes of float.
typedef std::uint16_t packed_bits __attribute__((vector_size(lanes<float> * 2)));
#if defined(SELFSAME_AVX512)
typedef short packed_shorts __attribute__((vector_size(32)));
// Compilers differ in their builtins' types.
#if defined(__clang__)
using lane_mask = unsigned short;
using masked_source = packed_shorts;
#else
using lane_mask = short;
using masked_source = short;
#endif
SELFSAME_INLINE constexpr lane_mask first_lanes(index_t n) {
    return static_cast<lane_mask>(static_cast<unsigned short>((1u << n) - 1));
}
#endif

template <class E>
SELFSAME_INLINE batch<float> widen(packed_bits x) {
    using V = batch<float>;
    using native = typename V::native;
    using wide = typename batch<std::int32_t>::native;
    if constexpr (std::is_same_v<E, bfloat16>) {
#if defined(SELFSAME_AVX512) && !defined(__clang__)
        // g++ would convert by halves.
        const wide bits = __builtin_ia32_pmovzxwd512_mask(reinterpret_cast<packed_shorts>(x), wide{}, first_lanes(16));
#else
        const wide bits = __builtin_convertvector(x, wide);
#endif
        return V(reinterpret_cast<native>(bits << 16));
    } else {
#if defined(SELFSAME_AVX512)
        constexpr int current_rounding = 4;
        return V(__builtin_ia32_vcvtph2ps512_mask(reinterpret_cast<packed_shorts>(x), V(0.0f).v, first_lanes(16),
                                                  current_rounding));
#elif defined(__AVX2__) && defined(__F16C__)
        typedef short packed __attribute__((vector_size(16)));
        return V(__builtin_ia32_vcvtph2ps256(reinterpret_cast<packed>(x)));
#else
        const auto u = __builtin_convertvector(x, wide);
        // As half does it: 2^112 moves the exponent and normalizes subnormals. What then is 2^16 or more was not
        // finite.
        const V magnitude(reinterpret_cast<native>((u & 0x7fff) << 13));
        const V scaled = magnitude * V(0x1p112f);
        auto not_finite = (scaled.v >= V(0x1p16f).v) & 0x7f800000;
        return V(reinterpret_cast<native>(reinterpret_cast<decltype(not_finite)>(scaled.v) | not_finite |
                                          ((u & 0x8000) << 16)));
#endif
    }
}

using selfsame::load;
/// Of 16-bit elements.
template <class V, class E>
    requires(sizeof(E) == 2)
SELFSAME_INLINE V load(const E* p) {
    packed_bits x;
    std::memcpy(&x, p, sizeof(x));
    return widen<E>(x);
}

/// T: the type of the computation; E: the elements, const for a source.
template <class T, class E>
class row_source {
    using element = std::remove_const_t<E>;

  public:
    static constexpr bool same_type = std::is_same_v<element, T>;
    static constexpr bool widens = std::is_same_v<T, float> && sizeof(E) == 2;

    /// For a walk from a row to the one that lies `step` rows on.
    template <class Tensor>
    explicit row_source(const Tensor& x, index_t step = 1)
        : data_(x.data_handle()), rows_(x.extent(0)), columns_(x.extent(1)), row_step_(x.stride(0)),
          column_step_(x.stride(1)), ahead_(column_step_ == 1 ? elements_ahead(step) : 0) {}

    index_t rows() const { return rows_; }
    index_t columns() const { return columns_; }
    /// Elements from a row to the next.
    index_t row_step() const { return row_step_; }
    /// Whether `read` and `write` give the memory of the matrix itself.
    bool in_place() const { return same_type && column_step_ == 1; }

    /// Whether the elements of a row lie side by side.
    bool contiguous() const { return column_step_ == 1; }
    /// What `load` and `load_some` take, if they do.
    const E* elements(index_t row, index_t first) const
        requires(same_type || widens)
    {
        return at(row, first);
    }

    /// Columns [first, first + n) of a row.
    const T* read(index_t row, index_t first, index_t n, T* buffer) const {
        const E* from = at(row, first);
        if constexpr (same_type) {
            if (column_step_ == 1) return from;
        }
        if (column_step_ == 1) {
            index_t whole = 0;
            if constexpr (widens) {
                constexpr index_t L = lanes<float>;
                whole = n / L * L;
                for (index_t k = 0; k < whole; k += L) {
                    fetch_ahead(from + k);
                    store(buffer + k, load<batch<T>>(from + k));
                }
            }
            for (index_t k = whole; k < n; ++k) buffer[k] = element_cast<T>(from[k]);
        } else {
            for (index_t k = 0; k < n; ++k) buffer[k] = element_cast<T>(from[k * column_step_]);
        }
        return buffer;
    }

    /// For an element that is read now: begins to fetch what the walk will want when memory has had the time to bring
    /// it. Left to themselves, processors keep too few lines on their way where each has some twenty instructions.
    SELFSAME_INLINE void fetch_ahead(const E* p) const { __builtin_prefetch(p + ahead_, 0, 3); }

    /// Begins to fetch the lines in which a row begins and ends, to be written.
    SELFSAME_INLINE void fetch_edges(index_t row) const {
        __builtin_prefetch(at(row, 0), 1, 3);
        __builtin_prefetch(at(row, columns_ - 1), 1, 3);
    }

    /// Where columns [first, ...) of a row are to be written; `written` then puts them in place.
    T* write(index_t row, index_t first, T* buffer) const
        requires(!std::is_const_v<E>)
    {
        if constexpr (same_type) {
            if (column_step_ == 1) return at(row, first);
        }
        return buffer;
    }
    void written(index_t row, index_t first, index_t n, const T* buffer) const
        requires(!std::is_const_v<E>)
    {
        if (in_place()) return;
        E* to = at(row, first);
        for (index_t k = 0; k < n; ++k) to[k * column_step_] = element_cast<element>(buffer[k]);
    }

  private:
    // In a long row itself; else in a row to come, wherever that lies.
    index_t elements_ahead(index_t step) const {
        constexpr index_t bytes = 12 * 1024, several = 2;
        const index_t row = (std::max)(index_t(1), columns_) * static_cast<index_t>(sizeof(E));
        if (row >= several * bytes) return bytes / static_cast<index_t>(sizeof(E));
        return (std::max)(index_t(1), (bytes + row / 2) / row) * step * row_step_;
    }

    E* at(index_t row, index_t column) const { return data_ + row * row_step_ + column * column_step_; }

    E* data_;
    index_t rows_, columns_, row_step_, column_step_, ahead_;
};
template <class T, class Tensor>
using row_source_of = row_source<T, typename Tensor::element_type>;

/// The first n lanes from p; the others are 0.
template <class V>
SELFSAME_INLINE V load_some(const math::scalar_t<V>* p, index_t n) {
#if defined(SELFSAME_AVX512)
    if constexpr (lanes<math::scalar_t<V>> == 16) {
        const V zero(0.0f);
        return V(__builtin_ia32_loadups512_mask(p, zero.v, first_lanes(n)));
    }
#endif
    V x(math::scalar_t<V>(0));
    std::memcpy(&x, p, static_cast<std::size_t>(n) * sizeof(math::scalar_t<V>));
    return x;
}
template <class V, class E>
    requires(sizeof(E) == 2)
SELFSAME_INLINE V load_some(const E* p, index_t n) {
#if defined(SELFSAME_AVX512)
    return widen<E>(reinterpret_cast<packed_bits>(
        __builtin_ia32_loaddquhi256_mask(reinterpret_cast<const masked_source*>(p), packed_shorts{}, first_lanes(n))));
#else
    packed_bits x = {};
    std::memcpy(&x, p, static_cast<std::size_t>(n) * sizeof(E));
    return widen<E>(x);
#endif
}
template <class T, int N>
SELFSAME_INLINE void store_some(T* p, batch<T, N> x, index_t n) {
#if defined(SELFSAME_AVX512)
    if constexpr (N == 16 && sizeof(T) == 4) {
        return __builtin_ia32_storeups512_mask(p, x.v, first_lanes(n));
    }
#endif
    std::memcpy(p, &x, static_cast<std::size_t>(n) * sizeof(T));
}

}  // namespace selfsame::inline SELFSAME_ISA::host
