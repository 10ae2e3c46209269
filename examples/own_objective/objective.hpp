#pragma once

#include "selfsame/engine/pairwise.hpp"

/// Contrastive loss with a margin (Hadsell, Chopra, LeCun 2006) on cosine similarities, over SimCLR's pairs:
/// loss_i = (1 - y_i)^2 + sum_j max(0, s_ij - margin)^2.
struct margin_contrast {
    using similarity = selfsame::cosine;
    using negatives = selfsame::both_views;
    template <class V>
    using reducer = selfsame::sum_of<V>;
    template <class V>
    struct row {
        V gap;
    };
    double margin = 0.3;
    template <class V>
    constexpr V over(V s) const {
        return selfsame::math::max(V(0), s - V(selfsame::math::scalar_t<V>(margin)));
    }
    template <class V>
    constexpr V logit(V s) const {
        return s;
    }
    template <class V>
    constexpr V term(V s) const {
        return over(s) * over(s);
    }
    template <class V>
    constexpr V loss(V sum, V y) const {
        return sum + (V(1) - y) * (V(1) - y);
    }
    template <class V>
    constexpr row<V> keep(V, V y) const {
        return {V(1) - y};
    }
    template <class V>
    constexpr V weight(V s, row<V>) const {
        return V(2) * over(s);
    }
    template <class V>
    constexpr V positive_weight(row<V> r) const {
        return V(-2) * r.gap;
    }
};
