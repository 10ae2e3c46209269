#pragma once

#include "selfsame/interop/torch.hpp"
#include "selfsame/objective/swav.hpp"

/// \file
/// SwAV as a differentiable function of LibTorch tensors.

namespace selfsame::inline SELFSAME_ISA {

/// objective(features, prototypes[, queue]) as a function of both that autograd differentiates, once; nothing flows
/// back to the queue. For mean and sum one fused pass gives the value and the gradients that are wanted: prototypes
/// that require none, as in the first steps, cost no product. For per_sample the gradients are computed when their
/// upstream values are known. Tensors are of one type, on the CPU; half and bfloat16 are brought to float, and upstream
/// values are applied before gradients are narrowed.
template <execution C, class A>
at::Tensor differentiable(const C& ctx, const swav<A>& objective, const at::Tensor& features,
                          const at::Tensor& prototypes, const at::Tensor& queue = {});

namespace interop {

template <class C, class A>
class swav_function : public torch::autograd::Function<swav_function<C, A>> {
    using tensors = torch::autograd::variable_list;
    using kept = kept_objective<C, swav<A>>;

    template <class T>
    static auto inputs(const at::Tensor& features, const at::Tensor& prototypes, const at::Tensor& queue) {
        return prototype_views{torch_view<const T, 2>(features, "features"),
                               torch_view<const T, 2>(prototypes, "prototypes"),
                               torch_view<const T, 2>(queue, "queue")};
    }

    /// Calls f with where the wanted gradients go: features' always, prototypes' if the tensor is defined.
    template <class T, class F>
    static void with_gradients(const at::Tensor& features, const at::Tensor& prototypes, F&& f) {
        const auto z = torch_view<T, 2>(features);
        if (prototypes.defined()) {
            f(prototype_gradients{z, torch_view<T, 2>(prototypes)});
        } else {
            f(prototype_gradients{z, none{}});
        }
    }

  public:
    /// What autograd does not look at.
    struct constants {
        at::Tensor queue;
        bool any_wanted, prototypes_wanted;
    };

    static at::Tensor forward(torch::autograd::AutogradContext* node, const C& ctx, const swav<A>& objective,
                              at::Tensor features, at::Tensor prototypes, const constants& rest) {
        const bool each = objective.reduction == reduction::per_sample;
        node->saved_data["objective"] = c10::IValue::make_capsule(c10::make_intrusive<kept>(ctx, objective));
        node->saved_data["prototypes"] = rest.prototypes_wanted;
        return with_wide(features, [&]<class T>(T) {
            const auto type = at::TensorOptions().dtype(scalar_type<T>);
            at::Tensor loss =
                at::empty({each ? features.size(0) / (std::max)(1, objective.pairing.students) : 1}, type);
            const auto out = torch_view<T, 1>(loss);
            const auto in = inputs<T>(features, prototypes, rest.queue);
            if (rest.any_wanted && !each) {
                at::Tensor z = at::empty(features.sizes(), type), c;
                if (rest.prototypes_wanted) c = at::empty(prototypes.sizes(), type);
                with_gradients<T>(z, c, [&](const auto& g) { value_and_grad(ctx, objective, in, out, g); });
                node->save_for_backward({z, c});
            } else {
                selfsame::forward(ctx, objective, in, out);
                node->save_for_backward({features, prototypes, rest.queue});
            }
            return each ? loss : loss.reshape({});
        });
    }

    static tensors backward(torch::autograd::AutogradContext* node, tensors upstream) {
        if (at::GradMode::is_enabled() && upstream[0].requires_grad()) {
            fail("objective", "a request for second derivatives", "to be differentiated once");
        }
        const tensors saved = node->get_saved_variables();
        at::Tensor z, c;
        if (saved.size() == 2) {
            z = saved[0] * upstream[0];
            if (saved[1].defined()) c = saved[1] * upstream[0];
        } else {
            const auto of = c10::static_intrusive_pointer_cast<kept>(node->saved_data["objective"].toCapsule());
            with_wide(saved[0], [&]<class T>(T) {
                const auto type = at::TensorOptions().dtype(scalar_type<T>);
                z = at::empty(saved[0].sizes(), type);
                if (node->saved_data["prototypes"].toBool()) c = at::empty(saved[1].sizes(), type);
                with_gradients<T>(z, c, [&](const auto& g) {
                    selfsame::backward(of->ctx, of->objective, inputs<T>(saved[0], saved[1], saved[2]),
                                       torch_view<const T, 1>(upstream[0], "upstream"), g);
                });
            });
        }
        return {at::Tensor(), at::Tensor(), z, c, at::Tensor()};
    }

  private:
    template <class F>
    static auto with_wide(const at::Tensor& x, F&& f) {
        return x.scalar_type() == at::kDouble ? f(double{}) : f(float{});
    }
};

}  // namespace interop

template <execution C, class A>
at::Tensor differentiable(const C& ctx, const swav<A>& objective, const at::Tensor& features,
                          const at::Tensor& prototypes, const at::Tensor& queue) {
    const auto check = [&](std::string_view name, const at::Tensor& x) {
        if (!x.defined() || x.dim() != 2 || !x.device().is_cpu() || !x.is_floating_point() ||
            x.scalar_type() != features.scalar_type()) {
            fail(name, std::string_view(interop::describe(x)),
                 "2 dimensions on cpu, of one floating-point type with features");
        }
    };
    check("features", features);
    check("prototypes", prototypes);
    if (queue.defined()) check("queue", queue);
    // Features are few beside their scores: what is narrow is widened, which spares the compiler a variant of all.
    const auto type = features.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const bool enabled = at::GradMode::is_enabled();
    using function = interop::swav_function<C, A>;
    const typename function::constants rest{
        queue.defined() ? queue.detach().to(type) : at::empty({0, features.size(1)}, at::TensorOptions().dtype(type)),
        enabled && (features.requires_grad() || prototypes.requires_grad()), enabled && prototypes.requires_grad()};
    return function::apply(ctx, objective, features.to(type), prototypes.to(type), rest);
}

}  // namespace selfsame::inline SELFSAME_ISA
