#pragma once

#include "selfsame/engine/cuda/rowwise.hpp"
#include "selfsame/policy/soft_targets.hpp"

/// \file
/// Kernels of cross-entropy with soft targets. A target is made of its teacher's row wherever it is wanted, and is
/// nowhere in memory.

namespace selfsame::inline SELFSAME_ISA::device {

/// Rows of the teacher, view after view, as targets in T. Center: `strided_values`, or `none`.
template <class T, class Formula, class E, class Center>
struct teacher_rows {
    using row = typename Formula::row;
    Formula formula;
    strided_rows<const E> rows;
    Center center;

    constexpr auto term(index_t i, index_t k) const {
        if constexpr (is_none<Center>) {
            return formula.term(element_cast<T>(rows.at(i, k)));
        } else {
            return formula.term(element_cast<T>(rows.at(i, k)), element_cast<T>(center[k]));
        }
    }
    constexpr T element(index_t i, index_t k, const row& r) const {
        if constexpr (is_none<Center>) {
            return formula.element(element_cast<T>(rows.at(i, k)), r);
        } else {
            return formula.element(element_cast<T>(rows.at(i, k)), element_cast<T>(center[k]), r);
        }
    }
};

/// What is known of each row of the teacher.
template <class T, class Formula, class E, class Center, class Team>
struct reduce_targets {
    static constexpr const char* name = "reduce_targets";
    using reducer = typename Formula::template reducer<T>;
    static constexpr int threads = Team::threads;
    using shared = typename Team::template shared<reducer>;

    teacher_rows<T, Formula, E, Center> teacher;
    typename Formula::row* known;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = Team::row(c);
        if (i >= teacher.rows.count) return;
        const auto state = Team::template reduce<T>(c, reducer{}, teacher.rows.width, teacher.formula.scale,
                                                    [&](index_t k, T(&z)[Team::unroll]) {
                                                        SELFSAME_UNROLL_ALL
                                                        for (int u = 0; u < Team::unroll; ++u) {
                                                            const index_t at = k + u * Team::columns_apart;
                                                            z[u] = at < teacher.rows.width ? teacher.term(i, at) : T(0);
                                                        }
                                                    });
        if (Team::first(c) == 0) known[i] = Formula::row::of(state);
    }
};

/// What a sample's cross-entropies count in the loss, and their gradients in what is asked for.
template <class T, class Weights, class Upstream>
struct weigh_samples : thread_each {
    static constexpr const char* name = "weigh_samples";
    Weights weights;
    Upstream upstream;
    const double* total;  // of the weights; null: 1
    double pairs, temperature;
    index_t count;
    double* share;
    T* slope;  // null: not wanted

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t b = item(c);
        if (b >= count) return;
        const double s = weights(b) / ((total != nullptr ? *total : 1.0) * pairs);
        share[b] = s;
        if (slope != nullptr) slope[b] = T(upstream(b) * s / temperature);
    }
};

/// For `total`: the sum of weights, 1 where it is none.
template <class Weights>
struct summed_weights {
    Weights weights;
    constexpr double term(index_t b) const { return weights(b); }
    template <class E>
    constexpr double finish(double sum, const E&) const {
        return sum > 0 ? sum : 1;
    }
};

/// The cross-entropy of each row of the students with all targets that it is compared with, and its gradient. `to`
/// without data: not wanted; it may be the memory of the students, element by element. Views of a sample are
/// neighbours, so that blocks that run together read the same rows of the teacher.
template <class T, class Formula, class Pairing, class E, class Center, class S, class G, class Team>
struct soft_target_rows {
    static constexpr const char* name = "soft_target_rows";
    using terms = selfsame::detail::soft_cross_entropy_terms<T>;
    using reducer = typename terms::template reducer<T>;
    using target_row = typename Formula::row;
    static constexpr int threads = Team::threads, unroll = Team::unroll;
    using shared = typename Team::template shared<reducer>;

    terms policy;
    teacher_rows<T, Formula, E, Center> teacher;
    const target_row* known;  // of the teacher's rows, where targets want it
    Pairing pairing;
    index_t samples;
    strided_rows<const S> students;
    const T* slope;  // of the samples
    T* values;       // samples x students' views
    strided_rows<G> to;
    bool adds;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t at = Team::row(c);
        if (at >= students.count) return;
        const index_t b = at / pairing.students, view = at % pairing.students, i = view * samples + b;
        const auto state = Team::template reduce<typename reducer::term>(
            c, reducer{}, students.width, policy.scale, [&](index_t k, typename reducer::term(&x)[unroll]) {
                T z[unroll], q[unroll];
                read(b, view, k, z, q);
                SELFSAME_UNROLL_ALL
                for (int u = 0; u < unroll; ++u) x[u] = policy.term(z[u], q[u]);
            });
        const int first = Team::first(c);
        if (first == 0) values[at] = state.value();
        if (to.data == nullptr) return;
        const auto row = terms::row::of(state, slope[b]);
        for (index_t k = first; k < students.width; k += unroll * Team::columns_apart) {
            T z[unroll], q[unroll];
            read(b, view, k, z, q);
            SELFSAME_UNROLL_ALL
            for (int u = 0; u < unroll; ++u) {
                const index_t column = k + u * Team::columns_apart;
                if (column >= students.width) continue;
                const T g = policy.element(z[u], q[u], row);
                G& result = to.at(i, column);
                result = element_cast<G>(adds ? element_cast<T>(result) + g : g);
            }
        }
    }

  private:
    /// Logits and targets of columns k, k + columns_apart, ...
    SELFSAME_DEVICE void read(index_t b, index_t view, index_t k, T (&z)[unroll], T (&q)[unroll]) const {
        SELFSAME_UNROLL_ALL
        for (int u = 0; u < unroll; ++u) {
            const index_t column = k + u * Team::columns_apart;
            z[u] = column < students.width ? element_cast<T>(students.at(view * samples + b, column)) : T(0);
            q[u] = T(0);
        }
        for (index_t t = 0; t < pairing.teachers; ++t) {
            if (!pairing.pairs(t, view)) continue;
            const index_t j = t * samples + b;
            target_row r{};
            if constexpr (Formula::reduces) r = known[j];
            SELFSAME_UNROLL_ALL
            for (int u = 0; u < unroll; ++u) {
                const index_t column = k + u * Team::columns_apart;
                if (column < students.width) q[u] = q[u] + teacher.element(j, column, r);
            }
        }
    }
};

/// The losses of samples, for `total` and `write_terms`.
template <class T>
struct soft_target_losses {
    const T* values;  // samples x views
    const double* share;
    index_t views;

    constexpr double term(index_t b) const {
        double sum = 0;
        for (index_t s = 0; s < views; ++s) sum += static_cast<double>(values[b * views + s]);
        return share[b] * sum;
    }
    template <class E>
    constexpr double finish(double sum, const E&) const {
        return sum;
    }
};

template <class F, class E>
struct write_terms : thread_each {
    static constexpr const char* name = "write_terms";
    F f;
    index_t count;
    strided_values<E> to;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i < count) to[i] = element_cast<E>(f.term(i));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
