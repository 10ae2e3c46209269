#pragma once

#include <array>
#include <tuple>

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/row_source.hpp"
#include "selfsame/engine/host/row_states.hpp"

/// \file
/// The host's rowwise engine: reads every row once and reduces it, and walks the row again, while it is still in cache,
/// where every element has a result of its own. What a row is reduced to, and what an element is, are the policy's.

namespace selfsame::inline SELFSAME_ISA::host {

/// Results of more elements than this do not stay in the caches.
inline constexpr index_t past_caches_from = 4 * 1024 * 1024;

/// Whether the policy's elements are functions of their column too. A concept, since nvcc 13 crashes on the same
/// requires-expression in a member function with packs.
template <class Policy, class Row, class V, class... X>
concept knows_columns = requires(const Policy& p, const Row& r, V v, X... x) { p.element(x..., r, v); };

template <class Source>
inline constexpr bool gives_elements = requires(const Source& s) { s.elements(0, 0); };

/// Policy, with V a batch of T:
///   reducer<V>           absorb(terms, columns, step, scale), merge(other, scale), only(mask, term); where it has
///                        starting<one row>(terms, count, scale), also absorb<false>, which need not look out (and
///                        absorb<false, true> for terms of only), settle(), false where it had to, and merge<true>
///   scale                a number of T for the reducer
///   term(x...)           of one element of each source
///   element(x..., row)   the result of an element, row what `finish` made of the row's reducer; or
///   element(x..., row, column)
/// A Source gives rows as `row_source` does; without `elements` it has none that can be loaded from where they are.
template <class T, class Policy, class... Source>
class row_walk {
    using V = batch<T>;
    static constexpr int L = lanes<T>, unroll = 4;
    // Elements converted at a time; three buffers of it stay in the first-level cache.
    static constexpr index_t stretch = 1024;
    static constexpr index_t resident = 256 * 1024;
    // To reduce a row across lanes costs as much as so many columns: a row of fewer has a lane of its own instead.
    static constexpr index_t narrow = 8 * L;
    // Columns at most, a 16th of a row if that is less, from which a reducer guesses the level of a row: the closer it
    // is, the less sums and terms round.
    static constexpr index_t looked_at = (std::max)(index_t(256), index_t(unroll* L));

  public:
    using reducer = typename Policy::template reducer<V>;
    using term_type =
        decltype(std::declval<const Policy&>().term(std::declval<std::conditional_t<true, V, Source>>()...));

    /// Whether elements may be loaded from where they are.
    static constexpr bool loads = (gives_elements<Source> && ...);
    static constexpr bool can_start = requires(const term_type* t) { reducer::template starting<true>(t, 1, T(1)); };

    row_walk(const Policy& policy, const Source&... sources) : policy_(policy), sources_(sources...) {
        if constexpr (loads) direct_ = (sources.contiguous() && ...);
        columns_ = std::get<0>(sources_).columns();
        if constexpr (loads) dense_ = direct_ && (rows_follow(sources) && ...);
    }

    index_t rows() const { return std::get<0>(sources_).rows(); }

    /// Rows first, first + step, ...; at most `lanes<T>`.
    struct some_rows {
        index_t first, count, step;
        index_t at(index_t r) const { return first + r * step; }
    };
    /// What they are reduced to, a row in each lane; lanes past the last repeat the first.
    reducer reduce_rows(const some_rows& rows) const {
        return columns_ <= narrow ? lanes_as_rows(rows) : rows_by_lanes(rows);
    }

    /// Rows to be reduced before their elements are written: they must stay in the second-level cache in between.
    index_t together() const {
        const index_t bytes = (std::max)(columns_, index_t(1)) * static_cast<index_t>(sizeof(T) * sizeof...(Source));
        return columns_ <= narrow ? L : (std::min)(index_t(L), (std::max)(index_t(1), resident / bytes));
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
            const some_rows rows{first, n, 1};
            if (large) fetch_edges(out, rows);
            const auto row = finish(first, n, reduce_rows(rows));
            for (index_t r = 0; r < n; ++r)
                write_row(first + r, out, first + r, spread<T>(row, static_cast<int>(r)), large);
        });
    }

    /// Begins to fetch what stores past the caches leave to others, which would wait for it: the lines that rows share.
    template <class Out>
    SELFSAME_INLINE static void fetch_edges(const Out& out, const some_rows& rows) {
        if constexpr (requires { out.fetch_edges(0); }) {
            for (index_t r = 0; r < rows.count; ++r) out.fetch_edges(rows.at(r));
        }
    }

    /// The results of a row's elements, into a row of `out`; `past_caches` where they are not read again soon.
    template <class Out, class Row>
    SELFSAME_INLINE void write_row(index_t row, const Out& out, index_t out_row, const Row& state,
                                   bool past_caches) const {
        T buffer[stretch];
        past_caches = past_caches && out.in_place();  // the buffer is read again at once
        for_stretches(row, [&](index_t k0, index_t n, const auto&... p) __attribute__((always_inline)) {
            const index_t piece = out.in_place() ? n : stretch;
            for (index_t done = 0; done < n; done += piece) {
                const index_t m = (std::min)(piece, n - done);
                T* to = out.write(out_row, k0 + done, buffer);
                V at = V(T(k0 + done)) + lane_numbers<V>();
                index_t k = 0;
                if (past_caches) {  // whole aligned lines alone go past them
                    const auto over = static_cast<index_t>(reinterpret_cast<std::uintptr_t>(to) % sizeof(V));
                    const index_t head =
                        (std::min)(m, (index_t(sizeof(V)) - over) % index_t(sizeof(V)) / index_t(sizeof(T)));
                    if (head > 0) store_some(to, element(at, state, load_some<V>(p + done, head)...), head);
                    k = head;
                    at += V(T(head));
                }
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
    // Tasks are of some 16,000 elements at least, so that a thread's turn is worth its taking; of more where there are
    // many, since what was fetched ahead at the end of one is not what comes next.
    template <class Context, class Body>
    void run(const Context& ctx, index_t together, Body&& body) const {
        constexpr index_t least = 16 * 1024, most = 256 * 1024, turns = 16;
        const index_t blocks = (rows() + together - 1) / together;
        const index_t block_elements = together * (std::max)(columns_, index_t(1));
        const index_t share = rows() * columns_ / (turns * workers(ctx));
        const index_t a_task = (std::max)(index_t(1), std::clamp(share, least, most) / block_elements);
        parallel_for(ctx, (blocks + a_task - 1) / a_task, [&](index_t task, int) {
            for (index_t b = task * a_task; b < (std::min)(blocks, (task + 1) * a_task); ++b) {
                body(b * together, (std::min)(together, rows() - b * together));
            }
        });
    }

    [[gnu::noinline]] reducer rows_by_lanes(const some_rows& rows) const {
        struct some_lanes {
            reducer state{};
            bool same_level = can_start;
        };
        some_lanes part[L];
        if constexpr (can_start) {
            // Of the row to come, so that no row waits for its level.
            reducer next = start(rows.at(0));
            for (index_t r = 0; r < rows.count; ++r) {
                reducer state = next;
                if (r + 1 < rows.count) next = start(rows.at(r + 1));
                reduce_row<false>(rows.at(r), state);
                if (!state.settle()) {
                    state = reducer{};
                    reduce_row<true>(rows.at(r), state);
                    part[r].same_level = false;
                }
                part[r].state = state;
            }
        } else {
            for (index_t r = 0; r < rows.count; ++r) reduce_row<true>(rows.at(r), part[r].state);
        }
        for (index_t r = rows.count; r < L; ++r) part[r] = part[0];
        for (int n = L; n > 1; n /= 2) {
            for (int i = 0; i < n / 2; ++i) {
                const some_lanes &a = part[2 * i], &b = part[2 * i + 1];
                const bool same_level = a.same_level && b.same_level;
                part[i] = {joined<T, can_start>(a.state, b.state, same_level, policy_.scale), same_level};
            }
        }
        return part[0].state;
    }

    /// Of the first columns of a row.
    SELFSAME_INLINE reducer start(index_t row) const { return start(row, std::index_sequence_for<Source...>()); }
    template <std::size_t... S>
    SELFSAME_INLINE reducer start(index_t row, std::index_sequence<S...>) const {
        constexpr index_t step = unroll * L, most = looked_at / step;
        const index_t steps = std::clamp(columns_ / (16 * step), index_t(1), most);
        T buffers[sizeof...(Source)][looked_at];
        term_type t[most][unroll];
        const auto some = [&](const auto*... p) __attribute__((always_inline)) {
            // Several at once: of one at a time compilers make a call of memcpy.
            for (index_t k = 0; k < steps; ++k) some_terms(t[k], (p + k * step)...);
        };
        bool done = false;
        if constexpr (loads) {
            done = direct_;
            if (done) some(std::get<S>(sources_).elements(row, 0)...);
        }
        if (!done) some(std::get<S>(sources_).read(row, 0, steps * step, buffers[S])...);
        return reducer::template starting<true>(t[0], static_cast<int>(steps * unroll), policy_.scale);
    }
    template <class... P>
    SELFSAME_INLINE void some_terms(term_type (&t)[unroll], P... p) const {
        SELFSAME_UNROLL(4)
        for (int u = 0; u < unroll; ++u) t[u] = policy_.term(in_register(load<V>(p + u * L))...);
    }

    template <int N, class... P>
    SELFSAME_INLINE void fetch_ahead(P... p) const {
        std::apply([&](const Source&... source) { (fetch_ahead_of<N>(source, p), ...); }, sources_);
    }
    template <int N, class S, class E>
    SELFSAME_INLINE static void fetch_ahead_of([[maybe_unused]] const S& source, [[maybe_unused]] const E* p) {
        if constexpr (requires { source.fetch_ahead(p); }) {
            constexpr int line = 64 / static_cast<int>(sizeof(E));
            SELFSAME_UNROLL(4)
            for (int k = 0; k < N; k += line) source.fetch_ahead(p + k);
        }
    }

    /// With Careful the reducer looks out for terms beyond its level before it takes them.
    template <bool Careful, bool Masked = Careful, int K>
    SELFSAME_INLINE void absorb(reducer& state, const term_type (&t)[K], V at, T step) const {
        if constexpr (Careful) {
            state.absorb(t, at, step, policy_.scale);
        } else {
            state.template absorb<false, Masked>(t, at, step, policy_.scale);
        }
    }

    template <bool Careful>
    SELFSAME_INLINE void reduce_row(index_t row, reducer& state) const {
        for_stretches(row, [&](index_t k0, index_t n, const auto&... p) __attribute__((always_inline)) {
            const V number = lane_numbers<V>();
            V at = V(T(k0)) + number;
            index_t k = 0;
            for (; k + unroll * L <= n; k += unroll * L, at += V(T(unroll * L))) {
                fetch_ahead<unroll * L>((p + k)...);
                term_type t[unroll];
                some_terms(t, (p + k)...);
                absorb<Careful>(state, t, at, T(L));
            }
            for (; k + L <= n; k += L, at += V(T(L))) {
                fetch_ahead<L>((p + k)...);
                const term_type t[1] = {policy_.term(load<V>(p + k)...)};
                absorb<Careful>(state, t, at, T(L));
            }
            if (k < n) {
                fetch_ahead<1>((p + k)...);
                const term_type some = policy_.term(load_some<V>(p + k, n - k)...);
                const term_type t[1] = {reducer::only(number < V(T(n - k)), some)};
                absorb<Careful, true>(state, t, at, T(L));
            }
        });
    }

    /// Rows of few columns, a row in each lane from the start.
    [[gnu::noinline]] reducer lanes_as_rows(const some_rows& rows) const {
        term_type terms[narrow];
        turned_terms(rows, terms, std::index_sequence_for<Source...>());
        reducer state{};
        if constexpr (can_start) {
            if (columns_ > 0)
                state = reducer::template starting<false>(terms, static_cast<int>(columns_), policy_.scale);
            const reducer start = state;
            absorb_columns<false>(rows, terms, state);
            if (state.settle()) return state;
            state = start;
        }
        absorb_columns<true>(rows, terms, state);
        return state;
    }
    template <bool Careful>
    SELFSAME_INLINE void absorb_columns(const some_rows& rows, const term_type* terms, reducer& state) const {
        index_t k = 0;
        for (; k + unroll <= columns_; k += unroll) {
            fetch_rows_ahead<unroll>(rows, k);
            term_type t[unroll];
            SELFSAME_UNROLL(4)
            for (int u = 0; u < unroll; ++u) t[u] = terms[k + u];
            absorb<Careful>(state, t, V(T(k)), T(1));
        }
        for (; k < columns_; ++k) {
            fetch_rows_ahead<1>(rows, k);
            const term_type t[1] = {terms[k]};
            absorb<Careful>(state, t, V(T(k)), T(1));
        }
    }
    template <class S>
    bool rows_follow(const S& source) const {
        if constexpr (requires { source.row_step(); }) {
            return source.row_step() == columns_;
        } else {
            return false;
        }
    }
    /// Whether the rows of every source lie one behind the other.
    bool follow(const some_rows& rows) const { return dense_ && rows.step == 1; }
    /// As many elements as N columns of L rows have, from as many as `column` columns have: a little with each column
    /// that is reduced, not all at once.
    template <int N>
    SELFSAME_INLINE void fetch_rows_ahead(const some_rows& rows, index_t column) const {
        if constexpr (loads) {
            if (!follow(rows)) return;
            const auto some = [&](const auto&... source) {
                (fetch_ahead_of<N * L>(source, source.elements(rows.first, 0) + column * L), ...);
            };
            std::apply(some, sources_);
        }
    }

    /// Of every column, a row in each lane.
    template <std::size_t... S>
    SELFSAME_INLINE void turned_terms(const some_rows& rows, term_type* terms, std::index_sequence<S...>) const {
        if constexpr (loads) {
            if (direct_) {
                const auto from = [&](const auto& source) __attribute__((always_inline)) {
                    std::array<decltype(source.elements(0, 0)), L> p;
                    SELFSAME_UNROLL(16)
                    for (int r = 0; r < L; ++r)
                        p[static_cast<std::size_t>(r)] = source.elements(rows.at(r < rows.count ? r : 0), 0);
                    if (!follow(rows)) {  // else fetched as columns are reduced
                        for (const auto* row : p) {
                            for (index_t k = 0; k < columns_; k += L) fetch_ahead_of<L>(source, row + k);
                        }
                    }
                    return p;
                };
                return turn(terms, from(std::get<S>(sources_))...);
            }
        }
        T buffers[sizeof...(Source)][L * narrow];
        const auto from = [&](const auto& source, T* buffer) {
            std::array<const T*, L> p;
            for (index_t r = 0; r < L; ++r)
                p[static_cast<std::size_t>(r)] =
                    source.read(rows.at(r < rows.count ? r : 0), 0, columns_, buffer + r * narrow);
            return p;
        };
        turn(terms, from(std::get<S>(sources_), buffers[S])...);
    }
    struct square {
        V row[L];
    };
    template <class... P>
    SELFSAME_INLINE void turn(term_type* terms, const std::array<P, L>&... from) const {
        const auto block = [&](index_t k, auto&& loaded) __attribute__((always_inline)) {
            const auto turned = [&](const auto& p) __attribute__((always_inline)) {
                square x;
                SELFSAME_UNROLL(16)
                for (int r = 0; r < L; ++r) x.row[r] = loaded(p[static_cast<std::size_t>(r)] + k);
                transpose(x.row);
                return x;
            };
            const auto put = [&](const auto&... x) __attribute__((always_inline)) {
                SELFSAME_UNROLL(16)
                for (int u = 0; u < L; ++u) terms[k + u] = policy_.term(x.row[u]...);
            };
            put(turned(from)...);
        };
        index_t k = 0;
        for (; k + L <= columns_; k += L) block(k, [](const auto* p) { return load<V>(p); });
        if (k < columns_) block(k, [&](const auto* p) { return load_some<V>(p, columns_ - k); });
    }

    template <class Row, class... X>
    SELFSAME_INLINE V element(V at, const Row& row, X... x) const {
        if constexpr (knows_columns<Policy, Row, V, X...>) {
            return policy_.element(x..., row, at);
        } else {
            return policy_.element(x..., row);
        }
    }

    /// body(first column, columns, pointer into each source) along a row.
    template <class Body>
    SELFSAME_INLINE void for_stretches(index_t row, Body&& body) const {
        for_stretches(row, body, std::index_sequence_for<Source...>());
    }
    template <class Body, std::size_t... S>
    SELFSAME_INLINE void for_stretches(index_t row, Body& body, std::index_sequence<S...>) const {
        if constexpr (loads) {
            if (direct_) return body(0, columns_, std::get<S>(sources_).elements(row, 0)...);
        }
        T buffers[sizeof...(Source)][stretch];
        for (index_t k = 0; k < columns_; k += stretch) {
            const index_t n = (std::min)(stretch, columns_ - k);
            body(k, n, std::get<S>(sources_).read(row, k, n, buffers[S])...);
        }
    }

    Policy policy_;
    std::tuple<Source...> sources_;
    bool direct_ = false, dense_ = false;
    index_t columns_;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
