#pragma once

#include <limits>

#include "selfsame/core/math.hpp"

/// \file
/// What the terms of a row are reduced to. A reducer is a partial state over a value type V that merges with others
/// of its row in any order. In a tile, where one term serves a row and a column, an engine adds up `map(term, level)`
/// instead, with one level for the whole tile, and turns each sum into a state by `from_sum`.

namespace selfsame::inline SELFSAME_ISA {

/// log sum_j e^(x_j), with a running maximum.
template <class V>
struct log_sum_exp {
    using S = math::scalar_t<V>;
    static constexpr S lowest = -(std::numeric_limits<S>::max)() / 4;  // finite: lowest - lowest must not be NaN
    /// Rows share a level if theirs differ by less than this, and no sum of mapped terms exceeds e^reach.
    static constexpr S reach = sizeof(S) == 4 ? S(36) : S(300);
    static constexpr S largest_sum = math::exp(reach);
    /// Below this terms may be missing from a sum of mapped terms.
    static constexpr S smallest_sum = math::exp(-reach * S(1.6));

    V level = V(lowest);  ///< terms are held relative to e^level
    V sum = V(S(0));

    /// An empty state that expects terms near x.
    static constexpr log_sum_exp around(V x) { return {x, V(S(0))}; }
    static constexpr V map(V x, V level) { return math::exp(x - level); }
    static constexpr log_sum_exp from_sum(V sum, V level) { return {level, sum}; }

    template <int K>
    constexpr void absorb(const V (&x)[K]) {
        const V before = math::select(sum == V(S(0)), V(lowest), level);
        V top = before;
        for (int k = 0; k < K; ++k) top = (math::max)(top, x[k]);
        V total = sum * under(before, top);
        for (int k = 0; k < K; ++k) total = total + map(x[k], top);
        level = top;
        sum = total;
    }
    constexpr void merge(const log_sum_exp& o) {
        // What an empty state expects does not count.
        const V mine = math::select(sum == V(S(0)), V(lowest), level),
                other = math::select(o.sum == V(S(0)), mine, o.level);
        const V top = (math::max)(mine, other);
        level = math::select(o.sum == V(S(0)), level, top);
        sum = sum * under(mine, top) + o.sum * under(other, top);
    }
    /// -inf for no terms.
    constexpr V value() const { return level + math::log(sum); }

  private:
    // exp(0) may be off by a rounding, and a row is merged thousands of times.
    static constexpr V under(V x, V top) { return math::select(x == top, V(S(1)), math::exp(x - top)); }
};

/// sum_j x_j.
template <class V>
struct sum_of {
    using S = math::scalar_t<V>;
    V total = V(S(0));

    static constexpr sum_of around(V) { return {}; }
    static constexpr V map(V x, V) { return x; }
    static constexpr sum_of from_sum(V sum, V) { return {sum}; }
    constexpr void merge(const sum_of& o) { total = total + o.total; }
    constexpr V value() const { return total; }
};

}  // namespace selfsame::inline SELFSAME_ISA
