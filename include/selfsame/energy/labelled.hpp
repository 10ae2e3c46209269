#pragma once

#include "selfsame/energy/walk.hpp"

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

namespace walks {

/// Energies with labels that were checked.
template <class Inputs>
class labelled_rows {
    using energies_view = view_of<2, decltype(Inputs::energies)>;
    static_assert(!is_none<decltype(Inputs::labels)>, "selfsame: labelled_energies{energies, labels} has no labels");
    using labels_view = view_of<1, decltype(Inputs::labels)>;
    static_assert(std::is_integral_v<typename labels_view::value_type>, "selfsame: labels are integers");

  public:
    using compute = compute_type<energies_view>;

    explicit labelled_rows(const Inputs& inputs)
        : energies_(host_view<2>(inputs.energies)), labels_(host_view<1>(inputs.labels)) {
        check_elements<energies_view>();
        check_size("labels", labels_, count(), "rows of energies");
        for (index_t i = 0; i < count(); ++i) {
            const auto l = static_cast<index_t>(labels_(i));
            if (l < 0 || l >= answers()) {
                fail("labels", l, "at least 0 and less than the " + std::to_string(answers()) + " columns of energies");
            }
        }
    }
    index_t count() const { return energies_.extent(0); }
    index_t answers() const { return energies_.extent(1); }
    index_t label(index_t i) const { return static_cast<index_t>(labels_(i)); }
    compute at(index_t i, index_t k) const { return element_cast<compute>(energies_(i, k)); }

    /// The incorrect answer of the least energy, the first of equals, one that is NaN before all; -1 if there is none.
    index_t most_offending(index_t i) const {
        index_t best = -1;
        for (index_t k = 0; k < answers(); ++k) {
            if (k == label(i)) continue;
            if (best < 0 || at(i, k) < at(i, best)) best = k;
            if (at(i, k) != at(i, k)) return k;
        }
        return best;
    }

    template <class G>
    auto bind(const G& g) const {
        auto energies = target<2>("gradient of energies", g.energies, energies_);
        return labelled_energies<decltype(energies)>{energies, {}};
    }

  private:
    energies_view energies_;
    labels_view labels_;
};

}  // namespace walks

}  // namespace selfsame::inline SELFSAME_ISA
