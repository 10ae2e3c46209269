#pragma once

#include "selfsame/core/math.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// The sum of a row's terms, as a reducer; what additions round off is added up apart.
template <class V>
struct sum_of_terms {
    using S = math::scalar_t<V>;

    V total = V(S(0)), rest = V(S(0));

    template <class M>
    static constexpr V only(M mask, V x) {
        return math::select(mask, x, V(S(0)));
    }
    template <int K>
    constexpr void absorb(const V (&x)[K], V, S, S) {
        V some = x[0];
        for (int k = 1; k < K; ++k) some = some + x[k];
        add(some);
    }
    constexpr void merge(const sum_of_terms& o, S) {
        add(o.total);
        rest = rest + o.rest;
    }
    constexpr V value() const {
        // Of an infinite total there is no rest.
        return math::select(rest == rest, total + rest, total);
    }

  private:
    constexpr void add(V x) {
        const V sum = total + x, part = sum - total;
        rest = rest + ((total - (sum - part)) + (x - part));
        total = sum;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
