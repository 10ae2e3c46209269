#pragma once

#include "selfsame/energy/energy.hpp"
#include "selfsame/interop/torch.hpp"

/// \file
/// Losses of energies and of scores as differentiable functions of LibTorch tensors, read in place.

namespace selfsame::inline SELFSAME_ISA {

/// objective(inputs) as a function that autograd differentiates, once; inputs are the objective's own, of tensors:
///
///     differentiable(ctx, contrastive_divergence{}, energy_samples{data, samples})
///     differentiable(ctx, negative_log_likelihood{}, labelled_energies{energies, labels})    labels of kLong
///
/// Tensors are of one type (float, double, half or bfloat16), on the CPU; sigmas of any. For mean and sum one fused
/// pass gives value and gradients; for per_sample gradients are computed when their upstream values are known. Upstream
/// values are applied before gradients are narrowed.
template <execution C, sample_objective O, class Inputs>
at::Tensor differentiable(const C& ctx, const O& objective, const Inputs& inputs);

namespace interop {

template <>
inline constexpr at::ScalarType scalar_type<std::int64_t> = at::kLong;

/// How inputs of tensors are taken apart: those with a gradient, and the rest; and put together of views. Gradients of
/// what is drawn at random (noise, directions) are left out unless All are wanted.
template <class Inputs>
struct torch_inputs;

template <class A, class B>
struct torch_inputs<energy_samples<A, B>> {
    static constexpr std::array<bool, 2> random{};
    static std::vector<at::Tensor> differentiated(const energy_samples<A, B>& x) { return {x.data, x.samples}; }
    static std::vector<at::Tensor> rest(const energy_samples<A, B>&) { return {}; }
    template <class T>
    static auto inputs(const std::vector<at::Tensor>& x, const std::vector<at::Tensor>&) {
        return energy_samples{torch_view<const T, 1>(x[0], "data"), torch_view<const T, 1>(x[1], "samples")};
    }
    template <class T, bool All>
    static auto gradients(const std::vector<at::Tensor>& g) {
        return energy_samples{torch_view<T, 1>(g[0]), torch_view<T, 1>(g[1])};
    }
};

template <class A, class B>
struct torch_inputs<energy_pairs<A, B>> {
    static constexpr std::array<bool, 2> random{};
    static std::vector<at::Tensor> differentiated(const energy_pairs<A, B>& x) { return {x.correct, x.incorrect}; }
    static std::vector<at::Tensor> rest(const energy_pairs<A, B>&) { return {}; }
    template <class T>
    static auto inputs(const std::vector<at::Tensor>& x, const std::vector<at::Tensor>&) {
        return energy_pairs{torch_view<const T, 1>(x[0], "correct"), torch_view<const T, 1>(x[1], "incorrect")};
    }
    template <class T, bool All>
    static auto gradients(const std::vector<at::Tensor>& g) {
        return energy_pairs{torch_view<T, 1>(g[0]), torch_view<T, 1>(g[1])};
    }
};

template <class A, class B>
struct torch_inputs<labelled_energies<A, B>> {
    static constexpr std::array<bool, 1> random{};
    static std::vector<at::Tensor> differentiated(const labelled_energies<A, B>& x) { return {x.energies}; }
    static std::vector<at::Tensor> rest(const labelled_energies<A, B>& x) { return {x.labels}; }
    template <class T>
    static auto inputs(const std::vector<at::Tensor>& x, const std::vector<at::Tensor>& rest) {
        return labelled_energies{torch_view<const T, 2>(x[0], "energies"),
                                 torch_view<const std::int64_t, 1>(rest[0], "labels")};
    }
    template <class T, bool All>
    static auto gradients(const std::vector<at::Tensor>& g) {
        return labelled_energies{torch_view<T, 2>(g[0])};
    }
};

template <class A, class B, class C, class D>
struct torch_inputs<log_densities<A, B, C, D>> {
    static constexpr std::array<bool, 4> random{false, true, false, true};
    static std::vector<at::Tensor> differentiated(const log_densities<A, B, C, D>& x) {
        return {x.model_of_data, x.noise_of_data, x.model_of_noise, x.noise_of_noise};
    }
    static std::vector<at::Tensor> rest(const log_densities<A, B, C, D>&) { return {}; }
    template <class T>
    static auto inputs(const std::vector<at::Tensor>& x, const std::vector<at::Tensor>&) {
        return log_densities{
            torch_view<const T, 1>(x[0], "model_of_data"), torch_view<const T, 1>(x[1], "noise_of_data"),
            torch_view<const T, 1>(x[2], "model_of_noise"), torch_view<const T, 1>(x[3], "noise_of_noise")};
    }
    template <class T, bool All>
    static auto gradients(const std::vector<at::Tensor>& g) {
        if constexpr (All) {
            return log_densities{torch_view<T, 1>(g[0]), torch_view<T, 1>(g[1]), torch_view<T, 1>(g[2]),
                                 torch_view<T, 1>(g[3])};
        } else {
            return log_densities{torch_view<T, 1>(g[0]), none{}, torch_view<T, 1>(g[2]), none{}};
        }
    }
};

template <class A, class B, class L>
struct torch_inputs<noisy_scores<A, B, L>> {
    static constexpr std::array<bool, 2> random{false, true};
    static std::vector<at::Tensor> differentiated(const noisy_scores<A, B, L>& x) { return {x.scores, x.noise}; }
    static std::vector<at::Tensor> rest(const noisy_scores<A, B, L>& x) {
        if constexpr (is_none<L>) {
            return {};
        } else {
            return {x.sigmas.detach().to(x.scores.scalar_type() == at::kDouble ? at::kDouble : at::kFloat)};
        }
    }
    template <class T>
    static auto inputs(const std::vector<at::Tensor>& x, [[maybe_unused]] const std::vector<at::Tensor>& rest) {
        if constexpr (is_none<L>) {
            return noisy_scores{torch_view<const T, 2>(x[0], "scores"), torch_view<const T, 2>(x[1], "noise")};
        } else {
            return noisy_scores{torch_view<const T, 2>(x[0], "scores"), torch_view<const T, 2>(x[1], "noise"),
                                torch_view<const typename compute<T>::type, 1>(rest[0], "sigmas")};
        }
    }
    template <class T, bool All>
    static auto gradients(const std::vector<at::Tensor>& g) {
        if constexpr (All) {
            return noisy_scores{torch_view<T, 2>(g[0]), torch_view<T, 2>(g[1])};
        } else {
            return noisy_scores{torch_view<T, 2>(g[0]), none{}};
        }
    }
};

template <class A, class B, class P>
struct torch_inputs<sliced_scores<A, B, P>> {
    static constexpr std::array<bool, 3> random{false, true, false};
    static std::vector<at::Tensor> differentiated(const sliced_scores<A, B, P>& x) {
        return {x.scores, x.directions, x.products};
    }
    static std::vector<at::Tensor> rest(const sliced_scores<A, B, P>&) { return {}; }
    template <class T>
    static auto inputs(const std::vector<at::Tensor>& x, const std::vector<at::Tensor>&) {
        return sliced_scores{torch_view<const T, 2>(x[0], "scores"), torch_view<const T, 2>(x[1], "directions"),
                             torch_view<const T, 1>(x[2], "products")};
    }
    template <class T, bool All>
    static auto gradients(const std::vector<at::Tensor>& g) {
        if constexpr (All) {
            return sliced_scores{torch_view<T, 2>(g[0]), torch_view<T, 2>(g[1]), torch_view<T, 1>(g[2])};
        } else {
            return sliced_scores{torch_view<T, 2>(g[0]), none{}, torch_view<T, 1>(g[2])};
        }
    }
};

template <class C, class O, class Inputs>
class energy_function : public torch::autograd::Function<energy_function<C, O, Inputs>> {
    using tensors = torch::autograd::variable_list;
    using parts = torch_inputs<Inputs>;
    static constexpr std::size_t count = parts::random.size();
    static constexpr bool some_random = [] {
        for (const bool r : parts::random) {
            if (r) return true;
        }
        return false;
    }();

    static bool each(const O& o) { return host::reduction_of(o) == reduction::per_sample; }

    /// f(gradients) with tensors of the type of the computation in `g`.
    template <class T, class F>
    static void with_gradients(const tensors& x, bool all, tensors& g, F&& f) {
        for (std::size_t k = 0; k < count; ++k) {
            g.push_back(all || !parts::random[k] ? at::empty(x[k].sizes(), at::TensorOptions().dtype(scalar_type<T>))
                                                 : at::Tensor());
        }
        if constexpr (some_random) {
            if (!all) return f(parts::template gradients<T, false>(g));
        }
        f(parts::template gradients<T, true>(g));
    }

  public:
    /// To autograd no tensors.
    struct constants {
        tensors rest;
    };

    static at::Tensor forward(torch::autograd::AutogradContext* node, const C& ctx, const O& objective, bool wanted,
                              bool all, at::TensorList differentiated, const constants& constant) {
        const tensors x = differentiated.vec();
        node->saved_data["objective"] =
            c10::IValue::make_capsule(c10::make_intrusive<kept_objective<C, O>>(ctx, objective));
        node->saved_data["all"] = all;
        return with_type(x[0], "inputs", [&]<class T>(T) {
            using compute_type = typename compute<T>::type;
            const auto inputs = parts::template inputs<T>(x, constant.rest);
            at::Tensor loss =
                at::empty({each(objective) ? x[0].size(0) : 1}, at::TensorOptions().dtype(scalar_type<compute_type>));
            const auto out = torch_view<compute_type, 1>(loss);
            tensors saved;
            if (wanted && !each(objective)) {
                with_gradients<compute_type>(x, all, saved,
                                             [&](const auto& g) { value_and_grad(ctx, objective, inputs, out, g); });
                saved.push_back(at::empty({0}, x[0].options()));  // of the type to narrow to
            } else {
                selfsame::forward(ctx, objective, inputs, out);
                saved = x;
                saved.insert(saved.end(), constant.rest.begin(), constant.rest.end());
            }
            node->save_for_backward(std::move(saved));
            return each(objective) ? loss : loss.reshape({});
        });
    }

    static tensors backward(torch::autograd::AutogradContext* node, tensors upstream) {
        if (at::GradMode::is_enabled() && upstream[0].requires_grad()) {
            fail("objective", "a request for second derivatives", "to be differentiated once");
        }
        const auto kept =
            c10::static_intrusive_pointer_cast<kept_objective<C, O>>(node->saved_data["objective"].toCapsule());
        tensors saved = node->get_saved_variables(), gradients(4);
        if (each(kept->objective)) {
            with_type(saved[0], "inputs", [&]<class T>(T) {
                using compute_type = typename compute<T>::type;
                const tensors x(saved.begin(), saved.begin() + count), rest(saved.begin() + count, saved.end());
                tensors g;
                with_gradients<compute_type>(x, node->saved_data["all"].toBool(), g, [&](const auto& targets) {
                    selfsame::backward(kept->ctx, kept->objective, parts::template inputs<T>(x, rest), none{},
                                       torch_view<const compute_type, 1>(upstream[0], "upstream"), targets);
                });
                for (auto& t : g) gradients.push_back(t.defined() ? t.to(x[0].scalar_type()) : t);
            });
        } else {
            const double scale = upstream[0].template item<double>();
            for (std::size_t k = 0; k < count; ++k) {
                at::Tensor g = saved[k];
                if (g.defined() && scale != 1) g = g * scale;
                gradients.push_back(g.defined() ? g.to(saved[count].scalar_type()) : g);
            }
        }
        gradients.emplace_back();
        return gradients;
    }
};

}  // namespace interop

template <execution C, sample_objective O, class Inputs>
at::Tensor differentiable(const C& ctx, const O& objective, const Inputs& inputs) {
    using parts = interop::torch_inputs<std::remove_cv_t<Inputs>>;
    const std::vector<at::Tensor> x = parts::differentiated(inputs);
    bool wanted = false, all = false;
    for (std::size_t k = 0; k < x.size(); ++k) {
        if (!x[k].defined()) fail("inputs", "an undefined tensor", "tensors");
        if (x[k].scalar_type() != x[0].scalar_type()) {
            fail("inputs", std::string_view(interop::describe(x[k])), "tensors of one type");
        }
        wanted = wanted || x[k].requires_grad();
        all = all || (parts::random[k] && x[k].requires_grad());
    }
    using function = interop::energy_function<C, O, std::remove_cv_t<Inputs>>;
    return function::apply(ctx, objective, wanted && at::GradMode::is_enabled(), all, at::TensorList(x),
                           typename function::constants{parts::rest(inputs)});
}

}  // namespace selfsame::inline SELFSAME_ISA
