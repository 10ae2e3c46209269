#pragma once

#include <limits>

#include "selfsame/energy/labelled.hpp"

/// \file
/// Losses of the energy of the correct answer against those of incorrect ones (LeCun, Chopra, Hadsell, Ranzato & Huang
/// 2006, "A tutorial on energy-based learning", section 2).

namespace selfsame::inline SELFSAME_ISA {

/// Energies of the correct and of the most offending incorrect answers of N samples. As inputs: any vectors. As
/// gradients: vectors of the same sizes, or `none`.
template <class Correct, class Incorrect>
struct energy_pairs {
    Correct correct;
    Incorrect incorrect;
};
template <class C, class J>
energy_pairs(C&&, J&&) -> energy_pairs<C, J>;

/// d loss / d E(correct) and d loss / d E(incorrect).
template <class V>
struct margin_slopes {
    V correct, incorrect;
};

/// energy_pairs, or labelled_energies whose most offending incorrect answer is looked for. Where there is no incorrect
/// answer (K = 1) its energy is infinite.
struct over_margins {
    using no_gradients = none;

    template <class O, class Inputs>
    class pass;

    template <class O, class Correct, class Incorrect>
    class pass<O, energy_pairs<Correct, Incorrect>> {
        using correct_view = walks::view_of<1, Correct>;
        using incorrect_view = walks::view_of<1, Incorrect>;

      public:
        using compute = walks::compute_type<correct_view, incorrect_view>;
        static constexpr int parts = 1;

        pass(const O& objective, const energy_pairs<Correct, Incorrect>& inputs)
            : objective_(objective), correct_(walks::host_view<1>(inputs.correct)),
              incorrect_(walks::host_view<1>(inputs.incorrect)) {
            walks::check_elements<correct_view, incorrect_view>();
            walks::check_size("incorrect", incorrect_, count(0), "correct");
        }
        index_t count(int) const { return correct_.extent(0); }
        static index_t width() { return 1; }
        static double share(int) { return 1; }

        static auto bind(none) { return energy_pairs<none, none>{}; }
        template <class G>
        auto bind(const G& g) const {
            auto correct = walks::target<1>("gradient of correct", g.correct, correct_);
            auto incorrect = walks::target<1>("gradient of incorrect", g.incorrect, incorrect_);
            walks::check_apart("gradient of incorrect", incorrect, "gradient of correct", correct);
            return energy_pairs<decltype(correct), decltype(incorrect)>{correct, incorrect};
        }
        template <class G>
        compute visit(int, index_t i, compute weight, const G& g) const {
            const auto correct = element_cast<compute>(correct_(i)), incorrect = element_cast<compute>(incorrect_(i));
            const auto slopes = objective_.function.slopes(correct, incorrect);
            walks::put(g.correct, weight * slopes.correct, i);
            walks::put(g.incorrect, weight * slopes.incorrect, i);
            return objective_.function.value(correct, incorrect);
        }

      private:
        const O& objective_;
        correct_view correct_;
        incorrect_view incorrect_;
    };

    template <class O, class Energies, class Labels>
    class pass<O, labelled_energies<Energies, Labels>> {
      public:
        using rows = walks::labelled_rows<labelled_energies<Energies, Labels>>;
        using compute = typename rows::compute;
        static constexpr int parts = 1;

        pass(const O& objective, const labelled_energies<Energies, Labels>& inputs)
            : objective_(objective), rows_(inputs) {}
        index_t count(int) const { return rows_.count(); }
        index_t width() const { return rows_.answers(); }
        static double share(int) { return 1; }

        static auto bind(none) { return labelled_energies<none>{}; }
        template <class G>
        auto bind(const G& g) const {
            return rows_.bind(g);
        }
        template <class G>
        compute visit(int, index_t i, compute weight, const G& g) const {
            const index_t label = rows_.label(i), other = rows_.most_offending(i);
            const compute correct = rows_.at(i, label);
            const compute incorrect = other < 0 ? std::numeric_limits<compute>::infinity() : rows_.at(i, other);
            const auto slopes = objective_.function.slopes(correct, incorrect);
            for (index_t k = 0; k < rows_.answers(); ++k) walks::put(g.energies, compute(0), i, k);
            walks::put(g.energies, weight * slopes.correct, i, label);
            if (other >= 0) walks::put(g.energies, weight * slopes.incorrect, i, other);
            return objective_.function.value(correct, incorrect);
        }

      private:
        const O& objective_;
        rows rows_;
    };
};

/// function(E(correct), E(most offending incorrect)), in the tutorial's words a generalized margin loss. A function
/// says `value` and `slopes` of two energies; this library's are hinge, log_margin, square_square, square_exponential
/// and smooth_error.
///
/// Inputs `energy_pairs{correct, incorrect}` or `labelled_energies{energies, labels}`.
template <class Function>
struct generalized_margin {
    using walk = over_margins;

    Function function{};
    selfsame::reduction reduction = selfsame::reduction::mean;

    void check() const {
        if constexpr (requires { function.check(); }) function.check();
    }
};

namespace detail {
inline void check_margin(double margin) {
    if (!(margin - margin == 0)) fail("margin", margin, "a finite number");
}
}  // namespace detail

/// max(0, m + E(correct) - E(incorrect)).
struct hinge {
    double margin = 1;

    template <class V>
    constexpr V value(V correct, V incorrect) const {
        using S = math::scalar_t<V>;
        return (math::max)(V(S(0)), V(S(margin)) + (correct - incorrect));
    }
    template <class V>
    constexpr margin_slopes<V> slopes(V correct, V incorrect) const {
        using S = math::scalar_t<V>;
        const V on = math::select(V(S(margin)) + (correct - incorrect) > V(S(0)), V(S(1)), V(S(0)));
        return {on, -on};
    }
    void check() const { detail::check_margin(margin); }
};

/// log(1 + e^(E(correct) - E(incorrect))), the hinge with a soft corner.
struct log_margin {
    template <class V>
    static constexpr V value(V correct, V incorrect) {
        return math::softplus(correct - incorrect);
    }
    template <class V>
    static constexpr margin_slopes<V> slopes(V correct, V incorrect) {
        const V s = math::sigmoid(correct - incorrect);
        return {s, -s};
    }
};

/// E(correct)^2 + max(0, m - E(incorrect))^2: for energies bounded below by 0 (LeCun & Huang 2005).
struct square_square {
    double margin = 1;

    template <class V>
    constexpr V value(V correct, V incorrect) const {
        const V short_of = lacks(incorrect);
        return correct * correct + short_of * short_of;
    }
    template <class V>
    constexpr margin_slopes<V> slopes(V correct, V incorrect) const {
        using S = math::scalar_t<V>;
        return {V(S(2)) * correct, V(S(-2)) * lacks(incorrect)};
    }
    void check() const { detail::check_margin(margin); }

  private:
    template <class V>
    constexpr V lacks(V incorrect) const {
        using S = math::scalar_t<V>;
        return (math::max)(V(S(0)), V(S(margin)) - incorrect);
    }
};

/// E(correct)^2 + g e^(-E(incorrect)): an infinite margin (Osadchy, LeCun & Miller 2007).
struct square_exponential {
    double factor = 1;  ///< g

    template <class V>
    constexpr V value(V correct, V incorrect) const {
        return correct * correct + V(math::scalar_t<V>(factor)) * math::exp(-incorrect);
    }
    template <class V>
    constexpr margin_slopes<V> slopes(V correct, V incorrect) const {
        using S = math::scalar_t<V>;
        return {V(S(2)) * correct, V(S(-factor)) * math::exp(-incorrect)};
    }
    void check() const {
        if (!(factor > 0)) fail("factor", factor, "> 0");
    }
};

/// 1 / (1 + e^(E(incorrect) - E(correct))): a smooth count of errors (minimum classification error, Juang et al. 1997).
struct smooth_error {
    template <class V>
    static constexpr V value(V correct, V incorrect) {
        return math::sigmoid(correct - incorrect);
    }
    template <class V>
    static constexpr margin_slopes<V> slopes(V correct, V incorrect) {
        const V slope = math::sigmoid(correct - incorrect) * math::sigmoid(incorrect - correct);
        return {slope, -slope};
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
