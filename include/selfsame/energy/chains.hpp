#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "selfsame/core/execution.hpp"
#include "selfsame/core/math.hpp"
#include "selfsame/energy/random_row.hpp"

/// \file
/// What samplers share: how chains are named, what is told of them, and their working memory.

namespace selfsame::inline SELFSAME_ISA {

/// What the noise of chains is drawn by. Row i is chain first + i, or chains[i] where a list is given; `step` is the
/// number of the first step, so that a chain cut into calls goes on where it was: add the steps made.
struct chain_key {
    std::uint64_t seed = 0;
    std::uint64_t first = 0;
    std::uint32_t step = 0;
    std::span<const std::uint64_t> chains{};

    constexpr std::uint64_t chain(index_t row) const {
        return chains.empty() ? first + static_cast<std::uint64_t>(row) : chains[static_cast<std::size_t>(row)];
    }
    constexpr std::uint32_t step_after(index_t steps) const {
        return static_cast<std::uint32_t>(static_cast<index_t>(step) + steps);
    }
    void check(index_t rows, index_t steps) const {
        if (steps < 0) fail("steps", steps, ">= 0");
        if (steps > (index_t(1) << 32) - static_cast<index_t>(step)) {
            fail("steps", steps, "step numbers below 2^32 (key.step is " + std::to_string(step) + ")");
        }
        if (!chains.empty() && static_cast<index_t>(chains.size()) != rows) {
            fail("key.chains", chains.size(), std::to_string(rows) + " values, as many as rows of states");
        }
    }
};

/// A chain that met what is not finite. The state that is left is the one before step `step`.
struct divergence {
    enum reason {
        start,   ///< the energy of the given state; nothing was done to it
        state,   ///< the state that the step would have made
        energy,  ///< the energy of that state
    };
    std::uint64_t chain;
    std::uint32_t step;
    reason why;
    friend bool operator==(const divergence&, const divergence&) = default;
};

struct chain_report {
    std::vector<divergence> divergences;  ///< the first of each chain, in order of rows
    double acceptance = 1;                ///< accepted share of proposals
    std::vector<double> energies;         ///< of the states that are left; empty under `check_last = false`
};

namespace detail {

/// How a chain fares. A chain that is not alive stays where it is.
template <class T>
struct chain_status {
    bool alive = true, proposed = true, diverged = false;
    divergence::reason why = divergence::start;
    index_t step = 0;
    std::uint64_t accepted = 0;
    T left = 0;  ///< the energy of a chain that stopped, whatever is evaluated there later

    constexpr void report(index_t t, divergence::reason reason) {
        if (diverged) return;
        diverged = true;
        step = t;
        why = reason;
    }
    constexpr void stop(index_t t, divergence::reason reason, T energy) {
        report(t, reason);
        alive = false;
        left = energy;
    }
};

/// Uniform on (0, 1), of a proposal. To 64 bits, so that what is all but impossible stays so.
constexpr double acceptance_number(std::uint64_t seed, std::uint32_t step, std::uint64_t chain) {
    random_stream random(seed, step, chain, 0, random_row::accept_op);
    const std::uint64_t high = random.bits();
    return (static_cast<double>(high << 32 | random.bits()) + 0.5) * 0x1p-64;
}

}  // namespace detail

namespace host {

/// N chains of D values between two calls of an energy.
template <class T, class Policy>
class chains {
  public:
    template <class States>
    chains(const context<Policy>& ctx, const States& x, const chain_key& key, bool corrected)
        : ctx_(ctx), key_(key), n_(x.extent(0)), d_(x.extent(1)),
          memory_(ctx.policy, (corrected ? 4 : 3) * scratch_bytes<T>(n_ * d_) + 2 * scratch_bytes<T>(n_) +
                                  static_cast<std::size_t>(workers(ctx)) * scratch_bytes<T>(d_)),
          state_(memory_.template take<T>(n_ * d_)), gradient_(memory_.template take<T>(n_ * d_)),
          other_state_(memory_.template take<T>(n_ * d_)),
          other_gradient_(corrected ? memory_.template take<T>(n_ * d_) : nullptr),
          value_(memory_.template take<T>(n_)), other_value_(memory_.template take<T>(n_)),
          rows_(static_cast<std::size_t>(n_)) {
        for (int k = 0; k < workers(ctx); ++k) noise_.push_back(memory_.template take<T>(d_));
        for (index_t i = 0; i < n_; ++i) {
            for (index_t k = 0; k < d_; ++k) state_[i * d_ + k] = x(i, k);
        }
    }

    template <class Energy>
    void evaluate(Energy& energy) {
        energy(matrix<const T>(state_, n_, d_), vector(value_, n_), matrix(gradient_, n_, d_));
    }

    /// Before step t, whose evaluation is done.
    template <class Sampler>
    void advance(index_t t, const Sampler& sampler) {
        each_row([&](index_t i, T* noise) {
            if (!settle(i, t)) return;
            draw(i, t, noise);
            T* const to = other_state_ + i * d_;
            if (!move(state_ + i * d_, gradient_ + i * d_, noise, to, sampler)) {
                return at(i).stop(t, divergence::state, value_[i]);
            }
            for (index_t k = 0; k < d_; ++k) {
                const T before = state_[i * d_ + k];
                state_[i * d_ + k] = sampler.clamp(to[k]);
                to[k] = before;
            }
            other_value_[i] = value_[i];
        });
    }

    /// After the last step, whose evaluation is done.
    void settle(index_t t) {
        each_row([&](index_t i, T*) { settle(i, t); });
    }

    // With a correction, the current states are the `other` ones while their successors are evaluated.

    void begin() {
        each_row([&](index_t i, T*) {
            settle(i, 0);
            accept(i);
        });
    }

    template <class Sampler>
    void propose(index_t t, const Sampler& sampler) {
        each_row([&](index_t i, T* noise) {
            row& r = at(i);
            const T* from = other_state_ + i * d_;
            T* to = state_ + i * d_;
            r.proposed = r.alive;
            if (r.alive) {
                draw(i, t, noise);
                r.proposed = move(from, other_gradient_ + i * d_, noise, to, sampler);
                if (!r.proposed) r.report(t, divergence::state);
            }
            // What is evaluated in vain is evaluated where it is known to be finite.
            if (!r.proposed) std::memcpy(to, from, static_cast<std::size_t>(d_) * sizeof(T));
        });
    }

    template <class Sampler>
    void accept_or_reject(index_t t, const Sampler& sampler) {
        each_row([&](index_t i, T*) {
            row& r = at(i);
            if (!r.proposed) return;
            const auto proposed = static_cast<double>(value_[i]);
            if (proposed == std::numeric_limits<double>::infinity()) return;
            double forth = 0, back = 0;
            for (index_t k = 0; k < d_; ++k) {
                const auto at = static_cast<double>(state_[i * d_ + k]),
                           was = static_cast<double>(other_state_[i * d_ + k]);
                const double f = at - was + sampler.step * static_cast<double>(other_gradient_[i * d_ + k]);
                const double b = was - at + sampler.step * static_cast<double>(gradient_[i * d_ + k]);
                forth += f * f;
                back += b * b;
            }
            if (math::any_not_finite(proposed) || math::any_not_finite(back)) return r.report(t, divergence::energy);
            const double ratio = sampler.log_acceptance(static_cast<double>(other_value_[i]), proposed, forth, back);
            const double u = selfsame::detail::acceptance_number(key_.seed, key_.step_after(t), key_.chain(i));
            if (sampler.accepts(ratio, u)) {
                accept(i);
                ++r.accepted;
            }
        });
    }

    /// Writes the states.
    template <class States>
    chain_report finish(const States& x, bool corrected, bool evaluated, index_t steps) {
        chain_report told;
        const T* from = corrected ? other_state_ : state_;
        const T* energy = corrected ? other_value_ : value_;
        std::uint64_t accepted = 0, alive = 0;
        for (index_t i = 0; i < n_; ++i) {
            for (index_t k = 0; k < d_; ++k) x(i, k) = from[i * d_ + k];
            const row& r = at(i);
            if (r.diverged) told.divergences.push_back({key_.chain(i), key_.step_after(r.step), r.why});
            if (evaluated) told.energies.push_back(static_cast<double>(r.alive ? energy[i] : r.left));
            accepted += r.accepted;
            alive += r.alive;
        }
        if (corrected && alive > 0 && steps > 0) {
            told.acceptance = static_cast<double>(accepted) / (static_cast<double>(alive) * static_cast<double>(steps));
        }
        return told;
    }

  private:
    using row = selfsame::detail::chain_status<T>;
    row& at(index_t i) { return rows_[static_cast<std::size_t>(i)]; }

    /// f(row, noise of the worker), rows side by side.
    template <class F>
    void each_row(F&& f) {
        const index_t piece = (std::max)(index_t(1), 2048 / (std::max)(index_t(1), d_));
        parallel_for(ctx_, (n_ + piece - 1) / piece, [&](index_t k, int worker) {
            for (index_t i = k * piece; i < (std::min)(n_, (k + 1) * piece); ++i) {
                f(i, noise_[static_cast<std::size_t>(worker)]);
            }
        });
    }

    void draw(index_t i, index_t t, T* noise) const {
        random_row(key_.seed, key_.step_after(t), key_.chain(i), random_row::noise_op).normal(noise, d_);
    }

    /// False if the result is not finite.
    template <class Sampler>
    bool move(const T* from, const T* gradient, const T* noise, T* to, const Sampler& sampler) const {
        bool good = true;
        for (index_t k = 0; k < d_; ++k) {
            to[k] = sampler.move(from[k], gradient[k], noise[k]);
            good = good && !math::any_not_finite(to[k]);
        }
        return good;
    }

    /// Whether the chain goes on from its evaluated state, which t steps have made.
    bool settle(index_t i, index_t t) {
        if (!at(i).alive) return false;
        if (!math::any_not_finite(value_[i])) return true;
        if (t == 0) {
            at(i).stop(0, divergence::start, value_[i]);
        } else {
            at(i).stop(t - 1, divergence::energy, other_value_[i]);
            std::memcpy(state_ + i * d_, other_state_ + i * d_, static_cast<std::size_t>(d_) * sizeof(T));
        }
        return false;
    }

    void accept(index_t i) {
        std::memcpy(other_state_ + i * d_, state_ + i * d_, static_cast<std::size_t>(d_) * sizeof(T));
        std::memcpy(other_gradient_ + i * d_, gradient_ + i * d_, static_cast<std::size_t>(d_) * sizeof(T));
        other_value_[i] = value_[i];
    }

    const context<Policy>& ctx_;
    const chain_key& key_;
    index_t n_, d_;
    scratch<Policy> memory_;
    T* state_;
    T* gradient_;
    T* other_state_;  // the state before; with a correction, the current one
    T* other_gradient_;
    T* value_;
    T* other_value_;
    std::vector<T*> noise_;
    std::vector<row> rows_;
};

}  // namespace host

}  // namespace selfsame::inline SELFSAME_ISA
