#pragma once

#include "selfsame/core/aliasing.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/policy/accumulate.hpp"
#include "selfsame/policy/reduction.hpp"
#include "selfsame/policy/soft_targets.hpp"

/// \file
/// What a call over views of samples and prototypes is given, held to its rules; the same on the host and on devices.

namespace selfsame::inline SELFSAME_ISA {

/// Objective: pairing.teachers, pairing.students, pairing.pairs(teacher, student), reduction.
template <memory_space Space, class Objective, class Inputs>
class prototype_arguments {
  protected:
    static constexpr bool has_queue = !is_none<decltype(Inputs::queue)>;

  public:
    prototype_arguments(const Objective& objective, const Inputs& inputs)
        : objective_(objective), inputs_(inputs), views_(objective.pairing.students),
          assigned_(objective.pairing.teachers) {
        check();
    }

    /// Inputs are packed before anything is written: gradients may take their place, unless they are added.
    template <class Loss, class Upstream, class Gradients>
    void check_outputs(const Loss& loss, const Upstream& upstream, const Gradients& wanted) const {
        aliasing_rules rules;
        if constexpr (!is_none<Loss>) {
            detail::check_space<Space, Loss>();
            check_writable("loss", loss);
            if (loss.size() != static_cast<std::size_t>(each() ? n_ : 1)) {
                fail("loss", std::string_view(shape_text(loss)), each() ? "one value a sample" : "one value");
            }
        }
        if constexpr (!is_none<Upstream>) {
            if (upstream.size() != 1 && !(each() && upstream.size() == static_cast<std::size_t>(n_))) {
                fail("upstream", std::string_view(shape_text(upstream)), "one value, or one a sample for per_sample");
            }
            if constexpr (Space == memory_space::host) {
                detail::check_space<Space, Upstream>();
            } else if constexpr (Upstream::accessor_type::space == memory_space::host) {
                if (upstream.size() != 1) fail("upstream", "a tensor of the host", "one of the device, or a value");
            }
            rules.input("upstream", upstream);
        }
        if constexpr (host::adds<Gradients>) {
            rules.input("features", as_tensor<2>(inputs_.features));
            rules.input("prototypes", as_tensor<2>(inputs_.prototypes));
        }
        const auto& gradients = host::unwrap(wanted);
        if constexpr (!is_none<decltype(gradients.features)>) {
            check_gradient(rules, "gradient of features", as_tensor<2>(gradients.features), views_ * n_);
        }
        if constexpr (!is_none<decltype(gradients.prototypes)>) {
            check_gradient(rules, "gradient of prototypes", as_tensor<2>(gradients.prototypes), k_);
        }
        rules.output("loss", loss);
    }

  protected:
    /// Whether every sample has a loss of its own.
    bool each() const { return objective_.reduction == reduction::per_sample; }

    const Objective& objective_;
    const Inputs& inputs_;
    index_t views_, assigned_, n_ = 0, d_ = 0, k_ = 0, queued_ = 0;

  private:
    void check() {
        objective_.check();
        const auto features = as_tensor<2>(inputs_.features);
        const auto prototypes = as_tensor<2>(inputs_.prototypes);
        detail::check_space<Space, decltype(features)>();
        detail::check_space<Space, decltype(prototypes)>();
        if (assigned_ < 1 || views_ < 1 || detail::count_pairs(objective_.pairing) == 0) {
            fail("pairing", views_, "views that are compared with another's code");
        }
        if (assigned_ > views_) fail("pairing.teachers", assigned_, "at most pairing.students: views have the codes");
        if (features.extent(0) % views_ != 0) {
            fail("features", std::string_view(shape_text(features)),
                 std::to_string(views_) + " views of each sample, view after view");
        }
        n_ = features.extent(0) / views_;
        d_ = features.extent(1);
        k_ = prototypes.extent(0);
        if (d_ == 0) fail("features", std::string_view(shape_text(features)), "at least one column");
        if (k_ == 0 || prototypes.extent(1) != d_) {
            fail("prototypes", std::string_view(shape_text(prototypes)), "at least one, of the width of features");
        }
        if constexpr (has_queue) {
            const auto q = as_tensor<2>(inputs_.queue);
            detail::check_space<Space, decltype(q)>();
            if (q.extent(0) % assigned_ != 0 || q.extent(1) != d_) {
                fail("queue", std::string_view(shape_text(q)),
                     "as many features of each assigned view, of the width of features");
            }
            queued_ = q.extent(0) / assigned_;
        }
    }

    template <class Output>
    void check_gradient(aliasing_rules& rules, std::string_view name, const Output& out, index_t rows) const {
        detail::check_space<Space, Output>();
        rules.output(name, out);
        if (out.extent(0) != rows || out.extent(1) != d_)
            fail(name, std::string_view(shape_text(out)), "the shape of its input");
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
