#pragma once

#include <algorithm>
#include <string>

#include "selfsame/energy/sampler.hpp"

/// \file
/// Sampling through falling levels of noise, with a model of the noisy densities.

namespace selfsame::inline SELFSAME_ISA {

/// Annealed Langevin dynamics (Song & Ermon 2019): at each level sigma, `steps` steps of Langevin dynamics in the
/// density of data + sigma n. Levels fall geometrically; the defaults are the paper's.
///
/// With `ancestral` a level ends with a step to the next one (Song et al. 2021, "Score-based generative modeling"): the
/// noise that the next level lacks is taken away, x <- x + (s^2 - t^2) score + t / s sqrt(s^2 - t^2) n from s to t. The
/// last level ends with t = 0, the mean of the data given x. `steps` may then be 0.
struct annealed_langevin {
    double highest = 1;
    double lowest = 0.01;
    index_t levels = 10;
    index_t steps = 100;
    double step = 0.1;  ///< of `langevin::of`, in units of sigma^2
    bool ancestral = false;

    constexpr double sigma(index_t level) const {
        if (level <= 0) return highest;
        if (level >= levels - 1) return lowest;
        const double share = static_cast<double>(level) / static_cast<double>(levels - 1);
        return highest * exact::exp(share * exact::log(lowest / highest));
    }
    constexpr langevin at(index_t level) const {
        langevin sampler = langevin::of(step * sigma(level) * sigma(level));
        sampler.check_last = false;
        return sampler;
    }
    constexpr langevin leave(index_t level) const {
        const double s = sigma(level), t = level + 1 < levels ? sigma(level + 1) : 0;
        return {.step = s * s - t * t, .noise = t / s * math::sqrt(s * s - t * t), .check_last = false};
    }
    /// Of a chain, in one level.
    constexpr index_t steps_of_level() const { return steps + (ancestral ? 1 : 0); }

    void check() const {
        if (!(lowest > 0 && lowest - lowest == 0)) fail("lowest", lowest, "> 0");
        if (!(highest >= lowest && highest - highest == 0)) fail("highest", highest, "at least lowest");
        if (levels < 1) fail("levels", levels, ">= 1");
        if (ancestral && levels > 1 && highest == lowest) fail("highest", highest, "more than lowest");
        if (steps < 0) fail("steps", steps, ">= 0");
        if (!(step > 0 && step - step == 0)) fail("step", step, "> 0");
    }
    void check_range(index_t first, index_t last) const {
        check();
        if (!(0 <= first && first <= last && last <= levels)) {
            fail("levels", "[" + std::to_string(first) + ", " + std::to_string(last) + ")",
                 "a range within the " + std::to_string(levels) + " levels");
        }
    }

    /// go(sigma, sampler, key, steps) for what levels [first, last) are made of.
    template <class Go>
    void each_stage(const chain_key& key, index_t first, index_t last, Go&& go) const {
        for (index_t level = first; level < last; ++level) {
            chain_key here = key;
            here.step = key.step_after(level * steps_of_level());
            if (steps > 0) go(sigma(level), at(level), here, steps);
            here.step = here.step_after(steps);
            if (ancestral) go(sigma(level), leave(level), here, index_t(1));
        }
    }
};

/// Moves each row of `states`, N x D of float or double, through levels [first, last) of the schedule; by default
/// through all. Chains should begin with noise of the highest level (`normal_start`).
///
/// `energy(x, sigma, values, gradients)` writes E and grad E, minus the score, of the noisy density at one level, as
/// the energies of the other samplers do; a model that knows the score alone may write any finite values.
///
/// Level l takes the step numbers from key.step + l steps_of_level(): under one key, a chain cut into calls at any
/// levels takes the same path, bit for bit. A chain that meets what is not finite misses the rest of its level; the
/// report has the first divergence of each. Energies of the last states are not evaluated.
template <execution C, class Energy, class States>
chain_report sample(const C& ctx, const annealed_langevin& schedule, Energy&& energy, States&& states,
                    const chain_key& key, index_t first, index_t last) {
    schedule.check_range(first, last);
    key.check(as_tensor<2>(states).extent(0), last * schedule.steps_of_level());
    chain_report told;
    schedule.each_stage(
        key, first, last, [&](double sigma, const langevin& sampler, const chain_key& here, index_t steps) {
            const auto at_level = [&](const auto& x, const auto& values, const auto& gradients) {
                energy(x, sigma, values, gradients);
            };
            for (const divergence& d : sample(ctx, sampler, at_level, states, here, steps).divergences) {
                const bool known = std::any_of(told.divergences.begin(), told.divergences.end(),
                                               [&](const divergence& k) { return k.chain == d.chain; });
                if (!known) told.divergences.push_back(d);
            }
        });
    return told;
}

template <execution C, class Energy, class States>
chain_report sample(const C& ctx, const annealed_langevin& schedule, Energy&& energy, States&& states,
                    const chain_key& key) {
    return sample(ctx, schedule, energy, states, key, 0, schedule.levels);
}

}  // namespace selfsame::inline SELFSAME_ISA
