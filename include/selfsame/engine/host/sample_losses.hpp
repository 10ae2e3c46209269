#pragma once

#include <array>
#include <concepts>
#include <tuple>

#include "selfsame/engine/host/results.hpp"
#include "selfsame/engine/host/rowwise.hpp"

/// \file
/// Losses of samples that are the elements of some vectors, or the rows of some matrices, with results (gradients) for
/// the elements of each. Sums are of fixed pieces and added up in order, so that the number of threads changes no bit.

namespace selfsame::inline SELFSAME_ISA {

/// Samples that are the elements of vectors: tuples of sources and of as many results, none where nobody wants them.
/// f(weight, x...) is the loss of a sample and the result for each source, weight times its slope.
template <class From, class To, class F>
struct sample_elements {
    From from;
    To to;
    F f;
};
template <class From, class To, class F>
sample_elements(From, To, F) -> sample_elements<From, To, F>;

}  // namespace selfsame::inline SELFSAME_ISA

namespace selfsame::inline SELFSAME_ISA::host {

/// Elements that are converted at a time; no lane adds up more values of type T than 32.
template <class T>
inline constexpr index_t element_stretch = 32 * lanes<T>;

/// The sum of f(first, n) for [0, count) in at most 256 pieces of some 4096 values or more, samples being of `width`:
/// a function of the sizes alone.
template <class Context, class F>
double ordered_sum(const Context& ctx, index_t count, index_t width, F&& f) {
    constexpr index_t most = 256;
    const index_t piece = (std::max)({index_t(1), 4096 / (std::max)(index_t(1), width), (count + most - 1) / most});
    const index_t pieces = (count + piece - 1) / piece;
    std::array<double, most> sums{};
    parallel_for(ctx, pieces, [&](index_t k, int) {
        sums[static_cast<std::size_t>(k)] = f(k * piece, (std::min)(piece, count - k * piece));
    });
    double total = 0;
    for (index_t k = 0; k < pieces; ++k) total += sums[static_cast<std::size_t>(k)];
    return total;
}

/// share times the upstream value of each sample, or of all.
template <class T, class Upstream>
class sample_weights {
  public:
    sample_weights(double share, const Upstream& upstream, bool each)
        : share_(share), upstream_(upstream), each_(each) {
        if (!each) std::fill(all_, all_ + element_stretch<T>, at(0));
    }
    T at(index_t i) const { return static_cast<T>(share_ * element_cast<double>(upstream_(each_ ? i : 0))); }
    const T* read(index_t, index_t first, index_t n, T* buffer) const {
        if (!each_) return all_;
        for (index_t k = 0; k < n; ++k) buffer[k] = at(first + k);
        return buffer;
    }

  private:
    double share_;
    Upstream upstream_;
    bool each_;
    T all_[element_stretch<T>];
};

/// As a source: f(row) at every element of a row.
template <class T, class F>
class row_constant {
  public:
    template <class Rows>
    row_constant(const Rows& like, const F& f) : rows_(like.rows()), columns_(like.columns()), f_(f) {}

    index_t rows() const { return rows_; }
    index_t columns() const { return columns_; }
    static constexpr bool in_place() { return false; }
    const T* read(index_t row, index_t, index_t n, T* buffer) const {
        std::fill(buffer, buffer + n, f_(row));
        return buffer;
    }

  private:
    index_t rows_, columns_;
    F f_;
};
template <class Rows, class F>
row_constant(const Rows&, const F&) -> row_constant<std::invoke_result_t<F, index_t>, F>;

template <class T, class Policy, class... Source>
auto walk_rows(const Policy& policy, const Source&... sources) {
    return row_walk<T, Policy, Source...>(policy, sources...);
}

/// Where the loss of each sample goes, if anywhere.
template <class T, class Loss>
struct loss_values {
    Loss loss;
    bool each;

    static T* write(index_t, index_t, T* buffer) { return buffer; }
    void written(index_t, index_t first, index_t n, const T* values) const {
        if constexpr (!is_none<Loss>) {
            using E = typename Loss::value_type;
            for (index_t k = 0; each && k < n; ++k) loss(first + k) = element_cast<E>(values[k]);
        }
    }
};

template <class Out, class T>
T* begin_writing(const Out& out, index_t row, index_t first, T* buffer) {
    if constexpr (is_none<Out>) {
        return buffer;
    } else {
        return out.write(row, first, buffer);
    }
}
template <class Out, class T>
void end_writing(const Out& out, index_t row, index_t first, index_t n, const T* values) {
    if constexpr (!is_none<Out>) out.written(row, first, n, values);
}

/// Columns [first, first + n) of a row of each source: f(column, count, x...) with `count` lanes that count gives an
/// array of the results for each of `to`, which may be none or a source.
template <class T, class... Source, class... Out, class F>
void for_elements(index_t row, index_t first, index_t n, const std::tuple<Source...>& from,
                  const std::tuple<Out...>& to, F&& f) {
    using V = batch<T>;
    constexpr index_t L = lanes<T>, stretch = element_stretch<T>;
    const auto walk = [&]<std::size_t... S, std::size_t... R>(std::index_sequence<S...>, std::index_sequence<R...>) {
        T in[sizeof...(Source)][stretch], out[sizeof...(Out)][stretch];
        for (index_t k0 = first; k0 < first + n; k0 += stretch) {
            const index_t m = (std::min)(stretch, first + n - k0);
            const T* const x[] = {std::get<S>(from).read(row, k0, m, in[S])...};
            T* const y[] = {begin_writing(std::get<R>(to), row, k0, out[R])...};
            for (index_t k = 0; k < m; k += L) {
                const index_t count = (std::min)(L, m - k);
                const std::array<V, sizeof...(Out)> results =
                    f(k0 + k, count, (count == L ? load<V>(x[S] + k) : load_some<V>(x[S] + k, count))...);
                const auto put = [&]<class O>(const O&, T* p, V v) {
                    if constexpr (!is_none<O>) count == L ? store(p, v) : store_some(p, v, count);
                };
                (put(std::get<R>(to), y[R] + k, results[R]), ...);
            }
            (end_writing(std::get<R>(to), row, k0, m, y[R]), ...);
        }
    };
    walk(std::index_sequence_for<Source...>(), std::index_sequence_for<Out...>());
}

/// The sum of the losses of samples [first, first + n), elements of vectors: f(weight, x...) is the loss of each and
/// the results for each of `to`.
template <class T, class Weights, class Losses, class... Source, class... Out, class F>
double sum_elements(index_t first, index_t n, const Weights& weights, const Losses& losses,
                    const std::tuple<Source...>& from, const std::tuple<Out...>& to, F&& f) {
    using V = batch<T>;
    const auto all_from = std::tuple_cat(std::tie(weights), from);
    const auto all_to = std::tuple_cat(std::tie(losses), to);
    double total = 0;
    for (index_t k0 = first; k0 < first + n; k0 += element_stretch<T>) {
        V sum(T(0));
        for_elements<T>(0, k0, (std::min)(element_stretch<T>, first + n - k0), all_from, all_to,
                        [&](index_t, index_t count, V weight, auto... x) {
                            const std::array<V, 1 + sizeof...(Out)> results = f(weight, x...);
                            sum += count == lanes<T>
                                       ? results[0]
                                       : math::select(lane_numbers<V>() < V(T(count)), results[0], V(T(0)));
                            return results;
                        });
        for (int l = 0; l < lanes<T>; ++l) total += static_cast<double>(sum[l]);
    }
    return total;
}

/// Samples that are elements: `elements` of a part.
template <class T, class From, class To, class F, class Weights, class Losses>
double sum_samples(const sample_elements<From, To, F>& samples, index_t first, index_t n, const Weights& weights,
                   const Losses& losses) {
    const auto sources = std::apply([](const auto&... x) { return std::tuple(rows_of<T>(x)...); }, samples.from);
    return sum_elements<T>(first, n, weights, losses, sources, samples.to, samples.f);
}

/// Samples that have loops of their own.
template <class T, class Weights, class Losses, class F>
    requires std::invocable<const F&, index_t, index_t, const Weights&, const Losses&>
double sum_samples(const F& samples, index_t first, index_t n, const Weights& weights, const Losses& losses) {
    return samples(first, n, weights, losses);
}

/// The sum of the losses of samples [first, first + n), rows of a walk: finish(first, n, reduced) has fields of one
/// row in each lane, among them `loss`; then write(row, fields in all lanes).
template <class T, class Walk, class Losses, class Finish, class Write>
double sum_rows(index_t first, index_t n, const Walk& walk, const Losses& losses, Finish&& finish, Write&& write) {
    double total = 0;
    const index_t together = walk.together();
    for (index_t b = first; b < first + n; b += together) {
        const index_t m = (std::min)(together, first + n - b);
        const auto rows = finish(b, m, walk.reduce_rows({b, m, 1}));
        T values[lanes<T>];
        store(values, rows.loss);
        for (index_t r = 0; r < m; ++r) total += static_cast<double>(values[r]);
        losses.written(0, b, m, values);
        for (index_t r = 0; r < m; ++r) write(b + r, spread<T>(rows, static_cast<int>(r)));
    }
    return total;
}

/// Lane r is f(first + r), up to n; the others are f(first).
template <class T, class F>
batch<T> one_a_lane(index_t first, index_t n, F&& f) {
    batch<T> x(f(first));
    for (index_t r = 1; r < n; ++r) x.v[r] = f(first + r);
    return x;
}

}  // namespace selfsame::inline SELFSAME_ISA::host
