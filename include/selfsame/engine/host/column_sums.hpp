#pragma once

#include <algorithm>

#include "selfsame/engine/host/rowwise_columns.hpp"

/// \file
/// The sum of each column of a matrix, by the engine of rows that meet columns.

namespace selfsame::inline SELFSAME_ISA::host {

/// A row's elements as they are, whatever the row's sum.
struct plain_elements {
    template <class V>
    static constexpr V logit(V x, V) {
        return x;
    }
    template <class V>
    static constexpr V term(V x, V) {
        return x;
    }
    template <class V>
    static constexpr V map(V logit, V) {
        return logit;
    }
    template <class T>
    static constexpr bool holds(T) {
        return true;
    }
    template <class T>
    static constexpr T finish(T) {
        return T(1);
    }
    template <class V>
    static constexpr V element(V term, V) {
        return term;
    }
};
static_assert(plain_elements::element(plain_elements::term(2.0f, 0.0f), plain_elements::finish(2.0f)) == 2);

/// Adds the sum of each column of x, rows x columns, to totals[column]. Chunks of rows are summed in T; bits depend on
/// the matrix alone.
template <class T, class P, class X>
void add_column_sums(const context<P>& ctx, const X& x, double* totals) {
    using source = row_source_of<T, X>;
    using engine = row_column_engine<T, plain_elements, source, source>;
    const index_t columns = x.extent(1), padded = engine::padded(columns);
    const row_chunks chunks(x.extent(0), columns, sizeof(T));
    const index_t threads = workers(ctx);
    scratch<P> memory(ctx.policy, scratch_bytes<T>(padded) + scratch_bytes<T>(chunks.count() * padded) +
                                      static_cast<std::size_t>(threads) * engine::workspace_bytes(columns) +
                                      scratch_bytes<typename engine::workspace>(threads));
    T* const zeros = memory.template take<T>(padded);
    T* const sums = memory.template take<T>(chunks.count() * padded);
    auto* const spaces = memory.template take<typename engine::workspace>(threads);
    for (index_t t = 0; t < threads; ++t) spaces[t] = engine::allocate(memory, columns);
    std::fill(zeros, zeros + padded, T(0));
    const engine each{{}, source(x), source(x), nullptr};
    parallel_for(ctx, chunks.count(), [&](index_t chunk, int worker) {
        each.template run<output::none, false>(chunks.at(chunk), false, zeros, sums + chunk * padded, spaces[worker]);
    });
    for (index_t chunk = 0; chunk < chunks.count(); ++chunk) {
        for (index_t k = 0; k < columns; ++k) totals[k] += static_cast<double>(sums[chunk * padded + k]);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
