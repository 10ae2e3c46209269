#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// A probability for an operation.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

template <class Parameters>
struct applied_parameters {
    std::int32_t applied;
    Parameters operation;  ///< drawn in any case
};
// In this order for nvcc: see `record`.
template <class Parameters>
    requires std::is_empty_v<Parameters>
struct applied_parameters<Parameters> {
    [[no_unique_address]] Parameters operation;
    std::int32_t applied;

    constexpr applied_parameters() = default;
    constexpr applied_parameters(std::int32_t a, const Parameters& p) : operation(p), applied(a) {}
};

}  // namespace detail

/// Runs an operation with a probability. The operation must keep the image's shape.
template <image_op Op>
struct random_apply {
    static_assert(!may_resize<Op>, "selfsame: random_apply of an operation that may change the image's size");
    float probability;
    Op operation;

    using parameters = detail::applied_parameters<typename Op::parameters>;
    static constexpr int steps = steps_of<Op>, passes = passes_of<Op>;

    void check(std::int32_t channels) const {
        detail::check_probability("random_apply.probability", probability);
        operation.check(channels);
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        const bool applied = random.chance(probability);
        return {applied, operation.draw(random, image)};
    }
    template <class F>
    constexpr void visit(const parameters& p, F&& f) const {
        if (p.applied != 0) f(operation, p.operation);
    }
    template <class F>
    constexpr void each(F&& f) const {
        f(operation);
    }
};
template <class Op>
random_apply(float, Op) -> random_apply<Op>;

}  // namespace selfsame::inline SELFSAME_ISA::augment
