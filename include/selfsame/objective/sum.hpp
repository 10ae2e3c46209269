#pragma once

#include <algorithm>
#include <tuple>

#include "selfsame/core/aliasing.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/policy/accumulate.hpp"
#include "selfsame/policy/reduction.hpp"

/// \file
/// Objectives of the same inputs add: `1.0 * nt_xent{} + 0.5 * other{}` is an objective, in one call after the other,
/// the later ones adding to the gradients of the first. Gradients need memory of their own.

namespace selfsame::inline SELFSAME_ISA {

/// sum of weight_k objective_k, each of one value (mean or sum).
template <class... Objectives>
struct objective_sum {
    std::tuple<Objectives...> objectives;
    std::array<double, sizeof...(Objectives)> weights;

    void check() const {
        std::apply([](const auto&... o) { (check_reduction(o), ...); }, objectives);
        for (const double w : weights) {
            if (!(w - w == 0)) fail("weight", w, "a finite number");
        }
    }

  private:
    template <class O>
    static void check_reduction(const O& o) {
        if constexpr (requires { o.reduction; }) {
            if (o.reduction == reduction::per_sample) {
                fail("reduction", "per_sample", "mean or sum: objectives that are added have one value each");
            }
        }
    }
};

namespace detail {
template <class O>
inline constexpr bool is_objective_sum = false;
template <class... O>
inline constexpr bool is_objective_sum<objective_sum<O...>> = true;

template <class O>
auto as_sum(const O& o) {
    if constexpr (is_objective_sum<O>) {
        return o;
    } else {
        return objective_sum<O>{{o}, {1.0}};
    }
}
}  // namespace detail

/// What can be added: objectives over pairs, views, prototypes, energies, and sums of them.
template <class O>
concept addable_objective = detail::is_objective_sum<O> || requires(const O& o) { o.reduction; } ||
                            requires { typename O::inputs; } || requires { typename O::negatives; };

template <addable_objective O>
auto operator*(double weight, const O& objective) {
    auto sum = detail::as_sum(objective);
    for (double& w : sum.weights) w *= weight;
    return sum;
}

template <addable_objective A, addable_objective B>
auto operator+(const A& a, const B& b) {
    const auto both = [&]<class... P, class... Q>(const objective_sum<P...>& x, const objective_sum<Q...>& y) {
        objective_sum<P..., Q...> sum{std::tuple_cat(x.objectives, y.objectives), {}};
        std::copy(y.weights.begin(), y.weights.end(),
                  std::copy(x.weights.begin(), x.weights.end(), sum.weights.begin()));
        return sum;
    };
    return both(detail::as_sum(a), detail::as_sum(b));
}

/// The loss, returned.
template <execution C, class... O, class Inputs>
auto forward(const C& ctx, const objective_sum<O...>& sum, const Inputs& inputs) {
    sum.check();
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
        using T = std::common_type_t<decltype(forward(ctx, std::get<K>(sum.objectives), inputs))...>;
        return static_cast<T>(((sum.weights[K] * forward(ctx, std::get<K>(sum.objectives), inputs)) + ...));
    }(std::index_sequence_for<O...>());
}

/// The loss, returned, and gradients of upstream x loss.
template <execution C, class... O, class Inputs, class Gradients>
auto value_and_grad(const C& ctx, const objective_sum<O...>& sum, const Inputs& inputs, Gradients&& gradients,
                    double upstream = 1) {
    sum.check();
    return [&]<std::size_t... K>(std::index_sequence<K...>) {
        using T = std::common_type_t<decltype(forward(ctx, std::get<K>(sum.objectives), inputs))...>;
        double total = 0;
        const auto add = [&]<std::size_t J>(std::integral_constant<std::size_t, J>) {
            const auto& objective = std::get<J>(sum.objectives);
            T loss{};
            if constexpr (J == 0) {
                value_and_grad(ctx, objective, inputs, loss, gradients, upstream * sum.weights[J]);
            } else {
                value_and_grad(ctx, objective, inputs, loss, accumulate{host::unwrap(gradients)},
                               upstream * sum.weights[J]);
            }
            total += sum.weights[J] * static_cast<double>(loss);
        };
        (add(std::integral_constant<std::size_t, K>()), ...);
        return static_cast<T>(total);
    }(std::index_sequence_for<O...>());
}

}  // namespace selfsame::inline SELFSAME_ISA
