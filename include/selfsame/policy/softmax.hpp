#pragma once

#include <limits>

#include "selfsame/core/math.hpp"

/// \file
/// What is wanted of the softmax of a row of logits, as a reducer: all of it comes out of one read of the row.

namespace selfsame::inline SELFSAME_ISA {

namespace detail {

template <class V, bool Moment>
struct moment_field {};
template <class V>
struct moment_field<V, true> {
    V moment = V(0);
};

template <class V, int Ranks, bool Places>
struct rank_fields {};
template <class V>
struct rank_fields<V, 1, false> {
    V first = V(-std::numeric_limits<math::scalar_t<V>>::infinity());
};
template <class V>
struct rank_fields<V, 2, false> : rank_fields<V, 1, false> {
    V second = V(-std::numeric_limits<math::scalar_t<V>>::infinity());
};
template <class V>
struct rank_fields<V, 1, true> : rank_fields<V, 1, false> {
    V first_at = V(-1);
};
template <class V>
struct rank_fields<V, 2, true> : rank_fields<V, 2, false> {
    V first_at = V(-1), second_at = V(-1);
};

}  // namespace detail

/// The sum of e^x over a row relative to a running level; with Moment also the sum of (x - level) e^(x - level), for the
/// entropy; the largest (Ranks 1) and second largest (Ranks 2) x, with Places also their columns, of equal ones the
/// lower. NaN in the row comes out as NaN; a row of -inf has log_total() -inf.
template <class V, bool Moment = false, int Ranks = 0, bool Places = false>
struct softmax_statistics : detail::moment_field<V, Moment>, detail::rank_fields<V, Ranks, Places> {
    using S = math::scalar_t<V>;
    static constexpr S lowest = -(std::numeric_limits<S>::max)() / 4;
    /// Terms may exceed the level by this before sums are rescaled: a rare branch instead of a factor for each term.
    static constexpr S slack = sizeof(S) == 4 ? S(40) : S(300);

    V level = V(lowest), sum = V(S(0));

    /// x where the mask holds; elsewhere a column that does not count.
    template <class M>
    static constexpr V only(M mask, V x) {
        return math::select(mask, x, V(-std::numeric_limits<S>::infinity()));
    }

    /// x of columns at, at + step, ...
    template <int K>
    constexpr void absorb(const V (&x)[K], V at, S step) {
        V top = x[0];
        for (int k = 1; k < K; ++k) top = (math::max)(top, x[k]);
        if (math::any_greater(top, level + V(slack))) raise(top);
        for (int k = 0; k < K; ++k) {
            const V d = x[k] - level, e = math::exp(d);
            sum = sum + e;
            if constexpr (Moment) this->moment = math::fma((math::max)(V(lowest), d), e, this->moment);  // -inf e^-inf is 0
            if constexpr (Ranks > 0) rank(x[k], at + V(S(k) * step));
        }
    }

    constexpr void merge(const softmax_statistics& o) {
        const V top = (math::max)(level, o.level);
        const V mine = under(level, top), other = under(o.level, top);
        if constexpr (Moment) {
            this->moment = mine * math::fma(below(level, top), sum, this->moment) +
                           other * math::fma(below(o.level, top), o.sum, o.moment);
        }
        sum = sum * mine + o.sum * other;
        level = top;
        if constexpr (Ranks > 0) {
            const V nowhere(S(-1));
            if constexpr (Places) {
                rank(o.first, o.first_at);
            } else {
                rank(o.first, nowhere);
            }
            if constexpr (Ranks > 1 && Places) rank(o.second, o.second_at);
            if constexpr (Ranks > 1 && !Places) rank(o.second, nowhere);
        }
    }

    /// log sum e^x.
    constexpr V log_total() const { return level + math::log(sum); }
    /// -sum p log p, p the softmax.
    constexpr V entropy() const
        requires(Moment)
    {
        return math::log(sum) - this->moment / sum;
    }

  private:
    static constexpr V under(V x, V top) { return math::select(x == top, V(S(1)), math::exp(x - top)); }
    // Finite, since an empty sum is multiplied by it.
    static constexpr V below(V x, V top) { return (math::max)(V(lowest), x - top); }

    constexpr void raise(V top) {
        const V next = (math::min)(V((std::numeric_limits<S>::max)()), (math::max)(level, top));
        const V factor = under(level, next);
        if constexpr (Moment) this->moment = factor * math::fma(below(level, next), sum, this->moment);
        sum = sum * factor;
        level = next;
    }

    constexpr void rank(V x, [[maybe_unused]] V at) {
        if constexpr (!Places) {
            if constexpr (Ranks > 1) this->second = (math::max)(this->second, (math::min)(this->first, x));
            this->first = (math::max)(this->first, x);
        } else {
            const auto ahead = [](V a, V a_at, V b, V b_at) {
                return math::select(a == b, math::select(a_at < b_at, V(S(1)), V(S(0))),
                                    math::select(a > b, V(S(1)), V(S(0)))) > V(S(0));
            };
            const auto leads = ahead(x, at, this->first, this->first_at);
            if constexpr (Ranks > 1) {
                const V loser = math::select(leads, this->first, x), loser_at = math::select(leads, this->first_at, at);
                const auto follows = ahead(loser, loser_at, this->second, this->second_at);
                this->second = math::select(follows, loser, this->second);
                this->second_at = math::select(follows, loser_at, this->second_at);
            }
            this->first = math::select(leads, x, this->first);
            this->first_at = math::select(leads, at, this->first_at);
        }
    }
};

/// What the cross-entropy of targets q with the softmax of x is made of: the softmax's, and the sums of q x and of q.
template <class V>
struct cross_entropy_statistics : softmax_statistics<V> {
    using S = math::scalar_t<V>;
    struct term {
        V x, q;
    };
    V dot = V(S(0)), mass = V(S(0));

    template <class M>
    static constexpr term only(M mask, term t) {
        return {softmax_statistics<V>::only(mask, t.x), math::select(mask, t.q, V(S(0)))};
    }
    template <int K>
    constexpr void absorb(const term (&t)[K], V at, S step) {
        V x[K];
        for (int k = 0; k < K; ++k) {
            x[k] = t[k].x;
            dot = dot + math::select(t[k].q == V(S(0)), V(S(0)), t[k].q * t[k].x);  // x may be -inf where q is 0
            mass = mass + t[k].q;
        }
        softmax_statistics<V>::absorb(x, at, step);
    }
    constexpr void merge(const cross_entropy_statistics& o) {
        dot = dot + o.dot;
        mass = mass + o.mass;
        softmax_statistics<V>::merge(o);
    }
    /// -sum q log softmax(x).
    constexpr V value() const { return math::select(mass == V(S(0)), V(S(0)), mass * this->log_total()) - dot; }
};

}  // namespace selfsame::inline SELFSAME_ISA
