#pragma once

#include <limits>

#include "selfsame/core/math.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// The least of a row and its column, as a reducer: of equal ones the lowest column, and NaN before all. +inf in column
/// -1 if all are +inf.
template <class V>
struct least {
    using S = math::scalar_t<V>;

    V value = V(std::numeric_limits<S>::infinity()), at = V(S(-1));

    /// x where the mask holds; elsewhere a column that does not count.
    template <class M>
    static constexpr V only(M mask, V x) {
        return math::select(mask, x, V(std::numeric_limits<S>::infinity()));
    }
    /// x of columns column, column + step, ...
    template <int K>
    constexpr void absorb(const V (&x)[K], V column, S step, S) {
        for (int k = 0; k < K; ++k) merge({x[k], column + V(S(k) * step)}, S(1));
    }
    constexpr void merge(const least& o, S) {
        // Ranks: NaN 0, numbers 1; what is not better in rank and value is so in its column, or not at all.
        const V one(S(1)), zero(S(0));
        const V mine = math::select(value == value, one, zero), other = math::select(o.value == o.value, one, zero);
        const V earlier = math::select(o.at < at, one, zero);
        const V numbers = math::select(o.value < value, one, math::select(o.value == value, earlier, zero));
        const V nans = math::select(other < mine, one, math::select(other == mine, earlier, zero));
        const auto leads = math::select(mine + other == V(S(2)), numbers, nans) > zero;
        value = math::select(leads, o.value, value);
        at = math::select(leads, o.at, at);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
