#pragma once

#include <concepts>
#include <optional>
#include <utility>

#include "selfsame/engine/host/pairwise_pass.hpp"
#include "selfsame/policy/negatives.hpp"
#include "selfsame/policy/reducer.hpp"
#include "selfsame/policy/similarity.hpp"

/// \file
/// Objectives over pairs of embeddings: what one has to say, and the three calls that serve all of them.
///
/// With s_ij the similarity of row i and column j, x_ij = logit(s_ij), and y_i the logit of the row's positive:
///
///     R_i = reducer over the negatives j of term(x_ij)           loss_i = loss(R_i, y_i)
///     d loss_i / d x_ij = weight(x_ij, keep(R_i, y_i))           d loss_i / d y_i = positive_weight(keep(R_i, y_i))
///
/// Nothing of size N x N is stored. `negatives` says which rows and columns there are.

namespace selfsame::inline SELFSAME_ISA {

/// N anchors and their N positives, N x D each, and for `from_queue` M x D negatives. As inputs: any tensors. As
/// gradients: tensors of the same shapes, or `none`.
template <class Anchors, class Positives, class Queue = none>
struct pairs {
    Anchors anchors;
    Positives positives;
    Queue queue{};
};
template <class A, class P>
pairs(A&&, P&&) -> pairs<A, P>;
template <class A, class P, class Q>
pairs(A&&, P&&, Q&&) -> pairs<A, P, Q>;

/// Gradients of `pairs` and of a learnable temperature (a variable or a tensor of one element).
template <class Anchors, class Positives, class Queue = none, class Temperature = none>
struct pair_gradients {
    Anchors anchors;
    Positives positives;
    Queue queue{};
    Temperature temperature{};
};
template <class A, class P>
pair_gradients(A&&, P&&) -> pair_gradients<A, P>;
template <class A, class P, class Q>
pair_gradients(A&&, P&&, Q&&) -> pair_gradients<A, P, Q>;
template <class A, class P, class Q, class T>
pair_gradients(A&&, P&&, Q&&, T&&) -> pair_gradients<A, P, Q, T>;

namespace detail {

// Evaluated in a constant expression: a member that forgot constexpr fails here, and not silently on a device.
template <class O, class T>
constexpr bool evaluates() {
    using reducer = typename O::template reducer<T>;
    const O o{};
    const T y = o.logit(T(0.5));
    T x = y;
    if constexpr (requires { o.term(x); }) x = o.term(y);
    reducer state = reducer::around(x);
    state.merge(reducer::from_sum(reducer::map(x, x), x));
    if constexpr (requires { reducer::reach; }) state.absorb({x, x});
    const T r = state.value();
    const auto kept = o.keep(r, y);
    T total = o.loss(r, y) + o.weight(y, kept) + o.positive_weight(kept);
    if constexpr (requires { o.level(kept); }) total = total + o.level(kept);
    return total == total || true;
}

template <class O>
concept constant_pairwise = requires {
    typename std::bool_constant<evaluates<O, float>()>;
    typename std::bool_constant<evaluates<O, double>()>;
};

}  // namespace detail

/// What an objective over pairs has to say (see the top of this file).
template <class O>
concept pairwise_objective = requires(const O& o, float x) {
    typename O::similarity;
    typename O::negatives;
    typename O::template reducer<float>;
    typename O::template row<float>;
    { O::template reducer<float>::around(x) } -> std::same_as<typename O::template reducer<float>>;
    { O::template reducer<float>::from_sum(x, x) } -> std::same_as<typename O::template reducer<float>>;
    { O::template reducer<float>::map(x, x) } -> std::same_as<float>;
    { o.logit(x) } -> std::same_as<float>;
    { o.loss(x, x) } -> std::same_as<float>;
    { o.keep(x, x) } -> std::same_as<typename O::template row<float>>;
    { o.weight(x, o.keep(x, x)) } -> std::same_as<float>;
    { o.positive_weight(o.keep(x, x)) } -> std::same_as<float>;
} && detail::constant_pairwise<O>;

/// The engine that serves an execution policy: the host's, unless a header that knows of devices says otherwise.
template <class Context>
struct pairwise_engine {
    template <class Objective, class Inputs, class Gradients>
    using pass = host::pairwise_pass<Context, Objective, Inputs, Gradients>;
};

namespace detail {
template <class Context, class Objective, class Inputs, class Gradients>
using pairwise_pass = typename pairwise_engine<Context>::template pass<Objective, Inputs, Gradients>;
}  // namespace detail

/// Values that `forward` leaves in `saved` for `backward`, for N anchors.
template <pairwise_objective O>
constexpr index_t saved_size(const O&, index_t anchors) {
    return detail::saved_rows<O>(anchors) * detail::kept_fields<O>;
}

/// The loss of `inputs`: one value for mean and sum, N for per_sample, written to `loss`; `saved` takes what
/// `backward` needs: a contiguous vector of saved_size values of the type of the computation, or `none`.
template <execution C, pairwise_objective O, class Inputs, class Loss, class Saved = none>
void forward(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, Saved&& saved = {}) {
    const auto c = as_context(ctx);
    detail::pairwise_pass<context_of<C>, O, Inputs, detail::no_pair_gradients_t> pass(c, objective, inputs,
                                                                                      detail::no_pair_gradients);
    pass.check_loss(as_tensor<1>(loss));
    if constexpr (!is_none<Saved>) {
        check_writable("saved", as_tensor<1>(saved));
        pass.check_saved(as_tensor<1>(saved));
    }
    pass.reduce();
    pass.write_loss(as_tensor<1>(loss));
    if constexpr (!is_none<Saved>) pass.save(as_tensor<1>(saved));
}

/// As above, for one value: returned.
template <execution C, pairwise_objective O, class Inputs>
auto forward(const C& ctx, const O& objective, const Inputs& inputs) {
    detail::check_returns_loss<context_of<C>>();
    pair_value<Inputs> loss{};
    forward(ctx, objective, inputs, loss);
    return loss;
}

/// Gradients of sum_n upstream_n loss_n, from what `forward` saved. `upstream` is one value or one a sample; it is
/// applied before gradients are narrowed to the type of their tensors. A gradient may alias an input.
template <execution C, pairwise_objective O, class Inputs, class Saved, class Upstream, class Gradients>
void backward(const C& ctx, const O& objective, const Inputs& inputs, const Saved& saved, const Upstream& upstream,
              const Gradients& gradients) {
    const auto c = as_context(ctx);
    detail::pairwise_pass<context_of<C>, O, Inputs, Gradients> pass(c, objective, inputs, gradients);
    pass.check_saved(as_tensor<1>(saved));
    pass.check_upstream(as_tensor<1>(upstream));
    pass.restore(as_tensor<1>(saved));
    pass.differentiate(as_tensor<1>(upstream), gradients);
}

/// Loss, and gradients of upstream x loss, at once: packs the inputs once, and may keep similarities in the context's
/// scratch budget instead of computing them twice.
template <execution C, pairwise_objective O, class Inputs, class Loss, class Gradients, class Upstream = double>
void value_and_grad(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, const Gradients& gradients,
                    const Upstream& upstream = 1.0) {
    const auto c = as_context(ctx);
    detail::pairwise_pass<context_of<C>, O, Inputs, Gradients> pass(c, objective, inputs, gradients);
    pass.check_loss(as_tensor<1>(loss));
    pass.check_upstream(as_tensor<1>(upstream));
    pass.keep_logits();
    pass.reduce();
    pass.write_loss(as_tensor<1>(loss));
    pass.keep_rows();
    pass.differentiate(as_tensor<1>(upstream), gradients);
}

/// As above, for one value: returned.
template <execution C, pairwise_objective O, class Inputs, class Gradients>
auto value_and_grad(const C& ctx, const O& objective, const Inputs& inputs, const Gradients& gradients) {
    detail::check_returns_loss<context_of<C>>();
    pair_value<Inputs> loss{};
    value_and_grad(ctx, objective, inputs, loss, gradients);
    return loss;
}

}  // namespace selfsame::inline SELFSAME_ISA
