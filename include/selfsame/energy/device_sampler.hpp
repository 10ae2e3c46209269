#pragma once

#include "selfsame/core/aliasing.hpp"
#include "selfsame/energy/annealed.hpp"
#include "selfsame/energy/device_chains.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/send.hpp"

/// \file
/// Samplers on a device: the calls of energy/sampler.hpp and energy/annealed.hpp with device tensors. The energy is
/// called from the host with tensors of the device, and launches its work where the policy's work goes. Noise has the
/// host's bits. Nothing waits, so that nothing is returned: what became of the chains is in `chain_outcomes`.

namespace selfsame::inline SELFSAME_ISA {

/// What became of each chain, N values of device memory each, or `none`.
template <class Energies = none, class Accepted = none, class Steps = none, class Reasons = none>
struct chain_outcomes {
    Energies energies{};  ///< of the states that are left; not written under `check_last = false`
    Accepted accepted{};  ///< how many proposals, integers
    Steps steps{};        ///< of the first divergence; -1 without one. Integers of 64 bits hold all step numbers
    Reasons reasons{};    ///< the `divergence::reason`, -1 without one
};
template <class E, class A>
chain_outcomes(E&&, A&&) -> chain_outcomes<E, A>;
template <class E, class A, class S, class R>
chain_outcomes(E&&, A&&, S&&, R&&) -> chain_outcomes<E, A, S, R>;

namespace device {

/// Memory and launches of N chains between two calls of an energy.
template <class T, class Policy>
class chains {
  public:
    chains(const Policy& policy, const tensor<T, 2, memory_space::device>& states, const chain_key& key, bool corrected)
        : machine_(policy), states_(states), corrected_(corrected), memory_(policy, lay_out(key)) {
        lay_out(key, memory_);
        if (!key.chains.empty()) {
            send<std::uint64_t>(machine_, list_, x_.count, [&](index_t i) { return key.chain(i); });
        }
        machine_.launch(blocks(), start_chains<T>{{{}, x_}, rows_of(states)});
    }

    template <class Energy>
    void evaluate(Energy& energy) const {
        constexpr auto space = memory_space::device;
        energy(matrix<space>(static_cast<const T*>(x_.state), x_.count, x_.width), vector<space>(x_.value, x_.count),
               matrix<space>(x_.gradient, x_.count, x_.width));
    }
    template <class Sampler>
    void advance(index_t t, const Sampler& sampler) const {
        machine_.launch(blocks(), advance_chains<T, Sampler>{{{}, x_}, sampler, t});
    }
    void settle(index_t t) const { machine_.launch(blocks(), settle_chains<T>{{{}, x_}, t, false}); }
    void begin() const { machine_.launch(blocks(), settle_chains<T>{{{}, x_}, 0, true}); }
    template <class Sampler>
    void propose(index_t t, const Sampler& sampler) const {
        machine_.launch(blocks(), propose_chains<T, Sampler>{{{}, x_}, sampler, t});
    }
    template <class Sampler>
    void accept_or_reject(index_t t, const Sampler& sampler) const {
        machine_.launch(blocks(), accept_chains<T, Sampler>{{{}, x_}, sampler, t});
    }
    template <class Energies, class Accepted, class Steps, class Reasons>
    void finish(const Energies& energies, const Accepted& accepted, const Steps& steps, const Reasons& reasons) const {
        machine_.launch(blocks(),
                        finish_chains<T, Energies, Accepted, Steps, Reasons>{{{}, x_},
                                                                             rows_of(states_),
                                                                             corrected_ ? x_.other_state : x_.state,
                                                                             corrected_ ? x_.other_value : x_.value,
                                                                             energies,
                                                                             accepted,
                                                                             steps,
                                                                             reasons});
    }

  private:
    index_t blocks() const { return warp_each::blocks(x_.count); }

    std::size_t lay_out(const chain_key& key) {
        scratch_count count;
        lay_out(key, count);
        return count.bytes();
    }
    template <class Memory>
    void lay_out(const chain_key& key, Memory& memory) {
        x_.count = states_.extent(0);
        x_.width = states_.extent(1);
        x_.seed = key.seed;
        x_.first = key.first;
        x_.step = key.step;
        for (T** matrix : {&x_.state, &x_.gradient, &x_.other_state}) {
            *matrix = memory.template take<T>(x_.count * x_.width);
        }
        if (corrected_) x_.other_gradient = memory.template take<T>(x_.count * x_.width);
        x_.value = memory.template take<T>(x_.count);
        x_.other_value = memory.template take<T>(x_.count);
        x_.status = memory.template take<selfsame::detail::chain_status<T>>(x_.count);
        if (!key.chains.empty()) x_.list = list_ = memory.template take<std::uint64_t>(x_.count);
    }

    machine<Policy> machine_;
    tensor<T, 2, memory_space::device> states_;
    bool corrected_;
    chain_rows<T> x_{};
    std::uint64_t* list_ = nullptr;
    scratch<Policy> memory_;
};

/// Where a value of each chain goes, after checks.
template <class X>
auto outcome(aliasing_rules& rules, std::string_view name, X& to, [[maybe_unused]] index_t rows) {
    if constexpr (is_none<X>) {
        return none{};
    } else {
        const auto v = as_tensor<1>(to);
        static_assert(decltype(v)::accessor_type::space == memory_space::device,
                      "selfsame: outcomes of chains on a device must be of device memory");
        if (v.extent(0) != rows) {
            fail(name, std::string_view(shape_text(v)), std::to_string(rows) + " values, as many as rows of states");
        }
        rules.output(name, v);
        return values_of(v);
    }
}

}  // namespace device

/// Moves each row of `states`, N x D of float or double in device memory, as on the host. If `energy` throws, the
/// states are untouched; so they are by chains that were cut off.
template <device_execution C, energy_sampler S, class Energy, class States, class Outcomes>
void sample(const C& ctx, const S& sampler, Energy&& energy, States&& states, const chain_key& key, index_t steps,
            Outcomes&& outcomes) {
    const auto c = as_context(ctx);
    const auto x = as_tensor<2>(states);
    detail::check_sample<memory_space::device>(sampler, energy, x, key, steps);
    aliasing_rules rules;
    rules.output("states", x);
    const index_t rows = x.extent(0);
    const auto energies = device::outcome(rules, "energies", outcomes.energies, rows);
    const auto accepted = device::outcome(rules, "accepted", outcomes.accepted, rows);
    const auto at = device::outcome(rules, "steps", outcomes.steps, rows);
    const auto reasons = device::outcome(rules, "reasons", outcomes.reasons, rows);
    if (rows == 0) return;

    const device::chains<typename decltype(x)::value_type, std::remove_const_t<decltype(c.policy)>> chains(
        c.policy, x, key, std::same_as<S, mala>);
    if (detail::run_chains(chains, sampler, energy, steps)) {
        chains.finish(energies, accepted, at, reasons);
    } else {
        chains.finish(none{}, accepted, at, reasons);
    }
}

template <device_execution C, energy_sampler S, class Energy, class States>
void sample(const C& ctx, const S& sampler, Energy&& energy, States&& states, const chain_key& key, index_t steps) {
    sample(ctx, sampler, energy, states, key, steps, chain_outcomes<>{});
}

/// As on the host; a chain that meets what is not finite misses the rest of its level, and nobody is told.
template <device_execution C, class Energy, class States>
void sample(const C& ctx, const annealed_langevin& schedule, Energy&& energy, States&& states, const chain_key& key,
            index_t first, index_t last) {
    schedule.check_range(first, last);
    key.check(as_tensor<2>(states).extent(0), last * schedule.steps_of_level());
    schedule.each_stage(key, first, last,
                        [&](double sigma, const langevin& sampler, const chain_key& here, index_t steps) {
                            const auto at_level = [&](const auto& x, const auto& values, const auto& gradients) {
                                energy(x, sigma, values, gradients);
                            };
                            sample(ctx, sampler, at_level, states, here, steps);
                        });
}
template <device_execution C, class Energy, class States>
void sample(const C& ctx, const annealed_langevin& schedule, Energy&& energy, States&& states, const chain_key& key) {
    sample(ctx, schedule, energy, states, key, 0, schedule.levels);
}

}  // namespace selfsame::inline SELFSAME_ISA
