#pragma once

#include <limits>

#include "selfsame/core/aliasing.hpp"
#include "selfsame/engine/host/rowwise_columns.hpp"
#include "selfsame/policy/marginals.hpp"

/// \file
/// Assignment of samples to prototypes by entropic optimal transport, computed by Sinkhorn and Knopp's iteration.

namespace selfsame::inline SELFSAME_ISA {

/// Exponentials of scores under the logarithm of their prototype's factor, so that none overflows, added up as they
/// are. A sample whose sum is too small or too large for that is done again under its own maximum, for which its row
/// is read once more from cache.
struct exponential_domain {
    static constexpr bool logarithmic = false;
};

/// Every sample under its own maximum from the start: for epsilon so small that the exponential domain would do most
/// samples twice.
struct log_domain {
    static constexpr bool logarithmic = true;
};

/// The codes are the transport plan's rows, of sum 1.
struct soft_codes {
    static constexpr bool one_hot = false;
};

/// The codes are 1 at a row's largest element, the first of equal ones, and 0 elsewhere (SEER).
struct hard_codes {
    static constexpr bool one_hot = true;
};

/// Codes of B samples from their scores with K prototypes, x B x K.
///
///     Q = exp(x / epsilon); repeat: Q_bk *= c_k / sum_b Q_bk, then Q_bk *= r / sum_k Q_bk; codes = Q / r
///
/// with r = 1 / B and the marginals c, of sum 1: Caron et al. 2020 (SwAV), in that order, so that codes sum to 1 for
/// each sample even where the iteration is cut short. SwAV's options are the defaults; SEER takes epsilon 0.03 and 10
/// iterations, CAPI 0.06 with scores P x B x K. A call is `assign` below.
template <class Domain = exponential_domain, class Marginals = marginals::uniform, class Codes = soft_codes>
struct sinkhorn {
    using domain = Domain;
    using codes = Codes;

    double epsilon = 0.05;
    int iterations = 3;    ///< at most, if there is a tolerance
    double tolerance = 0;  ///< stop when the marginal error is no larger; 0: never
    Marginals marginals{};

    void check(index_t prototypes) const {
        if (!(epsilon > 0 && epsilon < std::numeric_limits<double>::infinity())) fail("epsilon", epsilon, "> 0");
        if (iterations < 1) fail("iterations", iterations, ">= 1");
        if (!(tolerance >= 0)) fail("tolerance", tolerance, ">= 0");
        marginals.check(prototypes);
    }
};

/// What an iteration came to; of several positions the worst.
struct sinkhorn_report {
    int iterations = 0;         ///< that were done
    double marginal_error = 0;  ///< sum_k |(sum_b Q_bk) - c_k| of the soft codes; the samples' marginal is exact
    bool converged = false;     ///< marginal_error <= tolerance
};

namespace detail {

/// Q_bk / r before its division by the row's sum: 2^(scale x_bk + c_k), c_k the logarithm of prototype k's factor.
struct transport_terms {
    double scale;  // log2(e) / epsilon

    template <class V>
    constexpr V logit(V x, V c) const {
        return math::fma(x, V(math::scalar_t<V>(scale)), c);
    }
    template <class V>
    constexpr V term(V x, V c) const {
        return math::exp2(logit(x, c));
    }
    template <class V>
    static constexpr V map(V logit, V level) {
        return math::exp2(logit - level);
    }
    template <class V>
    static constexpr V relative(V level) {
        return -level;
    }
    // Terms of 2^-24 of the sum are to be normal numbers, NaN is to be looked at.
    template <class T>
    static constexpr bool holds(T sum) {
        constexpr T low = sizeof(T) == 4 ? T(0x1p-80) : T(0x1p-900), high = sizeof(T) == 4 ? T(0x1p80) : T(0x1p900);
        return sum > low && sum < high;
    }
    /// A sample whose scores are all -inf has no term; its code is 0.
    template <class T>
    static constexpr T finish(T sum) {
        return sum == T(0) ? T(0) : T(1) / sum;
    }
    template <class V>
    static constexpr V element(V term, V factor) {
        return term * factor;
    }
};

constexpr bool transport_is_constant() {
    const transport_terms p{1.5};
    return p.element(p.term(0.5f, p.relative(0.5f)), p.finish(2.0f)) > 0 && p.holds(1.0) &&
           p.map(p.logit(0.5, 0.5), 1.0) > 0;
}
static_assert(transport_is_constant());

/// One call: positions in groups, whose passes over the scores are spread over threads.
template <class T, class Options, class Scores, class Codes>
class sinkhorn_call {
    using V = batch<T>;
    using engine =
        host::row_column_engine<T, transport_terms, host::row_source_of<T, Scores>, host::row_source_of<T, Codes>>;
    static constexpr int L = lanes<T>;
    static constexpr index_t merged = 2048;  // columns that are merged at once
    static constexpr bool logarithmic = Options::domain::logarithmic;

  public:
    sinkhorn_call(const Options& options, index_t positions, index_t samples, index_t prototypes)
        : options_(options), positions_(positions), samples_(samples), prototypes_(prototypes),
          padded_(engine::padded(prototypes)), pieces_((prototypes + merged - 1) / merged),
          chunks_(samples, prototypes, sizeof(T)) {
        // Positions share passes so that many small ones occupy many threads; their sums are to stay a few MB.
        constexpr index_t budget = index_t(1) << 21;
        const index_t one = chunks_.count() * padded_ * static_cast<index_t>(sizeof(T));
        group_ = (std::max)(index_t(1), (std::min)(positions, budget / (std::max)(one, index_t(1))));
    }

    /// scores_of(p) and codes_of(p) give B x K tensors; counts: P x B, or null.
    template <class P, class ScoresOf, class CodesOf>
    sinkhorn_report run(const context<P>& ctx, ScoresOf&& scores_of, CodesOf&& codes_of, const std::uint8_t* counts,
                        bool past_caches) {
        const int threads = workers(ctx);
        const index_t sums = group_ * chunks_.count() * padded_;
        scratch<P> memory(ctx.policy, scratch_bytes<T>(padded_) + scratch_bytes<T>(group_ * padded_) +
                                          2 * scratch_bytes<T>(sums) + scratch_bytes<double>(group_ * pieces_) +
                                          2 * scratch_bytes<index_t>(group_) +
                                          static_cast<std::size_t>(threads) * engine::workspace_bytes(prototypes_) +
                                          scratch_bytes<typename engine::workspace>(threads));
        share_ = memory.template take<T>(padded_);
        potential_ = memory.template take<T>(group_ * padded_);
        sums_ = memory.template take<T>(sums);
        levels_ = memory.template take<T>(sums);
        errors_ = memory.template take<double>(group_ * pieces_);
        counted_ = memory.template take<index_t>(group_);
        active_ = memory.template take<index_t>(group_);
        auto* spaces = memory.template take<typename engine::workspace>(threads);
        for (int t = 0; t < threads; ++t) spaces[t] = engine::allocate(memory, prototypes_);
        fill_shares();

        sinkhorn_report report{0, 0, true};
        double nan = 0;
        for (index_t first = 0; first < positions_; first += group_) {
            const index_t n = (std::min)(group_, positions_ - first);
            backwards_ = false;
            const auto engine_of = [&](index_t g) {
                const std::uint8_t* c = counts == nullptr ? nullptr : counts + (first + g) * samples_;
                return engine{{1.44269504088896340736 / options_.epsilon},
                              host::row_source_of<T, Scores>(scores_of(first + g)),
                              host::row_source_of<T, Codes>(codes_of(first + g)),
                              c};
            };
            const auto pass = [&](index_t state, auto&& body) {
                parallel_for(ctx, n * chunks_.count(), [&](index_t task, int worker) {
                    // Every other pass goes backwards: it begins with what the one before has left in the cache.
                    const index_t t = backwards_ ? n * chunks_.count() - 1 - task : task;
                    const index_t g = t / chunks_.count(), chunk = t % chunks_.count();
                    if (active_[g] == state) body(engine_of(g), chunks_.at(chunk), t * padded_, g, spaces[worker]);
                });
                backwards_ = !backwards_;
            };
            const auto write = [&](index_t state) {
                pass(state, [&](const engine& e, host::row_range rows, index_t at, index_t g, const auto& space) {
                    if constexpr (Options::codes::one_hot) {
                        e.template run_arg_max<logarithmic>(rows, backwards_, potential_ + g * padded_, sums_ + at,
                                                            space);
                    } else if (past_caches) {
                        e.template run<host::output::past_caches, logarithmic>(
                            rows, backwards_, potential_ + g * padded_, sums_ + at, space);
                    } else {
                        e.template run<host::output::cached, logarithmic>(rows, backwards_, potential_ + g * padded_,
                                                                          sums_ + at, space);
                    }
                });
            };
            for (index_t g = 0; g < n; ++g) {
                counted_[g] = samples_;
                if (counts != nullptr) {
                    counted_[g] = 0;
                    for (index_t b = 0; b < samples_; ++b) counted_[g] += counts[(first + g) * samples_ + b] != 0;
                }
                active_[g] = iterating;
            }
            pass(iterating, [&](const engine& e, host::row_range rows, index_t at, index_t, const auto& space) {
                e.reduce_columns(rows, backwards_, levels_ + at, sums_ + at, space);
            });
            each_piece(ctx, n, [&](index_t g, index_t k, index_t end) { start(g, k, end); });
            for (int iteration = 1; iteration <= options_.iterations; ++iteration) {
                const bool last = iteration == options_.iterations;
                if (last) {
                    write(iterating);
                } else {
                    pass(iterating,
                         [&](const engine& e, host::row_range rows, index_t at, index_t g, const auto& space) {
                             e.template run<host::output::none, logarithmic>(rows, backwards_, potential_ + g * padded_,
                                                                             sums_ + at, space);
                         });
                }
                each_piece(ctx, n, [&](index_t g, index_t k, index_t end) { add_chunks(g, k, end); });
                bool any = false;
                for (index_t g = 0; g < n; ++g) {
                    if (active_[g] != iterating) continue;
                    const double error = error_of(g);
                    const bool good = error <= options_.tolerance;
                    if (last || (options_.tolerance > 0 && good)) {
                        active_[g] = last ? written : stopped;
                        report.iterations = (std::max)(report.iterations, iteration);
                        report.marginal_error = (math::max)(report.marginal_error, error);
                        if (error != error) nan = error;
                        report.converged = report.converged && good;
                    } else {
                        any = true;
                    }
                }
                if (!any) break;
                each_piece(ctx, n, [&](index_t g, index_t k, index_t end) { correct(g, k, end); });
            }
            for (index_t g = 0; g < n; ++g) {
                if (active_[g] == stopped) {
                    write(stopped);
                    break;
                }
            }
        }
        if (nan != nan) report.marginal_error = nan;
        return report;
    }

  private:
    enum : index_t { iterating, stopped, written };

    void fill_shares() {
        double total = 0;
        for (index_t k = 0; k < prototypes_; ++k) total += options_.marginals(k);
        for (index_t k = 0; k < padded_; ++k) {
            share_[k] = k < prototypes_ ? static_cast<T>(options_.marginals(k) / total) : T(0);
        }
    }

    template <class P, class F>
    void each_piece(const context<P>& ctx, index_t n, F&& body) {
        parallel_for(ctx, n * pieces_, [&](index_t t, int) {
            const index_t g = t / pieces_, k = t % pieces_ * merged;
            if (active_[g] == iterating) body(g, k, (std::min)(k + merged, padded_));
        });
    }

    T* sums_of(index_t g) const { return sums_ + g * chunks_.count() * padded_; }
    V target(index_t g, index_t k) const { return load<V>(share_ + k) * V(static_cast<T>(counted_[g])); }
    static V log2(V x) { return math::log(x) * V(T(1.44269504088896340736)); }

    /// The first division by the prototypes' sums, with which the chunks' levels are forgotten.
    void start(index_t g, index_t first, index_t end) const {
        const T *sums = sums_of(g), *levels = levels_ + (sums - sums_);
        for (index_t k = first; k < end; k += L) {
            V top = load<V>(levels + k);
            for (index_t c = 1; c < chunks_.count(); ++c) top = (math::max)(top, load<V>(levels + c * padded_ + k));
            V total(T(0));
            for (index_t c = 0; c < chunks_.count(); ++c) {
                total += load<V>(sums + c * padded_ + k) * transport_terms::map(load<V>(levels + c * padded_ + k), top);
            }
            // A prototype without any score above -inf keeps the factor 1: all its terms are 0.
            const V wanted = target(g, k);
            V c = math::select(total == V(T(0)), V(T(0)), log2(wanted) - top - log2(total));
            c = math::select(wanted == V(T(0)), V(-std::numeric_limits<T>::infinity()), c);
            store(potential_ + g * padded_ + k, c);
        }
    }

    /// Column sums into those of the first chunk, and how far they are from what is wanted.
    void add_chunks(index_t g, index_t first, index_t end) const {
        T* sums = sums_of(g);
        V off(T(0));
        for (index_t k = first; k < end; k += L) {
            V total = load<V>(sums + k);
            for (index_t c = 1; c < chunks_.count(); ++c) total += load<V>(sums + c * padded_ + k);
            store(sums + k, total);
            off += math::abs(total - target(g, k));
        }
        errors_[g * pieces_ + first / merged] = static_cast<double>(sum(off));
    }

    double error_of(index_t g) const {
        double total = 0;
        for (index_t p = 0; p < pieces_; ++p) total += errors_[g * pieces_ + p];
        return counted_[g] == 0 ? 0 : total / static_cast<double>(counted_[g]);
    }

    void correct(index_t g, index_t first, index_t end) const {
        T* potential = potential_ + g * padded_;
        for (index_t k = first; k < end; k += L) {
            const V total = load<V>(sums_of(g) + k), wanted = target(g, k), c = load<V>(potential + k);
            const V next = c + log2(wanted / total);
            store(potential + k, math::select(wanted == V(T(0)), c, math::select(total == V(T(0)), c, next)));
        }
    }

    const Options& options_;
    index_t positions_, samples_, prototypes_, padded_, pieces_;
    host::row_chunks chunks_;
    index_t group_;
    bool backwards_ = false;
    T *share_ = nullptr, *potential_ = nullptr, *sums_ = nullptr, *levels_ = nullptr;
    double* errors_ = nullptr;
    index_t *counted_ = nullptr, *active_ = nullptr;
};

template <class X>
constexpr auto matrix_at(const X& x, index_t position) {
    if constexpr (X::rank() == 2) {
        return x;
    } else {
        return strided<memory_space::host>(x.data_handle() + position * x.stride(0),
                                           std::array<index_t, 2>{x.extent(1), x.extent(2)},
                                           std::array<index_t, 2>{x.stride(1), x.stride(2)});
    }
}

template <std::size_t Rank, execution C, class Options, class S, class Q, class Mask>
sinkhorn_report assign(const C& ctx, const Options& options, const S& scores, const Q& codes, const Mask& mask) {
    static_assert(S::accessor_type::space == memory_space::host && Q::accessor_type::space == memory_space::host,
                  "selfsame: assign runs on the host; its tensors must be there");
    static_assert(real_element<typename S::value_type> && real_element<typename Q::value_type>,
                  "selfsame: scores and codes are of float, double, half or bfloat16");
    constexpr bool wide =
        std::is_same_v<typename S::value_type, double> || std::is_same_v<typename Q::value_type, double>;
    using T = std::conditional_t<wide, double, float>;
    for (std::size_t r = 0; r < Rank; ++r) {
        if (scores.extent(r) != codes.extent(r)) fail("codes", std::string_view(shape_text(codes)), shape_text(scores));
    }
    const index_t positions = Rank == 3 ? scores.extent(0) : 1;
    const index_t samples = scores.extent(Rank - 2), prototypes = scores.extent(Rank - 1);
    if (prototypes < 1) fail("scores", std::string_view(shape_text(scores)), "at least one prototype");
    aliasing_rules rules;
    rules.input("scores", scores);
    rules.input("mask", mask);
    rules.output("codes", codes, "scores");
    options.check(prototypes);
    const auto c = as_context(ctx);
    using P = std::remove_cvref_t<decltype(c.policy)>;
    constexpr bool masked = !is_none<Mask>;
    if constexpr (masked) {
        bool right = true;
        for (std::size_t r = 0; r + 1 < Rank; ++r) right = right && mask.extent(r) == scores.extent(r);
        if (!right)
            fail("mask", std::string_view(shape_text(mask)), "a value for each sample of " + shape_text(scores));
    }
    if (positions * samples == 0) return {0, 0, true};
    // What is small stays in a cache until it is read; what takes the place of its scores is there already.
    constexpr index_t cached = index_t(16) << 20;
    const bool in_place =
        static_cast<const void*>(scores.data_handle()) == static_cast<const void*>(codes.data_handle());
    const index_t bytes = positions * samples * prototypes * static_cast<index_t>(sizeof(T));
    using scores_type = decltype(matrix_at(scores, 0));
    using codes_type = decltype(matrix_at(codes, 0));
    sinkhorn_call<T, Options, scores_type, codes_type> call(options, positions, samples, prototypes);
    const auto run = [&](const std::uint8_t* counts) {
        return call.run(
            c, [&](index_t p) { return matrix_at(scores, p); }, [&](index_t p) { return matrix_at(codes, p); }, counts,
            bytes > cached && !in_place);
    };
    if constexpr (masked) {
        scratch<P> memory(c.policy, scratch_bytes<std::uint8_t>(positions * samples));
        auto* counts = memory.template take<std::uint8_t>(positions * samples);
        for (index_t p = 0; p < positions; ++p) {
            for (index_t b = 0; b < samples; ++b) {
                if constexpr (Rank == 3) {
                    counts[p * samples + b] = mask(p, b) ? 1 : 0;
                } else {
                    counts[b] = mask(b) ? 1 : 0;
                }
            }
        }
        return run(counts);
    } else {
        return run(nullptr);
    }
}

}  // namespace detail

/// Codes of scores B x K, or of P x B x K: P problems of their own, one for each position (CAPI). Returns how far it
/// came.
///
/// `mask`: B (or P x B) values; a sample of value 0 (false) does not count and gets the code 0. Scores are read once
/// for each iteration and once more, and once more again where a tolerance ends the iteration early; memory beyond them
/// is that of some K values for each of a few dozen chunks of samples. The codes may take the place of the scores (the
/// same elements, not shifted ones); nothing else is written. The result does not depend on the number of threads.
///
/// Any epsilon will do: a code's relative error is about 2^-24 |x| / epsilon, 2^-53 in double. A sample or a prototype
/// whose scores are all -inf has the codes 0. NaN or +inf in a score that counts makes all codes of its position NaN,
/// and the error. No sample: nothing is done, which has converged.
template <execution C, class Domain, class Marginals, class Form, class Scores, class Codes, class Mask = none>
sinkhorn_report assign(const C& ctx, const sinkhorn<Domain, Marginals, Form>& options, const Scores& scores,
                       Codes&& codes, const Mask& mask = {}) {
    constexpr std::size_t rank = tensor_like<const Scores, 3> && !tensor_like<const Scores, 2> ? 3 : 2;
    if constexpr (is_none<Mask>) {
        return detail::assign<rank>(ctx, options, as_tensor<rank>(scores), as_tensor<rank>(codes), mask);
    } else {
        return detail::assign<rank>(ctx, options, as_tensor<rank>(scores), as_tensor<rank>(codes),
                                    as_tensor<rank - 1>(mask));
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
