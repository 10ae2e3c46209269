#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "selfsame/core/aliasing.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/sample_losses.hpp"
#include "selfsame/policy/accumulate.hpp"
#include "selfsame/policy/reduction.hpp"

/// \file
/// The three calls of objectives whose loss is put together of the losses of samples. Such an objective is pure
/// functions of values, and names the inputs that it is of: their `pass` checks them and hands the functions to the
/// engine.
///
/// A loss is the sum over parts (data, noise samples) of share x sum of the part's losses.

namespace selfsame::inline SELFSAME_ISA {

/// An objective that is a mean or a sum over samples, each of an element of vectors or of a row of matrices.
template <class O>
concept sample_objective = requires(const O& o) {
    typename O::inputs;
    o.check();
};

namespace host {

/// The library's view of an input that is read on the host.
template <std::size_t Rank, class T>
constexpr auto host_view(T&& x) {
    if constexpr (is_none<T>) {
        return none{};
    } else {
        const auto v = as_tensor<Rank>(x);
        static_assert(decltype(v)::accessor_type::space == memory_space::host,
                      "selfsame: a device tensor was given to a host execution policy");
        return v;
    }
}
template <std::size_t Rank, class T>
using view_of = std::remove_cv_t<decltype(host_view<Rank>(std::declval<const std::remove_cvref_t<T>&>()))>;

template <class View>
constexpr bool is_double() {
    if constexpr (is_none<View>) {
        return false;
    } else {
        return std::is_same_v<typename View::value_type, double>;
    }
}

/// float, or double if an input is.
template <class... Views>
using widest_type = std::conditional_t<(is_double<Views>() || ...), double, float>;

/// Elements of inputs that are differentiated.
template <class... Views>
constexpr void check_elements() {
    static_assert((real_element<typename Views::value_type> && ...),
                  "selfsame: inputs that are differentiated are float, double, half or bfloat16");
}

template <class View>
void check_size(std::string_view name, const View& x, index_t size, std::string_view like) {
    if (x.extent(0) != size) {
        fail(name, std::string_view(shape_text(x)), std::to_string(size) + " values, as many as " + std::string(like));
    }
}

/// Whether x has the shape of y.
template <class X, class Y>
bool same_shape(const X& x, const Y& y) {
    for (std::size_t r = 0; r < Y::rank(); ++r) {
        if (x.extent(r) != y.extent(r)) return false;
    }
    return true;
}

/// Where the gradient of an input goes, after checks; none if nobody wants it. `name`: "gradient of INPUT".
template <class T, bool Adds, class G, class Input>
auto gradient_of(aliasing_rules& rules, std::string_view name, G& gradient, const Input& input) {
    const auto v = host_view<is_none<Input> ? 1 : Input::rank()>(gradient);
    if constexpr (!is_none<G>) {
        static_assert(!is_none<Input>, "selfsame: a gradient was asked for of an input that is absent");
        if (!same_shape(v, input)) {
            fail(name, std::string_view(shape_text(v)), "the shape of its input, " + shape_text(input));
        }
        constexpr std::string_view prefix = "gradient of ";
        rules.output(name, v, Adds ? std::string_view() : name.substr(prefix.size()));
    }
    return results_of<T, Adds>(v);
}

/// How the losses of samples are put together: the objective's reduction, or the mean of each part.
template <class O>
constexpr reduction reduction_of(const O& objective) {
    if constexpr (requires { objective.reduction; }) {
        return objective.reduction;
    } else {
        return reduction::mean;
    }
}

template <class O, class Inputs>
using pass_of = typename O::inputs::template pass<O, std::remove_cvref_t<Inputs>>;

template <class C, class O, class Inputs, class Loss, class Upstream, class Gradients>
void sample_losses(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, const Upstream& upstream,
                   const Gradients& gradients) {
    const auto c = as_context(ctx);
    objective.check();
    const pass_of<O, Inputs> pass(objective, inputs);
    using T = typename decltype(pass)::compute;
    const reduction how = reduction_of(objective);
    const bool each = how == reduction::per_sample;
    const index_t losses = each ? pass.count(0) : 1;
    const auto pull = host_view<1>(upstream);
    const bool each_upstream = each && pull.extent(0) != 1;
    if (pull.extent(0) != (each_upstream ? losses : 1)) {
        fail("upstream", std::string_view(shape_text(pull)), "one value, or one a sample for per_sample");
    }
    aliasing_rules rules;
    pass.tell(rules);
    rules.input("upstream", pull);
    const auto results = pass.template bind<adds<Gradients>>(rules, unwrap(gradients));
    const auto out = host_view<1>(loss);
    if constexpr (!is_none<Loss>) {
        if (out.extent(0) != losses) {
            fail("loss", std::string_view(shape_text(out)), each ? "one value a sample" : "one value");
        }
        rules.output("loss", out);
    }
    const loss_values<T, std::remove_const_t<decltype(out)>> values{out, each};
    double total = 0;
    for (int part = 0; part < decltype(pass)::parts; ++part) {
        const index_t n = pass.count(part);
        if (n == 0) continue;
        const double share = how == reduction::mean ? pass.share(part) / static_cast<double>(n) : 1;
        const sample_weights<T, std::remove_const_t<decltype(pull)>> weights(share, pull, each_upstream);
        total += share * ordered_sum(c, n, pass.width(), [&](index_t first, index_t count) {
                     return pass.sum(part, first, count, weights, values, results);
                 });
    }
    if constexpr (!is_none<Loss>) {
        if (!each) out(0) = element_cast<typename decltype(out)::value_type>(total);
    }
}

template <class O, class Inputs>
using result_of = typename pass_of<O, Inputs>::compute;

}  // namespace host

/// The loss of `inputs`: one value for mean and sum, one a sample for per_sample. Nothing needs to be saved.
template <execution C, sample_objective O, class Inputs, class Loss>
void forward(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, none = {}) {
    host::sample_losses(ctx, objective, inputs, loss, 1.0, typename O::inputs::no_gradients{});
}

/// As above, for one value: returned.
template <execution C, sample_objective O, class Inputs>
auto forward(const C& ctx, const O& objective, const Inputs& inputs) {
    host::result_of<O, Inputs> loss{};
    forward(ctx, objective, inputs, loss);
    return loss;
}

/// Gradients of sum_n upstream_n loss_n, or `accumulate{gradients}`. `upstream` is one value or one a sample, and is
/// applied before gradients are narrowed to the type of their tensors. A gradient may be the memory of its own input.
template <execution C, sample_objective O, class Inputs, class Upstream, class Gradients>
void backward(const C& ctx, const O& objective, const Inputs& inputs, none, const Upstream& upstream,
              const Gradients& gradients) {
    host::sample_losses(ctx, objective, inputs, none{}, upstream, gradients);
}

/// Loss and gradients of upstream x loss at once.
template <execution C, sample_objective O, class Inputs, class Loss, class Gradients, class Upstream = double>
void value_and_grad(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, const Gradients& gradients,
                    const Upstream& upstream = 1.0) {
    host::sample_losses(ctx, objective, inputs, loss, upstream, gradients);
}

/// As above, for one value: returned.
template <execution C, sample_objective O, class Inputs, class Gradients>
auto value_and_grad(const C& ctx, const O& objective, const Inputs& inputs, const Gradients& gradients) {
    host::result_of<O, Inputs> loss{};
    value_and_grad(ctx, objective, inputs, loss, gradients);
    return loss;
}

}  // namespace selfsame::inline SELFSAME_ISA
