#pragma once

#include "selfsame/energy/labelled.hpp"
#include "selfsame/policy/least.hpp"

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

/// Loss of a pair of energies and its weighted slopes.
template <class Function>
struct margin_results {
    Function function;

    template <class V>
    constexpr std::array<V, 3> operator()(V weight, V correct, V incorrect) const {
        const margin_slopes<V> slopes = function.slopes(correct, incorrect);
        return {function.value(correct, incorrect), weight * slopes.correct, weight * slopes.incorrect};
    }
};

/// energy_pairs, or labelled_energies whose most offending incorrect answer is looked for. Where there is no incorrect
/// answer (K = 1) its energy is infinite.
struct over_margins {
    using no_gradients = none;

    template <class O, class Inputs>
    class pass;

    template <class O, class Correct, class Incorrect>
    class pass<O, energy_pairs<Correct, Incorrect>> {
        using correct_view = host::view_of<1, Correct>;
        using incorrect_view = host::view_of<1, Incorrect>;

      public:
        using compute = host::widest_type<correct_view, incorrect_view>;
        static constexpr int parts = 1;

        pass(const O& objective, const energy_pairs<Correct, Incorrect>& inputs)
            : objective_(objective), correct_(host::input_view<1>(inputs.correct)),
              incorrect_(host::input_view<1>(inputs.incorrect)) {
            host::check_elements<correct_view, incorrect_view>();
            host::check_size("incorrect", incorrect_, count(0), "correct");
        }
        index_t count(int) const { return correct_.extent(0); }
        static index_t width() { return 1; }
        static double share(int) { return 1; }

        template <class Rules>
        void tell(Rules& rules) const {
            rules.input("correct", correct_);
            rules.input("incorrect", incorrect_);
        }
        template <class Results, class G>
        auto bind(aliasing_rules& rules, const G& g) const {
            if constexpr (is_none<G>) {
                return energy_pairs<none, none>{};
            } else {
                auto correct = host::gradient_of<Results>(rules, "gradient of correct", g.correct, correct_);
                auto incorrect = host::gradient_of<Results>(rules, "gradient of incorrect", g.incorrect, incorrect_);
                return energy_pairs<decltype(correct), decltype(incorrect)>{correct, incorrect};
            }
        }
        template <class G, class F>
        void each_part(const G& g, F&& f) const {
            using function = std::remove_cvref_t<decltype(objective_.function)>;
            f(0, sample_elements{std::tuple(correct_, incorrect_), std::tuple(g.correct, g.incorrect),
                                 margin_results<function>{objective_.function}});
        }

      private:
        const O& objective_;
        correct_view correct_;
        incorrect_view incorrect_;
    };

    template <class O, class Energies, class Labels>
    class pass<O, labelled_energies<Energies, Labels>>
        : public host::labelled_pass<O, labelled_energies<Energies, Labels>> {
        using host::labelled_pass<O, labelled_energies<Energies, Labels>>::labelled_pass;
    };
};

/// function(E(correct), E(most offending incorrect)), in the tutorial's words a generalized margin loss. A function
/// says `value` and `slopes` of two energies; this library's are hinge, log_margin, square_square, square_exponential
/// and smooth_error.
///
/// Inputs `energy_pairs{correct, incorrect}` or `labelled_energies{energies, labels}`.
template <class Function>
struct generalized_margin {
    using inputs = over_margins;

    Function function{};
    selfsame::reduction reduction = selfsame::reduction::mean;

    template <class V>
    using reducer = least<V>;
    template <class V>
    struct fields {
        V loss, correct, incorrect, incorrect_at;  ///< slopes, and the column of the most offending answer
    };
    template <class S>
    static constexpr S scale() {
        return S(1);
    }
    template <class V>
    constexpr fields<V> row(const reducer<V>& incorrect, V correct) const {
        const margin_slopes<V> slopes = function.slopes(correct, incorrect.value);
        return {function.value(correct, incorrect.value), slopes.correct, slopes.incorrect, incorrect.at};
    }
    template <class V>
    static constexpr V slope(V, V column, const fields<V>& r) {
        return math::select(column == r.incorrect_at, r.incorrect, V(0));
    }
    template <class V>
    static constexpr V correct_slope(const fields<V>& r) {
        return r.correct;
    }

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
