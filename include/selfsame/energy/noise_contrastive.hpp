#pragma once

#include "selfsame/engine/rowwise.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// Log densities under the model (-E(x) plus a learnt constant, say) and under a known noise, of N data and of M
/// samples of that noise. As inputs: any vectors, N, N, M and M long. As gradients: vectors of the same sizes, or
/// `none`.
template <class ModelOfData, class NoiseOfData, class ModelOfNoise, class NoiseOfNoise>
struct log_densities {
    ModelOfData model_of_data;
    NoiseOfData noise_of_data;
    ModelOfNoise model_of_noise;
    NoiseOfNoise noise_of_noise;
};
template <class A, class B, class C, class D>
log_densities(A&&, B&&, C&&, D&&) -> log_densities<A, B, C, D>;

/// Loss of a pair of log densities, of data or of noise, and its weighted slopes.
template <class O, class T, bool Data>
struct density_results {
    T log_ratio;

    template <class V>
    constexpr std::array<V, 3> operator()(V weight, V model, V noise) const {
        const V x = model - noise - V(log_ratio);
        if constexpr (Data) {
            const V slope = weight * O::data_slope(x);
            return {O::data_term(x), slope, -slope};
        } else {
            const V slope = weight * O::noise_slope(x);
            return {O::noise_term(x), slope, -slope};
        }
    }
};

/// Mean over the data plus nu times the mean over the noise; an empty one adds 0.
struct over_log_densities {
    using no_gradients = log_densities<none, none, none, none>;

    template <class O, class Inputs>
    class pass {
        using model_data_view = host::view_of<1, decltype(Inputs::model_of_data)>;
        using noise_data_view = host::view_of<1, decltype(Inputs::noise_of_data)>;
        using model_noise_view = host::view_of<1, decltype(Inputs::model_of_noise)>;
        using noise_noise_view = host::view_of<1, decltype(Inputs::noise_of_noise)>;

      public:
        using compute = host::widest_type<model_data_view, noise_data_view, model_noise_view, noise_noise_view>;
        static constexpr int parts = 2;

        pass(const O& objective, const Inputs& inputs)
            : model_of_data_(host::input_view<1>(inputs.model_of_data)),
              noise_of_data_(host::input_view<1>(inputs.noise_of_data)),
              model_of_noise_(host::input_view<1>(inputs.model_of_noise)),
              noise_of_noise_(host::input_view<1>(inputs.noise_of_noise)) {
            host::check_elements<model_data_view, noise_data_view, model_noise_view, noise_noise_view>();
            host::check_size("noise_of_data", noise_of_data_, count(0), "model_of_data");
            host::check_size("noise_of_noise", noise_of_noise_, count(1), "model_of_noise");
            ratio_ = objective.ratio > 0 ? objective.ratio
                     : count(0) > 0      ? static_cast<double>(count(1)) / static_cast<double>(count(0))
                                         : 1;
            // Without noise there is nothing to tell data from: any ratio gives the limit, and 0 would give infinity.
            if (count(1) == 0 && !(objective.ratio > 0)) ratio_ = 1;
            log_ratio_ = static_cast<compute>(math::log(ratio_));
        }

        index_t count(int part) const { return part == 0 ? model_of_data_.extent(0) : model_of_noise_.extent(0); }
        static index_t width() { return 1; }
        double share(int part) const { return part == 0 ? 1 : ratio_; }

        template <class Rules>
        void tell(Rules& rules) const {
            rules.input("model_of_data", model_of_data_);
            rules.input("noise_of_data", noise_of_data_);
            rules.input("model_of_noise", model_of_noise_);
            rules.input("noise_of_noise", noise_of_noise_);
        }
        template <class Results, class G>
        auto bind(aliasing_rules& rules, const G& g) const {
            auto a = host::gradient_of<Results>(rules, "gradient of model_of_data", g.model_of_data, model_of_data_);
            auto b = host::gradient_of<Results>(rules, "gradient of noise_of_data", g.noise_of_data, noise_of_data_);
            auto c = host::gradient_of<Results>(rules, "gradient of model_of_noise", g.model_of_noise, model_of_noise_);
            auto d = host::gradient_of<Results>(rules, "gradient of noise_of_noise", g.noise_of_noise, noise_of_noise_);
            return log_densities<decltype(a), decltype(b), decltype(c), decltype(d)>{a, b, c, d};
        }

        template <class G, class F>
        void each_part(const G& g, F&& f) const {
            f(0,
              sample_elements{std::tuple(model_of_data_, noise_of_data_), std::tuple(g.model_of_data, g.noise_of_data),
                              density_results<O, compute, true>{log_ratio_}});
            f(1, sample_elements{std::tuple(model_of_noise_, noise_of_noise_),
                                 std::tuple(g.model_of_noise, g.noise_of_noise),
                                 density_results<O, compute, false>{log_ratio_}});
        }

      private:
        model_data_view model_of_data_;
        noise_data_view noise_of_data_;
        model_noise_view model_of_noise_;
        noise_noise_view noise_of_noise_;
        double ratio_ = 1;
        compute log_ratio_ = 0;
    };
};

/// -mean log s(x_data) - nu mean log(1 - s(x_noise)), s the logistic function, x = log p_model - log p_noise - log nu:
/// the logistic classification of data against nu samples of a known noise for each datum. At its minimum the model is
/// the density of the data, normalization included.
///
/// Gutmann & Hyvarinen 2012, "Noise-contrastive estimation of unnormalized statistical models". Inputs
/// `log_densities{model_of_data, noise_of_data, model_of_noise, noise_of_noise}`.
struct noise_contrastive {
    using inputs = over_log_densities;

    double ratio = 0;  ///< nu, noise samples for each datum; 0: what the inputs hold, M / N

    template <class V>
    static constexpr V data_term(V x) {
        return math::softplus(-x);
    }
    template <class V>
    static constexpr V data_slope(V x) {
        return -math::sigmoid(-x);
    }
    template <class V>
    static constexpr V noise_term(V x) {
        return math::softplus(x);
    }
    template <class V>
    static constexpr V noise_slope(V x) {
        return math::sigmoid(x);
    }

    void check() const {
        if (!(ratio >= 0 && ratio - ratio == 0)) fail("ratio", ratio, ">= 0 (0: noise samples by data)");
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
