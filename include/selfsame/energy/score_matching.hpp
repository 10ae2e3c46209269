#pragma once

#include "selfsame/engine/rowwise.hpp"
#include "selfsame/policy/sum_of_terms.hpp"

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
        using scores_view = host::view_of<2, decltype(Inputs::scores)>;
        using noise_view = host::view_of<2, decltype(Inputs::noise)>;
        using sigmas_view = host::view_of<1, decltype(Inputs::sigmas)>;
        static constexpr bool has_sigmas = !std::is_same_v<sigmas_view, none>;

      public:
        using compute = host::widest_type<scores_view, noise_view, sigmas_view>;
        static constexpr int parts = 1;

        pass(const O& objective, const Inputs& inputs)
            : objective_(objective), scores_(host::input_view<2>(inputs.scores)),
              noise_(host::input_view<2>(inputs.noise)), sigmas_(host::input_view<1>(inputs.sigmas)) {
            host::check_elements<scores_view, noise_view>();
            if (noise_.extent(0) != scores_.extent(0) || noise_.extent(1) != scores_.extent(1)) {
                fail("noise", std::string_view(shape_text(noise_)), "the shape of scores, " + shape_text(scores_));
            }
            if constexpr (has_sigmas) {
                host::check_size("sigmas", sigmas_, count(0), "rows of scores");
                for (index_t i = 0; i < count(0); ++i) {
                    const double s = element_cast<double>(sigmas_(i));
                    if (!(s > 0 && s - s == 0)) fail("sigmas", s, "> 0");
                }
            }
        }
        index_t count(int) const { return scores_.extent(0); }
        index_t width() const { return scores_.extent(1); }
        static double share(int) { return 1; }

        template <class Rules>
        void tell(Rules& rules) const {
            rules.input("scores", scores_);
            rules.input("noise", noise_);
            rules.input("sigmas", sigmas_);
        }
        template <class Results, class G>
        auto bind(aliasing_rules& rules, const G& g) const {
            static_assert(is_none<decltype(g.sigmas)>, "selfsame: sigmas are no differentiable input");
            auto scores = host::gradient_of<Results>(rules, "gradient of scores", g.scores, scores_);
            auto noise = host::gradient_of<Results>(rules, "gradient of noise", g.noise, noise_);
            return noisy_scores<decltype(scores), decltype(noise)>{scores, noise, {}};
        }

        template <class G, class F>
        void each_part(const G& g, F&& f) const {
            f(0, [&](index_t first, index_t n, const auto& weights, const auto& losses) {
                return sum(first, n, weights, losses, g);
            });
        }

      private:
        template <class Weights, class Losses, class G>
        double sum(index_t first, index_t n, const Weights& weights, const Losses& losses, const G& g) const {
            const host::row_source_of<compute, scores_view> scores(scores_);
            const host::row_source_of<compute, noise_view> noise(noise_);
            const auto of_scores = [&](index_t i) { return objective_.factors(level(i)).scores; };
            const auto of_noise = [&](index_t i) { return objective_.factors(level(i)).noise; };
            const auto walk = host::walk_rows<compute>(policy{}, scores, noise, host::row_constant(scores, of_scores),
                                                       host::row_constant(scores, of_noise));
            const auto finish = [&](index_t b, index_t m, const auto& reduced) {
                return fields{reduced.value(), host::one_a_lane<compute>(b, m, of_scores),
                              host::one_a_lane<compute>(b, m, of_noise),
                              host::one_a_lane<compute>(b, m, [&](index_t i) { return weights.at(i); })};
            };
            return host::sum_rows<compute>(first, n, walk, losses, finish, [&](index_t i, const fields& row) {
                if constexpr (!is_none<decltype(g.scores)> || !is_none<decltype(g.noise)>) {
                    host::for_elements<compute>(i, 0, width(), std::tie(scores, noise), std::tie(g.scores, g.noise),
                                                [&](index_t, index_t, V s, V x) {
                                                    const V r = row.weight * O::residual(s, x, row.scores, row.noise);
                                                    return std::array{row.scores * r, row.noise * r};
                                                });
                }
            });
        }

        using V = batch<compute>;
        struct policy {
            template <class X>
            using reducer = sum_of_terms<X>;
            compute scale = 1;
            SELFSAME_INLINE V term(V s, V x, V a, V b) const { return O::term(O::residual(s, x, a, b)); }
        };
        struct fields {
            V loss, scores, noise, weight;
        };
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
    using inputs = over_noisy_scores;

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
        using scores_view = host::view_of<2, decltype(Inputs::scores)>;
        using directions_view = host::view_of<2, decltype(Inputs::directions)>;
        using products_view = host::view_of<1, decltype(Inputs::products)>;

      public:
        using compute = host::widest_type<scores_view, directions_view, products_view>;
        static constexpr int parts = 1;

        pass(const O& objective, const Inputs& inputs)
            : objective_(objective), scores_(host::input_view<2>(inputs.scores)),
              directions_(host::input_view<2>(inputs.directions)), products_(host::input_view<1>(inputs.products)) {
            host::check_elements<scores_view, directions_view, products_view>();
            if (directions_.extent(0) != scores_.extent(0) || directions_.extent(1) != scores_.extent(1)) {
                fail("directions", std::string_view(shape_text(directions_)),
                     "the shape of scores, " + shape_text(scores_));
            }
            host::check_size("products", products_, count(0), "rows of scores");
        }
        index_t count(int) const { return scores_.extent(0); }
        index_t width() const { return scores_.extent(1); }
        static double share(int) { return 1; }

        template <class Rules>
        void tell(Rules& rules) const {
            rules.input("scores", scores_);
            rules.input("directions", directions_);
            rules.input("products", products_);
        }
        template <class Results, class G>
        auto bind(aliasing_rules& rules, const G& g) const {
            auto s = host::gradient_of<Results>(rules, "gradient of scores", g.scores, scores_);
            auto d = host::gradient_of<Results>(rules, "gradient of directions", g.directions, directions_);
            auto p = host::gradient_of<Results>(rules, "gradient of products", g.products, products_);
            return sliced_scores<decltype(s), decltype(d), decltype(p)>{s, d, p};
        }

        template <class G, class F>
        void each_part(const G& g, F&& f) const {
            f(0, [&](index_t first, index_t n, const auto& weights, const auto& losses) {
                return sum(first, n, weights, losses, g);
            });
        }

      private:
        template <class Weights, class Losses, class G>
        double sum(index_t first, index_t n, const Weights& weights, const Losses& losses, const G& g) const {
            const host::row_source_of<compute, scores_view> scores(scores_);
            const host::row_source_of<compute, directions_view> directions(directions_);
            const bool whole = objective_.variance_reduced;
            const auto walk = host::walk_rows<compute>(policy{whole}, scores, directions);
            const auto finish = [&](index_t b, index_t m, const auto& reduced) {
                const V inner = reduced.value(), zero(compute(0));
                const V product =
                    host::one_a_lane<compute>(b, m, [&](index_t i) { return element_cast<compute>(products_(i)); });
                const V weight = host::one_a_lane<compute>(b, m, [&](index_t i) { return weights.at(i); });
                // Gradients are of_scores s + of_directions v, and of_directions s.
                return fields{product + objective_.score_term(inner), whole ? weight : zero,
                              whole ? zero : weight * inner, weight};
            };
            return host::sum_rows<compute>(first, n, walk, losses, finish, [&](index_t i, const fields& row) {
                if constexpr (!is_none<decltype(g.scores)> || !is_none<decltype(g.directions)>) {
                    host::for_elements<compute>(i, 0, width(), std::tie(scores, directions),
                                                std::tie(g.scores, g.directions), [&](index_t, index_t, V s, V v) {
                                                    return std::array{
                                                        math::fma(row.of_scores, s, row.of_directions * v),
                                                        row.of_directions * s};
                                                });
                }
                host::for_elements<compute>(0, i, 1, std::tie(weights), std::tie(g.products),
                                            [](index_t, index_t, V w) { return std::array{w}; });
            });
        }

        using V = batch<compute>;
        struct policy {
            template <class X>
            using reducer = sum_of_terms<X>;
            bool whole;
            compute scale = 1;
            SELFSAME_INLINE V term(V s, V v) const { return (whole ? s : v) * s; }
        };
        struct fields {
            V loss, of_scores, of_directions, weight;
        };

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
    using inputs = over_sliced_scores;

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
