#pragma once

#include "selfsame/energy/walk.hpp"

/// \file
/// Score matching: losses of a model's score s(x) = grad log p(x) = -grad E(x).

namespace selfsame::inline SELFSAME_ISA {

/// Scores at N noisy samples x + sigma n, the unit noise n, N x D each, and where levels differ N values of sigma. As
/// inputs: any tensors. As gradients: tensors of the same shapes for scores and noise, or `none`.
template <class Scores, class Noise, class Sigmas = none>
struct noisy_scores {
    Scores scores;
    Noise noise;
    Sigmas sigmas{};
};
template <class S, class N>
noisy_scores(S&&, N&&) -> noisy_scores<S, N>;
template <class S, class N, class L>
noisy_scores(S&&, N&&, L&&) -> noisy_scores<S, N, L>;

/// Scores s and directions v, N x D each, and N products v' (ds/dx) v. As inputs: any tensors. As gradients: tensors of
/// the same shapes, or `none`.
template <class Scores, class Directions, class Products>
struct sliced_scores {
    Scores scores;
    Directions directions;
    Products products;
};
template <class S, class D, class P>
sliced_scores(S&&, D&&, P&&) -> sliced_scores<S, D, P>;

struct over_noisy_scores {
    using no_gradients = noisy_scores<none, none>;

    template <class O, class Inputs>
    class pass {
        using scores_view = walks::view_of<2, decltype(Inputs::scores)>;
        using noise_view = walks::view_of<2, decltype(Inputs::noise)>;
        using sigmas_view = walks::view_of<1, decltype(Inputs::sigmas)>;
        static constexpr bool has_sigmas = !std::is_same_v<sigmas_view, none>;

      public:
        using compute = walks::compute_type<scores_view, noise_view, sigmas_view>;
        static constexpr int parts = 1;

        pass(const O& objective, const Inputs& inputs)
            : objective_(objective), scores_(walks::host_view<2>(inputs.scores)),
              noise_(walks::host_view<2>(inputs.noise)), sigmas_(walks::view_or_none<1>(inputs.sigmas)) {
            walks::check_elements<scores_view, noise_view>();
            if (noise_.extent(0) != scores_.extent(0) || noise_.extent(1) != scores_.extent(1)) {
                fail("noise", std::string_view(shape_text(noise_)), "the shape of scores, " + shape_text(scores_));
            }
            if constexpr (has_sigmas) {
                walks::check_size("sigmas", sigmas_, count(0), "rows of scores");
                for (index_t i = 0; i < count(0); ++i) {
                    const double s = element_cast<double>(sigmas_(i));
                    if (!(s > 0 && s - s == 0)) fail("sigmas", s, "> 0");
                }
            }
        }
        index_t count(int) const { return scores_.extent(0); }
        index_t width() const { return scores_.extent(1); }
        static double share(int) { return 1; }

        template <class G>
        auto bind(const G& g) const {
            static_assert(is_none<decltype(g.sigmas)>, "selfsame: sigmas are no differentiable input");
            auto scores = walks::target<2>("gradient of scores", g.scores, scores_);
            auto noise = walks::target<2>("gradient of noise", g.noise, noise_);
            walks::check_apart("gradient of noise", noise, "gradient of scores", scores);
            return noisy_scores<decltype(scores), decltype(noise)>{scores, noise, {}};
        }

        template <class G>
        compute visit(int, index_t i, compute weight, const G& g) const {
            const compute sigma = level(i);
            const auto [a, b] = objective_.factors(sigma);
            double sum = 0;
            for (index_t k = 0; k < width(); ++k) {
                const compute r =
                    O::residual(element_cast<compute>(scores_(i, k)), element_cast<compute>(noise_(i, k)), a, b);
                sum += static_cast<double>(O::term(r));
                walks::put(g.scores, weight * a * r, i, k);
                walks::put(g.noise, weight * b * r, i, k);
            }
            return static_cast<compute>(sum);
        }

      private:
        compute level([[maybe_unused]] index_t i) const {
            if constexpr (has_sigmas) {
                return element_cast<compute>(sigmas_(i));
            } else {
                return static_cast<compute>(objective_.sigma);
            }
        }

        const O& objective_;
        scores_view scores_;
        noise_view noise_;
        sigmas_view sigmas_;
    };
};

/// 1/2 ||s(x + sigma n) + n / sigma||^2, or with `weighted` sigma^2 times that, 1/2 ||sigma s + n||^2, which brings
/// levels of noise to one scale.
///
/// Vincent 2011, "A connection between score matching and denoising autoencoders"; the weights and a sigma for each
/// sample are those of Song & Ermon 2019. Inputs `noisy_scores{scores, noise}` with the sigma below, or
/// `noisy_scores{scores, noise, sigmas}`.
struct denoising_score_matching {
    using walk = over_noisy_scores;

    double sigma = 1;
    bool weighted = false;
    selfsame::reduction reduction = selfsame::reduction::mean;

    /// The residual is scores x score + noise x n.
    template <class V>
    struct score_and_noise {
        V scores, noise;
    };
    template <class V>
    constexpr score_and_noise<V> factors(V level) const {
        using S = math::scalar_t<V>;
        return weighted ? score_and_noise<V>{level, V(S(1))} : score_and_noise<V>{V(S(1)), V(S(1)) / level};
    }
    template <class V>
    static constexpr V residual(V score, V noise, V a, V b) {
        return a * score + b * noise;
    }
    template <class V>
    static constexpr V term(V residual) {
        return V(math::scalar_t<V>(0.5)) * residual * residual;
    }

    void check() const {
        if (!(sigma > 0 && sigma - sigma == 0)) fail("sigma", sigma, "> 0");
    }
};

struct over_sliced_scores {
    using no_gradients = sliced_scores<none, none, none>;

    template <class O, class Inputs>
    class pass {
        using scores_view = walks::view_of<2, decltype(Inputs::scores)>;
        using directions_view = walks::view_of<2, decltype(Inputs::directions)>;
        using products_view = walks::view_of<1, decltype(Inputs::products)>;

      public:
        using compute = walks::compute_type<scores_view, directions_view, products_view>;
        static constexpr int parts = 1;

        pass(const O& objective, const Inputs& inputs)
            : objective_(objective), scores_(walks::host_view<2>(inputs.scores)),
              directions_(walks::host_view<2>(inputs.directions)), products_(walks::host_view<1>(inputs.products)) {
            walks::check_elements<scores_view, directions_view, products_view>();
            if (directions_.extent(0) != scores_.extent(0) || directions_.extent(1) != scores_.extent(1)) {
                fail("directions", std::string_view(shape_text(directions_)),
                     "the shape of scores, " + shape_text(scores_));
            }
            walks::check_size("products", products_, count(0), "rows of scores");
        }
        index_t count(int) const { return scores_.extent(0); }
        index_t width() const { return scores_.extent(1); }
        static double share(int) { return 1; }

        template <class G>
        auto bind(const G& g) const {
            auto s = walks::target<2>("gradient of scores", g.scores, scores_);
            auto d = walks::target<2>("gradient of directions", g.directions, directions_);
            auto p = walks::target<1>("gradient of products", g.products, products_);
            walks::check_apart("gradient of directions", d, "gradient of scores", s);
            walks::check_apart("gradient of products", p, "gradient of scores", s);
            walks::check_apart("gradient of products", p, "gradient of directions", d);
            return sliced_scores<decltype(s), decltype(d), decltype(p)>{s, d, p};
        }

        template <class G>
        compute visit(int, index_t i, compute weight, const G& g) const {
            const bool whole = objective_.variance_reduced;
            double along = 0;
            for (index_t k = 0; k < width(); ++k) {
                const double s = element_cast<double>(scores_(i, k));
                along += (whole ? s : element_cast<double>(directions_(i, k))) * s;
            }
            const auto product = element_cast<compute>(products_(i));
            const auto inner = static_cast<compute>(along);
            for (index_t k = 0; k < width(); ++k) {
                const auto s = element_cast<compute>(scores_(i, k)), v = element_cast<compute>(directions_(i, k));
                walks::put(g.scores, weight * (whole ? s : inner * v), i, k);
                walks::put(g.directions, weight * (whole ? compute(0) : inner * s), i, k);
            }
            walks::put(g.products, weight, i);
            return product + objective_.score_term(inner);
        }

      private:
        const O& objective_;
        scores_view scores_;
        directions_view directions_;
        products_view products_;
    };
};

/// v' (ds/dx) v + 1/2 (v' s)^2, or with `variance_reduced` v' (ds/dx) v + 1/2 ||s||^2, for random directions v of unit
/// covariance.
///
/// Song, Garg, Shi & Ermon 2019, "Sliced score matching". Inputs `sliced_scores{scores, directions, products}`, where
/// products are v' (ds/dx) v; their gradient is taken with the directions held.
struct sliced_score_matching {
    using walk = over_sliced_scores;

    bool variance_reduced = false;
    selfsame::reduction reduction = selfsame::reduction::mean;

    /// Of (v' s), or of ||s||^2.
    template <class V>
    constexpr V score_term(V inner) const {
        const V half_of(math::scalar_t<V>(0.5));
        return variance_reduced ? half_of * inner : half_of * inner * inner;
    }
    static void check() {}
};

}  // namespace selfsame::inline SELFSAME_ISA
