#pragma once

#include "selfsame/engine/host/column_sums.hpp"
#include "selfsame/engine/host/soft_targets.hpp"

/// \file
/// Cross-entropy between target distributions and softmaxes over K prototypes or classes: the loss of SwAV, DINO and
/// iBOT. Nothing flows back to the targets. On a device (objective/soft_cross_entropy.cuh) the loss goes to a tensor.

namespace selfsame::inline SELFSAME_ISA {

/// loss_b = 1/pairs sum over pairs (t, s) of views of sample b of -sum_k q_tbk log softmax(z_sb / temperature)_k
///
/// Inputs `views{teacher, students[, center[, weights]]}`. The mean is weighted by `weights`, one a sample: with 1 over
/// the masked patches of its image for each, it is iBOT's mean over images of means over patches.
template <class Targets = sharpened_targets, class Pairing = other_views>
struct soft_cross_entropy {
    Targets targets{};
    Pairing pairing{};
    double temperature = 0.1;
    selfsame::reduction reduction = selfsame::reduction::mean;

    void check() const {
        targets.check();
        if (!(temperature > 0)) fail("temperature", temperature, "> 0");
        if (pairing.teachers > detail::max_teachers) fail("pairing.teachers", pairing.teachers, "at most 16");
    }
};

/// Caron et al. 2021. `update_center` moves the center, once a step.
using dino = soft_cross_entropy<sharpened_targets, other_views>;
/// Zhou et al. 2022, over masked patches.
using ibot = soft_cross_entropy<sharpened_targets, same_row>;
/// Caron et al. 2020: the codes of a view predicted from the others.
using swapped_prediction = soft_cross_entropy<given_targets, other_views>;

/// `teacher`: (teachers B) x K logits or distributions, `students`: (students B) x K logits, view after view. `center`:
/// K values; `weights`: B values.
template <class Teacher, class Students, class Center = none, class Weights = none>
struct views {
    Teacher teacher;
    Students students;
    Center center{};
    Weights weights{};
};
template <class T, class S>
views(T&&, S&&) -> views<T, S>;
template <class T, class S, class C>
views(T&&, S&&, C&&) -> views<T, S, C>;
template <class T, class S, class C, class W>
views(T&&, S&&, C&&, W&&) -> views<T, S, C, W>;

namespace host {

struct soft_target_passes {
    template <class T, class Context, class Objective, class Inputs>
    using pass = soft_target_pass<T, Context, Objective, Inputs>;

    template <class Context, class Center, class... Teachers>
    static void move_center(const Context& context, const Center& c, double momentum, index_t rows,
                            const Teachers&... teachers) {
        const index_t columns = c.extent(0);
        scratch<std::remove_cvref_t<decltype(context.policy)>> memory(context.policy, scratch_bytes<double>(columns));
        double* const sums = memory.template take<double>(columns);
        std::fill(sums, sums + columns, 0.0);
        const auto add = [&](const auto& x) {
            using E = typename std::remove_cvref_t<decltype(x)>::value_type;
            add_column_sums<std::conditional_t<std::is_same_v<E, double>, double, float>>(context, x, sums);
        };
        (add(teachers), ...);
        using E = typename Center::value_type;
        for (index_t k = 0; k < columns; ++k) {
            c(k) = element_cast<E>(selfsame::detail::moved_center(element_cast<double>(c(k)), momentum, sums[k], rows));
        }
    }
};

}  // namespace host

/// What computes it for an execution policy: the host, unless a header that knows of devices says otherwise.
template <class Context>
struct soft_target_engine : host::soft_target_passes {};

namespace detail {

template <class Inputs>
using soft_target_type = std::conditional_t<std::is_same_v<element_t<decltype(Inputs::students), 2>, double> ||
                                                std::is_same_v<element_t<decltype(Inputs::teacher), 2>, double>,
                                            double, float>;

template <bool Adds = false, class C, class T, class P, class Inputs, class Loss, class Upstream, class Gradient>
void soft_targets(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, const Loss& loss,
                  const Upstream& upstream, const Gradient& gradient) {
    using engine = soft_target_engine<context_of<C>>;
    using pass =
        typename engine::template pass<soft_target_type<Inputs>, context_of<C>, soft_cross_entropy<T, P>, Inputs>;
    const auto c = as_context(ctx);
    pass(c, objective, inputs).template run<Adds>(loss, upstream, gradient);
}

}  // namespace detail

/// The loss: one value, or B for per_sample.
template <execution C, class T, class P, class Inputs, class Loss>
void forward(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, Loss&& loss) {
    detail::soft_targets(ctx, objective, inputs, as_tensor<1>(loss), none{}, none{});
}
template <execution C, class T, class P, class Inputs>
auto forward(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs) {
    detail::check_returns_loss<context_of<C>>();
    detail::soft_target_type<Inputs> loss{};
    forward(ctx, objective, inputs, loss);
    return loss;
}

/// gradient = d sum(upstream * loss) / d students, or `accumulate{gradient}`; it may be the memory of the students.
template <execution C, class T, class P, class Inputs, class Upstream, class Gradient>
void backward(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, const Upstream& upstream,
              Gradient&& gradient) {
    detail::soft_targets<host::adds<Gradient>>(ctx, objective, inputs, none{}, as_tensor<1>(upstream),
                                               as_tensor<2>(host::unwrap(gradient)));
}

/// Loss, and gradient of the students of upstream x loss, at once.
template <execution C, class T, class P, class Inputs, class Loss, class Gradient, class Upstream = double>
void value_and_grad(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, Loss&& loss,
                    Gradient&& gradient, const Upstream& upstream = 1.0) {
    detail::soft_targets<host::adds<Gradient>>(ctx, objective, inputs, as_tensor<1>(loss), as_tensor<1>(upstream),
                                               as_tensor<2>(host::unwrap(gradient)));
}
template <execution C, class T, class P, class Inputs, class Gradient>
auto value_and_grad(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs,
                    Gradient&& gradient) {
    detail::check_returns_loss<context_of<C>>();
    detail::soft_target_type<Inputs> loss{};
    value_and_grad(ctx, objective, inputs, loss, gradient);
    return loss;
}

/// center_k = momentum center_k + (1 - momentum) mean over all rows t of all teachers of t_k, in place: Caron et al.
/// 2021, with momentum 0.9.
///
/// `center`: K values; `teachers`: N x K logits each, as many tensors as a step has. Called once a step, after the
/// loss: with several batches a step, all of them go into one call. The result does not depend on the number of
/// threads. Without a row the center stays; NaN in a column comes out in its center.
template <execution C, class Center, class... Teachers>
    requires(sizeof...(Teachers) > 0)
void update_center(const C& ctx, Center&& center, double momentum, const Teachers&... teachers) {
    const auto c = as_tensor<1>(center);
    constexpr memory_space space = memory_of<decltype(context_of<C>::policy)>;
    detail::check_space<space, decltype(c)>();
    check_writable("center", c);
    if (!(momentum >= 0 && momentum <= 1)) fail("momentum", momentum, "from 0 to 1");
    const index_t columns = c.extent(0);
    index_t rows = 0;
    const auto count = [&](const auto& x) {
        detail::check_space<space, std::remove_cvref_t<decltype(x)>>();
        if (x.extent(1) != columns)
            fail("teacher", std::string_view(shape_text(x)), std::to_string(columns) + " columns, as the center has");
        rows += x.extent(0);
    };
    (count(as_tensor<2>(teachers)), ...);
    if (rows == 0) return;
    soft_target_engine<context_of<C>>::move_center(as_context(ctx), c, momentum, rows, as_tensor<2>(teachers)...);
}

}  // namespace selfsame::inline SELFSAME_ISA
