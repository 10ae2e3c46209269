#pragma once

#include <limits>
#include <utility>

#include "selfsame/engine/cuda/row_kernels.hpp"

/// \file
/// Losses of samples in kernels: of elements a thread each, of labelled rows as a policy of `reduce_rows`.

namespace selfsame::inline SELFSAME_ISA::device {

/// share times the upstream value of each sample, or of all; without values share alone.
template <class U>
struct weight_of_samples {
    double share;
    strided_values<const U> values{};
    bool each = false;

    template <class T>
    constexpr T at(index_t i) const {
        return T(values.data == nullptr ? share : share * element_cast<double>(values[each ? i : 0]));
    }
};

/// Where losses go: to a tensor, to sums in scratch memory, or nowhere.
template <class L>
struct loss_of_samples {
    strided_values<L> losses{};
    double* sums = nullptr;
    double share = 1;  ///< of what is summed

    template <class T>
    constexpr void write(index_t i, T loss) const {
        if (losses.data != nullptr) losses[i] = element_cast<L>(loss);
    }
};

/// A source and its result, without data where nobody wants it.
template <class E, class G>
struct sample_column {
    strided_values<const E> from;
    strided_values<G> to;
};

/// Column K of several: a std::tuple is not copied as bytes.
template <std::size_t K, class Column>
struct numbered_column {
    Column column;
};
template <class Numbers, class... Columns>
struct sample_columns;
template <std::size_t... K, class... Columns>
struct sample_columns<std::index_sequence<K...>, Columns...> : numbered_column<K, Columns>... {};

/// f(weight, x...) of `selfsame::sample_elements` for `each` samples a block, and the sum of their losses.
template <class T, class F, class L, class U, class... Columns>
struct evaluate_samples : thread_each {
    static constexpr const char* name = "evaluate_samples";
    struct shared {
        double sums[threads / warp_size];
    };
    F f;
    sample_columns<std::index_sequence_for<Columns...>, Columns...> columns;
    index_t count, each;
    weight_of_samples<U> weights;
    loss_of_samples<L> losses;
    bool adds;

    /// A function of their number alone: on it depend bits of the sum.
    static constexpr index_t each_block(index_t count) {
        constexpr index_t fewest = 1024, most_blocks = 4096;
        const index_t even = blocks_for(count, most_blocks);
        return even > fewest ? blocks_for(even, threads) * threads : fewest;
    }

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t first = c.block() * each, end = first + each < count ? first + each : count;
        double sum = 0;
        for (index_t i = first + c.thread(); i < end; i += threads) {
            sum += double(evaluate(i, std::index_sequence_for<Columns...>()));
        }
        if (losses.sums == nullptr) return;
        auto& s = c.template shared<shared>();
        sum = warp_sum(c, sum);
        if (c.lane() == 0) c.write(s.sums[c.warp()], sum);
        c.sync();
        if (c.thread() != 0) return;
        for (int w = 1; w < threads / warp_size; ++w) sum += c.read(s.sums[w]);
        losses.sums[c.block()] = losses.share * sum;
    }

  private:
    template <std::size_t K, class Column>
    static constexpr const Column& column(const numbered_column<K, Column>& x) {
        return x.column;
    }
    template <std::size_t... K>
    SELFSAME_DEVICE T evaluate(index_t i, std::index_sequence<K...>) const {
        const auto results = f(weights.template at<T>(i), element_cast<T>(column<K>(columns).from[i])...);
        losses.write(i, results[0]);
        (put(column<K>(columns), i, results[K + 1]), ...);
        return results[0];
    }
    template <class E, class G>
    SELFSAME_DEVICE void put(const sample_column<E, G>& column, index_t i, T x) const {
        if (column.to.data == nullptr) return;
        G& to = column.to[i];
        to = element_cast<G>(adds ? element_cast<T>(to) + x : x);
    }
};

/// What a row but its label's column is reduced to. The label's energy travels with it: whoever writes a gradient to
/// the energies' memory does so after it was read.
template <class V, class Reducer>
struct without_label : Reducer {
    using S = math::scalar_t<V>;
    V label = V(S(-1)), correct = V(S(0));

    template <int K>
    constexpr void absorb(const V (&e)[K], V column, S step, S scale) {
        V incorrect[K];
        for (int k = 0; k < K; ++k) {
            const bool is_label = column + V(S(k) * step) == label;
            incorrect[k] = Reducer::only(!is_label, e[k]);
            correct = math::select(is_label, e[k], correct);
        }
        Reducer::absorb(incorrect, column, step, scale);
    }
    /// One of the states alone has seen the label.
    constexpr void merge(const without_label& o, S scale) {
        Reducer::merge(o, scale);
        correct = correct + o.correct;
    }
};

/// Of `reduce_rows`: an objective over labelled rows whose facts are `Known`. A label that is no column makes NaN of
/// its row.
template <class T, class O, class Known, class Label, class L, class U>
struct labelled_losses {
    template <class V>
    using reducer = without_label<V, typename O::template reducer<V>>;

    O objective;
    T scale;
    strided_values<const Label> labels;
    index_t columns;
    weight_of_samples<U> weights;
    loss_of_samples<L> losses;

    constexpr reducer<T> begin(index_t i) const {
        const auto label = static_cast<index_t>(labels[i]);
        reducer<T> state{};
        state.label = label >= 0 && label < columns ? T(label) : T(-1);
        return state;
    }
    constexpr Known finish(const reducer<T>& state, index_t i) const {
        Known known{{objective.row(state, state.correct)}, state.label, weights.template at<T>(i)};
        if (state.label < T(0)) known.loss = known.weight = std::numeric_limits<T>::quiet_NaN();
        return known;
    }
    constexpr void write(const Known& known, index_t i) const {
        losses.write(i, known.loss);
        if (losses.sums != nullptr) losses.sums[i] = losses.share * double(known.loss);
    }
    constexpr T element(T e, const Known& known, T column) const { return known.slope(objective, e, column); }
};

/// Of `total`: a loss from the sums of its pieces.
struct sum_of_pieces {
    const double* sums;
    constexpr double term(index_t i) const { return sums[i]; }
    static constexpr double finish(double sum, double) { return sum; }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
