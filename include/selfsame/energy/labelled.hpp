#pragma once

#include <limits>
#include <utility>

#include "selfsame/engine/rowwise.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// N x K energies of all answers, and N integers that say which is correct. As gradients: `{energies}`.
template <class Energies, class Labels = none>
struct labelled_energies {
    Energies energies;
    Labels labels{};
};
template <class E>
labelled_energies(E&&) -> labelled_energies<E>;
template <class E, class L>
labelled_energies(E&&, L&&) -> labelled_energies<E, L>;

/// Losses of the energy of the correct answer and of what the incorrect ones are reduced to. An objective has
///
///     reducer<V>, scale<S>()                 what incorrect answers are reduced to
///     row(reduced, correct)                  fields of a row, `loss` among them
///     slope(e, column, row)                  d loss / d E(incorrect answer)
///     correct_slope(row)                     d loss / d E(correct answer)
template <class O, class Energies, class Labels, class To>
struct labelled_rows {
    const O& objective;
    Energies energies;
    Labels labels;
    To to;
};

/// What is known of a row once it is reduced.
template <class O, class V>
struct labelled_row : decltype(std::declval<const O&>().row(std::declval<typename O::template reducer<V>>(), V())) {
    V label, weight;

    constexpr V slope(const O& objective, V e, V column) const {
        return weight *
               math::select(column == label, objective.correct_slope(*this), objective.slope(e, column, *this));
    }
};

namespace host {

/// Rows in which the energy of the label is +inf: an answer that does not count.
template <class T, class Energies, class Labels>
class incorrect_answers {
  public:
    incorrect_answers(const Energies& energies, const Labels& labels) : rows_(energies), labels_(labels) {}

    index_t rows() const { return rows_.rows(); }
    index_t columns() const { return rows_.columns(); }
    static constexpr bool in_place() { return false; }
    const T* read(index_t row, index_t first, index_t n, T* buffer) const {
        const T* const from = rows_.read(row, first, n, buffer);
        if (from != buffer) std::copy(from, from + n, buffer);
        const auto label = static_cast<index_t>(labels_(row)) - first;
        if (label >= 0 && label < n) buffer[label] = std::numeric_limits<T>::infinity();
        return buffer;
    }

  private:
    row_source_of<T, Energies> rows_;
    Labels labels_;
};

template <class T, class O>
struct labelled_walk {
    template <class X>
    using reducer = typename O::template reducer<X>;
    T scale;
    SELFSAME_INLINE static batch<T> term(batch<T> e) { return e; }
};

/// Rows reduced without the energies of their labels.
template <class T, class O, class Energies, class Labels, class To, class Weights, class Losses>
double sum_samples(const labelled_rows<O, Energies, Labels, To>& x, index_t first, index_t n, const Weights& weights,
                   const Losses& losses) {
    using V = batch<T>;
    using known = labelled_row<O, V>;
    const row_source_of<T, Energies> energies(x.energies);
    const auto label = [&](index_t i) { return static_cast<index_t>(x.labels(i)); };
    const auto walk = walk_rows<T>(labelled_walk<T, O>{x.objective.template scale<T>()},
                                   incorrect_answers<T, Energies, Labels>(x.energies, x.labels));
    const auto finish = [&](index_t b, index_t m, const auto& reduced) {
        const V correct = one_a_lane<T>(b, m, [&](index_t i) { return element_cast<T>(x.energies(i, label(i))); });
        return known{{x.objective.row(reduced, correct)},
                     one_a_lane<T>(b, m, [&](index_t i) { return static_cast<T>(label(i)); }),
                     one_a_lane<T>(b, m, [&](index_t i) { return weights.at(i); })};
    };
    return sum_rows<T>(first, n, walk, losses, finish, [&](index_t i, const known& row) {
        if constexpr (!is_none<To>) {
            for_elements<T>(i, 0, energies.columns(), std::tie(energies), std::tie(x.to), [&](index_t k, index_t, V e) {
                const V column = V(T(k)) + lane_numbers<V>();
                return std::array{row.slope(x.objective, e, column)};
            });
        }
    });
}

template <class O, class Inputs>
class labelled_pass {
    using energies_view = view_of<2, decltype(Inputs::energies)>;
    static_assert(!is_none<decltype(Inputs::labels)>, "selfsame: labelled_energies{energies, labels} has no labels");
    using labels_view = view_of<1, decltype(Inputs::labels)>;
    static_assert(std::is_integral_v<typename labels_view::value_type>, "selfsame: labels are integers");

  public:
    using compute = widest_type<energies_view>;
    static constexpr int parts = 1;

    labelled_pass(const O& objective, const Inputs& inputs)
        : objective_(objective), energies_(input_view<2>(inputs.energies)), labels_(input_view<1>(inputs.labels)) {
        check_elements<energies_view>();
        check_size("labels", labels_, count(0), "rows of energies");
        if constexpr (labels_view::accessor_type::space == memory_space::host) {
            for (index_t i = 0; i < count(0); ++i) {
                if (label(i) < 0 || label(i) >= width()) {
                    fail("labels", label(i),
                         "at least 0 and less than the " + std::to_string(width()) + " columns of energies");
                }
            }
        }
    }
    index_t count(int) const { return energies_.extent(0); }
    index_t width() const { return energies_.extent(1); }
    static double share(int) { return 1; }

    template <class Rules>
    void tell(Rules& rules) const {
        rules.input("energies", energies_);
        rules.input("labels", labels_);
    }
    template <class Results, class G>
    auto bind(aliasing_rules& rules, const G& g) const {
        if constexpr (is_none<G>) {
            return labelled_energies<none>{};
        } else {
            auto energies = gradient_of<Results>(rules, "gradient of energies", g.energies, energies_);
            return labelled_energies<decltype(energies)>{energies, {}};
        }
    }

    template <class G, class F>
    void each_part(const G& g, F&& f) const {
        f(0, labelled_rows<O, energies_view, labels_view, std::remove_cvref_t<decltype(g.energies)>>{
                 objective_, energies_, labels_, g.energies});
    }

  private:
    index_t label(index_t i) const { return static_cast<index_t>(labels_(i)); }

    const O& objective_;
    energies_view energies_;
    labels_view labels_;
};

}  // namespace host

}  // namespace selfsame::inline SELFSAME_ISA
