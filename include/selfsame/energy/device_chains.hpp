#pragma once

#include "selfsame/energy/chains.hpp"
#include "selfsame/engine/cuda/row_kernels.hpp"

/// \file
/// Kernels of samplers, a warp a chain: what host::chains does between two calls of an energy.

namespace selfsame::inline SELFSAME_ISA::device {

/// N chains of D values. With a correction, the current states are the `other` ones while their successors are
/// evaluated; without one, those are the states before.
template <class T>
struct chain_rows {
    index_t count = 0, width = 0;
    T *state = nullptr, *gradient = nullptr, *other_state = nullptr, *other_gradient = nullptr;
    T *value = nullptr, *other_value = nullptr;
    selfsame::detail::chain_status<T>* status = nullptr;
    std::uint64_t seed = 0, first = 0;
    const std::uint64_t* list = nullptr;  // of chains' numbers; null: from `first` on
    std::uint32_t step = 0;

    constexpr std::uint64_t chain(index_t i) const {
        return list != nullptr ? list[i] : first + static_cast<std::uint64_t>(i);
    }
    constexpr std::uint32_t step_after(index_t t) const {
        return static_cast<std::uint32_t>(static_cast<index_t>(step) + t);
    }
};

/// What every kernel of chains is made of. All lanes of a warp see a status before one of them changes it.
template <class T>
struct each_chain : warp_each {
    chain_rows<T> all;

  protected:
    template <block_context C>
    SELFSAME_DEVICE static bool in_all_lanes(C& c, bool here) {
        int everywhere = here ? 1 : 0;
        for (int mask = 1; mask < warp_size; mask *= 2) everywhere &= c.shuffle_xor(everywhere, mask);
        return everywhere != 0;
    }

    /// A lane's elements of chain i, the same ones in every kernel: four neighbours and more, since as many normal
    /// numbers are drawn together.
    template <class F>
    SELFSAME_DEVICE void for_elements(int lane, index_t i, F&& f) const {
        for (index_t b = lane; 4 * b < all.width; b += warp_size) {
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < 4; ++j) {
                if (4 * b + j < all.width) f(i * all.width + 4 * b + j);
            }
        }
    }

    /// The sampler's move to `to`; false if it is not finite.
    template <block_context C, class Sampler>
    SELFSAME_DEVICE bool move(C& c, index_t i, index_t t, const Sampler& sampler, const T* from, const T* gradient,
                              T* to) const {
        const random_row noise(all.seed, all.step_after(t), all.chain(i), random_row::noise_op);
        bool good = true;
        for (index_t b = c.lane(); 4 * b < all.width; b += warp_size) {
            const auto n = noise.template normal<T>(b);
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < 4; ++j) {
                if (4 * b + j >= all.width) continue;
                const index_t at = i * all.width + 4 * b + j;
                to[at] = sampler.move(from[at], gradient[at], n[static_cast<std::size_t>(j)]);
                good = good && !math::any_not_finite(to[at]);
            }
        }
        return in_all_lanes(c, good);
    }

    /// Whether the chain goes on from its evaluated state, which t steps have made.
    template <block_context C>
    SELFSAME_DEVICE bool settle(C& c, index_t i, index_t t) const {
        const bool alive = all.status[i].alive, good = !math::any_not_finite(all.value[i]);
        if (in_all_lanes(c, alive && good)) return true;
        if (!alive) return false;
        if (c.lane() == 0) {
            if (t == 0) {
                all.status[i].stop(0, divergence::start, all.value[i]);
            } else {
                all.status[i].stop(t - 1, divergence::energy, all.other_value[i]);
            }
        }
        if (t > 0) for_elements(c.lane(), i, [&](index_t e) { all.state[e] = all.other_state[e]; });
        return false;
    }

    SELFSAME_DEVICE void accept(int lane, index_t i) const {
        for_elements(lane, i, [&](index_t e) {
            all.other_state[e] = all.state[e];
            all.other_gradient[e] = all.gradient[e];
        });
        if (lane == 0) all.other_value[i] = all.value[i];
    }
};

template <class T>
struct start_chains : each_chain<T> {
    static constexpr const char* name = "start_chains";
    strided_rows<T> from;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = this->item(c);
        if (i >= this->all.count) return;
        if (c.lane() == 0) this->all.status[i] = {};
        for (index_t k = c.lane(); k < this->all.width; k += warp_size) {
            this->all.state[i * this->all.width + k] = from.at(i, k);
        }
    }
};

/// Before step t, whose evaluation is done.
template <class T, class Sampler>
struct advance_chains : each_chain<T> {
    static constexpr const char* name = "advance_chains";
    Sampler sampler;
    index_t t;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const auto& x = this->all;
        const index_t i = this->item(c);
        if (i >= x.count || !this->settle(c, i, t)) return;
        if (!this->move(c, i, t, sampler, x.state, x.gradient, x.other_state)) {
            if (c.lane() == 0) x.status[i].stop(t, divergence::state, x.value[i]);
            return;
        }
        this->for_elements(c.lane(), i, [&](index_t e) {
            const T before = x.state[e];
            x.state[e] = sampler.clamp(x.other_state[e]);
            x.other_state[e] = before;
        });
        if (c.lane() == 0) x.other_value[i] = x.value[i];
    }
};

/// After the evaluation of the states that t steps have made; with a correction they are the first to be accepted.
template <class T>
struct settle_chains : each_chain<T> {
    static constexpr const char* name = "settle_chains";
    index_t t;
    bool accepts;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = this->item(c);
        if (i >= this->all.count) return;
        this->settle(c, i, t);
        if (accepts) this->accept(c.lane(), i);
    }
};

template <class T, class Sampler>
struct propose_chains : each_chain<T> {
    static constexpr const char* name = "propose_chains";
    Sampler sampler;
    index_t t;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const auto& x = this->all;
        const index_t i = this->item(c);
        if (i >= x.count) return;
        const bool alive = x.status[i].alive;
        const bool moved = alive && this->move(c, i, t, sampler, x.other_state, x.other_gradient, x.state);
        if (alive && c.lane() == 0) {
            x.status[i].proposed = moved;
            if (!moved) x.status[i].report(t, divergence::state);
        }
        // What is evaluated in vain is evaluated where it is known to be finite.
        if (!moved) this->for_elements(c.lane(), i, [&](index_t e) { x.state[e] = x.other_state[e]; });
    }
};

template <class T, class Sampler>
struct accept_chains : each_chain<T> {
    static constexpr const char* name = "accept_chains";
    Sampler sampler;
    index_t t;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const auto& x = this->all;
        const index_t i = this->item(c);
        if (i >= x.count) return;
        auto s = x.status[i];
        const auto proposed = static_cast<double>(x.value[i]);
        if (!s.alive || !s.proposed || proposed == std::numeric_limits<double>::infinity()) return;
        double forth = 0, back = 0;
        this->for_elements(c.lane(), i, [&](index_t e) {
            const auto at = static_cast<double>(x.state[e]), was = static_cast<double>(x.other_state[e]);
            const double f = at - was + sampler.step * static_cast<double>(x.other_gradient[e]);
            const double b = was - at + sampler.step * static_cast<double>(x.gradient[e]);
            forth += f * f;
            back += b * b;
        });
        forth = warp_sum(c, forth);
        back = warp_sum(c, back);
        bool accepted = false;
        if (math::any_not_finite(proposed) || math::any_not_finite(back)) {
            s.report(t, divergence::energy);
        } else {
            const double ratio = sampler.log_acceptance(static_cast<double>(x.other_value[i]), proposed, forth, back);
            accepted = sampler.accepts(ratio, selfsame::detail::acceptance_number(x.seed, x.step_after(t), x.chain(i)));
            if (accepted) ++s.accepted;
        }
        // Every lane has read what one of them writes.
        if (this->in_all_lanes(c, accepted)) this->accept(c.lane(), i);
        if (c.lane() == 0) x.status[i] = s;
    }
};

/// Energies, Accepted, Steps and Reasons are `strided_values`, or `none`; see chain_outcomes.
template <class T, class Energies, class Accepted, class Steps, class Reasons>
struct finish_chains : each_chain<T> {
    static constexpr const char* name = "finish_chains";
    strided_rows<T> to;
    const T *from, *energy;
    Energies energies;
    Accepted accepted;
    Steps steps;
    Reasons reasons;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const auto& x = this->all;
        const index_t i = this->item(c);
        if (i >= x.count) return;
        for (index_t k = c.lane(); k < x.width; k += warp_size) to.at(i, k) = from[i * x.width + k];
        if (c.lane() != 0) return;
        const auto s = x.status[i];
        write(energies, i, s.alive ? energy[i] : s.left);
        write(accepted, i, s.accepted);
        write(steps, i, s.diverged ? static_cast<index_t>(x.step_after(s.step)) : index_t(-1));
        write(reasons, i, s.diverged ? static_cast<int>(s.why) : -1);
    }

  private:
    template <class Values, class V>
    SELFSAME_DEVICE static void write(const Values& values, [[maybe_unused]] index_t i, [[maybe_unused]] V value) {
        if constexpr (!is_none<Values>) {
            auto& to = values[i];
            to = static_cast<std::remove_reference_t<decltype(to)>>(value);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
