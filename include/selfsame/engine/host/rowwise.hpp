#pragma once

#include <tuple>

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/row_source.hpp"

/// \file
/// The host's rowwise engine: reads every row once and reduces it, and walks the row again, while it is still in cache,
/// where every element has a result of its own. What a row is reduced to, and what an element is, are the policy's.

namespace selfsame::inline SELFSAME_ISA::host {

/// Copies struct-of-fields values between a row in each lane and a whole batch for one row. R<V> has V members only.
template <class T, class Fields>
inline constexpr int field_count = std::is_empty_v<Fields> ? 0 : static_cast<int>(sizeof(Fields) / sizeof(batch<T>));

/// Every field of lane `lane`, in all lanes.
template <class T, class Fields>
SELFSAME_INLINE Fields spread(const Fields& x, int lane) {
    Fields result = x;
    if constexpr (field_count<T, Fields> > 0) {
        batch<T> all[field_count<T, Fields>];
        std::memcpy(all, &x, sizeof(all));
        for (batch<T>& f : all) f = batch<T>(f[lane]);
        std::memcpy(&result, all, sizeof(all));
    }
    return result;
}

/// Policy, with V a batch of T:
///   reducer<V>           absorb(terms, columns, step), merge, only(mask, term)
///   term(x...)           of one element of each source
///   element(x..., row)   the result of an element, row what `finish` made of the row's reducer; or
///   element(x..., row, column)
/// A Source gives rows as `row_source` does.
template <class T, class Policy, class... Source>
class row_walk {
    using V = batch<T>;
    static constexpr int L = lanes<T>, unroll = 4;
    // Elements converted at a time; three buffers of it stay in the first-level cache.
    static constexpr index_t stretch = 1024;
    static constexpr index_t resident = 256 * 1024;
    // A row shorter than this is not worth reducing across lanes: a lane takes a row of its own instead.
    static constexpr index_t narrow = 2 * L;

  public:
    /// Results of more elements than this do not stay in the caches.
    static constexpr index_t past_caches_from = 4 * 1024 * 1024;

    using reducer = typename Policy::template reducer<V>;
    using term_type = decltype(std::declval<const Policy&>().term(std::declval<std::conditional_t<true, V, Source>>()...));

    row_walk(const Policy& policy, const Source&... sources) : policy_(policy), sources_(sources...) {
        in_place_ = (sources.in_place() && ...);
        columns_ = std::get<0>(sources_).columns();
    }

    index_t rows() const { return std::get<0>(sources_).rows(); }

    /// Rows first, first + step, ...; at most `lanes<T>`.
    struct some_rows {
        index_t first, count, step;
        index_t at(index_t r) const { return first + r * step; }
    };
    /// What they are reduced to, a row in each lane; lanes past the last repeat the first.
    reducer reduce_rows(const some_rows& rows) const {
        return columns_ < narrow ? lanes_as_rows(rows) : rows_by_lanes(rows);
    }

    /// Rows to be reduced before their elements are written: they must stay in the second-level cache in between.
    index_t together() const {
        const index_t bytes = (std::max)(columns_, index_t(1)) * static_cast<index_t>(sizeof(T) * sizeof...(Source));
        return columns_ < narrow ? L : (std::min)(index_t(L), (std::max)(index_t(1), resident / bytes));
    }

    /// finish(first, n, reduced) for rows [first, first + n), a row in each lane; lanes from n on repeat row first.
    template <class Context, class Finish>
    void reduce(const Context& ctx, Finish&& finish) const {
        run(ctx, L, [&](index_t first, index_t n) { finish(first, n, reduce_rows({first, n, 1})); });
    }

    /// The same, then the results of elements, written to `out`, which may be a source.
    template <class Context, class Out, class Finish>
    void reduce_and_write(const Context& ctx, const Out& out, Finish&& finish) const {
        // Results that do not fit the caches need not be fetched before they are written.
        const bool large = rows() * columns_ > past_caches_from;
        run(ctx, together(), [&](index_t first, index_t n) {
            const auto row = finish(first, n, reduce_rows({first, n, 1}));
            for (index_t r = 0; r < n; ++r) write_row(first + r, out, first + r, spread<T>(row, static_cast<int>(r)), large);
        });
    }

    /// The results of a row's elements, into a row of `out`; `past_caches` where they are not read again soon.
    template <class Out, class Row>
    [[gnu::noinline]] void write_row(index_t row, const Out& out, index_t out_row, const Row& state, bool past_caches) const {
        T buffer[stretch];
        for_stretches(row, [&](index_t k0, index_t n, const auto&... p) __attribute__((always_inline)) {
            for (index_t done = 0; done < n; done += stretch) {  // a stretch of the output, which may be converted
                const index_t m = (std::min)(stretch, n - done);
                T* to = out.write(out_row, k0 + done, buffer);
                V at = V(T(k0 + done)) + lane_numbers<V>();
                index_t k = 0;
                for (; k + L <= m; k += L, at += V(T(L))) {
                    const V e = element(at, state, load<V>(p + done + k)...);
                    past_caches ? stream(to + k, e) : store(to + k, e);
                }
                if (k < m) store_some(to + k, element(at, state, load_some<V>(p + done + k, m - k)...), m - k);
                out.written(out_row, k0 + done, m, to);
            }
        });
    }

  private:
    // Tasks are of some 16,000 elements at least, so that a thread's turn is worth its taking.
    template <class Context, class Body>
    void run(const Context& ctx, index_t together, Body&& body) const {
        const index_t blocks = (rows() + together - 1) / together;
        const index_t block_elements = together * (std::max)(columns_, index_t(1));
        const index_t a_task = (std::max)(index_t(1), 16384 / block_elements);
        parallel_for(ctx, (blocks + a_task - 1) / a_task, [&](index_t task, int) {
            for (index_t b = task * a_task; b < (std::min)(blocks, (task + 1) * a_task); ++b) {
                body(b * together, (std::min)(together, rows() - b * together));
            }
        });
    }

    [[gnu::noinline]] reducer rows_by_lanes(const some_rows& rows) const {
        constexpr std::size_t fields = sizeof(reducer) / sizeof(V);
        T parts[L][fields * L];
        for (index_t r = 0; r < rows.count; ++r) {
            const reducer part = reduce_row(rows.at(r));
            std::memcpy(parts[r], &part, sizeof(part));
        }
        for (index_t r = rows.count; r < L; ++r) std::memcpy(parts[r], parts[0], sizeof(parts[0]));
        reducer total{};
        for (int l = 0; l < L; ++l) {
            T turned[fields * L];
            for (std::size_t f = 0; f < fields; ++f) {
                for (int r = 0; r < L; ++r) turned[f * L + static_cast<std::size_t>(r)] = parts[r][f * L + static_cast<std::size_t>(l)];
            }
            reducer part{};
            std::memcpy(&part, turned, sizeof(part));
            total.merge(part);
        }
        return total;
    }

    reducer reduce_row(index_t row) const {
        reducer state{};
        for_stretches(row, [&](index_t k0, index_t n, const auto&... p) __attribute__((always_inline)) {
            V at = V(T(k0)) + lane_numbers<V>();
            const T step = T(L);
            index_t k = 0;
            for (; k + unroll * L <= n; k += unroll * L, at += V(T(unroll * L))) {
                term_type t[unroll];
                SELFSAME_UNROLL(4)
                for (int u = 0; u < unroll; ++u) t[u] = policy_.term(load<V>(p + k + u * L)...);
                state.absorb(t, at, step);
            }
            for (; k + L <= n; k += L, at += V(step)) {
                const term_type t[1] = {policy_.term(load<V>(p + k)...)};
                state.absorb(t, at, step);
            }
            if (k == n) return;
            // The last columns come with ones that were taken already where there are such, else with zeros.
            const index_t back = n >= L ? n - L : k;
            const V number = lane_numbers<V>();
            const auto counts = n >= L ? number >= V(T(k - back)) : number < V(T(n - k));
            const term_type some = policy_.term((n >= L ? load<V>(p + back) : load_some<V>(p + k, n - k))...);
            const term_type t[1] = {reducer::only(counts, some)};
            state.absorb(t, V(T(k0 + back)) + number, step);
        });
        return state;
    }

    /// Rows of few columns, a row in each lane from the start.
    [[gnu::noinline]] reducer lanes_as_rows(const some_rows& rows) const {
        reducer state{};
        std::apply(
            [&](const auto&... s) {
                V turned[sizeof...(Source)][narrow];
                std::size_t source = 0;
                (turn(s, rows, turned[source++]), ...);
                for (index_t k = 0; k < columns_; ++k) {
                    const term_type t[1] = {term_of(turned, k, std::index_sequence_for<Source...>())};
                    state.absorb(t, V(T(k)), T(1));
                }
            },
            sources_);
        return state;
    }
    template <std::size_t... S>
    SELFSAME_INLINE term_type term_of(const V (&turned)[sizeof...(Source)][narrow], index_t k, std::index_sequence<S...>) const {
        return policy_.term(turned[S][k]...);
    }
    template <class Rows>
    void turn(const Rows& s, const some_rows& rows, V* turned) const {
        T buffer[narrow];
        for (index_t r = 0; r < L; ++r) {
            const T* p = s.read(rows.at(r < rows.count ? r : 0), 0, columns_, buffer);
            for (index_t k = 0; k < columns_; ++k) turned[k].v[r] = p[k];
        }
    }

    template <class Row, class... X>
    SELFSAME_INLINE V element(V at, const Row& row, X... x) const {
        if constexpr (requires { policy_.element(x..., row, at); }) {
            return policy_.element(x..., row, at);
        } else {
            return policy_.element(x..., row);
        }
    }

    /// body(first column, columns, pointer into each source) along a row.
    template <class Body>
    SELFSAME_INLINE void for_stretches(index_t row, Body&& body) const {
        if (in_place_) {
            std::apply([&](const auto&... s) __attribute__((always_inline)) { body(0, columns_, s.read(row, 0, columns_, nullptr)...); },
                       sources_);
        } else {
            T buffers[sizeof...(Source)][stretch];
            for (index_t k = 0; k < columns_; k += stretch) {
                const index_t n = (std::min)(stretch, columns_ - k);
                std::size_t source = 0;
                std::apply([&](const auto&... s) { body(k, n, s.read(row, k, n, buffers[source++])...); }, sources_);
            }
        }
    }

    Policy policy_;
    std::tuple<Source...> sources_;
    bool in_place_;
    index_t columns_;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
