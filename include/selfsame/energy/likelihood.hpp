#pragma once

#include "selfsame/energy/labelled.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// sum_k e^(-E_k / T) relative to that of the least energy, as a reducer; scale is log2(e) / T. Energies are subtracted
/// before they are scaled, so that differences are exact where energies are large.
template <class V>
struct sum_of_likelihoods {
    using S = math::scalar_t<V>;

    V least = V((std::numeric_limits<S>::max)() / 4), sum = V(S(0)), bits = V(S(0));

    template <class M>
    static constexpr V only(M mask, V e) {
        return math::select(mask, e, V(std::numeric_limits<S>::infinity()));
    }
    template <int K>
    constexpr void absorb(const V (&e)[K], V, S, S scale) {
        V lower = least;
        for (int k = 0; k < K; ++k) lower = (math::min)(lower, e[k]);
        bits = V(scale);
        sum = sum * under(lower, least);
        for (int k = 0; k < K; ++k) sum = sum + math::exp2((lower - e[k]) * bits);
        least = lower;
    }
    constexpr void merge(const sum_of_likelihoods& o, S) {
        const V lower = (math::min)(least, o.least);
        sum = sum * under(lower, least) + o.sum * under(lower, o.least);
        least = lower;
    }

  private:
    constexpr V under(V lower, V e) const { return math::select(lower == e, V(S(1)), math::exp2((lower - e) * bits)); }
};

struct over_labelled_rows {
    using no_gradients = labelled_energies<none>;

    template <class O, class Inputs>
    using pass = host::labelled_pass<O, Inputs>;
};

/// E(correct) + T log sum_k e^(-E_k / T): minus T times the log likelihood of the correct answer. With E = -logit and
/// T = 1 it is cross-entropy; with E_ij = -similarity it is T times InfoNCE at temperature T.
///
/// Inputs `labelled_energies{energies, labels}`, N x K and N. An energy of +inf is an answer that cannot be; -inf gives
/// NaN, and so does +inf for all answers.
struct negative_log_likelihood {
    using inputs = over_labelled_rows;

    double temperature = 1;
    selfsame::reduction reduction = selfsame::reduction::mean;

    template <class V>
    using reducer = sum_of_likelihoods<V>;
    template <class V>
    struct fields {
        V loss, against;         ///< against: probability that the answer is incorrect
        V least, bits, inverse;  ///< of incorrect answers; inverse: against by their sum
    };
    template <class S>
    constexpr S scale() const {
        return S(1.44269504088896340736 / temperature);
    }
    template <class V>
    constexpr fields<V> row(const reducer<V>& incorrect, V correct) const {
        using S = math::scalar_t<V>;
        // Without an incorrect answer that can be there are no odds against the correct one.
        const auto alone = incorrect.sum == V(S(0));
        const V difference = correct - math::select(alone, correct, incorrect.least);
        const V odds = math::log(incorrect.sum) + difference * V(S(1 / temperature));
        const V against = math::sigmoid(odds);
        return {V(S(temperature)) * math::softplus(odds), against, incorrect.least, V(scale<S>()),
                math::select(alone, V(S(0)), against / incorrect.sum)};
    }
    template <class V>
    static constexpr V slope(V e, V, const fields<V>& r) {
        return -math::exp2((r.least - e) * r.bits) * r.inverse;
    }
    template <class V>
    static constexpr V correct_slope(const fields<V>& r) {
        return r.against;
    }

    void check() const {
        if (!(temperature > 0 && temperature - temperature == 0)) fail("temperature", temperature, "> 0");
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
