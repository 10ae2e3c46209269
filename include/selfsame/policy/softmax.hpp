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

/// Of a row of logits z, each of which has `scale` bits (log2(e) / temperature): the sum of 2^d, d the bits from a
/// running level to z; with Moment also the sum of d times that, for the entropy; the largest (Ranks 1) and second
/// largest (Ranks 2) z, with Places also their columns, of equal ones the lower. NaN in the row comes out as NaN; the
/// log_total() of a row of -inf is -inf.
///
/// The level is subtracted before anything is rounded, so that logits of 10^4 lose nothing of their differences: it is
/// a logit, and d is scale (z - level); or where products need not be rounded, it is in bits, and d is
/// scale z - level, an instruction less.
template <class V, bool Moment = false, int Ranks = 0, bool Places = false>
struct softmax_statistics : detail::moment_field<V, Moment>, detail::rank_fields<V, Ranks, Places> {
    using S = math::scalar_t<V>;
    static constexpr S lowest = -(std::numeric_limits<S>::max)() / 4;
    /// Terms may exceed the level by so many bits before sums are rescaled: a rare branch instead of a factor for each
    /// term. Not by more, since scale (z - level) is rounded to as many bits less of a term.
    static constexpr S slack = S(8), largest_sum = S(0x1p18);  // of the longest rows at their level
    static constexpr S log_2 = S(0.693147180559945309417);
    static constexpr bool level_in_bits = math::fma_rounds_once<V>;

    V level = V(lowest), sum = V(S(0));

    /// An empty state whose level suits the first terms, which saves rescalings; those of one row if its lanes are.
    template <bool OneRow>
    static constexpr softmax_statistics starting(const V* z, int n, S scale) {
        return starting_at<OneRow>(largest(z, n), scale);
    }
    template <bool OneRow>
    static constexpr softmax_statistics starting_at(V top, S scale) {
        softmax_statistics s{};
        s.level = (math::max)(s.level, level_of(top, V(scale)));
        if constexpr (OneRow) s.level = math::spread_maximum(s.level);
        s.level = bounded(s.level);
        return s;
    }
    /// z where the mask holds; elsewhere a column that does not count.
    template <class M>
    static constexpr V only(M mask, V z) {
        return math::select(mask, z, V(-std::numeric_limits<S>::infinity()));
    }

    /// z of columns at, at + step, ... Without Rescales the state must be a `starting` one, whoever absorbs must
    /// `settle` it in the end, and with Moment no z may be -inf unless they are Masked.
    template <bool Rescales = true, bool Masked = Rescales, int K>
    constexpr void absorb(const V (&z)[K], V at, S step, S scale) {
        if constexpr (Rescales) {
            const V top = largest(z, K);
            if (math::any_greater(bits(top, level, V(scale)), V(slack))) raise(top, scale);
        }
        V total(S(0));
        for (int k = 0; k < K; ++k) {
            const V d = bits(z[k], level, V(scale)), e = Rescales ? math::exp2(d) : math::exp2_in_units(d);
            total = k == 0 ? e : total + e;
            if constexpr (Moment) {
                const V finite = Masked ? (math::max)(V(lowest), d) : d;  // -inf 2^-inf is to be 0
                this->moment = math::fma(finite, e, this->moment);
            }
            if constexpr (Ranks > 0) rank(z[k], at + V(S(k) * step));
        }
        sum = sum + total;
    }

    /// Completes what was absorbed without rescaling; whether nothing was far above the level or infinite.
    constexpr bool settle() {
        const V unit(math::exp2_unit<V>);
        sum = sum * unit;
        if constexpr (Moment) {
            this->moment = this->moment * unit;
            if (math::any_not_finite(this->moment)) return false;
        }
        return !math::any_greater(sum, V(largest_sum));
    }

    /// Levels are the SameLevel in every lane where both settled from one `starting` state.
    template <bool SameLevel = false>
    constexpr void merge(const softmax_statistics& o, S scale) {
        if constexpr (SameLevel) {
            if constexpr (Moment) this->moment = this->moment + o.moment;
            sum = sum + o.sum;
            return rank_both(o);
        }
        const V top = (math::max)(level, o.level);
        const V mine = under(level, top, scale), other = under(o.level, top, scale);
        if constexpr (Moment) {
            this->moment = mine * math::fma(below(level, top, scale), sum, this->moment) +
                           other * math::fma(below(o.level, top, scale), o.sum, o.moment);
        }
        sum = sum * mine + o.sum * other;
        level = top;
        rank_both(o);
    }

    /// log2 of the sum without the level.
    constexpr V bits_of_sum() const { return math::log(sum) * V(S(1) / log_2); }
    /// log sum_k e^x_k with x = scale z log 2.
    constexpr V log_total(S scale) const {
        return math::fma(level, V(level_in_bits ? log_2 : scale * log_2), math::log(sum));
    }
    /// Bits from the level to z.
    static constexpr V bits(V z, V level, V scale) {
        if constexpr (level_in_bits) return math::fma(z, scale, -level);
        return (z - level) * scale;
    }
    /// -sum p log p in nats, p the softmax of x.
    constexpr V entropy() const
        requires(Moment)
    {
        return math::log(sum) - V(log_2) * (this->moment / sum);
    }

  protected:
    static constexpr V level_of(V z, V scale) { return level_in_bits ? z * scale : z; }
    // Bits from one level to another.
    static constexpr V between(V top, V x, S scale) {
        if constexpr (level_in_bits) return x - top;
        return (x - top) * V(scale);
    }
    static constexpr V under(V x, V top, S scale) {
        return math::select(x == top, V(S(1)), math::exp2(between(top, x, scale)));
    }
    // Finite, since an empty sum is multiplied by it.
    static constexpr V below(V x, V top, S scale) { return (math::max)(V(lowest), between(top, x, scale)); }

    // A level of infinity would make NaN of the terms.
    static constexpr V bounded(V x) { return (math::min)(V((std::numeric_limits<S>::max)()), x); }
    static constexpr V largest(const V* z, int n) {
        V top[4] = {z[0], z[0], z[0], z[0]};  // for none to wait long for the one before
        int k = 0;
        for (; k + 4 <= n; k += 4) {
            for (int j = 0; j < 4; ++j) top[j] = (math::max)(top[j], z[k + j]);
        }
        for (; k < n; ++k) top[0] = (math::max)(top[0], z[k]);
        return (math::max)((math::max)(top[0], top[1]), (math::max)(top[2], top[3]));
    }

    constexpr void raise(V top, S scale) {
        const V next = bounded((math::max)(level, level_of(top, V(scale))));
        const V factor = under(level, next, scale);
        if constexpr (Moment) this->moment = factor * math::fma(below(level, next, scale), sum, this->moment);
        sum = sum * factor;
        level = next;
    }

    constexpr void rank_both(const softmax_statistics& o) {
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

/// What the cross-entropy of targets q with the softmax of x = scale z log 2 is made of: the softmax's, and the sums of
/// q scale (z - level), where less cancels than of q z, and of q.
template <class V>
struct cross_entropy_statistics : softmax_statistics<V> {
    using S = math::scalar_t<V>;
    using softmax = softmax_statistics<V>;
    struct term {
        V z, q;
    };
    V dot = V(S(0)), mass = V(S(0));

    template <bool OneRow>
    static constexpr cross_entropy_statistics starting(const term* t, int n, S scale) {
        V top = t[0].z;
        for (int k = 1; k < n; ++k) top = (math::max)(top, t[k].z);
        cross_entropy_statistics s{};
        static_cast<softmax&>(s) = softmax::template starting_at<OneRow>(top, scale);
        return s;
    }
    template <class M>
    static constexpr term only(M mask, term t) {
        return {softmax::only(mask, t.z), math::select(mask, t.q, V(S(0)))};
    }
    template <bool Rescales = true, bool Masked = Rescales, int K>
    constexpr void absorb(const term (&t)[K], V at, S step, S scale) {
        V z[K];
        for (int k = 0; k < K; ++k) z[k] = t[k].z;
        const V before = this->level;
        softmax::template absorb<Rescales, Masked>(z, at, step, scale);
        if constexpr (Rescales) dot = math::fma(mass, softmax::below(before, this->level, scale), dot);
        for (int k = 0; k < K; ++k) {
            const V d = softmax::bits(z[k], this->level, V(scale));
            // z may be -inf where q is 0
            dot = Masked ? dot + math::select(t[k].q == V(S(0)), V(S(0)), t[k].q * d) : math::fma(t[k].q, d, dot);
            mass = mass + t[k].q;
        }
    }
    constexpr bool settle() { return softmax::settle() && !math::any_not_finite(dot); }
    template <bool SameLevel = false>
    constexpr void merge(const cross_entropy_statistics& o, S scale) {
        const V mine = this->level;
        softmax::template merge<SameLevel>(o, scale);
        if constexpr (SameLevel) {
            dot = dot + o.dot;
            mass = mass + o.mass;
            return;
        }
        dot = math::fma(mass, softmax::below(mine, this->level, scale), dot) +
              math::fma(o.mass, softmax::below(o.level, this->level, scale), o.dot);
        mass = mass + o.mass;
    }
    /// -sum q log softmax(x).
    constexpr V value() const {
        const V total = math::select(mass == V(S(0)), V(S(0)), mass * math::log(this->sum));
        return math::fma(dot, V(-softmax::log_2), total);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
