#pragma once

#include <cstdint>
#include <limits>

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/rowwise_columns_walk.hpp"

/// \file
/// The part of the host's rowwise engine in which a row meets one value a column. In one pass over a matrix x_rk
///
///     t_rk = term(x_rk, c_k)        f_r = finish(sum_k t_rk)        e_rk = element(t_rk, f_r)
///
/// and the e_rk are summed over the rows of each column, and written where a target is given. A row's sum is known only
/// at its end, so a block of rows keeps its terms in a buffer, and one loop does the first half of a block and the
/// second half of the block before it: the memory system is busy all the time and no exponential is computed twice.
///
/// A policy for it is pure functions of values:
///
///     V term(V x, V c)              what a row sums
///     V logit(V x, V c)             its logarithm, map(logit(x, c), 0) = term(x, c)
///     V map(V logit, V level)       a term relative to a level
///     V relative(V level)           the value c of a column whose terms are relative to that level
///     bool holds(T sum)             whether terms of this sum are exact; a row of another sum is done again under the
///                                   level of its own maximum
///     T finish(T sum)
///     V element(V t, V f)

namespace selfsame::inline SELFSAME_ISA::host {

/// Rows [first, first + count).
struct row_range {
    index_t first, count;
};

/// Rows in chunks whose column sums are kept apart and added up in order: sums depend on the matrix alone, not on who
/// computes which chunk.
class row_chunks {
  public:
    row_chunks(index_t rows, index_t columns, std::size_t element) : rows_(rows) {
        // Few enough that their sums are little beside the rows, many enough for the threads of a large machine, and
        // short enough that a column's sum rounds little.
        constexpr index_t budget = index_t(1) << 20, most = 32, fewest = 16, shortest = 64, longest = 4096, block = 8;
        const index_t fit = budget / ((columns + 1) * static_cast<index_t>(element));
        index_t wanted = fit < fewest ? fewest : (fit > most ? most : fit);
        if (wanted > rows / shortest) wanted = rows / shortest;
        if (wanted < rows / longest) wanted = rows / longest;
        if (wanted < 1) wanted = 1;
        size_ = ((rows + wanted - 1) / wanted + block - 1) / block * block;
        count_ = size_ > 0 ? (rows + size_ - 1) / size_ : 0;
    }
    index_t count() const { return count_; }
    row_range at(index_t chunk) const {
        const index_t first = chunk * size_;
        return {first, (std::min)(size_, rows_ - first)};
    }

  private:
    index_t rows_, size_ = 0, count_ = 0;
};

/// Values of a column are arrays padded to whole registers, the padding `Policy::relative(+inf)`, whose terms are 0.
template <class T, class Policy, class Source, class Target>
class row_column_engine {
    using V = batch<T>;
    using kernels = row_column_kernels<T, Policy>;
    static constexpr int R = register_count >= 32 ? 8 : 4, L = lanes<T>;
    // Columns that are converted at once, where a matrix is not of type T in contiguous rows.
    static constexpr index_t converted = 512;
    // Columns that are summed at once: sums of sums round less.
    static constexpr index_t summed = 8192;

  public:
    static constexpr index_t padded(index_t columns) { return (columns + L - 1) / L * L; }

    /// Working memory of one thread.
    struct workspace {
        T* terms;  // R rows
        T* from;   // R x converted
        T* to;     // R x converted
    };
    static std::size_t workspace_bytes(index_t columns) {
        return scratch_bytes<T>(R * pitch(columns)) + 2 * scratch_bytes<T>(R * converted);
    }
    template <class Scratch>
    static workspace allocate(Scratch& m, index_t columns) {
        workspace w{};
        w.terms = m.template take<T>(R * pitch(columns));
        w.from = m.template take<T>(R * converted);
        w.to = m.template take<T>(R * converted);
        return w;
    }

    Policy policy;
    Source source;
    Target target;
    const std::uint8_t* counts;  ///< one value a row, 0 for rows that are passed over; null: none is

    /// The sum over rows of the terms of each column, relative to a level of the column: map(logit(x, relative(0)),
    /// level).
    void reduce_columns(row_range rows, bool backwards, T* levels, T* sums, const workspace& w) const {
        for (index_t k = 0; k < padded(columns()); k += L) {
            store(levels + k, V(lowest));
            store(sums + k, V(T(0)));
        }
        const index_t next = next_block(backwards);
        const auto add = [&]<int N>(const index_t(&r)[N]) {
            each_stretch(false, [&](index_t first, index_t n) {
                const T* from[N];
                for (int j = 0; j < N; ++j) from[j] = source.read(r[j], first, n, w.from + j * converted);
                kernels::template absorb<N>(policy, from, n, next, levels + first, sums + first);
            });
        };
        visit(rows, backwards, add, [](index_t) {});
    }

    /// One pass: column sums of the elements, which are written too unless Out is none.
    template <output Out, bool InLogDomain>
    void run(row_range rows, bool backwards, const T* column, T* sums, const workspace& w) const {
        for (index_t k = 0; k < padded(columns()); k += L) store(sums + k, V(T(0)));
        block<R> before{};
        bool pending = false;
        const auto add = [&]<int N>(const index_t(&r)[N]) {
            block<N> now{};
            for (int j = 0; j < N; ++j) now.row[j] = r[j];
            if constexpr (InLogDomain) {
                for (int j = 0; j < N; ++j) now.factor[j] = alone(r[j], column, w.terms + j * pitch(columns()), w);
                halves<N, false, true, Out>(now, now, backwards, column, sums, w);
            } else if constexpr (N == R) {
                pending ? halves<N, true, true, Out>(now, before, backwards, column, sums, w)
                        : halves<N, true, false, Out>(now, before, backwards, column, sums, w);
                before = now;
                pending = true;
            } else {
                if (pending) halves<R, false, true, Out>(before, before, backwards, column, sums, w);
                pending = false;
                halves<N, true, false, Out>(now, now, backwards, column, sums, w);
                halves<N, false, true, Out>(now, now, backwards, column, sums, w);
            }
        };
        visit(rows, backwards, add, [&](index_t row) {
            if constexpr (Out != output::none) fill(row, T(0), w);
        });
        if (pending) halves<R, false, true, Out>(before, before, backwards, column, sums, w);
#if defined(__x86_64__)
        if constexpr (Out == output::past_caches) __builtin_ia32_sfence();
#endif
    }

    /// As `run`, but writes 1 at the largest element of a row (the first of equal ones) and 0 elsewhere; a row whose
    /// sum is NaN is written as NaN, one without any term as 0.
    template <bool InLogDomain>
    void run_arg_max(row_range rows, bool backwards, const T* column, T* sums, const workspace& w) const {
        for (index_t k = 0; k < padded(columns()); k += L) store(sums + k, V(T(0)));
        const auto add = [&]<int N>(const index_t(&r)[N]) {
            block<N> now{};
            for (int j = 0; j < N; ++j) now.row[j] = r[j];
            if constexpr (InLogDomain) {
                for (int j = 0; j < N; ++j) now.factor[j] = alone(r[j], column, w.terms + j * pitch(columns()), w);
            } else {
                halves<N, true, false, output::none>(now, now, backwards, column, sums, w);
            }
            halves<N, false, true, output::none>(now, now, backwards, column, sums, w);
            for (int j = 0; j < N; ++j) {
                const bool numbers = now.factor[j] == now.factor[j];
                fill(r[j], numbers ? T(0) : now.factor[j], w);
                if (!numbers || now.factor[j] == T(0)) continue;
                const T one(1);
                const index_t k = arg_max(w.terms + j * pitch(columns()));
                *target.write(r[j], k, w.to) = one;
                target.written(r[j], k, 1, &one);
            }
        };
        visit(rows, backwards, add, [&](index_t row) { fill(row, T(0), w); });
    }

  private:
    static constexpr T lowest = -(std::numeric_limits<T>::max)() / 4;  // finite: lowest - lowest must not be NaN

    template <int N>
    struct block {
        index_t row[N];
        T factor[N];
    };

    index_t columns() const { return source.columns(); }

    /// From an element to that of the next block, to fetch it early: rows of a block are too many streams, and too
    /// short ones, for processors to see. 0 where the next block would not stay in the cache that is near.
    index_t next_block(bool backwards) const {
        constexpr index_t cache = 256 << 10;
        if (!source.in_place() || R * columns() * static_cast<index_t>(sizeof(T)) > cache) return 0;
        return backwards ? -R * source.row_step() : R * source.row_step();
    }

    // Rows of the buffer begin 9 cache lines apart modulo a page, lest they compete for one set of the cache.
    static constexpr index_t pitch(index_t columns) {
        constexpr index_t page = 4096 / static_cast<index_t>(sizeof(T)),
                          lines = 9 * 64 / static_cast<index_t>(sizeof(T));
        return (columns + 2 * L + page - 1) / page * page + lines;
    }

    /// Rows that count in blocks of R, then the rest of them one by one; passed(row) for the others.
    template <class Add, class Passed>
    void visit(row_range rows, bool backwards, Add&& add, Passed&& passed) const {
        index_t next[R];
        int n = 0;
        for (index_t i = 0; i < rows.count; ++i) {
            const index_t row = rows.first + (backwards ? rows.count - 1 - i : i);
            if (counts != nullptr && counts[row] == 0) {
                passed(row);
                continue;
            }
            next[n++] = row;
            if (n == R) {
                add(next);
                n = 0;
            }
        }
        for (int j = 0; j < n; ++j) {
            const index_t one[1] = {next[j]};
            add(one);
        }
    }

    template <class F>
    void each_stretch(bool writes, F&& f) const {
        const bool whole = source.in_place() && (!writes || target.in_place());
        const index_t step = whole ? summed : converted;
        for (index_t first = 0; first < columns(); first += step) f(first, (std::min)(step, columns() - first));
    }

    /// The first half of `now` and the second half of `before`.
    template <int N, bool First, bool Second, output Out>
    void halves(block<N>& now, const block<N>& before, bool backwards, const T* column, T* sums,
                const workspace& w) const {
        V row_sum[N];
        for (int j = 0; j < N; ++j) row_sum[j] = V(T(0));
        constexpr output out = Second ? Out : output::none;
        each_stretch(out != output::none, [&](index_t first, index_t n) {
            typename kernels::template stretch<N> s;
            s.n = n;
            s.next = next_block(backwards);
            s.step = pitch(columns());
            s.terms = w.terms + first;
            s.column = column + first;
            s.sums = sums + first;
            for (int j = 0; j < N; ++j) {
                if constexpr (First) s.from[j] = source.read(now.row[j], first, n, w.from + j * converted);
                if constexpr (out != output::none) s.to[j] = target.write(before.row[j], first, w.to + j * converted);
                s.factor[j] = before.factor[j];
            }
            if (out == output::past_caches && !target.in_place()) {
                kernels::template walk<N, First, Second, output::cached>(policy, s, row_sum);
            } else {
                kernels::template walk<N, First, Second, out>(policy, s, row_sum);
            }
            if constexpr (out != output::none) {
                for (int j = 0; j < N; ++j) target.written(before.row[j], first, n, s.to[j]);
            }
        });
        if constexpr (First) {
            for (int j = 0; j < N; ++j) {
                const T total = sum(row_sum[j]);
                now.factor[j] = Policy::holds(total) ? policy.finish(total)
                                                     : alone(now.row[j], column, w.terms + j * pitch(columns()), w);
            }
        }
    }

    /// A row under the level of its own maximum: its terms, and what `finish` makes of their sum.
    [[gnu::noinline]] T alone(index_t row, const T* column, T* terms, const workspace& w) const {
        V top(lowest);
        const index_t step = source.in_place() ? columns() : converted;
        for (index_t first = 0; first < columns(); first += step) {
            const index_t n = (std::min)(step, columns() - first);
            const T* from = source.read(row, first, n, w.from);
            for (index_t k = 0; k < n; k += L) {
                const V x = n - k < L ? load_some<V>(from + k, n - k) : load<V>(from + k);
                const V y = policy.logit(x, load<V>(column + first + k));
                top = (math::max)(top, y);
                store(terms + first + k, y);
            }
        }
        const V level(maximum(top));
        V total(T(0));
        for (index_t first = 0; first < columns(); first += summed) {
            V part(T(0));
            for (index_t k = first; k < (std::min)(first + summed, columns()); k += L) {
                const V t = policy.map(load<V>(terms + k), level);
                store(terms + k, t);
                part += t;
            }
            total += part;
        }
        return policy.finish(sum(total));
    }

    void fill(index_t row, T value, const workspace& w) const {
        const index_t step = target.in_place() ? columns() : converted;
        for (index_t first = 0; first < columns(); first += step) {
            const index_t n = (std::min)(step, columns() - first);
            T* to = target.write(row, first, w.to);
            for (index_t k = 0; k < n; ++k) to[k] = value;
            target.written(row, first, n, to);
        }
    }

    index_t arg_max(const T* terms) const {
        V top = V(T(0));
        for (index_t k = 0; k < columns(); k += L) top = (math::max)(top, load<V>(terms + k));
        const T largest = maximum(top);
        index_t k = 0;
        while (k + 1 < columns() && !(terms[k] == largest)) ++k;
        return k;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::host
