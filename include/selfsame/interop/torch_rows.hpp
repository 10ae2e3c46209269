#pragma once

#include "selfsame/energy/scores.hpp"
#include "selfsame/interop/torch.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"

/// \file
/// What is made of rows of logits, as differentiable functions of LibTorch tensors. Matrices are read and gradients
/// written in place; upstream values are applied before gradients are narrowed.

namespace selfsame::inline SELFSAME_ISA {

/// The scores of logits, B x K, as a function that autograd differentiates, once: B values of a single score, B x
/// scores of several; float, or double of double. The graph keeps nothing but the logits.
template <execution C, class... Scores>
at::Tensor differentiable(const C& ctx, const logit_scores<Scores...>& scores, const at::Tensor& logits);

/// objective(teacher, students[, center[, weights]]) as a function of the students' logits that autograd
/// differentiates, once; nothing flows back to the others. Teacher and students are of one type. For mean and sum one
/// fused pass gives value and gradient, unless it is to be narrowed; else the gradient is computed when its upstream
/// values are known.
template <execution C, class T, class P>
at::Tensor differentiable(const C& ctx, const soft_cross_entropy<T, P>& objective, const at::Tensor& teacher,
                          const at::Tensor& students, const at::Tensor& center = {}, const at::Tensor& weights = {});

namespace interop {

inline at::Tensor empty(at::IntArrayRef sizes, at::ScalarType type) {
    return at::empty(sizes, at::TensorOptions().dtype(type));
}

inline void check_matrix(std::string_view name, const at::Tensor& x) {
    if (!x.defined() || x.dim() != 2 || !x.device().is_cpu()) {
        fail(name, std::string_view(describe(x)), "2 dimensions on cpu");
    }
}

inline void check_first_derivative(std::string_view name, const at::Tensor& upstream) {
    if (at::GradMode::is_enabled() && upstream.requires_grad()) {
        fail(name, "a request for second derivatives", "to be differentiated once");
    }
}

template <class C, class Scores>
class score_function : public torch::autograd::Function<score_function<C, Scores>> {
    using tensors = torch::autograd::variable_list;
    static constexpr std::size_t rank = Scores::count == 1 ? 1 : 2;

  public:
    static at::Tensor forward(torch::autograd::AutogradContext* node, const C& ctx, const Scores& scores,
                              at::Tensor logits) {
        node->saved_data["scores"] =
            c10::IValue::make_capsule(c10::make_intrusive<kept_objective<C, Scores>>(ctx, scores));
        node->save_for_backward({logits});
        return with_type(logits, "logits", [&]<class T>(T) {
            using compute_type = typename compute<T>::type;
            std::vector<std::int64_t> sizes{logits.size(0)};
            if (rank == 2) sizes.push_back(Scores::count);
            at::Tensor values = empty(sizes, scalar_type<compute_type>);
            selfsame::forward(ctx, scores, torch_view<const T, 2>(logits, "logits"),
                              torch_view<compute_type, rank>(values));
            return values;
        });
    }

    static tensors backward(torch::autograd::AutogradContext* node, tensors upstream) {
        check_first_derivative("scores", upstream[0]);
        const auto kept =
            c10::static_intrusive_pointer_cast<kept_objective<C, Scores>>(node->saved_data["scores"].toCapsule());
        const at::Tensor logits = node->get_saved_variables()[0];
        return with_type(logits, "logits", [&]<class T>(T) -> tensors {
            using compute_type = typename compute<T>::type;
            at::Tensor gradient = empty(logits.sizes(), logits.scalar_type());
            selfsame::backward(kept->ctx, kept->objective, torch_view<const T, 2>(logits, "logits"),
                               torch_view<const compute_type, rank>(upstream[0], "upstream"),
                               torch_view<T, 2>(gradient));
            return {at::Tensor(), at::Tensor(), gradient};
        });
    }
};

template <class C, class O>
class soft_target_function : public torch::autograd::Function<soft_target_function<C, O>> {
    using tensors = torch::autograd::variable_list;
    static constexpr bool has_center = !std::is_same_v<decltype(O::targets), given_targets>;

  public:
    /// What has no gradient; to autograd no tensors at all. Center and weights are in the type of the computation.
    struct constants {
        at::Tensor teacher, center, weights;
    };

  private:
    template <class T, class F>
    static void with_inputs(const at::Tensor& students, const constants& rest, F&& f) {
        using compute_type = typename compute<T>::type;
        const auto t = torch_view<const T, 2>(rest.teacher, "teacher");
        const auto s = torch_view<const T, 2>(students, "students");
        const auto weights = torch_view<const compute_type, 1>(rest.weights, "weights");
        if constexpr (has_center) {
            f(views{t, s, torch_view<const compute_type, 1>(rest.center, "center"), weights});
        } else {
            f(views{t, s, none{}, weights});
        }
    }

  public:
    static std::int64_t samples(const O& objective, const at::Tensor& students) {
        return students.size(0) / (std::max)(1, objective.pairing.students);
    }

    static at::Tensor forward(torch::autograd::AutogradContext* node, const C& ctx, const O& objective, bool wanted,
                              at::Tensor students, const constants& rest) {
        const bool each = objective.reduction == reduction::per_sample;
        node->saved_data["objective"] =
            c10::IValue::make_capsule(c10::make_intrusive<kept_objective<C, O>>(ctx, objective));
        return with_type(students, "students", [&]<class T>(T) {
            using compute_type = typename compute<T>::type;
            at::Tensor loss = empty({each ? samples(objective, students) : 1}, scalar_type<compute_type>);
            const auto out = torch_view<compute_type, 1>(loss);
            at::Tensor gradient;
            with_inputs<T>(students, rest, [&](const auto& inputs) {
                if constexpr (std::is_same_v<T, compute_type>) {
                    if (wanted && !each) {
                        gradient = empty(students.sizes(), students.scalar_type());
                        value_and_grad(ctx, objective, inputs, out, torch_view<T, 2>(gradient));
                        return;
                    }
                }
                selfsame::forward(ctx, objective, inputs, out);
            });
            node->save_for_backward(gradient.defined() ? tensors{gradient}
                                                       : tensors{students, rest.teacher, rest.center, rest.weights});
            return each ? loss : loss.reshape({});
        });
    }

    static tensors backward(torch::autograd::AutogradContext* node, tensors upstream) {
        check_first_derivative("objective", upstream[0]);
        const auto kept =
            c10::static_intrusive_pointer_cast<kept_objective<C, O>>(node->saved_data["objective"].toCapsule());
        const tensors saved = node->get_saved_variables();
        at::Tensor gradient = saved[0];
        if (saved.size() == 1) {
            // Most often nothing is between the loss and the end; then there is no reason to walk the gradient again.
            const double scale = upstream[0].template item<double>();
            if (scale != 1) gradient = gradient * scale;
        } else {
            gradient = with_type(saved[0], "students", [&]<class T>(T) {
                using compute_type = typename compute<T>::type;
                at::Tensor g = empty(saved[0].sizes(), saved[0].scalar_type());
                const at::Tensor up = upstream[0].dim() == 0 ? upstream[0].reshape({1}) : upstream[0];
                with_inputs<T>(saved[0], {saved[1], saved[2], saved[3]}, [&](const auto& inputs) {
                    selfsame::backward(kept->ctx, kept->objective, inputs,
                                       torch_view<const compute_type, 1>(up, "upstream"), torch_view<T, 2>(g));
                });
                return g;
            });
        }
        return {at::Tensor(), at::Tensor(), at::Tensor(), gradient, at::Tensor()};
    }
};

}  // namespace interop

template <execution C, class... Scores>
at::Tensor differentiable(const C& ctx, const logit_scores<Scores...>& scores, const at::Tensor& logits) {
    interop::check_matrix("logits", logits);
    return interop::score_function<C, logit_scores<Scores...>>::apply(ctx, scores, logits);
}

template <execution C, class T, class P>
at::Tensor differentiable(const C& ctx, const soft_cross_entropy<T, P>& objective, const at::Tensor& teacher,
                          const at::Tensor& students, const at::Tensor& center, const at::Tensor& weights) {
    interop::check_matrix("teacher", teacher);
    interop::check_matrix("students", students);
    const auto type = students.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    // A center of zeros and weights of ones are none, and spare the compiler three variants of everything.
    at::Tensor c, w;
    if constexpr (std::is_same_v<T, given_targets>) {
        if (center.defined()) fail("center", "a tensor", "none: the targets are given");
    } else {
        c = center.defined() ? center.detach().to(type)
                             : at::zeros({students.size(1)}, at::TensorOptions().dtype(type));
    }
    using function = interop::soft_target_function<C, soft_cross_entropy<T, P>>;
    w = weights.defined() ? weights.detach().to(type)
                          : at::ones({function::samples(objective, students)}, at::TensorOptions().dtype(type));
    const bool wanted = students.requires_grad() && at::GradMode::is_enabled();
    return function::apply(ctx, objective, wanted, students, typename function::constants{teacher.detach(), c, w});
}

}  // namespace selfsame::inline SELFSAME_ISA
