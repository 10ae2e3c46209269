#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// One of several operations.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Runs one of its operations, each as likely as the others. They must keep the image's shape.
template <image_op... Ops>
struct one_of {
    static_assert(sizeof...(Ops) > 0 && !(may_resize<Ops> || ...),
                  "selfsame: one_of of operations that may change the image's size, or of none");
    record<Ops...> operations;

    struct parameters {
        std::int32_t chosen;
        record<typename Ops::parameters...> operations;  ///< all are drawn
    };
    static constexpr int steps = [] {
        int most = 0;
        ((most = steps_of<Ops> > most ? steps_of<Ops> : most), ...);
        return most;
    }();

    static constexpr int passes = [] {
        int most = 0;
        ((most = passes_of<Ops> > most ? passes_of<Ops> : most), ...);
        return most;
    }();

    constexpr one_of(const Ops&... ops) : operations(make_record(ops...)) {}

    void check(std::int32_t channels) const {
        each([&](const auto& op) { op.check(channels); });
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        parameters p{};
        p.chosen = static_cast<std::int32_t>(random.below(sizeof...(Ops)));
        number([&](auto k) { get<k()>(p.operations) = get<k()>(operations).draw(random, image); });
        return p;
    }
    void check_drawn(const parameters& p, image_shape) const {
        if (p.chosen < 0 || p.chosen >= static_cast<std::int32_t>(sizeof...(Ops))) {
            fail("parameters: one_of.chosen", p.chosen, joined("0 to ", sizeof...(Ops) - 1));
        }
    }
    template <class F>
    constexpr void visit(const parameters& p, F&& f) const {
        number([&](auto k) {
            if (p.chosen == static_cast<std::int32_t>(k())) f(get<k()>(operations), get<k()>(p.operations));
        });
    }
    template <class F>
    constexpr void each(F&& f) const {
        number([&](auto k) { f(get<k()>(operations)); });
    }

  private:
    template <class F>
    static constexpr void number(F&& f) {
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            (f(std::integral_constant<std::size_t, Index>()), ...);
        }(std::index_sequence_for<Ops...>());
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
