#pragma once

#include <concepts>
#include <limits>
#include <type_traits>

#include "selfsame/core/math.hpp"
#include "selfsame/energy/chains.hpp"

/// \file
/// Samplers of e^(-E) over any energy that gives values and gradients of a batch.

namespace selfsame::inline SELFSAME_ISA {

/// x <- x - step grad E(x) + noise n, n standard normal; then clamped to [low, high].
///
/// Langevin dynamics without correction: with noise = sqrt(2 step) (`langevin::of`) chains tend to e^(-E) but for a
/// bias of the order of the step (Welling & Teh 2011). Energy-based models are trained with less noise than that: the
/// defaults are those of JEM (Grathwohl et al. 2020), which runs 20 steps.
struct langevin {
    double step = 1.0;
    double noise = 0.01;                                    ///< standard deviation a step
    double clip = std::numeric_limits<double>::infinity();  ///< of each element of the gradient
    double low = -std::numeric_limits<double>::infinity();
    double high = std::numeric_limits<double>::infinity();
    bool check_last = true;  ///< evaluates the last states too, so that they are known to have finite energies

    /// The textbook's noise for a step.
    static constexpr langevin of(double step) {
        langevin sampler;
        sampler.step = step;
        sampler.noise = math::sqrt(2 * step);
        return sampler;
    }

    template <class T>
    constexpr T move(T x, T gradient, T normal) const {
        const T g = (math::min)(static_cast<T>(clip), (math::max)(static_cast<T>(-clip), gradient));
        return exact::fma(static_cast<T>(noise), normal, exact::fma(-static_cast<T>(step), g, x));
    }
    template <class T>
    constexpr T clamp(T x) const {
        return (math::min)(static_cast<T>(high), (math::max)(static_cast<T>(low), x));
    }

    void check() const {
        if (!(step > 0 && step - step == 0)) fail("step", step, "> 0");
        if (!(noise >= 0 && noise - noise == 0)) fail("noise", noise, ">= 0");
        if (!(clip > 0)) fail("clip", clip, "> 0 (infinity: none)");
        if (!(low < high)) fail("low", low, "less than high");
    }
};

/// JEM's chains: step 1, noise 0.01, 20 steps; with `replay_buffer`'s defaults its whole sampler.
inline constexpr langevin jem_sampler{};
inline constexpr index_t jem_steps = 20;

/// Langevin's move as a proposal, accepted with probability min(1, p(x') q(x | x') / (p(x) q(x' | x))): e^(-E) without
/// bias (Roberts & Tweedie 1996). An acceptance near 0.57 is best in many dimensions (Roberts & Rosenthal 1998).
///
/// A proposal whose energy is +inf is rejected as one outside the support; any other energy that is not finite, or a
/// gradient that is not, is rejected and reported.
struct mala {
    double step = 0.1;

    /// x - step g + sqrt(2 step) n.
    template <class T>
    constexpr T move(T x, T gradient, T normal) const {
        return exact::fma(static_cast<T>(math::sqrt(2 * step)), normal, exact::fma(-static_cast<T>(step), gradient, x));
    }
    /// log of the ratio above, from both energies and the squared distances of each state from the mean of the
    /// proposals of the other: ||x' - x + step g||^2 and ||x - x' + step g'||^2.
    constexpr double log_acceptance(double energy, double proposed, double forth, double back) const {
        return energy - proposed + (forth - back) / (4 * step);
    }
    /// u: uniform on (0, 1).
    static constexpr bool accepts(double log_ratio, double u) {
        return log_ratio >= 0 || (log_ratio > -700 && u < exact::exp(log_ratio));
    }

    void check() const {
        if (!(step > 0 && step - step == 0)) fail("step", step, "> 0");
    }
};

template <class S>
concept energy_sampler = std::same_as<S, langevin> || std::same_as<S, mala>;

namespace detail {

/// What a call of `sample` may be given, in the memory of its policy.
template <memory_space Space, class S, class Energy, class X>
void check_sample(const S& sampler, const Energy&, const X& x, const chain_key& key, index_t steps) {
    using T = typename X::value_type;
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "selfsame: states are float or double");
    static_assert(Space == memory_space::device || X::accessor_type::space == memory_space::host,
                  "selfsame: a device tensor was given to a host execution policy");
    static_assert(Space == memory_space::host || X::accessor_type::space == memory_space::device,
                  "selfsame: a host tensor was given to a device execution policy");
    static_assert(std::invocable<Energy&, tensor<const T, 2, Space>, tensor<T, 1, Space>, tensor<T, 2, Space>>,
                  "selfsame: an energy is called as energy(x, values, gradients), with tensors of rank 2, 1 and 2");
    sampler.check();
    check_writable("states", x);
    key.check(x.extent(0), steps);
    if (x.extent(1) > random_row::capacity) fail("states", std::string_view(shape_text(x)), "at most 2^26 columns");
}

/// The steps of an engine's chains. Whether the last states were evaluated.
template <class Chains, energy_sampler S, class Energy>
bool run_chains(Chains& chains, const S& sampler, Energy& energy, index_t steps) {
    if constexpr (std::same_as<S, mala>) {
        chains.evaluate(energy);
        chains.begin();
        for (index_t t = 0; t < steps; ++t) {
            chains.propose(t, sampler);
            chains.evaluate(energy);
            chains.accept_or_reject(t, sampler);
        }
        return true;
    } else {
        for (index_t t = 0; t < steps; ++t) {
            chains.evaluate(energy);
            chains.advance(t, sampler);
        }
        if (sampler.check_last) {
            chains.evaluate(energy);
            chains.settle(steps);
        }
        return sampler.check_last;
    }
}

}  // namespace detail

/// Moves each row of `states`, N x D of float or double, through `steps` steps of a chain.
///
/// `energy(x, values, gradients)` writes E and grad E of the rows of x: tensors N x D, N and N x D, contiguous, of the
/// states' type. It is called steps + 1 times with all rows (`check_last = false` saves Langevin the last call).
///
/// The noise of a row is a function of (key.seed, chain, step): in batches of any split, on any number of threads, and
/// cut into calls anywhere, a chain takes the same path, bit for bit, if the energy of a row does not depend on the
/// other rows.
///
/// A chain that meets a state or an energy that is not finite goes back to the last state whose energy was finite and
/// (under Langevin) stays there; the report says which and when. If `energy` throws, the states are untouched.
template <execution C, energy_sampler S, class Energy, class States>
chain_report sample(const C& ctx, const S& sampler, Energy&& energy, States&& states, const chain_key& key,
                    index_t steps) {
    const auto c = as_context(ctx);
    const auto x = as_tensor<2>(states);
    detail::check_sample<memory_space::host>(sampler, energy, x, key, steps);
    if (x.extent(0) == 0) return {};
    constexpr bool corrected = std::same_as<S, mala>;
    host::chains<typename decltype(x)::value_type, decltype(c.policy)> chains(c, x, key, corrected);
    const bool evaluated = detail::run_chains(chains, sampler, energy, steps);
    return chains.finish(x, corrected, evaluated, steps);
}

}  // namespace selfsame::inline SELFSAME_ISA
