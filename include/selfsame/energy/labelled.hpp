#pragma once

#include <limits>

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

/// Losses of the energy of the correct answer and of what the incorrect ones are reduced to. An objective has
///
///     reducer<V>, term(e), scale<S>()        what incorrect answers are reduced to
///     row(reduced, correct)                  fields of a row, `loss` among them
///     slope(e, column, row)                  d loss / d E(incorrect answer)
///     correct_slope(row)                     d loss / d E(correct answer)
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
        : objective_(objective), energies_(host_view<2>(inputs.energies)), labels_(host_view<1>(inputs.labels)) {
        check_elements<energies_view>();
        check_size("labels", labels_, count(0), "rows of energies");
        for (index_t i = 0; i < count(0); ++i) {
            if (label(i) < 0 || label(i) >= width()) {
                fail("labels", label(i),
                     "at least 0 and less than the " + std::to_string(width()) + " columns of energies");
            }
        }
    }
    index_t count(int) const { return energies_.extent(0); }
    index_t width() const { return energies_.extent(1); }
    static double share(int) { return 1; }

    void tell(aliasing_rules& rules) const {
        rules.input("energies", energies_);
        rules.input("labels", labels_);
    }
    template <bool Adds, class G>
    auto bind(aliasing_rules& rules, const G& g) const {
        if constexpr (is_none<G>) {
            return labelled_energies<none>{};
        } else {
            auto energies = gradient_of<compute, Adds>(rules, "gradient of energies", g.energies, energies_);
            return labelled_energies<decltype(energies)>{energies, {}};
        }
    }

    template <class Weights, class Losses, class G>
    double sum(int, index_t first, index_t n, const Weights& weights, const Losses& losses, const G& g) const {
        const row_source_of<compute, energies_view> energies(energies_);
        const auto walk =
            walk_rows<compute>(policy{objective_, objective_.template scale<compute>()},
                               incorrect_answers<compute, energies_view, labels_view>(energies_, labels_));
        const auto finish = [&](index_t b, index_t m, const auto& reduced) {
            const V correct =
                one_a_lane<compute>(b, m, [&](index_t i) { return element_cast<compute>(energies_(i, label(i))); });
            return fields{{objective_.row(reduced, correct)},
                          one_a_lane<compute>(b, m, [&](index_t i) { return static_cast<compute>(label(i)); }),
                          one_a_lane<compute>(b, m, [&](index_t i) { return weights.at(i); })};
        };
        return sum_rows<compute>(first, n, walk, losses, finish, [&](index_t i, const fields& row) {
            if constexpr (!is_none<decltype(g.energies)>) {
                for_elements<compute>(
                    i, 0, width(), std::tie(energies), std::tie(g.energies), [&](index_t k, index_t, V e) {
                        const V column = V(compute(k)) + lane_numbers<V>();
                        const V slope = math::select(column == row.label, objective_.correct_slope(row),
                                                     objective_.slope(e, column, row));
                        return std::array{row.weight * slope};
                    });
            }
        });
    }

  private:
    using V = batch<compute>;
    struct policy {
        template <class X>
        using reducer = typename O::template reducer<X>;
        const O& objective;
        compute scale;
        SELFSAME_INLINE V term(V e) const { return objective.term(e); }
    };
    struct fields : decltype(std::declval<const O&>().row(std::declval<typename O::template reducer<V>>(), V())) {
        V label, weight;
    };
    index_t label(index_t i) const { return static_cast<index_t>(labels_(i)); }

    const O& objective_;
    energies_view energies_;
    labels_view labels_;
};

}  // namespace host

}  // namespace selfsame::inline SELFSAME_ISA
