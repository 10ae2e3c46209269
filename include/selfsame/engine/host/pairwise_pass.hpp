#pragma once

#include "selfsame/engine/host/pairwise.hpp"
#include "selfsame/engine/pairwise_arguments.hpp"

/// \file
/// One call of an objective over pairs on the host: checks the arguments, packs the embeddings, runs the tiles forward
/// and backward, and turns rows into the loss of samples and back.

namespace selfsame::inline SELFSAME_ISA::host {

// Not inlined: compilers contract products and sums as the surroundings suggest, and the bits of a loss must not depend
// on whether the gradient is asked for in the same call.
template <class Objective, class Reducer, class T>
[[gnu::noinline]] T loss_of(const Objective& objective, const Reducer& row, T logit) {
    return objective.loss(row.value(), logit);
}
template <class Objective, class Reducer, class T>
[[gnu::noinline]] auto kept_of(const Objective& objective, const Reducer& row, T logit) {
    return objective.keep(row.value(), logit);
}

template <class Context, class Objective, class Inputs, class Gradients>
class pairwise_pass : public pairwise_arguments<memory_space::host, Objective, Inputs, Gradients> {
    using arguments = pairwise_arguments<memory_space::host, Objective, Inputs, Gradients>;
    using arguments::adds, arguments::one_set, arguments::own_queue, arguments::two_way, arguments::wants_anchors,
        arguments::wants_any, arguments::wants_positives, arguments::wants_queue, arguments::wants_temperature;
    using arguments::d_, arguments::each_upstream, arguments::how, arguments::m_, arguments::n_, arguments::objective_;
    using typename arguments::negatives, typename arguments::T;
    using tiles = tile_engine<T, Objective>;
    using set = typename tiles::set;
    using reducer = typename Objective::template reducer<T>;
    using row = typename Objective::template row<T>;
    using memory = scratch<decltype(Context::policy)>;

  public:
    pairwise_pass(const Context& ctx, const Objective& objective, const Inputs& inputs, const Gradients& gradients)
        : arguments(objective, inputs), ctx_(ctx), rows_(one_set ? 2 * n_ : n_, d_,
                                                         {one_set, one_set || wants_positives || wants_queue,
                                                          one_set ? wants_any : wants_anchors || wants_temperature}),
          columns_(one_set ? 0 : m_, d_,
                   {true, wants_anchors || wants_temperature, own_queue ? wants_queue : wants_positives}),
          partners_(own_queue ? n_ : 0, d_, {}), schedule_(rows_.blocks(), other().blocks(), one_set),
          memory_(ctx.policy, bytes()) {
        this->check(inputs, unwrap(gradients));
        pack(inputs);
    }

    /// Lets tiles of logits stay in the scratch budget between the passes.
    void keep_logits() {
        if (kept_tiles_ > 0) {
            tiles_.stored_logits = memory_.template take<T>(kept_tiles_ * tile_size * tile_size);
            tiles_.stored_tiles = kept_tiles_;
        }
    }

    /// Reduces every row.
    void reduce() {
        schedule_.run(ctx_, tickets_, [&](const tile_schedule::tile& t, const tile_schedule::tile& next, int worker) {
            tiles_.forward(t, next, work_[worker]);
        });
    }

    template <class Loss>
    void write_loss(const Loss& loss) const {
        using E = typename Loss::value_type;
        const bool each = how() == reduction::per_sample;
        double total = 0;
        for (index_t i = 0; i < n_; ++i) {
            const T l = sample_loss(i);
            if (each) {
                loss(i) = element_cast<E>(l);
            } else {
                total += double(l);
            }
        }
        if (!each) loss(0) = element_cast<E>(how() == reduction::mean && n_ > 0 ? total / double(n_) : total);
    }

    /// Keeps what the backward pass needs of every row.
    void keep_rows() {
        for (index_t i = 0; i < rows_.count(); ++i) row_kept_.put(i, kept_of(objective_, row_state_[i], logit(i)));
        if constexpr (two_way) {
            for (index_t j = 0; j < n_; ++j) column_kept_.put(j, kept_of(objective_, column_state_[j], logit(j)));
        }
    }

    template <class Saved>
    void save(const Saved& saved) {
        keep_rows();
        for_each_kept([&](index_t s, T& value) { saved(s) = value; });
    }

    template <class Saved>
    void restore(const Saved& saved) {
        for_each_kept([&](index_t s, T& value) { value = saved(s); });
    }

    template <class Upstream>
    void differentiate(const Upstream& upstream, const Gradients& gradients) {
        if constexpr (wants_any) {
            weigh_rows(upstream);
            schedule_.run(ctx_, tickets_,
                          [&](const tile_schedule::tile& t, const tile_schedule::tile& next, int worker) {
                              tiles_.backward(t, next, work_[worker]);
                          });
            const auto& g = unwrap(gradients);
            double slope = 0;  // sum of <gradient, value> over the rows of the matrix
            if constexpr (one_set) {
                const auto partner = [&](index_t i) { return rows_.row(i < n_ ? i + n_ : i - n_); };
                slope = 0.5 * (unpack(rows_, 0, n_, partner, selfsame::detail::target(g.anchors)) +
                               unpack(rows_, n_, n_, partner, selfsame::detail::target(g.positives)));
            } else {
                slope =
                    unpack(rows_, 0, n_, [&](index_t i) { return positive(i); }, selfsame::detail::target(g.anchors));
                const auto anchor = [&](index_t i) { return rows_.row(i); };
                if constexpr (own_queue) {
                    unpack(partners_, 0, n_, anchor, selfsame::detail::target(g.positives));
                    unpack(columns_, 0, m_, no_partner{}, selfsame::detail::target(g.queue));
                } else {
                    unpack(columns_, 0, n_, anchor, selfsame::detail::target(g.positives));
                }
            }
            if constexpr (wants_temperature) {
                const auto out = as_tensor<1>(g.temperature);
                using E = typename decltype(out)::value_type;
                const double value = objective_.temperature_gradient(slope / double(tiles_.scale));
                out(0) = element_cast<E>(adds ? double(element_cast<double>(out(0))) + value : value);
            }
        }
    }

  private:
    struct no_partner {};

    set& other() { return one_set ? rows_ : columns_; }
    const set& other() const { return one_set ? rows_ : columns_; }

    std::size_t bytes() {
        const std::size_t tile_bytes = tiles::logit_bytes;
        kept_tiles_ =
            wants_any ? (std::min)(static_cast<index_t>(ctx_.scratch_bytes / tile_bytes), schedule_.numbers()) : 0;
        const auto side = [](index_t n) {
            return scratch_bytes<reducer>(n) + scratch_bytes<T>(n * kept_rows<T, Objective>::fields) +
                   scratch_bytes<T>(n);
        };
        const auto threads = static_cast<std::size_t>(workers(ctx_));
        return rows_.bytes() + columns_.bytes() + partners_.bytes() + side(rows_.padded_count()) +
               scratch_bytes<T>(rows_.padded_count()) + (two_way ? side(columns_.padded_count()) : 0) +
               scratch_bytes<typename tiles::workspace>(workers(ctx_)) +
               scratch_bytes<tile_schedule::ticket>(schedule_.tickets()) +
               threads * tiles::workspace_bytes(rows_.padded_width()) +
               static_cast<std::size_t>(kept_tiles_) * tile_bytes;
    }

    template <class F>
    void for_each_kept(F&& f) {
        index_t s = 0;
        for (int field = 0; field < kept_rows<T, Objective>::fields; ++field) {
            for (index_t i = 0; i < rows_.count(); ++i) f(s++, row_kept_.data[field * row_kept_.stride + i]);
            if constexpr (two_way) {
                for (index_t j = 0; j < n_; ++j) f(s++, column_kept_.data[field * column_kept_.stride + j]);
            }
        }
    }

    void pack(const Inputs& inputs) {
        rows_.allocate(memory_);
        rows_.fill(ctx_, as_tensor<2>(inputs.anchors), 0);
        if constexpr (one_set) {
            rows_.fill(ctx_, as_tensor<2>(inputs.positives), n_);
        } else {
            columns_.allocate(memory_);
            if constexpr (own_queue) {
                columns_.fill(ctx_, as_tensor<2>(inputs.queue), 0);
                partners_.allocate(memory_);
                partners_.fill(ctx_, as_tensor<2>(inputs.positives), 0);
                partners_.finish_filling(ctx_);
            } else {
                columns_.fill(ctx_, as_tensor<2>(inputs.positives), 0);
            }
            columns_.finish_filling(ctx_);
        }
        rows_.finish_filling(ctx_);

        // Affine in the similarity, so two values tell all.
        tiles_.scale = static_cast<T>(objective_.logit(1.0) - objective_.logit(0.0));
        tiles_.bias = static_cast<T>(objective_.logit(0.0));
        tiles_.objective = objective_;
        tiles_.row_set = &rows_;
        tiles_.column_set = &other();
        tiles_.one_set = one_set;
        tiles_.excluded = excluded_diagonals::of<negatives>(n_);
        const auto side = [&](index_t n, reducer*& state, kept_rows<T, Objective>& kept, T*& weight) {
            state = memory_.template take<reducer>(n);
            kept = {memory_.template take<T>(n * kept_rows<T, Objective>::fields), n};
            weight = memory_.template take<T>(n);
            for (index_t e = 0; e < n * kept_rows<T, Objective>::fields; ++e) kept.data[e] = T(0);
            for (index_t i = 0; i < n; ++i) weight[i] = T(0);
        };
        side(rows_.padded_count(), row_state_, row_kept_, row_weight_);
        positive_logit_ = memory_.template take<T>(rows_.padded_count());
        if constexpr (two_way) side(columns_.padded_count(), column_state_, column_kept_, column_weight_);
        for (index_t i = 0; i < rows_.count(); ++i) {
            positive_logit_[i] = tiles_.scale * rows_.inner(rows_.row(i), positive(i)) + tiles_.bias;
            row_state_[i] = reducer::around(positive_logit_[i]);
            if constexpr (two_way) column_state_[i] = reducer::around(positive_logit_[i]);
        }
        tiles_.row_state = row_state_;
        tiles_.column_state = one_set ? row_state_ : two_way ? column_state_ : nullptr;
        tiles_.row_kept = row_kept_;
        tiles_.column_kept = one_set ? row_kept_ : column_kept_;
        tiles_.row_weight = row_weight_;
        tiles_.column_weight = one_set ? row_weight_ : two_way ? column_weight_ : nullptr;
        tickets_ = memory_.template take<tile_schedule::ticket>(schedule_.tickets());
        work_ = memory_.template take<typename tiles::workspace>(workers(ctx_));
        for (int k = 0; k < workers(ctx_); ++k) work_[k] = tiles::allocate(memory_, rows_.padded_width());
    }

    const T* positive(index_t i) const {
        if constexpr (one_set) {
            return rows_.row(i < n_ ? i + n_ : i - n_);
        } else if constexpr (own_queue) {
            return partners_.row(i);
        } else {
            return columns_.row(i);
        }
    }
    T logit(index_t i) const { return positive_logit_[i]; }

    T sample_loss(index_t i) const {
        const T first = loss_of(objective_, row_state_[i], logit(i));
        if constexpr (one_set) {
            return T(0.5) * (first + loss_of(objective_, row_state_[i + n_], logit(i + n_)));
        } else if constexpr (two_way) {
            return T(0.5) * (first + loss_of(objective_, column_state_[i], logit(i)));
        } else {
            return first;
        }
    }

    /// The share of each row's loss in upstream . losses, and the pull between each row and its positive.
    template <class Upstream>
    void weigh_rows(const Upstream& upstream) {
        const bool each = each_upstream(upstream);
        const double share = this->share_of_row();
        for (index_t i = 0; i < n_; ++i) {
            const T w = static_cast<T>(share * element_cast<double>(upstream(each ? i : 0)));
            row_weight_[i] = w;
            if constexpr (one_set) row_weight_[i + n_] = w;
            if constexpr (two_way) column_weight_[i] = w;
        }
        for (index_t i = 0; i < rows_.count(); ++i)
            pull_of(i) = row_weight_[i] * objective_.positive_weight(row_kept_.at(i));
        for (index_t i = 0; i < n_; ++i) {
            if constexpr (one_set) pull_of(i) = pull_of(i + n_) = pull_of(i) + pull_of(i + n_);
            if constexpr (two_way) pull_of(i) += column_weight_[i] * objective_.positive_weight(column_kept_.at(i));
        }
    }

    // The logits of positives are not needed any more once rows are kept.
    T& pull_of(index_t i) { return positive_logit_[i]; }

    /// Finishes the gradients of rows [first, first + n) of a set and writes them; returns sum of <gradient, value>.
    template <class Partner, class Output>
    double unpack(const set& s, index_t first, index_t n, const Partner& partner, const Output& output) {
        constexpr bool writes = !is_none<Output>;
        if constexpr (!writes && !wants_temperature) {
            return 0;
        } else {
            using V = batch<T>;
            constexpr index_t chunk = 64;
            const index_t chunks = (n + chunk - 1) / chunk;
            double* slopes = reinterpret_cast<double*>(work_[0].logits);
            const index_t room = tile_size * tile_size * static_cast<index_t>(sizeof(T)) / 8;
            double slope = 0;
            for (index_t begin = 0; begin < chunks; begin += room) {
                const index_t end = (std::min)(chunks, begin + room);
                parallel_for(ctx_, end - begin, [&](index_t k, int worker) {
                    T* g = work_[worker].row;
                    double part = 0;
                    for (index_t i = (begin + k) * chunk; i < (std::min)(n, (begin + k + 1) * chunk); ++i) {
                        const V scale(tiles_.scale);
                        for (index_t e = 0; e < s.padded_width(); e += lanes<T>) {
                            V x = s.has_gradient() ? load<V>(s.gradient(first + i) + e) : V(T(0));
                            if constexpr (!std::is_same_v<Partner, no_partner>) {
                                x = math::fma(V(pull_of(first + i)), load<V>(partner(first + i) + e), x);
                            }
                            store(g + e, scale * x);
                        }
                        part += double(s.slope(first + i, g));
                        s.differentiate(first + i, g);
                        if constexpr (writes) write_row(output, i, g);
                    }
                    slopes[k] = part;
                });
                for (index_t k = 0; k < end - begin; ++k) slope += slopes[k];
            }
            return slope;
        }
    }

    template <class Output>
    void write_row(const Output& out, index_t i, const T* g) const {
        using E = typename Output::value_type;
        E* to = out.data_handle() + i * out.stride(0);
        const index_t step = out.stride(1);
        for (index_t k = 0; k < d_; ++k) {
            E& e = to[k * step];
            e = element_cast<E>(adds ? element_cast<T>(e) + g[k] : g[k]);
        }
    }

    const Context& ctx_;
    set rows_, columns_, partners_;
    tile_schedule schedule_;
    index_t kept_tiles_ = 0;
    memory memory_;
    tiles tiles_{};
    reducer* row_state_ = nullptr;
    reducer* column_state_ = nullptr;
    kept_rows<T, Objective> row_kept_, column_kept_;
    T* row_weight_ = nullptr;
    T* column_weight_ = nullptr;
    T* positive_logit_ = nullptr;
    typename tiles::workspace* work_ = nullptr;
    tile_schedule::ticket* tickets_ = nullptr;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
