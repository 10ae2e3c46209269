#pragma once

#include "selfsame/engine/cuda/row_kernels.hpp"
#include "selfsame/policy/soft_targets.hpp"

/// \file
/// Kernels of a center's update: sums of columns over chunks of rows, which are added up in order.

namespace selfsame::inline SELFSAME_ISA::device {

inline constexpr int column_threads = 128;

/// Sums of the columns of one chunk of rows, in double; a thread has a column.
template <class E>
struct sum_columns {
    static constexpr const char* name = "sum_columns";
    static constexpr int threads = column_threads;
    using shared = no_shared;

    strided_rows<const E> x;
    index_t tiles, chunk_rows;
    double* sums;  // chunks x columns

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t chunk = c.block() / tiles, k = c.block() % tiles * threads + c.thread();
        if (k >= x.width) return;
        const index_t begin = chunk * chunk_rows, end = begin + chunk_rows < x.count ? begin + chunk_rows : x.count;
        double sum = 0;
        for (index_t i = begin; i < end; i += together) {
            double v[together];
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < together; ++j) v[j] = i + j < end ? element_cast<double>(x.at(i + j, k)) : 0;
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < together; ++j) sum += v[j];
        }
        sums[chunk * x.width + k] = sum;
    }

  private:
    static constexpr int together = 8;  // for none to wait long for the one before
};

template <class E>
struct move_center : thread_each {
    static constexpr const char* name = "move_center";
    strided_values<E> center;
    index_t columns, chunks, rows;
    const double* sums;
    double momentum;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t k = item(c);
        if (k >= columns) return;
        double sum = 0;
        for (index_t n = 0; n < chunks; ++n) sum += sums[n * columns + k];
        E& value = center[k];
        value = element_cast<E>(selfsame::detail::moved_center(element_cast<double>(value), momentum, sum, rows));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
