#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "selfsame/engine/pairwise.hpp"

/// \file
/// LibTorch tensors, without a copy: as views of a given type and rank, and any objective as a differentiable function
/// of them. Those on a GPU: interop/torch.cuh.

namespace selfsame::inline SELFSAME_ISA {

/// The tensor's memory as the library's view. Throws if type, rank or device differ.
template <class T, std::size_t Rank, memory_space Space = memory_space::host>
tensor<T, Rank, Space> torch_view(const at::Tensor& x, std::string_view name = "tensor");

/// objective(anchors, positives[, queue]) as a function that autograd differentiates, once. Tensors are of one type
/// (float, double, half or bfloat16), where `ctx` works. `temperature`, if given, is a scalar tensor that replaces the
/// objective's and may be learnt; it is read at once, for which a GPU is waited for if the tensor is there. For mean
/// and sum one fused pass gives value and gradient; for per_sample the gradient is computed when its upstream values
/// are known. Upstream values are applied before gradients are narrowed.
template <execution C, pairwise_objective O>
at::Tensor differentiable(const C& ctx, const O& objective, const at::Tensor& anchors, const at::Tensor& positives,
                          const at::Tensor& queue = {}, const at::Tensor& temperature = {});

namespace interop {

template <class T>
inline constexpr at::ScalarType scalar_type = at::kFloat;
template <>
inline constexpr at::ScalarType scalar_type<double> = at::kDouble;
template <>
inline constexpr at::ScalarType scalar_type<half> = at::kHalf;
template <>
inline constexpr at::ScalarType scalar_type<bfloat16> = at::kBFloat16;
template <>
inline constexpr at::ScalarType scalar_type<std::uint8_t> = at::kByte;

inline std::string describe(const at::Tensor& x) {
    if (!x.defined()) return "an undefined tensor";
    return std::string(at::toString(x.scalar_type())) + " of " + std::to_string(x.dim()) + " dimensions on " +
           x.device().str();
}

/// f(T{}) with the element type of x.
template <class F>
auto with_type(const at::Tensor& x, std::string_view name, F&& f) {
    switch (x.defined() ? x.scalar_type() : at::kByte) {
        case at::kFloat:
            return f(float{});
        case at::kDouble:
            return f(double{});
        case at::kHalf:
            return f(half{});
        case at::kBFloat16:
            return f(bfloat16{});
        default:
            fail(name, std::string_view(describe(x)), "float, double, half or bfloat16");
    }
}

/// What a node of the graph keeps beside tensors.
template <class C, class O>
struct kept_objective : torch::CustomClassHolder {
    kept_objective(C c, O o) : ctx(std::move(c)), objective(std::move(o)) {}
    C ctx;
    O objective;
};

template <class C, class O>
class pair_function : public torch::autograd::Function<pair_function<C, O>> {
    static constexpr bool own_queue = O::negatives::own_queue;
    static constexpr memory_space space = memory_of<std::remove_cvref_t<decltype(context_of<C>::policy)>>;
    static constexpr bool learns_temperature = requires(const O& o) { o.temperature_gradient(1.0); };
    using tensors = torch::autograd::variable_list;

    template <class T, std::size_t Rank>
    static auto see(const at::Tensor& x, std::string_view name = "tensor") {
        return torch_view<T, Rank, space>(x, name);
    }
    template <class T>
    static at::Tensor empty(at::IntArrayRef shape, const at::Tensor& beside) {
        return at::empty(shape, at::TensorOptions().dtype(scalar_type<T>).device(beside.device()));
    }

    template <class T, class F>
    static auto with_inputs(const tensors& x, F&& f) {
        const auto a = see<const T, 2>(x[0], "anchors"), p = see<const T, 2>(x[1], "positives");
        if constexpr (own_queue) {
            return f(pairs{a, p, see<const T, 2>(x[2], "queue")});
        } else {
            return f(pairs{a, p});
        }
    }

    /// Gradients in the type of the computation: they are scaled before they are narrowed.
    template <class T>
    struct gradients {
        using compute = std::conditional_t<std::is_same_v<T, double>, double, float>;
        at::Tensor anchors, positives, queue, temperature;

        explicit gradients(const tensors& x)
            : anchors(like(x[0])), positives(like(x[1])),
              queue(own_queue && x[2].requires_grad() ? like(x[2]) : at::Tensor()),
              temperature(learns_temperature ? empty<double>({1}, x[0]) : at::Tensor()) {}

        static at::Tensor like(const at::Tensor& x) { return empty<compute>(x.sizes(), x); }
        template <class F>
        void with(F&& f) {
            const auto a = see<compute, 2>(anchors), p = see<compute, 2>(positives);
            const auto call = [&](auto&& q) {
                if constexpr (learns_temperature) {
                    f(pair_gradients{a, p, q, see<double, 1>(temperature)});
                } else {
                    f(pair_gradients{a, p, q});
                }
            };
            if (queue.defined()) {
                if constexpr (own_queue) call(see<compute, 2>(queue));
            } else {
                call(none{});
            }
        }
    };

  public:
    using optional_tensor = c10::optional<at::Tensor>;  // autograd refuses undefined tensors as arguments

    static at::Tensor forward(torch::autograd::AutogradContext* node, const C& ctx, const O& objective, bool wanted,
                              at::Tensor anchors, at::Tensor positives, optional_tensor queue,
                              optional_tensor temperature) {
        if (anchors.dim() != 2) fail("anchors", std::string_view(describe(anchors)), "2 dimensions");
        tensors x{anchors, positives};
        if (own_queue) x.push_back(queue.value_or(at::Tensor()));
        for (const auto& t : x) {
            if (t.defined() && t.scalar_type() != anchors.scalar_type()) {
                fail("inputs", std::string_view(describe(t)), "the element type of anchors");
            }
        }
        node->saved_data["objective"] =
            c10::IValue::make_capsule(c10::make_intrusive<kept_objective<C, O>>(ctx, objective));
        const bool each = per_sample(objective);
        return with_type(anchors, "anchors", [&]<class T>(T) {
            using compute = typename gradients<T>::compute;
            at::Tensor loss = empty<compute>({each ? anchors.size(0) : 1}, anchors);
            with_inputs<T>(x, [&](const auto& inputs) {
                const auto out = see<compute, 1>(loss);
                if (each) {
                    at::Tensor saved = empty<compute>({saved_size(objective, anchors.size(0))}, anchors);
                    selfsame::forward(ctx, objective, inputs, out, see<compute, 1>(saved));
                    x.push_back(saved);
                } else if (!wanted) {
                    selfsame::forward(ctx, objective, inputs, out);
                } else {
                    gradients<T> g(x);
                    g.with([&](const auto& targets) { value_and_grad(ctx, objective, inputs, out, targets); });
                    x.insert(x.end(), {g.anchors, g.positives, g.queue, g.temperature});
                }
            });
            node->save_for_backward(std::move(x));
            if (temperature) {
                node->saved_data["shape"] = temperature->sizes().vec();
                node->saved_data["device"] = temperature->device();
            }
            return each ? loss : loss.reshape({});
        });
    }

    static tensors backward(torch::autograd::AutogradContext* node, tensors upstream) {
        if (at::GradMode::is_enabled() && upstream[0].requires_grad()) {
            fail("objective", "a request for second derivatives", "to be differentiated once");
        }
        const auto kept =
            c10::static_intrusive_pointer_cast<kept_objective<C, O>>(node->saved_data["objective"].toCapsule());
        tensors x = node->get_saved_variables();
        return with_type(x[0], "anchors", [&]<class T>(T) -> tensors {
            using compute = typename gradients<T>::compute;
            at::Tensor anchors, positives, queue, temperature;
            const std::size_t inputs_count = own_queue ? 3 : 2;
            if (per_sample(kept->objective)) {
                const at::Tensor scale = upstream[0].to(scalar_type<compute>).contiguous();
                gradients<T> g(x);
                with_inputs<T>(x, [&](const auto& inputs) {
                    g.with([&](const auto& targets) {
                        selfsame::backward(kept->ctx, kept->objective, inputs, see<const compute, 1>(x[inputs_count]),
                                           see<const compute, 1>(scale), targets);
                    });
                });
                anchors = g.anchors, positives = g.positives, queue = g.queue, temperature = g.temperature;
            } else {
                const auto scaled = [&](const at::Tensor& g) { return g.defined() ? g * upstream[0] : g; };
                anchors = scaled(x[inputs_count]), positives = scaled(x[inputs_count + 1]);
                queue = scaled(x[inputs_count + 2]), temperature = scaled(x[inputs_count + 3]);
            }
            const auto narrow = [&](const at::Tensor& g) { return g.defined() ? g.to(x[0].scalar_type()) : g; };
            if (const auto shape = node->saved_data.find("shape"); shape == node->saved_data.end()) {
                temperature = at::Tensor();
            } else {
                temperature =
                    temperature.reshape(shape->second.toIntVector()).to(node->saved_data["device"].toDevice());
            }
            return {at::Tensor(),      at::Tensor(),  at::Tensor(), narrow(anchors),
                    narrow(positives), narrow(queue), temperature};
        });
    }

  private:
    static bool per_sample(const O& o) {
        if constexpr (requires { o.reduction; }) {
            return o.reduction == reduction::per_sample;
        } else {
            return false;
        }
    }
};

}  // namespace interop

template <class T, std::size_t Rank, memory_space Space>
tensor<T, Rank, Space> torch_view(const at::Tensor& x, std::string_view name) {
    using element = std::remove_const_t<T>;
    constexpr bool host = Space == memory_space::host;
    if (!x.defined() || x.scalar_type() != interop::scalar_type<element> ||
        x.dim() != static_cast<std::int64_t>(Rank) || !(host ? x.is_cpu() : x.is_cuda())) {
        const std::string expected = std::string(at::toString(interop::scalar_type<element>)) + " of " +
                                     std::to_string(Rank) + (host ? " dimensions on cpu" : " dimensions on cuda");
        fail(name, std::string_view(interop::describe(x)), expected);
    }
    std::array<index_t, Rank> extents{}, strides{};
    for (std::size_t r = 0; r < Rank; ++r) {
        extents[r] = x.size(static_cast<std::int64_t>(r));
        strides[r] = x.stride(static_cast<std::int64_t>(r));
    }
    return view<Space>(static_cast<T*>(x.data_ptr()), extents, strides);
}

template <execution C, pairwise_objective O>
at::Tensor differentiable(const C& ctx, const O& objective, const at::Tensor& anchors, const at::Tensor& positives,
                          const at::Tensor& queue, const at::Tensor& temperature) {
    O o = objective;
    if (temperature.defined()) {
        if constexpr (requires { o.temperature; }) {
            o.temperature = temperature.item<double>();
        } else {
            fail("temperature", "a tensor", "none: the objective has no temperature");
        }
    }
    const auto given = [](const at::Tensor& x) { return x.defined() ? c10::make_optional(x) : c10::nullopt; };
    bool wanted = false;
    for (const auto* x : {&anchors, &positives, &queue, &temperature}) {
        wanted = wanted || (x->defined() && x->requires_grad());
    }
    if (!anchors.defined()) fail("anchors", "an undefined tensor", "a matrix");
    if (!positives.defined()) fail("positives", "an undefined tensor", "a matrix");
    return interop::pair_function<C, O>::apply(ctx, o, wanted && at::GradMode::is_enabled(), anchors, positives,
                                               given(queue), given(temperature));
}

}  // namespace selfsame::inline SELFSAME_ISA
