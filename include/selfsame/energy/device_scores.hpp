#pragma once

#include "selfsame/energy/scores.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/rowwise.hpp"

/// \file
/// Scores of logits on a device: the calls of energy/scores.hpp with device tensors, one kernel each, without a wait.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

/// Values and Upstream are `strided_rows`, or `none`.
template <class T, class Set, bool Places, class Values, class Upstream>
struct score_rows : host::score_walk<T, T, Set, Places> {
    using walk = host::score_walk<T, T, Set, Places>;
    using known = typename walk::weighted_row;

    Values values;
    Upstream upstream;

    score_rows(const Set& scores, const Values& v, const Upstream& u) : walk(scores), values(v), upstream(u) {}

    template <class R>
    constexpr known finish(const R& state, [[maybe_unused]] index_t i) const {
        known k{this->row_of(state), {}};
        for (int s = 0; s < Set::count; ++s) {
            if constexpr (is_none<Upstream>) {
                k.upstream[s] = T(1);
            } else {
                k.upstream[s] = element_cast<T>(upstream.at(i, s));
            }
        }
        return k;
    }
    constexpr void write([[maybe_unused]] const known& k, [[maybe_unused]] index_t i) const {
        if constexpr (!is_none<Values>) {
            this->each_score(k, [&](int s, T value) {
                auto& to = values.at(i, s);
                to = element_cast<std::remove_reference_t<decltype(to)>>(value);
            });
        }
    }
};

struct score_passes {
    template <class C, class Set, class Logits, class Out>
    static void values(const C& ctx, const Set& scores, const Logits& logits, const Out& out) {
        run<false>(ctx, scores, logits, rows_of(out), none{}, strided_rows<compute_t<Logits>>{}, false);
    }

    template <bool Adds, class C, class Set, class Logits, class Values, class Upstream, class Gradient>
    static void gradients(const C& ctx, const Set& scores, const Logits& logits, const Values& values,
                          const Upstream& upstream, const Gradient& gradient) {
        run<true>(ctx, scores, logits, rows_or_none(values), rows_or_none(upstream), rows_of(gradient), Adds);
    }

  private:
    template <class Logits>
    using compute_t = typename compute<typename Logits::value_type>::type;

    template <class X>
    static auto rows_or_none(const X& x) {
        if constexpr (is_none<X>) {
            return none{};
        } else {
            return rows_of(x);
        }
    }

    template <bool Places, class C, class Set, class Logits, class Values, class Upstream, class To>
    static void run(const C& ctx, const Set& scores, const Logits& logits, const Values& values,
                    const Upstream& upstream, const To& to, bool adds) {
        using T = compute_t<Logits>;
        const machine<decltype(C::policy)> machine(ctx.policy);
        const score_rows<T, Set, Places, Values, Upstream> policy(scores, values, upstream);
        reduce_rows_on<T>(machine, policy, rows_of(logits), to, adds);
    }
};

}  // namespace device

template <class Context>
    requires(memory_of<decltype(Context::policy)> == memory_space::device)
struct score_engine<Context> : device::score_passes {};

}  // namespace selfsame::inline SELFSAME_ISA
