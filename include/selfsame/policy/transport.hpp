#pragma once

#include <limits>

#include "selfsame/core/math.hpp"

/// \file
/// The formulas of Sinkhorn and Knopp's iteration, for every engine.

namespace selfsame::inline SELFSAME_ISA::detail {

/// Q_bk / r before its division by the row's sum: 2^(scale x_bk + c_k), c_k the logarithm of prototype k's factor.
struct transport_terms {
    double scale;  // log2(e) / epsilon

    template <class V>
    constexpr V logit(V x, V c) const {
        return math::fma(x, V(math::scalar_t<V>(scale)), c);
    }
    template <class V>
    constexpr V term(V x, V c) const {
        return math::exp2(logit(x, c));
    }
    template <class V>
    static constexpr V map(V logit, V level) {
        return math::exp2(logit - level);
    }
    template <class V>
    static constexpr V relative(V level) {
        return -level;
    }
    // Terms of 2^-24 of the sum are to be normal numbers, NaN is to be looked at.
    template <class T>
    static constexpr bool holds(T sum) {
        constexpr T low = sizeof(T) == 4 ? T(0x1p-80) : T(0x1p-900), high = sizeof(T) == 4 ? T(0x1p80) : T(0x1p900);
        return sum > low && sum < high;
    }
    /// A sample whose scores are all -inf has no term; its code is 0.
    template <class T>
    static constexpr T finish(T sum) {
        return sum == T(0) ? T(0) : T(1) / sum;
    }
    template <class V>
    static constexpr V element(V term, V factor) {
        return term * factor;
    }

    /// The logarithm of a prototype's factor from the sum of its terms, which are relative to a level, and the samples
    /// that it is to get. A prototype without any score above -inf keeps the factor 1: all its terms are 0.
    template <class V>
    static constexpr V first_potential(V total, V level, V wanted) {
        using T = math::scalar_t<V>;
        const V c = math::select(total == V(T(0)), V(T(0)), math::log2(wanted) - level - math::log2(total));
        return math::select(wanted == V(T(0)), V(-std::numeric_limits<T>::infinity()), c);
    }
    /// The next one, from the sum of the prototype's elements.
    template <class V>
    static constexpr V next_potential(V c, V total, V wanted) {
        const V zero(math::scalar_t<V>(0));
        const V next = c + math::log2(wanted / total);
        return math::select(wanted == zero, c, math::select(total == zero, c, next));
    }
};

constexpr bool transport_is_constant() {
    const transport_terms p{1.5};
    return p.element(p.term(0.5f, p.relative(0.5f)), p.finish(2.0f)) > 0 && p.holds(1.0) &&
           p.map(p.logit(0.5, 0.5), 1.0) > 0;
}
static_assert(transport_is_constant());

}  // namespace selfsame::inline SELFSAME_ISA::detail
