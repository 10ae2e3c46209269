#pragma once

#include "selfsame/engine/rowwise.hpp"

/// \file
/// Losses that compare energies of data with energies of other samples, the two in any numbers.

namespace selfsame::inline SELFSAME_ISA {

/// N energies of data and M of samples of the model (or of outliers). As inputs: any vectors. As gradients: vectors of
/// the same sizes, or `none`.
template <class Data, class Samples>
struct energy_samples {
    Data data;
    Samples samples;
};
template <class D, class S>
energy_samples(D&&, S&&) -> energy_samples<D, S>;

/// Loss of an energy, of data or of a sample, and its weighted slope.
template <class O, bool Data>
struct energy_results {
    O objective;

    template <class V>
    constexpr std::array<V, 2> operator()(V weight, V e) const {
        if constexpr (Data) {
            return {objective.data_term(e), weight * objective.data_slope(e)};
        } else {
            return {objective.sample_term(e), weight * objective.sample_slope(e)};
        }
    }
};

/// Means over the data and over the samples are added; an empty one adds 0.
struct over_energy_samples {
    using no_gradients = energy_samples<none, none>;

    template <class O, class Inputs>
    class pass {
        using data_view = host::view_of<1, decltype(Inputs::data)>;
        using samples_view = host::view_of<1, decltype(Inputs::samples)>;

      public:
        using compute = host::widest_type<data_view, samples_view>;
        static constexpr int parts = 2;

        pass(const O& objective, const Inputs& inputs)
            : objective_(objective), data_(host::input_view<1>(inputs.data)),
              samples_(host::input_view<1>(inputs.samples)) {
            host::check_elements<data_view, samples_view>();
        }

        index_t count(int part) const { return part == 0 ? data_.extent(0) : samples_.extent(0); }
        static index_t width() { return 1; }
        static double share(int) { return 1; }

        template <class Rules>
        void tell(Rules& rules) const {
            rules.input("data", data_);
            rules.input("samples", samples_);
        }
        template <class Results, class G>
        auto bind(aliasing_rules& rules, const G& g) const {
            auto data = host::gradient_of<Results>(rules, "gradient of data", g.data, data_);
            auto samples = host::gradient_of<Results>(rules, "gradient of samples", g.samples, samples_);
            return energy_samples<decltype(data), decltype(samples)>{data, samples};
        }

        template <class G, class F>
        void each_part(const G& g, F&& f) const {
            f(0, sample_elements{std::tuple(data_), std::tuple(g.data), energy_results<O, true>{objective_}});
            f(1, sample_elements{std::tuple(samples_), std::tuple(g.samples), energy_results<O, false>{objective_}});
        }

      private:
        const O& objective_;
        data_view data_;
        samples_view samples_;
    };
};

/// mean(E(data) + a E(data)^2) + mean(-E(samples) + a E(samples)^2).
///
/// Contrastive divergence (Hinton 2002) where samples are chains begun at the data, its persistent form (Tieleman 2008)
/// where they go on from the step before (`replay_buffer`). Samples are constants: the gradient to a model's parameters
/// is that of the energies alone. The regularization a keeps energies near 0 (Du & Mordatch 2019).
///
/// Inputs `energy_samples{data, samples}`, vectors of any two lengths.
struct contrastive_divergence {
    using inputs = over_energy_samples;

    double regularization = 0;

    template <class V>
    constexpr V data_term(V e) const {
        return e + V(math::scalar_t<V>(regularization)) * e * e;
    }
    template <class V>
    constexpr V data_slope(V e) const {
        using S = math::scalar_t<V>;
        return V(S(1)) + V(S(2 * regularization)) * e;
    }
    template <class V>
    constexpr V sample_term(V e) const {
        return V(math::scalar_t<V>(regularization)) * e * e - e;
    }
    template <class V>
    constexpr V sample_slope(V e) const {
        using S = math::scalar_t<V>;
        return V(S(2 * regularization)) * e - V(S(1));
    }

    void check() const {
        if (!(regularization >= 0)) fail("regularization", regularization, ">= 0");
    }
};

/// weight (mean relu(E_in - inside)^2 + mean relu(outside - E_out)^2): energies of known data are pushed below one
/// bound and those of outliers above another.
///
/// Liu et al. 2020, "Energy-based out-of-distribution detection", with free energies of logits; the defaults are those
/// of their fine-tuning on CIFAR, to be added to the cross-entropy. Inputs `energy_samples{data, outliers}`.
struct energy_bounds {
    using inputs = over_energy_samples;

    double inside = -25;
    double outside = -7;
    double weight = 0.1;

    template <class V>
    constexpr V data_term(V e) const {
        return squared(above(e));
    }
    template <class V>
    constexpr V data_slope(V e) const {
        return V(math::scalar_t<V>(2 * weight)) * above(e);
    }
    template <class V>
    constexpr V sample_term(V e) const {
        return squared(below(e));
    }
    template <class V>
    constexpr V sample_slope(V e) const {
        return V(math::scalar_t<V>(-2 * weight)) * below(e);
    }

    void check() const {
        if (!(inside - inside == 0)) fail("inside", inside, "a finite number");
        if (!(outside - outside == 0)) fail("outside", outside, "a finite number");
        if (!(weight >= 0)) fail("weight", weight, ">= 0");
    }

  private:
    template <class V>
    constexpr V above(V e) const {
        using S = math::scalar_t<V>;
        return (math::max)(V(S(0)), e - V(S(inside)));
    }
    template <class V>
    constexpr V below(V e) const {
        using S = math::scalar_t<V>;
        return (math::max)(V(S(0)), V(S(outside)) - e);
    }
    template <class V>
    constexpr V squared(V x) const {
        return V(math::scalar_t<V>(weight)) * x * x;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
