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
/// functions of values, and names the inputs that it is of: their `pass` checks them and says of each part (data, noise
/// samples) what its samples are, as `elements` say it or in a form of its own, and an engine does the loops.
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

/// The library's view of an input; none if it is.
template <std::size_t Rank, class T>
constexpr auto input_view(T&& x) {
    if constexpr (is_none<T>) {
        return none{};
    } else {
        return as_tensor<Rank>(x);
    }
}
template <std::size_t Rank, class T>
using view_of = std::remove_cv_t<decltype(input_view<Rank>(std::declval<const std::remove_cvref_t<T>&>()))>;

/// Told of a call's inputs, refuses those of another space.
template <memory_space Space>
struct space_rules {
    template <class X>
    static void input(std::string_view, const X&) {
        if constexpr (!is_none<X>) selfsame::detail::check_space<Space, X>();
    }
};

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
template <class Results, class G, class Input>
auto gradient_of(aliasing_rules& rules, std::string_view name, G& gradient, const Input& input) {
    const auto v = input_view<is_none<Input> ? 1 : Input::rank()>(gradient);
    if constexpr (!is_none<G>) {
        static_assert(!is_none<Input>, "selfsame: a gradient was asked for of an input that is absent");
        selfsame::detail::check_space<Input::accessor_type::space, std::remove_const_t<decltype(v)>>();
        if (!same_shape(v, input)) {
            fail(name, std::string_view(shape_text(v)), "the shape of its input, " + shape_text(input));
        }
        constexpr std::string_view prefix = "gradient of ";
        rules.output(name, v, Results::adds ? std::string_view() : name.substr(prefix.size()));
    }
    return Results::of(v);
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

/// How the losses of a call are weighed, and where they go.
template <class Upstream, class Loss>
struct sample_call {
    reduction how;
    Upstream upstream;
    bool each_upstream;  ///< one a sample
    Loss loss;

    bool each() const { return how == reduction::per_sample; }
    /// Of a part: by which the sum of its losses is multiplied.
    template <class Pass>
    double share(const Pass& pass, int part) const {
        return how == reduction::mean ? pass.share(part) / static_cast<double>(pass.count(part)) : 1;
    }
};

/// The loops on the host.
struct sample_loops {
    template <class T, bool Adds>
    struct results {
        static constexpr bool adds = Adds;
        template <class View>
        static auto of(const View& v) {
            return results_of<T, Adds>(v);
        }
    };

    template <bool, class Context, class Pass, class Call, class Results>
    static void run(const Context& c, const Pass& pass, const Call& call, const Results& results) {
        using T = typename Pass::compute;
        const auto& out = call.loss;
        const loss_values<T, std::remove_cvref_t<decltype(out)>> values{out, call.each()};
        double total = 0;
        pass.each_part(results, [&](int part, const auto& samples) {
            const index_t n = pass.count(part);
            if (n == 0) return;
            const double share = call.share(pass, part);
            const sample_weights<T, std::remove_cvref_t<decltype(call.upstream)>> weights(share, call.upstream,
                                                                                          call.each_upstream);
            total += share * ordered_sum(c, n, pass.width(), [&](index_t first, index_t count) {
                         return sum_samples<T>(samples, first, count, weights, values);
                     });
        });
        if constexpr (!is_none<std::remove_cvref_t<decltype(out)>>) {
            if (!call.each()) out(0) = element_cast<typename std::remove_cvref_t<decltype(out)>::value_type>(total);
        }
    }
};

}  // namespace host

/// What does it, specialized for devices in energy/device_losses.hpp.
template <class Context>
struct sample_engine : host::sample_loops {};

namespace host {

template <class C, class O, class Inputs, class Loss, class Upstream, class Gradients>
void sample_losses(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, const Upstream& upstream,
                   const Gradients& gradients) {
    using context = context_of<C>;
    using engine = sample_engine<context>;
    constexpr memory_space space = memory_of<decltype(context::policy)>;
    const context c = as_context(ctx);
    objective.check();
    const pass_of<O, Inputs> pass(objective, inputs);
    using T = typename decltype(pass)::compute;
    const reduction how = reduction_of(objective);
    const bool each = how == reduction::per_sample;
    const index_t losses = each ? pass.count(0) : 1;
    const auto pull = input_view<1>(upstream);
    constexpr memory_space pull_space = decltype(pull)::accessor_type::space;
    static_assert(space == memory_space::device || pull_space == memory_space::host,
                  "selfsame: a device tensor was given to a host execution policy");
    const bool each_upstream = each && pull.extent(0) != 1;
    if (pull.extent(0) != (each_upstream ? losses : 1)) {
        fail("upstream", std::string_view(shape_text(pull)), "one value, or one a sample for per_sample");
    }
    if (space != pull_space && each_upstream) {
        fail("upstream", "a tensor of the host", "one of the device, or a value");
    }
    space_rules<space> spaces;
    pass.tell(spaces);
    aliasing_rules rules;
    pass.tell(rules);
    rules.input("upstream", pull);
    const auto results =
        pass.template bind<typename engine::template results<T, adds<Gradients>>>(rules, unwrap(gradients));
    const auto out = input_view<1>(loss);
    if constexpr (!is_none<Loss>) {
        selfsame::detail::check_space<space, std::remove_const_t<decltype(out)>>();
        if (out.extent(0) != losses) {
            fail("loss", std::string_view(shape_text(out)), each ? "one value a sample" : "one value");
        }
        rules.output("loss", out);
    }
    const sample_call<std::remove_const_t<decltype(pull)>, std::remove_const_t<decltype(out)>> call{how, pull,
                                                                                                    each_upstream, out};
    engine::template run<adds<Gradients>>(c, pass, call, results);
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
    selfsame::detail::check_returns_loss<context_of<C>>();
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
    selfsame::detail::check_returns_loss<context_of<C>>();
    host::result_of<O, Inputs> loss{};
    value_and_grad(ctx, objective, inputs, loss, gradients);
    return loss;
}

}  // namespace selfsame::inline SELFSAME_ISA
