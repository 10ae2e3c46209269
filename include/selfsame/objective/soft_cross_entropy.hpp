#pragma once

#include "selfsame/engine/host/column_sums.hpp"
#include "selfsame/engine/host/soft_targets.hpp"

/// \file
/// Cross-entropy between target distributions and softmaxes over K prototypes or classes: the loss of SwAV, DINO and
/// iBOT. Nothing flows back to the targets.

namespace selfsame::inline SELFSAME_ISA {

/// Targets are distributions already: SwAV's codes, or what Sinkhorn makes of a teacher's logits.
struct given_targets {
    void check() const {}

    template <class T, class Teacher, class Center>
    const T* make(const Teacher& teacher, const Center&, index_t row, T* memory) const {
        static_assert(is_none<Center>, "selfsame: given targets take no center");
        return host::row_source_of<T, Teacher>(teacher).read(row, 0, teacher.extent(1), memory);
    }
};

/// softmax((t - center) / temperature) of a teacher's logits t; Caron et al. 2021.
struct sharpened_targets {
    double temperature = 0.04;

    void check() const {
        if (!(temperature > 0)) fail("targets.temperature", temperature, "> 0");
    }

    template <class T, class Teacher, class Center>
    const T* make(const Teacher& teacher, const Center& center, index_t row, T* memory) const {
        const index_t columns = teacher.extent(1);
        const host::scratch_rows<T> out{memory, columns, columns};
        using logits = host::row_source_of<T, Teacher>;
        const auto write = [&](const auto& walk) {
            const auto reduced = walk.reduce_rows({row, 1, 1});
            walk.write_row(row, out, 0, sharpen_row<batch<T>>{reduced.level, reduced.bits_of_sum()}, false);
        };
        if constexpr (is_none<Center>) {
            write(host::row_walk<T, sharpen<T>, logits>(sharpen<T>{T(1.44269504088896340736 / temperature)},
                                                        logits(teacher)));
        } else {
            const auto c = as_tensor<1>(center);
            // Every row of the teacher meets the same center.
            const auto repeated =
                detail::strided<memory_space::host>(c.data_handle(), std::array<index_t, 2>{teacher.extent(0), columns},
                                                    std::array<index_t, 2>{0, c.stride(0)});
            using centers = host::row_source_of<T, std::remove_const_t<decltype(repeated)>>;
            write(host::row_walk<T, sharpen<T>, logits, centers>(sharpen<T>{T(1.44269504088896340736 / temperature)},
                                                                 logits(teacher), centers(repeated)));
        }
        return memory;
    }

  private:
    template <class V>
    struct sharpen_row {
        V level, bits_of_sum;
    };
    template <class T>
    struct sharpen {
        using V = batch<T>;
        template <class X>
        using reducer = softmax_statistics<X>;
        T scale;

        SELFSAME_INLINE V term(V t) const { return t; }
        SELFSAME_INLINE V term(V t, V c) const { return t - c; }
        SELFSAME_INLINE V element(V t, const sharpen_row<V>& r) const {
            return math::exp2(reducer<V>::bits(t, r.level, scale) - r.bits_of_sum);
        }
        SELFSAME_INLINE V element(V t, V c, const sharpen_row<V>& r) const { return element(t - c, r); }
    };
};

/// Every view of the students with every target but its own: SwAV's swapped prediction, DINO's cross views. The first
/// `teachers` views of the students are those that the targets were made of.
struct other_views {
    int teachers = 2, students = 10;
    constexpr bool pairs(index_t teacher, index_t student) const { return teacher != student; }
};
/// Row by row: a masked patch with the teacher's of the same place.
struct same_row {
    static constexpr int teachers = 1, students = 1;
    static constexpr bool pairs(index_t, index_t) { return true; }
};

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
        if (pairing.teachers > 16) fail("pairing.teachers", pairing.teachers, "at most 16");
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

template <class Inputs>
using soft_target_type = std::conditional_t<std::is_same_v<element_t<decltype(Inputs::students), 2>, double> ||
                                                std::is_same_v<element_t<decltype(Inputs::teacher), 2>, double>,
                                            double, float>;

template <bool Adds = false, class C, class T, class P, class Inputs, class Loss, class Upstream, class Gradient>
void soft_targets(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, const Loss& loss,
                  const Upstream& upstream, const Gradient& gradient) {
    const auto c = as_context(ctx);
    soft_target_pass<soft_target_type<Inputs>, std::remove_const_t<decltype(c)>, soft_cross_entropy<T, P>, Inputs>(
        c, objective, inputs)
        .template run<Adds>(loss, upstream, gradient);
}

}  // namespace host

/// The loss: one value, or B for per_sample.
template <execution C, class T, class P, class Inputs, class Loss>
void forward(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, Loss&& loss) {
    host::soft_targets(ctx, objective, inputs, as_tensor<1>(loss), none{}, none{});
}
template <execution C, class T, class P, class Inputs>
auto forward(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs) {
    host::soft_target_type<Inputs> loss{};
    forward(ctx, objective, inputs, loss);
    return loss;
}

/// gradient = d sum(upstream * loss) / d students, or `accumulate{gradient}`; it may be the memory of the students.
template <execution C, class T, class P, class Inputs, class Upstream, class Gradient>
void backward(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, const Upstream& upstream,
              Gradient&& gradient) {
    host::soft_targets<host::adds<Gradient>>(ctx, objective, inputs, none{}, as_tensor<1>(upstream),
                                             as_tensor<2>(host::unwrap(gradient)));
}

/// Loss, and gradient of the students of upstream x loss, at once.
template <execution C, class T, class P, class Inputs, class Loss, class Gradient, class Upstream = double>
void value_and_grad(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs, Loss&& loss,
                    Gradient&& gradient, const Upstream& upstream = 1.0) {
    host::soft_targets<host::adds<Gradient>>(ctx, objective, inputs, as_tensor<1>(loss), as_tensor<1>(upstream),
                                             as_tensor<2>(host::unwrap(gradient)));
}
template <execution C, class T, class P, class Inputs, class Gradient>
auto value_and_grad(const C& ctx, const soft_cross_entropy<T, P>& objective, const Inputs& inputs,
                    Gradient&& gradient) {
    host::soft_target_type<Inputs> loss{};
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
    check_writable("center", c);
    if (!(momentum >= 0 && momentum <= 1)) fail("momentum", momentum, "from 0 to 1");
    const index_t columns = c.extent(0);
    index_t rows = 0;
    const auto count = [&](const auto& x) {
        if (x.extent(1) != columns)
            fail("teacher", std::string_view(shape_text(x)), std::to_string(columns) + " columns, as the center has");
        rows += x.extent(0);
    };
    (count(as_tensor<2>(teachers)), ...);
    if (rows == 0) return;
    const auto context = as_context(ctx);
    scratch<std::remove_cvref_t<decltype(context.policy)>> memory(context.policy, scratch_bytes<double>(columns));
    double* const sums = memory.template take<double>(columns);
    std::fill(sums, sums + columns, 0.0);
    const auto add = [&](const auto& x) {
        using E = typename std::remove_cvref_t<decltype(x)>::value_type;
        host::add_column_sums<std::conditional_t<std::is_same_v<E, double>, double, float>>(context, x, sums);
    };
    (add(as_tensor<2>(teachers)), ...);
    using E = typename decltype(c)::value_type;
    for (index_t k = 0; k < columns; ++k) {
        c(k) = element_cast<E>(momentum * element_cast<double>(c(k)) +
                               (1 - momentum) * sums[k] / static_cast<double>(rows));
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
