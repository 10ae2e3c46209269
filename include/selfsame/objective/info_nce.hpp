#pragma once

#include "selfsame/engine/pairwise.hpp"

/// \file
/// InfoNCE and its family: cross-entropy of the positive among the negatives, over similarities divided by a
/// temperature.

namespace selfsame::inline SELFSAME_ISA {

/// loss_i = -y_i + log(e^(y_i) + sum_j e^(x_ij)), x = s / temperature, y_i that of the positive.
///
/// Inputs `pairs{anchors, positives}`, N x D, or with M x D negatives for `from_queue`. A learnable temperature has the
/// gradient `pair_gradients::temperature`. Van den Oord et al. 2018; the aliases below name their papers.
template <class Similarity = cosine, class Negatives = both_views, class Precision = full_precision>
struct info_nce {
    using similarity = Similarity;
    using negatives = Negatives;
    using precision = Precision;
    template <class V>
    using reducer = log_sum_exp<V>;
    template <class V>
    struct row {
        V total;     // log of the denominator
        V residual;  // probability of the positive, minus 1
    };

    double temperature = 0.1;
    selfsame::reduction reduction = selfsame::reduction::mean;

    template <class V>
    constexpr V logit(V s) const {
        return s * V(math::scalar_t<V>(1 / temperature));
    }
    template <class V>
    static constexpr V loss(V negatives, V positive) {
        return math::softplus(negatives - positive);
    }
    template <class V>
    static constexpr row<V> keep(V negatives, V positive) {
        const V total = positive + math::softplus(negatives - positive);
        return {total, -math::exp(negatives - total)};  // from the negatives: 1 - p cancels where the loss is small
    }
    template <class V>
    static constexpr V weight(V x, row<V> r) {
        return math::exp(x - r.total);
    }
    template <class V>
    static constexpr V positive_weight(row<V> r) {
        return r.residual;
    }
    /// weight(x, r) = e^(x - level(r)): an engine may share the exponential of a pair between its row and its column.
    template <class V>
    static constexpr V level(row<V> r) {
        return r.total;
    }
    /// d loss / d temperature from d loss / d (1 / temperature).
    constexpr double temperature_gradient(double d_scale) const { return -d_scale / (temperature * temperature); }

    void check() const {
        if (!(temperature > 0)) fail("temperature", temperature, "> 0");
    }
};

/// SimCLR's loss (Chen et al. 2020), the mean over 2N rows.
using nt_xent = info_nce<cosine, both_views>;
/// CLIP's loss (Radford et al. 2021): rows and columns averaged; its logit scale is 1 / temperature.
using clip = info_nce<cosine, in_batch_two_way>;
/// MoCo's loss (He et al. 2020) against a queue of keys.
using moco = info_nce<cosine, from_queue>;

}  // namespace selfsame::inline SELFSAME_ISA
