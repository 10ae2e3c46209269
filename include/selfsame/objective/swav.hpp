#pragma once

#include "selfsame/cluster/prototypes.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"

/// \file
/// SwAV: the cluster assignment of one view of an image predicted from its other views (Caron et al. 2020). On a device
/// (objective/swav.cuh) the loss goes to a tensor.

namespace selfsame::inline SELFSAME_ISA {

/// loss_b = 1/pairs sum over pairs (t, s) of views of sample b of -sum_k q_tbk log softmax(c_k . z_sb / temperature)_k
///
/// z are the features, L2-normalized here (the gradient goes through that); c the prototypes, taken as they are:
/// `normalize_rows` makes unit vectors of them again after each step. The codes q of the first `pairing.teachers`
/// views come from `assignment`, each view's by itself, with the queue's rows beside; nothing flows back through them.
template <class Assignment = sinkhorn<>>
struct swav {
    Assignment assignment{};
    other_views pairing{.teachers = 2, .students = 8};
    double temperature = 0.1;
    selfsame::reduction reduction = selfsame::reduction::mean;

    void check() const {
        if (!(temperature > 0)) fail("temperature", temperature, "> 0");
        if (pairing.teachers > detail::max_teachers) fail("pairing.teachers", pairing.teachers, "at most 16");
    }
};

/// `features`: (views B) x D, view after view; `prototypes`: K x D; `queue`: features of other samples that only help
/// to assign, (assigned views Q) x D, view after view. As gradients: tensors of the same shapes, or `none`, as for
/// prototypes that are frozen during the first steps.
template <class Features, class Prototypes, class Queue = none>
struct prototype_views {
    Features features;
    Prototypes prototypes;
    Queue queue{};
};
template <class F, class P>
prototype_views(F&&, P&&) -> prototype_views<F, P>;
template <class F, class P, class Q>
prototype_views(F&&, P&&, Q&&) -> prototype_views<F, P, Q>;

template <class Features, class Prototypes>
struct prototype_gradients {
    Features features;
    Prototypes prototypes;
};
template <class F, class P>
prototype_gradients(F&&, P&&) -> prototype_gradients<F, P>;

namespace host {

struct prototype_passes {
    template <class T, class Context, class Objective, class Inputs, class Loss, class Upstream, class Gradients>
    static void run(const Context& context, const Objective& objective, const Inputs& inputs, const Loss& loss,
                    const Upstream& upstream, const Gradients& wanted) {
        const auto& gradients = unwrap(wanted);
        constexpr bool features = !is_none<decltype(gradients.features)>,
                       prototypes = !is_none<decltype(gradients.prototypes)>;
        prototype_pass<T, Context, Objective, Inputs, features, prototypes> pass(context, objective, inputs);
        pass.check_outputs(loss, upstream, wanted);
        if (pass.samples() > 0) pass.assign_codes();
        pass.run(upstream);
        if constexpr (!is_none<Loss>) pass.write_loss(loss);
        if constexpr (features) pass.template write_features<adds<Gradients>>(as_tensor<2>(gradients.features));
        if constexpr (prototypes) pass.template write_prototypes<adds<Gradients>>(as_tensor<2>(gradients.prototypes));
    }

    template <class Context, class Rows>
    static void normalize(const Context& context, const Rows& rows) {
        using E = typename Rows::value_type;
        constexpr index_t some = 64;
        parallel_for(context, (rows.extent(0) + some - 1) / some, [&](index_t p, int) {
            for (index_t i = p * some; i < (std::min)(rows.extent(0), (p + 1) * some); ++i) {
                double squares = 0;
                for (index_t k = 0; k < rows.extent(1); ++k) {
                    const double v = element_cast<double>(rows(i, k));
                    squares += v * v;
                }
                const double scale = squares > 0 ? 1 / std::sqrt(squares) : 1;
                for (index_t k = 0; k < rows.extent(1); ++k)
                    rows(i, k) = element_cast<E>(element_cast<double>(rows(i, k)) * scale);
            }
        });
    }
};

}  // namespace host

/// What computes it for an execution policy: the host, unless a header that knows of devices says otherwise.
template <class Context>
struct prototype_engine : host::prototype_passes {};

namespace detail {

template <class Inputs>
using prototype_type = std::conditional_t<std::is_same_v<element_t<decltype(Inputs::features), 2>, double> ||
                                              std::is_same_v<element_t<decltype(Inputs::prototypes), 2>, double>,
                                          double, float>;

template <class C, class A, class Inputs, class Loss, class Upstream, class Gradients>
void prototypes(const C& ctx, const swav<A>& objective, const Inputs& inputs, const Loss& loss,
                const Upstream& upstream, const Gradients& wanted) {
    prototype_engine<context_of<C>>::template run<prototype_type<Inputs>>(as_context(ctx), objective, inputs, loss,
                                                                          upstream, wanted);
}

}  // namespace detail

/// The loss: one value, or B for per_sample.
template <execution C, class A, class Inputs, class Loss>
void forward(const C& ctx, const swav<A>& objective, const Inputs& inputs, Loss&& loss) {
    detail::prototypes(ctx, objective, inputs, as_tensor<1>(loss), none{}, prototype_gradients{none{}, none{}});
}
template <execution C, class A, class Inputs>
auto forward(const C& ctx, const swav<A>& objective, const Inputs& inputs) {
    detail::check_returns_loss<context_of<C>>();
    detail::prototype_type<Inputs> loss{};
    forward(ctx, objective, inputs, loss);
    return loss;
}

/// Gradients of upstream . loss, or `accumulate{gradients}`.
template <execution C, class A, class Inputs, class Upstream, class Gradients>
void backward(const C& ctx, const swav<A>& objective, const Inputs& inputs, const Upstream& upstream,
              const Gradients& gradients) {
    detail::prototypes(ctx, objective, inputs, none{}, as_tensor<1>(upstream), gradients);
}

/// Loss, and gradients of upstream . loss, at once.
template <execution C, class A, class Inputs, class Loss, class Gradients, class Upstream = double>
void value_and_grad(const C& ctx, const swav<A>& objective, const Inputs& inputs, Loss&& loss,
                    const Gradients& gradients, const Upstream& upstream = 1.0) {
    detail::prototypes(ctx, objective, inputs, as_tensor<1>(loss), as_tensor<1>(upstream), gradients);
}
template <execution C, class A, class Inputs, class Gradients>
auto value_and_grad(const C& ctx, const swav<A>& objective, const Inputs& inputs, const Gradients& gradients) {
    detail::check_returns_loss<context_of<C>>();
    detail::prototype_type<Inputs> loss{};
    value_and_grad(ctx, objective, inputs, loss, gradients);
    return loss;
}

/// Scales every row of x, N x D, to length 1, in place; a row of zeros stays.
template <execution C, class X>
void normalize_rows(const C& ctx, X&& x) {
    const auto rows = as_tensor<2>(x);
    detail::check_space<memory_of<decltype(context_of<C>::policy)>, decltype(rows)>();
    check_writable("rows", rows);
    prototype_engine<context_of<C>>::normalize(as_context(ctx), rows);
}

}  // namespace selfsame::inline SELFSAME_ISA
