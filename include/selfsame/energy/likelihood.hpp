#pragma once

#include "selfsame/energy/labelled.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// Rows of energies, read twice: for the sum over incorrect answers, and for gradients.
struct over_labelled_rows {
    using no_gradients = labelled_energies<none>;

    template <class O, class Inputs>
    class pass {
      public:
        using rows = walks::labelled_rows<Inputs>;
        using compute = typename rows::compute;
        static constexpr int parts = 1;

        pass(const O& objective, const Inputs& inputs) : objective_(objective), rows_(inputs) {}
        index_t count(int) const { return rows_.count(); }
        index_t width() const { return rows_.answers(); }
        static double share(int) { return 1; }
        template <class G>
        auto bind(const G& g) const {
            return rows_.bind(g);
        }

        template <class G>
        compute visit(int, index_t i, compute weight, const G& g) const {
            const index_t label = rows_.label(i), nearest = rows_.most_offending(i);
            const compute correct = rows_.at(i, label);
            if (nearest < 0) {
                walks::put(g.energies, compute(0), i, label);
                return correct - correct;
            }
            // Relative to the least incorrect energy: differences are exact where energies are large.
            const compute least = rows_.at(i, nearest);
            compute sum = 0;
            for (index_t k = 0; k < rows_.answers(); ++k) {
                if (k != label) sum += objective_.term(rows_.at(i, k), least);
            }
            const compute logit = objective_.logit(sum, correct, least);
            if constexpr (!is_none<decltype(g.energies)>) {
                for (index_t k = 0; k < rows_.answers(); ++k) {
                    const compute slope = k == label ? objective_.correct_slope(logit)
                                                     : objective_.slope(rows_.at(i, k), least, sum, logit);
                    walks::put(g.energies, weight * slope, i, k);
                }
            }
            return objective_.loss(logit);
        }

      private:
        const O& objective_;
        rows rows_;
    };
};

/// E(correct) + T log sum_k e^(-E_k / T): minus T times the log likelihood of the correct answer. With E = -logit and
/// T = 1 it is cross-entropy; with E_ij = -similarity it is T times InfoNCE at temperature T.
///
/// Inputs `labelled_energies{energies, labels}`, N x K and N. An energy of +inf is an answer that cannot be; -inf, or
/// +inf for all incorrect answers, gives NaN.
struct negative_log_likelihood {
    using walk = over_labelled_rows;

    double temperature = 1;
    selfsame::reduction reduction = selfsame::reduction::mean;

    /// Of an incorrect answer, relative to the least energy of one.
    template <class V>
    constexpr V term(V e, V least) const {
        return math::exp(scaled(least - e));
    }
    /// log of the odds against the correct answer.
    template <class V>
    constexpr V logit(V sum, V correct, V least) const {
        return math::log(sum) + scaled(correct - least);
    }
    template <class V>
    constexpr V loss(V logit) const {
        return V(math::scalar_t<V>(temperature)) * math::softplus(logit);
    }
    template <class V>
    static constexpr V correct_slope(V logit) {
        return math::sigmoid(logit);
    }
    template <class V>
    constexpr V slope(V e, V least, V sum, V logit) const {
        return -term(e, least) / sum * math::sigmoid(logit);
    }

    void check() const {
        if (!(temperature > 0 && temperature - temperature == 0)) fail("temperature", temperature, "> 0");
    }

  private:
    template <class V>
    constexpr V scaled(V difference) const {
        return difference * V(math::scalar_t<V>(1 / temperature));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
