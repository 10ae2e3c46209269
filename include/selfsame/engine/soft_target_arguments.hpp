#pragma once

#include "selfsame/core/aliasing.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/policy/reduction.hpp"
#include "selfsame/policy/soft_targets.hpp"

/// \file
/// What a call over views of samples is given, held to its rules; the same on the host and on devices.

namespace selfsame::inline SELFSAME_ISA {

/// Objective: targets, pairing.teachers, pairing.students, pairing.pairs(teacher, student), temperature, reduction.
template <memory_space Space, class Objective, class Inputs>
class soft_target_arguments {
  protected:
    static constexpr bool has_center = !is_none<decltype(Inputs::center)>,
                          has_weights = !is_none<decltype(Inputs::weights)>;
    static_assert(!has_center || decltype(std::declval<Objective>().targets.template formula<double>())::reduces,
                  "selfsame: given targets take no center");

  public:
    soft_target_arguments(const Objective& objective, const Inputs& inputs)
        : objective_(objective), inputs_(inputs), teachers_(objective.pairing.teachers),
          students_(objective.pairing.students) {
        check();
        pairs_ = detail::count_pairs(objective_.pairing);
        if (pairs_ == 0) fail("pairing", students_, "views that are compared with another");
    }

    template <bool Adds, class Loss, class Upstream, class Gradient>
    void check_outputs(const Loss& loss, const Upstream& upstream, const Gradient& gradient) const {
        const auto one = static_cast<std::size_t>(each() ? samples_ : 1);
        aliasing_rules rules;
        rules.input("teacher", as_tensor<2>(inputs_.teacher));
        rules.input("students", as_tensor<2>(inputs_.students));
        if constexpr (has_center) rules.input("center", as_tensor<1>(inputs_.center));
        if constexpr (has_weights) rules.input("weights", as_tensor<1>(inputs_.weights));
        if constexpr (!is_none<Upstream>) {
            rules.input("upstream", upstream);
            if (upstream.size() != 1 && upstream.size() != one) {
                fail("upstream", std::string_view(shape_text(upstream)), "one value, or one a sample for per_sample");
            }
            if constexpr (Space == memory_space::host) {
                detail::check_space<Space, Upstream>();
            } else if constexpr (Upstream::accessor_type::space == memory_space::host) {
                if (upstream.size() != 1) fail("upstream", "a tensor of the host", "one of the device, or a value");
            }
        }
        if constexpr (!is_none<Gradient>) {
            detail::check_space<Space, Gradient>();
            if (gradient.extent(0) != students_ * samples_ || gradient.extent(1) != columns_) {
                fail("gradient", std::string_view(shape_text(gradient)), "the shape of students");
            }
            rules.output("gradient", gradient, Adds ? "" : "students");
        }
        if constexpr (!is_none<Loss>) {
            detail::check_space<Space, Loss>();
            if (loss.size() != one)
                fail("loss", std::string_view(shape_text(loss)), each() ? "one value a sample" : "one value");
            rules.output("loss", loss);
        }
    }

  protected:
    /// Whether every sample has a loss of its own.
    bool each() const { return objective_.reduction == reduction::per_sample; }

    const Objective& objective_;
    const Inputs& inputs_;
    index_t teachers_, students_, samples_ = 0, columns_ = 0, pairs_ = 0;

  private:
    void check() {
        objective_.check();
        const auto teacher = as_tensor<2>(inputs_.teacher);
        const auto student = as_tensor<2>(inputs_.students);
        detail::check_space<Space, decltype(teacher)>();
        detail::check_space<Space, decltype(student)>();
        if (teachers_ < 1 || students_ < 1)
            fail("pairing", (std::min)(teachers_, students_), "at least one view of each kind");
        samples_ = student.extent(0) / students_;
        columns_ = student.extent(1);
        const auto shape = [&](std::string_view name, const auto& x, index_t views, std::string_view which) {
            if (x.extent(0) == views * samples_ && x.extent(1) == columns_) return;
            std::string expected =
                std::to_string(views) + " x " + std::to_string(samples_) + " rows of " + std::to_string(columns_);
            expected.append(" (").append(which).append(")");
            fail(name, std::string_view(shape_text(x)), expected);
        };
        shape("students", student, students_, "views of each sample, view after view");
        shape("teacher", teacher, teachers_, "views of each sample, view after view");
        if (columns_ == 0 && samples_ > 0)
            fail("students", std::string_view(shape_text(student)), "at least one column");
        if constexpr (has_center) {
            const auto c = as_tensor<1>(inputs_.center);
            detail::check_space<Space, decltype(c)>();
            if (c.extent(0) != columns_)
                fail("center", c.extent(0), std::to_string(columns_) + " values, one a column");
        }
        if constexpr (has_weights) {
            const auto w = as_tensor<1>(inputs_.weights);
            detail::check_space<Space, decltype(w)>();
            if (w.extent(0) != samples_)
                fail("weights", w.extent(0), std::to_string(samples_) + " values, one a sample");
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
