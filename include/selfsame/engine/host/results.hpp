#pragma once

#include <algorithm>

#include "selfsame/engine/host/row_source.hpp"

/// \file
/// Where results of elements go: rows of a matrix, a vector, or sums with what a tensor holds.

namespace selfsame::inline SELFSAME_ISA::host {

/// A vector as a matrix of one row; a matrix as it is.
template <class Tensor>
auto as_rows(const Tensor& x) {
    if constexpr (Tensor::rank() == 1) {
        return selfsame::detail::strided<Tensor::accessor_type::space>(
            x.data_handle(), std::array<index_t, 2>{1, x.extent(0)}, std::array<index_t, 2>{0, x.stride(0)});
    } else {
        return x;
    }
}
template <class T, class Tensor>
auto rows_of(const Tensor& x) {
    return row_source_of<T, Tensor>(as_rows(x));
}

/// Rows to which results are added: they go by a buffer always.
template <class T, class E>
class added_rows {
  public:
    explicit added_rows(const row_source<T, E>& rows) : rows_(rows) {}

    static constexpr bool in_place() { return false; }
    static T* write(index_t, index_t, T* buffer) { return buffer; }
    void written(index_t row, index_t first, index_t n, const T* buffer) const {
        constexpr index_t some = 256;
        T before[some], sums[some];
        for (index_t done = 0; done < n; done += some) {
            const index_t m = (std::min)(some, n - done);
            const T* const old = rows_.read(row, first + done, m, before);
            T* const to = rows_.write(row, first + done, sums);
            for (index_t k = 0; k < m; ++k) to[k] = old[k] + buffer[done + k];
            rows_.written(row, first + done, m, to);
        }
    }

  private:
    row_source<T, E> rows_;
};

/// Results into `x`, none if it is.
template <class T, bool Adds, class Tensor>
auto results_of(const Tensor& x) {
    if constexpr (is_none<Tensor>) {
        return none{};
    } else if constexpr (Adds) {
        return added_rows<T, typename Tensor::element_type>(rows_of<T>(x));
    } else {
        return rows_of<T>(x);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
