#pragma once

#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/engine/host/embedding_set.hpp"
#include "selfsame/engine/host/products.hpp"
#include "selfsame/engine/host/soft_targets.hpp"
#include "selfsame/engine/prototype_arguments.hpp"
#include "selfsame/policy/precision.hpp"
#include "selfsame/policy/similarity.hpp"

/// \file
/// Views of samples against prototypes: scores, the codes of some views, and the cross-entropy of codes and scores,
/// block of samples after block, so that the scores of all views never exist at once.

namespace selfsame::inline SELFSAME_ISA::host {

template <class T, class Context, class Objective, class Inputs, bool WantsFeatures, bool WantsPrototypes>
class prototype_pass : public prototype_arguments<memory_space::host, Objective, Inputs> {
    using arguments = prototype_arguments<memory_space::host, Objective, Inputs>;
    using arguments::assigned_, arguments::d_, arguments::each, arguments::has_queue, arguments::k_, arguments::n_,
        arguments::objective_, arguments::queued_, arguments::views_;
    using layout = register_layout<full_precision, T>;
    using product = typename layout::product;
    using feature_set = embedding_set<cosine, layout>;
    using prototype_set = embedding_set<dot, layout>;
    using memory = scratch<decltype(Context::policy)>;
    using V = batch<T>;
    static constexpr index_t strip = strip_columns<T>;
    static constexpr bool writes = WantsFeatures || WantsPrototypes;
    // Rows whose scores are at hand at a time: in the second-level cache or not far from it.
    static constexpr index_t block_rows = 96;
    // Each has sums of its own for the prototypes' gradient; a function of the problem, so that bits do not depend on
    // threads.
    static constexpr index_t most_chunks = 8;

  public:
    prototype_pass(const Context& ctx, const Objective& objective, const Inputs& inputs)
        : arguments(objective, inputs), ctx_(ctx), pitch_(round_up(round_up(k_, strip_rows), strip)),
          samples_((std::min)((std::max)(n_, index_t(1)),
                              (std::max)(index_t(1), block_rows / views_ / strip_rows) * strip_rows)),
          view_rows_(round_up(samples_, strip_rows)), blocks_((n_ + samples_ - 1) / samples_),
          chunks_((std::min)(blocks_, most_chunks)),
          features_(views_ * n_ + strip_rows, d_, {false, WantsPrototypes, WantsFeatures}),
          queue_(has_queue ? queued_ * assigned_ + strip_rows : 0, d_, {}),
          prototypes_(k_, d_, {true, WantsFeatures, WantsPrototypes}), memory_(ctx.policy, bytes()) {
        const T zero = T(0);
        const auto padding = view(&zero, std::array<index_t, 2>{strip_rows, d_}, std::array<index_t, 2>{0, 0});
        features_.allocate(memory_);
        features_.fill(ctx_, as_tensor<2>(inputs.features), 0);
        features_.fill(ctx_, padding, views_ * n_);
        features_.finish_filling(ctx_);
        prototypes_.allocate(memory_);
        prototypes_.fill(ctx_, as_tensor<2>(inputs.prototypes), 0);
        prototypes_.finish_filling(ctx_);
        if constexpr (has_queue) {
            queue_.allocate(memory_);
            queue_.fill(ctx_, as_tensor<2>(inputs.queue), 0);
            queue_.fill(ctx_, padding, queued_ * assigned_);
            queue_.finish_filling(ctx_);
        }
        codes_ = memory_.template take<T>(assigned_ * (n_ + queued_) * pitch_);
        losses_ = memory_.template take<T>(n_);
        const index_t threads = workers(ctx_), rows = views_ * view_rows_;
        local_scores_ = memory_.template take<T>(threads * rows * pitch_);
        local_rows_ = memory_.template take<T>(threads * rows * width());
        local_gradient_ = memory_.template take<T>(threads * rows * width());
        local_targets_ = memory_.template take<T>(threads * views_ * pitch_);
        by_view_ = memory_.template take<const T*>(threads * views_);
        if (WantsPrototypes) sums_ = memory_.template take<T>(chunks_ * prototypes_.padded_count() * width());
    }

    index_t samples() const { return n_; }

    /// The codes of the assigned views.
    sinkhorn_report assign_codes() {
        for (index_t a = 0; a < assigned_; ++a) {
            score_rows(features_, a * n_, n_, codes_ + a * (n_ + queued_) * pitch_);
            if constexpr (has_queue)
                score_rows(queue_, a * queued_, queued_, codes_ + (a * (n_ + queued_) + n_) * pitch_);
        }
        const auto codes = view(codes_, std::array<index_t, 3>{assigned_, n_ + queued_, k_},
                                std::array<index_t, 3>{(n_ + queued_) * pitch_, pitch_, 1});
        return assign(ctx_, objective_.assignment, codes, codes);
    }

    /// Losses of the samples, and sums for the gradients of upstream . losses.
    template <class Upstream>
    void run(const Upstream& upstream) {
        const bool mean = objective_.reduction == reduction::mean;
        const double pairs = double(selfsame::detail::count_pairs(objective_.pairing)),
                     share = 1 / (pairs * (mean && n_ > 0 ? double(n_) : 1));
        parallel_for(ctx_, chunks_, [&](index_t chunk, int worker) {
            T* const sums = WantsPrototypes ? sums_ + chunk * prototypes_.padded_count() * width() : nullptr;
            if (WantsPrototypes) std::fill(sums, sums + prototypes_.padded_count() * width(), T(0));
            for (index_t b = chunk * blocks_ / chunks_; b < (chunk + 1) * blocks_ / chunks_; ++b) {
                block(b * samples_, (std::min)(samples_, n_ - b * samples_), worker, share, upstream, sums);
            }
        });
        if constexpr (WantsPrototypes) {
            constexpr index_t some = 64;
            parallel_for(ctx_, (k_ + some - 1) / some, [&](index_t p, int) {
                T* const total = prototypes_.gradient(p * some);
                const index_t values = (std::min)(some, k_ - p * some) * width();
                for (index_t c = 0; c < chunks_; ++c) {
                    const T* const part = sums_ + (c * prototypes_.padded_count() + p * some) * width();
                    for (index_t e = 0; e < values; e += lanes<T>)
                        store(total + e, load<V>(total + e) + load<V>(part + e));
                }
            });
        }
    }

    template <class Loss>
    void write_loss(const Loss& loss) const {
        using E = typename Loss::value_type;
        double total = 0;
        for (index_t b = 0; b < n_; ++b) {
            if (each()) {
                loss(b) = element_cast<E>(losses_[b]);
            } else {
                total += double(losses_[b]);
            }
        }
        if (!each()) loss(0) = element_cast<E>(total);
    }
    template <bool Adds, class Output>
    void write_features(const Output& out) const {
        write<Adds>(features_, views_ * n_, out);
    }
    template <bool Adds, class Output>
    void write_prototypes(const Output& out) const {
        write<Adds>(prototypes_, k_, out);
    }

  private:
    index_t width() const { return prototypes_.padded_width(); }

    std::size_t bytes() const {
        const index_t threads = workers(ctx_), rows = views_ * view_rows_;
        return features_.bytes() + queue_.bytes() + prototypes_.bytes() +
               scratch_bytes<T>(assigned_ * (n_ + queued_) * pitch_) + scratch_bytes<T>(n_) +
               scratch_bytes<T>(threads * rows * pitch_) + 2 * scratch_bytes<T>(threads * rows * width()) +
               scratch_bytes<T>(threads * views_ * pitch_) + scratch_bytes<const T*>(threads * views_) +
               (WantsPrototypes ? scratch_bytes<T>(chunks_ * prototypes_.padded_count() * width()) : 0);
    }

    /// Scores of rows [first, first + n) of a set, rows of `out` pitch_ apart.
    template <class Set>
    void score_rows(const Set& set, index_t first, index_t n, T* out) const {
        constexpr index_t some = block_rows;
        parallel_for(ctx_, (n + some - 1) / some, [&](index_t p, int) {
            T spare[strip_rows * strip];
            const index_t end = (std::min)(n, (p + 1) * some);
            for (index_t j = 0; j < pitch_; j += strip) {
                for (index_t i = p * some; i < end; i += strip_rows) {
                    const bool whole = i + strip_rows <= n;  // what is beyond belongs to others
                    T* const x = whole ? out + i * pitch_ + j : spare;
                    product_strip<product, T>(set.row_units(first + i), set.row_step(), prototypes_.panel(j),
                                              prototypes_.units_deep(), T(1), T(0), x, whole ? pitch_ : strip);
                    for (index_t m = 0; !whole && i + m < n; ++m) {
                        std::memcpy(out + (i + m) * pitch_ + j, spare + m * strip, sizeof(T) * strip);
                    }
                }
            }
        });
    }

    /// Samples [first, first + n), all their views.
    template <class Upstream>
    void block(index_t first, index_t n, int worker, double share, [[maybe_unused]] const Upstream& upstream,
               [[maybe_unused]] T* sums) {
        const index_t rows = views_ * view_rows_;
        T* const scores = local_scores_ + worker * rows * pitch_;
        T* const local = local_rows_ + worker * rows * width();
        for (index_t r = 0; r < rows; ++r) {
            T* const row = local + r * width();
            const index_t b = r % view_rows_;
            if (b < n) {
                std::memcpy(row, features_.row(r / view_rows_ * n_ + first + b),
                            sizeof(T) * static_cast<std::size_t>(width()));
            } else {
                std::fill(row, row + width(), T(0));
            }
        }
        for (index_t j = 0; j < pitch_; j += strip) {
            for (index_t i = 0; i < rows; i += strip_rows) {
                product_strip<product, T>(local + i * width(), width(), prototypes_.panel(j), prototypes_.units_deep(),
                                          T(1), T(0), scores + i * pitch_ + j, pitch_);
            }
        }
        const T** const targets = by_view_ + worker * views_;
        const auto score_tensor = view(scores, std::array<index_t, 2>{rows, k_}, std::array<index_t, 2>{pitch_, 1});
        using source = row_source<T, T>;
        const source score_rows(score_tensor);
        for (index_t b = 0; b < n; ++b) {
            sum_targets<T>(
                objective_.pairing, k_, [&](index_t t) { return codes_ + (t * (n_ + queued_) + first + b) * pitch_; },
                local_targets_ + worker * views_ * pitch_, pitch_, targets);
            const view_targets<T> target_rows{targets, view_rows_, k_};
            const row_walk<T, cross_entropy_walk<T>, source, view_targets<T>> walk(
                {T(1.44269504088896340736 / objective_.temperature)}, score_rows, target_rows);
            const typename decltype(walk)::some_rows views{b, views_, view_rows_};
            T total;
            if constexpr (writes) {
                const double up = element_cast<double>(upstream(upstream.size() > 1 ? first + b : 0));
                total = views_of_sample<T>(walk, views, T(up * share / objective_.temperature), score_rows, false);
            } else {
                total = views_of_sample<T>(walk, views, T(0), none{}, false);
            }
            losses_[first + b] = static_cast<T>(share * double(total));
        }
        if constexpr (WantsFeatures) {
            T* const gradient = local_gradient_ + worker * rows * width();
            std::fill(gradient, gradient + rows * width(), T(0));
            add_products<product, T>(scores, pitch_, 1, prototypes_.product_rows(0), k_, gradient, rows, width());
            for (index_t r = 0; r < rows; ++r) {
                if (r % view_rows_ >= n) continue;
                std::memcpy(features_.gradient(r / view_rows_ * n_ + first + r % view_rows_), gradient + r * width(),
                            sizeof(T) * static_cast<std::size_t>(width()));
            }
        }
        if constexpr (WantsPrototypes) {
            add_products<product, T>(scores, 1, pitch_, local, rows, sums, round_up(k_, strip_rows), width());
        }
    }

    template <bool Adds, class Set, class Output>
    void write(const Set& set, index_t n, const Output& out) const {
        using E = typename Output::value_type;
        constexpr index_t some = 64;
        parallel_for(ctx_, (n + some - 1) / some, [&](index_t p, int) {
            for (index_t i = p * some; i < (std::min)(n, (p + 1) * some); ++i) {
                T* const g = set.gradient(i);
                set.differentiate(i, g);
                for (index_t k = 0; k < d_; ++k)
                    out(i, k) = element_cast<E>(Adds ? element_cast<T>(out(i, k)) + g[k] : g[k]);
            }
        });
    }

    const Context& ctx_;
    index_t pitch_, samples_, view_rows_, blocks_, chunks_;
    feature_set features_, queue_;
    prototype_set prototypes_;
    memory memory_;
    T *codes_ = nullptr, *losses_ = nullptr, *local_scores_ = nullptr, *local_rows_ = nullptr,
      *local_gradient_ = nullptr, *local_targets_ = nullptr, *sums_ = nullptr;
    const T** by_view_ = nullptr;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
