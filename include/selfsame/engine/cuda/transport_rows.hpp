#pragma once

#include <limits>

#include "selfsame/core/half.hpp"
#include "selfsame/engine/cuda/block_context.hpp"
#include "selfsame/policy/transport.hpp"

/// \file
/// What a block does with the samples that it shares among its threads: Sinkhorn's terms, their sums and levels.

namespace selfsame::inline SELFSAME_ISA::device {

/// Scores or codes: positions x samples x prototypes as the caller gave them.
template <class E>
struct strided_positions {
    E* data = nullptr;
    index_t position_step = 0, row_step = 0, step = 0;

    constexpr E& at(index_t p, index_t b, index_t k) const { return data[p * position_step + b * row_step + k * step]; }
};

/// Whether a sample counts.
struct all_count {
    constexpr bool operator()(index_t, index_t) const { return true; }
};
template <class M>
struct strided_mask {
    const M* data = nullptr;
    index_t position_step = 0, step = 0;

    constexpr bool operator()(index_t p, index_t b) const { return data[p * position_step + b * step] != M(0); }
};

/// Samples [begin, end) of a position.
struct sample_range {
    index_t position, begin, end;
};

/// The scores of a call, and which block has which of them.
template <class T, class E, class Mask>
struct transport_scores {
    selfsame::detail::transport_terms terms;
    strided_positions<const E> scores;
    Mask counts;
    index_t samples, prototypes;
    index_t chunks, chunk_samples;  // of a position

    constexpr T score(index_t p, index_t b, index_t k) const { return element_cast<T>(scores.at(p, b, k)); }
    constexpr sample_range range(index_t position, index_t chunk) const {
        const index_t begin = chunk * chunk_samples, end = begin + chunk_samples;
        return {position, begin, end < samples ? end : samples};
    }
};

inline constexpr int transport_threads = 512;

/// A value of every thread becomes what `merge` makes of all, in one order; `merge` is commutative, to the bit.
template <class V>
struct merged_across {
    // Two, lest a warp overwrite what another still reads: one wait a call is enough.
    V of_warp[2][transport_threads / warp_size];
};
template <block_context C, class V, class Merge>
SELFSAME_DEVICE V merge_across(C& c, merged_across<V>& s, int& turn, V x, Merge&& merge) {
    for (int mask = 1; mask < warp_size; mask *= 2) x = merge(x, c.shuffle_xor(x, mask));
    auto& of_warp = s.of_warp[turn];
    turn = 1 - turn;
    if (c.lane() == 0) c.write(of_warp[c.warp()], x);
    c.sync();
    x = c.read(of_warp[0]);
    for (int w = 1; w < transport_threads / warp_size; ++w) x = merge(x, c.read(of_warp[w]));
    return x;
}

/// Values of several samples.
template <class T, int N>
struct sample_values {
    T v[N];
};

/// Samples b, b + 1, ... under the factors 2^potential of the prototypes: 1 / sum_k of the terms of each, for which all
/// threads of a block add up. A sample's terms are relative to its level.
template <class T, class E, class Mask, int N>
struct transport_rows {
    using values = sample_values<T, N>;
    using shared = merged_across<values>;

    const transport_scores<T, E, Mask>& x;
    const T* potential;
    index_t position, b;
    bool counts[N];
    values level{}, factor{};

    SELFSAME_DEVICE transport_rows(const transport_scores<T, E, Mask>& scores, const T* column, index_t p,
                                   index_t first, index_t end)
        : x(scores), potential(column), position(p), b(first) {
        SELFSAME_UNROLL_ALL
        for (int j = 0; j < N; ++j) counts[j] = b + j < end && x.counts(position, b + j);
    }

    SELFSAME_DEVICE T term(int j, index_t k, T c) const {
        return x.terms.map(x.terms.logit(x.score(position, b + j, k), c), level.v[j]);
    }

    template <bool Logarithmic, block_context C>
    SELFSAME_DEVICE void reduce(C& c, shared& s, int& turn) {
        if constexpr (Logarithmic) {
            take_levels(c, s, turn, values{});  // a sum of 0 does not hold
        } else {
            const values total = sum(c, s, turn);
            bool all_hold = true;
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < N; ++j) {
                all_hold = all_hold && (!counts[j] || x.terms.holds(total.v[j]));
                factor.v[j] = x.terms.finish(total.v[j]);
            }
            if (all_hold) return;  // the same in all threads
            take_levels(c, s, turn, total);
        }
        const values total = sum(c, s, turn);
        SELFSAME_UNROLL_ALL
        for (int j = 0; j < N; ++j) factor.v[j] = x.terms.finish(total.v[j]);
    }

  private:
    template <class F>
    SELFSAME_DEVICE void each_term(index_t first, F&& f) const {
        for (index_t k = first; k < x.prototypes; k += transport_threads) {
            const T c = potential[k];
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < N; ++j) {
                if (counts[j]) f(j, k, c);
            }
        }
    }
    template <block_context C>
    SELFSAME_DEVICE values sum(C& c, shared& s, int& turn) const {
        values total{};
        each_term(c.thread(), [&](int j, index_t k, T column) { total.v[j] += term(j, k, column); });
        return merge_across(c, s, turn, total, [](const values& a, const values& b2) {
            values r;
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < N; ++j) r.v[j] = a.v[j] + b2.v[j];
            return r;
        });
    }
    /// The maxima of those samples whose sums do not hold.
    template <block_context C>
    SELFSAME_DEVICE void take_levels(C& c, shared& s, int& turn, const values& total) {
        values top;
        SELFSAME_UNROLL_ALL
        for (int j = 0; j < N; ++j) top.v[j] = -(std::numeric_limits<T>::max)() / 4;
        each_term(c.thread(), [&](int j, index_t k, T column) {
            top.v[j] = (math::max)(top.v[j], x.terms.logit(x.score(position, b + j, k), column));
        });
        top = merge_across(c, s, turn, top, [](const values& a, const values& b2) {
            values r;
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < N; ++j) r.v[j] = (math::max)(a.v[j], b2.v[j]);
            return r;
        });
        SELFSAME_UNROLL_ALL
        for (int j = 0; j < N; ++j) level.v[j] = !x.terms.holds(total.v[j]) ? top.v[j] : T(0);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
