#pragma once

#include "selfsame/engine/host/rowwise_columns.hpp"
#include "selfsame/policy/transport.hpp"

/// \file
/// Sinkhorn and Knopp's iteration over the scores of one or many problems of one shape: passes of the rowwise engine,
/// and what happens to the sums of their columns in between.

namespace selfsame::inline SELFSAME_ISA {

/// What an iteration came to; of several positions the worst.
struct sinkhorn_report {
    int iterations = 0;         ///< that were done
    double marginal_error = 0;  ///< sum_k |(sum_b Q_bk) - c_k| of the soft codes; the samples' marginal is exact
    bool converged = false;     ///< marginal_error <= tolerance
};

namespace detail {

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
            store(potential_ + g * padded_ + k, transport_terms::first_potential(total, top, target(g, k)));
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
            store(potential + k,
                  transport_terms::next_potential(load<V>(potential + k), load<V>(sums_of(g) + k), target(g, k)));
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

}  // namespace detail

}  // namespace selfsame::inline SELFSAME_ISA
