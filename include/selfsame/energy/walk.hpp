#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "selfsame/core/execution.hpp"
#include "selfsame/core/math.hpp"
#include "selfsame/core/tensor.hpp"
#include "selfsame/policy/reduction.hpp"

/// \file
/// The three calls of objectives over energies and scores. Such an objective is pure functions of the values of one
/// sample, and names a walk: which inputs there are, and how a sample's values are found in them.
///
/// A loss is the sum over parts (data, noise samples) of share x sum of the part's losses. Partial sums are of fixed
/// pieces and added up in order, so that the number of threads changes no bit.

namespace selfsame::inline SELFSAME_ISA {

/// An objective over energies of samples, or over scores (gradients of log densities).
template <class O>
concept energy_objective = requires(const O& o) {
    typename O::walk;
    o.check();
};

namespace walks {

/// The library's view of an input that is read on the host.
template <std::size_t Rank, class T>
constexpr auto host_view(T&& x) {
    const auto v = as_tensor<Rank>(x);
    static_assert(decltype(v)::accessor_type::space == memory_space::host,
                  "selfsame: a device tensor was given to a host execution policy");
    return v;
}

template <std::size_t Rank, class T>
struct view_type {
    using type = decltype(host_view<Rank>(std::declval<std::remove_reference_t<T>&>()));
};
template <std::size_t Rank>
struct view_type<Rank, none> {
    using type = none;
};
template <std::size_t Rank, class T>
using view_of = std::remove_cv_t<
    typename view_type<Rank, std::conditional_t<is_none<T>, none, const std::remove_reference_t<T>>>::type>;

template <std::size_t Rank, class T>
constexpr auto view_or_none(T&& x) {
    if constexpr (is_none<T>) {
        return none{};
    } else {
        return host_view<Rank>(x);
    }
}

template <class View>
constexpr bool holds_double() {
    if constexpr (std::is_same_v<View, none>) {
        return false;
    } else {
        static_assert(std::is_arithmetic_v<typename View::value_type> || real_element<typename View::value_type>);
        return std::is_same_v<typename View::value_type, double>;
    }
}

/// float, or double if an input is.
template <class... Views>
using compute_type = std::conditional_t<(holds_double<Views>() || ...), double, float>;

/// Elements of inputs that are differentiated.
template <class... Views>
constexpr void check_elements() {
    static_assert((real_element<typename Views::value_type> && ...),
                  "selfsame: energies and scores are float, double, half or bfloat16");
}

template <class View>
void check_size(std::string_view name, const View& x, index_t size, std::string_view like) {
    if constexpr (!std::is_same_v<View, none>) {
        if (x.extent(0) != size) {
            fail(name, std::string_view(shape_text(x)),
                 std::to_string(size) + " values, as many as " + std::string(like));
        }
    }
}

/// The view of a gradient of the shape of its input, or none.
template <std::size_t Rank, class G, class Input>
auto target(std::string_view name, G& gradient, const Input& input) {
    if constexpr (is_none<G>) {
        return none{};
    } else {
        static_assert(!std::is_same_v<Input, none>, "selfsame: a gradient was asked for of an input that is absent");
        const auto v = host_view<Rank>(gradient);
        for (std::size_t r = 0; r < Rank; ++r) {
            if (v.extent(r) != input.extent(r)) {
                fail(name, std::string_view(shape_text(v)), "the shape of its input, " + shape_text(input));
            }
        }
        check_writable(name, v);
        return v;
    }
}

/// Two gradients need memory of their own.
template <class G, class H>
void check_apart(std::string_view name, const G& g, std::string_view other_name, const H& h) {
    if constexpr (!std::is_same_v<G, none> && !std::is_same_v<H, none>) {
        const void* const here = g.data_handle();
        if (g.size() > 0 && h.size() > 0 && here == h.data_handle()) {
            fail(name, "the memory of the " + std::string(other_name), "memory of its own");
        }
    }
}

/// Writes where somebody wants it.
template <class Target, class T, class... Index>
constexpr void put(const Target& to, T value, Index... i) {
    if constexpr (!std::is_same_v<Target, none>) to(i...) = element_cast<typename Target::value_type>(value);
}

/// sum of f(i) for i in [0, count), samples of `width` values, in at most 256 pieces of some 4096 values or more: a
/// function of the sizes alone.
template <class C, class F>
double ordered_sum(const C& ctx, index_t count, index_t width, F&& f) {
    constexpr index_t most = 256;
    const index_t piece = (std::max)({index_t(1), 4096 / (std::max)(index_t(1), width), (count + most - 1) / most});
    const index_t pieces = (count + piece - 1) / piece;
    std::array<double, most> sums{};
    parallel_for(ctx, pieces, [&](index_t k, int) {
        double sum = 0;
        for (index_t i = k * piece; i < (std::min)(count, (k + 1) * piece); ++i) sum += f(i);
        sums[static_cast<std::size_t>(k)] = sum;
    });
    double total = 0;
    for (index_t k = 0; k < pieces; ++k) total += sums[static_cast<std::size_t>(k)];
    return total;
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

template <class C, class O, class Inputs, class Loss, class Upstream, class Gradients>
void run(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, const Upstream& upstream,
         const Gradients& gradients) {
    const auto c = as_context(ctx);
    objective.check();
    const typename O::walk::template pass<O, Inputs> pass(objective, inputs);
    using T = typename decltype(pass)::compute;
    const auto targets = pass.bind(gradients);
    const reduction how = reduction_of(objective);
    const index_t losses = how == reduction::per_sample ? pass.count(0) : 1;
    const auto out = view_or_none<1>(loss);
    if constexpr (!is_none<Loss>) {
        check_writable("loss", out);
        if (out.extent(0) != losses) {
            fail("loss", std::string_view(shape_text(out)),
                 how == reduction::per_sample ? "one value a sample" : "one value");
        }
    }
    const auto pull = host_view<1>(upstream);
    const bool each = how == reduction::per_sample && pull.extent(0) != 1;
    if (pull.extent(0) != (each ? losses : 1)) {
        fail("upstream", std::string_view(shape_text(pull)), "one value, or one a sample for per_sample");
    }
    double total = 0;
    for (int part = 0; part < decltype(pass)::parts; ++part) {
        const index_t n = pass.count(part);
        if (n == 0) continue;
        const double share = how == reduction::mean ? pass.share(part) / static_cast<double>(n) : 1;
        total += share * ordered_sum(c, n, pass.width(), [&](index_t i) {
                     const T weight = static_cast<T>(share * element_cast<double>(pull(each ? i : 0)));
                     const T value = pass.visit(part, i, weight, targets);
                     if (how == reduction::per_sample) put(out, value, i);
                     return static_cast<double>(value);
                 });
    }
    if (how != reduction::per_sample) put(out, total, index_t(0));
}

template <class O, class Inputs>
using result_of = typename O::walk::template pass<O, Inputs>::compute;

}  // namespace walks

/// The loss of `inputs`: one value for mean and sum, one a sample for per_sample. Nothing needs to be saved.
template <execution C, energy_objective O, class Inputs, class Loss>
void forward(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, none = {}) {
    walks::run(ctx, objective, inputs, loss, 1.0, typename O::walk::no_gradients{});
}

/// As above, for one value: returned.
template <execution C, energy_objective O, class Inputs>
auto forward(const C& ctx, const O& objective, const Inputs& inputs) {
    walks::result_of<O, Inputs> loss{};
    forward(ctx, objective, inputs, loss);
    return loss;
}

/// Gradients of sum_n upstream_n loss_n. `upstream` is one value or one a sample, and is applied before gradients are
/// narrowed to the type of their tensors. A gradient may alias its own input.
template <execution C, energy_objective O, class Inputs, class Upstream, class Gradients>
void backward(const C& ctx, const O& objective, const Inputs& inputs, none, const Upstream& upstream,
              const Gradients& gradients) {
    walks::run(ctx, objective, inputs, none{}, upstream, gradients);
}

/// Loss and gradients at once (upstream 1).
template <execution C, energy_objective O, class Inputs, class Loss, class Gradients>
void value_and_grad(const C& ctx, const O& objective, const Inputs& inputs, Loss&& loss, const Gradients& gradients) {
    walks::run(ctx, objective, inputs, loss, 1.0, gradients);
}

/// As above, for one value: returned.
template <execution C, energy_objective O, class Inputs, class Gradients>
auto value_and_grad(const C& ctx, const O& objective, const Inputs& inputs, const Gradients& gradients) {
    walks::result_of<O, Inputs> loss{};
    value_and_grad(ctx, objective, inputs, loss, gradients);
    return loss;
}

}  // namespace selfsame::inline SELFSAME_ISA
