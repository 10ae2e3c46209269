#pragma once

#include <limits>

#include "selfsame/engine/cuda/transport_rows.hpp"

/// \file
/// Kernels of Sinkhorn and Knopp's iteration. Samples of a position are in chunks; sums over a chunk's samples are kept
/// apart and added up in order, so that results do not depend on when blocks run.

namespace selfsame::inline SELFSAME_ISA::device {

/// For each chunk: how many samples count, and for each prototype the sum of its terms relative to their largest. A
/// thread has a prototype.
template <class T, class E, class Mask>
struct reduce_prototypes {
    static constexpr const char* name = "reduce_prototypes";
    static constexpr int threads = 128;
    using shared = no_shared;

    transport_scores<T, E, Mask> x;
    index_t tiles;  // of prototypes
    T *sums, *levels;
    index_t* counted;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t at = c.block() / tiles, tile = c.block() % tiles, k = tile * threads + c.thread();
        if (k >= x.prototypes) return;
        const sample_range r = x.range(at / x.chunks, at % x.chunks);
        T level = -(std::numeric_limits<T>::max)() / 4, sum = T(0);
        index_t count = 0;
        for (index_t b = r.begin; b < r.end; b += together) {
            T y[together];
            T top = level;
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < together; ++j) {
                const bool counts = b + j < r.end && x.counts(r.position, b + j);
                count += counts;
                y[j] =
                    counts ? x.terms.logit(x.score(r.position, b + j, k), T(0)) : -std::numeric_limits<T>::infinity();
                top = (math::max)(top, y[j]);
            }
            sum *= x.terms.map(level, top);
            SELFSAME_UNROLL_ALL
            for (int j = 0; j < together; ++j) sum += x.terms.map(y[j], top);
            level = top;
        }
        sums[at * x.prototypes + k] = sum;
        levels[at * x.prototypes + k] = level;
        if (k == 0) counted[at] = count;
    }

  private:
    static constexpr int together = 4;
};

/// Where a thread has a prototype of a position: what the chunks' sums become.
template <class T>
struct prototype_sums {
    index_t prototypes, chunks, tiles;
    T* sums;  // positions x chunks x prototypes
    const index_t* counted;
    T* potential;    // positions x prototypes
    const T* share;  // of the prototypes, of sum 1

    SELFSAME_DEVICE T* sums_of(index_t p) const { return sums + p * chunks * prototypes; }
    /// How many samples of a position count.
    SELFSAME_DEVICE index_t samples(index_t p) const {
        index_t n = 0;
        for (index_t c = 0; c < chunks; ++c) n += counted[p * chunks + c];
        return n;
    }
    SELFSAME_DEVICE T target(index_t p, index_t k) const { return share[k] * static_cast<T>(samples(p)); }
};

/// share_k = weights(k) / sum of weights; a single block.
template <class T, class Weights>
struct fill_shares {
    static constexpr const char* name = "fill_shares";
    static constexpr int threads = transport_threads;
    using shared = merged_across<double>;

    Weights weights;
    index_t prototypes;
    T* share;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        double total = 0;
        for (index_t k = c.thread(); k < prototypes; k += threads) total += weights(k);
        int turn = 0;
        total = merge_across(c, c.template shared<shared>(), turn, total, [](double a, double b) { return a + b; });
        for (index_t k = c.thread(); k < prototypes; k += threads) share[k] = static_cast<T>(weights(k) / total);
    }
};

/// The first potentials, with which the chunks' levels are forgotten.
template <class T>
struct start_potentials {
    static constexpr const char* name = "start_potentials";
    static constexpr int threads = 128;
    using shared = no_shared;

    prototype_sums<T> of;
    const T* levels;
    int* stopped;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t p = c.block() / of.tiles, tile = c.block() % of.tiles, k = tile * threads + c.thread();
        if (tile == 0 && c.thread() == 0) stopped[p] = 0;
        if (k >= of.prototypes) return;
        const T *s = of.sums_of(p) + k, *l = levels + p * of.chunks * of.prototypes + k;
        T top = l[0];
        SELFSAME_UNROLL(8)
        for (index_t n = 1; n < of.chunks; ++n) top = (math::max)(top, l[n * of.prototypes]);
        T total = T(0);
        SELFSAME_UNROLL(8)
        for (index_t n = 0; n < of.chunks; ++n) {
            total += s[n * of.prototypes] * selfsame::detail::transport_terms::map(l[n * of.prototypes], top);
        }
        of.potential[p * of.prototypes + k] =
            selfsame::detail::transport_terms::first_potential(total, top, of.target(p, k));
    }
};

/// An iteration: sums of the elements of each prototype, of one chunk a block. The scores of a few samples are read,
/// reduced, and read again from cache.
template <class T, class E, class Mask, bool Logarithmic>
struct sum_elements {
    static constexpr const char* name = "sum_elements";
    static constexpr int threads = transport_threads;
    static constexpr int together = 4;
    using rows = transport_rows<T, E, Mask, together>;
    using shared = typename rows::shared;

    transport_scores<T, E, Mask> x;
    index_t step;  // samples at once, at most `together`
    const T* potential;
    T* sums;
    const int* stopped;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        auto& s = c.template shared<shared>();
        const sample_range r = x.range(c.block() / x.chunks, c.block() % x.chunks);
        if (stopped[r.position]) return;
        const T* column = potential + r.position * x.prototypes;
        T* to = sums + c.block() * x.prototypes;
        for (index_t k = c.thread(); k < x.prototypes; k += threads) to[k] = T(0);
        int turn = 0;
        for (index_t b = r.begin; b < r.end; b += step) {
            rows now(x, column, r.position, b, b + step < r.end ? b + step : r.end);
            now.template reduce<Logarithmic>(c, s, turn);
            for (index_t k = c.thread(); k < x.prototypes; k += threads) {
                const T at = column[k];
                T sum = to[k];
                SELFSAME_UNROLL_ALL
                for (int j = 0; j < together; ++j) {
                    if (now.counts[j]) sum += x.terms.element(now.term(j, k, at), now.factor.v[j]);
                }
                to[k] = sum;
            }
        }
    }
};

/// Sums of the chunks into those of the first, and how far they are from what is wanted.
template <class T>
struct add_chunks {
    static constexpr const char* name = "add_chunks";
    static constexpr int threads = transport_threads;
    using shared = merged_across<double>;

    prototype_sums<T> of;
    double* errors;  // positions x tiles
    const int* stopped;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t p = c.block() / of.tiles, tile = c.block() % of.tiles, k = tile * threads + c.thread();
        if (stopped[p]) return;
        double off = 0;
        if (k < of.prototypes) {
            T* s = of.sums_of(p) + k;
            T total = s[0];
            for (index_t n = 1; n < of.chunks; ++n) total += s[n * of.prototypes];
            s[0] = total;
            off = static_cast<double>(math::abs(total - of.target(p, k)));
        }
        int turn = 0;
        off = merge_across(c, c.template shared<shared>(), turn, off, [](double a, double b) { return a + b; });
        if (c.thread() == 0) errors[c.block()] = off;
    }
};

/// The next potentials, unless the error is no larger than the tolerance: then the position stays as it is.
template <class T>
struct correct_potentials {
    static constexpr const char* name = "correct_potentials";
    static constexpr int threads = transport_threads;
    using shared = no_shared;

    prototype_sums<T> of;
    double tolerance;
    const double* errors;
    const int* stopped;
    int* stops;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t p = c.block() / of.tiles, tile = c.block() % of.tiles, k = tile * threads + c.thread();
        bool stop = stopped[p] != 0;
        if (!stop && tolerance > 0) {
            double error = 0;
            for (index_t n = 0; n < of.tiles; ++n) error += errors[p * of.tiles + n];
            stop = error <= tolerance * static_cast<double>(of.samples(p));
        }
        if (tile == 0 && c.thread() == 0) stops[p] = stop ? 1 : 0;
        if (stop || k >= of.prototypes) return;
        T& potential = of.potential[p * of.prototypes + k];
        potential = selfsame::detail::transport_terms::next_potential(potential, of.sums_of(p)[k], of.target(p, k));
    }
};

/// The codes of a sample, by a block; they may take the place of its scores.
template <class T, class E, class G, class Mask, bool Logarithmic, bool OneHot>
struct write_codes {
    static constexpr const char* name = "write_codes";
    static constexpr int threads = transport_threads;
    using rows = transport_rows<T, E, Mask, 1>;
    struct largest {
        T term;
        index_t at;
    };
    struct with_largest {
        typename rows::shared sums;
        merged_across<largest> tops;
    };
    using shared = std::conditional_t<OneHot, with_largest, typename rows::shared>;

    transport_scores<T, E, Mask> x;
    strided_positions<G> codes;
    const T* potential;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t p = c.block() / x.samples, b = c.block() % x.samples;
        if (!x.counts(p, b)) {
            write(c, p, b, [](index_t) { return T(0); });
            return;
        }
        auto& s = c.template shared<shared>();
        const T* column = potential + p * x.prototypes;
        rows row(x, column, p, b, b + 1);
        int turn = 0;
        if constexpr (OneHot) {
            row.template reduce<Logarithmic>(c, s.sums, turn);
            largest top{T(-1), x.prototypes};
            for (index_t k = c.thread(); k < x.prototypes; k += threads) {
                const T t = row.term(0, k, column[k]);
                if (t > top.term) top = {t, k};
            }
            top = merge_across(c, s.tops, turn, top, [](const largest& a, const largest& o) {
                return a.term > o.term || (a.term == o.term && a.at < o.at) ? a : o;
            });
            const T factor = row.factor.v[0];
            const bool any = factor == factor && factor != T(0);
            write(c, p, b, [&](index_t k) { return any ? T(k == top.at ? 1 : 0) : factor; });
        } else {
            row.template reduce<Logarithmic>(c, s, turn);
            write(c, p, b, [&](index_t k) { return x.terms.element(row.term(0, k, column[k]), row.factor.v[0]); });
        }
    }

  private:
    template <block_context C, class F>
    SELFSAME_DEVICE void write(const C& c, index_t p, index_t b, F&& value) const {
        for (index_t k = c.thread(); k < x.prototypes; k += threads) codes.at(p, b, k) = element_cast<G>(value(k));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
