#pragma once

#include "selfsame/engine/cuda/pairwise_tiles.hpp"
#include "selfsame/engine/cuda/row_kernels.hpp"

/// \file
/// What comes before and after the tiles: from partial states to the losses of rows and what they keep, to the loss of
/// samples, back to the weights of rows, and from partial sums to gradients.

namespace selfsame::inline SELFSAME_ISA::device {

/// Puts the partial states of rows together. Row i of sample i or i - samples has the sample's positive.
template <class T, class Products, class Objective>
struct finish_rows : warp_each {
    using reducer = typename Objective::template reducer<T>;
    static constexpr const char* name = "finish_rows";
    Objective objective;
    const reducer* partial;  // of `splits` times as many groups of threads as there are for a row
    index_t count, splits;
    const T* positive_logit;
    index_t samples;
    kept_values<T, Objective> kept;
    T* loss;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i >= count) return;
        const T y = positive_logit[i < samples ? i : i - samples];
        reducer state = reducer::around(y);
        const index_t parts = splits * Products::template held<C>::row_groups;
        for (index_t s = c.lane(); s < parts; s += warp_size) state.merge(partial[s * count + i]);
        for (int mask = 1; mask < warp_size; mask *= 2) state.merge(c.shuffle_xor(state, mask));
        if (c.lane() != 0) return;
        const T value = state.value();
        kept.put(i, objective.keep(value, y));
        loss[i] = objective.loss(value, y);
    }
};

/// Losses of samples: the mean of the sample's rows.
template <class T>
struct sample_loss {
    const T* first;
    const T* second;  // null: a sample has one row
    constexpr double operator()(index_t i) const {
        return second != nullptr ? double(T(0.5) * (first[i] + second[i])) : double(first[i]);
    }
};

template <class T, class E>
struct write_losses : thread_each {
    static constexpr const char* name = "write_losses";
    sample_loss<T> loss;
    index_t count;
    strided_values<E> to;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i < count) to[i] = element_cast<E>(loss(i));
    }
};

/// For `total`: the sum of losses, divided by `divisor`.
template <class T>
struct summed_losses {
    sample_loss<T> loss;
    double divisor;
    constexpr double term(index_t i) const { return loss(i); }
    template <class E>
    constexpr double finish(double sum, const E&) const {
        return sum / divisor;
    }
};

/// For `total`: the gradient of a learnable temperature from the slopes of rows.
template <class Objective>
struct temperature_slope {
    Objective objective;
    const double* slopes;
    double factor;
    bool adds;
    constexpr double term(index_t i) const { return slopes[i]; }
    template <class E>
    constexpr double finish(double sum, const E& before) const {
        const double g = objective.temperature_gradient(factor * sum);
        return adds ? double(element_cast<double>(before)) + g : g;
    }
};

/// Values that `forward` saves, and back.
template <class From, class To>
struct copy_values : thread_each {
    static constexpr const char* name = "copy_values";
    From from;
    To to;
    index_t count;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i < count) to[i] = from[i];
    }
};

/// The share of each row's loss in upstream . losses, and the pull between each row and its positive.
template <class T, class Objective, class Upstream>
struct weigh_rows : thread_each {
    using kept_type = kept_values<T, Objective>;
    static constexpr const char* name = "weigh_rows";
    Objective objective;
    Upstream upstream;
    double share;
    index_t count;                    // samples
    kept_type first, second;          // their rows, where they have two
    T *first_weight, *second_weight;  // second: null where they have one
    T* pull;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i >= count) return;
        const T w = T(share * upstream(i));
        T p = w * objective.positive_weight(first.at(i));
        first_weight[i] = w;
        if (second_weight != nullptr) {
            second_weight[i] = w;
            p = p + w * objective.positive_weight(second.at(i));
        }
        pull[i] = p;
    }
};

/// Gradients of rows: scale (sum of the splits' partial sums + pull x partner), through the normalization, into `to`.
/// slope_i takes <gradient, row> before that. `to` without data: only slopes are wanted; no partner: no pull. A block
/// has a row.
template <class T, class U, class E, class Similarity>
struct finish_gradients {
    static constexpr const char* name = "finish_gradients";
    static constexpr int threads = 128, resident = 4;
    struct shared {
        T inner[threads / warp_size];
    };
    T* partial;  // of `stride` values a split; the first is overwritten; null: none
    index_t splits, stride;
    row_values<T, U> rows, partners;  // partners without data: none
    const T *pull, *inverse_norm;
    T scale;
    double* slope;
    strided_rows<E> to;
    bool adds;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        constexpr int together = 4;
        const index_t i = c.block();
        T inner = T(0);
        for (index_t k = c.thread() * together; k < rows.pitch; k += threads * together) {
            const quad<T> g = gradient(i, k), row = rows.four(i, k);
            SELFSAME_UNROLL_ALL
            for (int r = 0; r < together; ++r) inner = math::fma(g.v[r], row.v[r], inner);
        }
        auto& s = c.template shared<shared>();
        inner = warp_sum(c, inner);
        if (c.lane() == 0) c.write(s.inner[c.warp()], inner);
        c.sync();
        inner = c.read(s.inner[0]);
        for (int w = 1; w < threads / warp_size; ++w) inner = inner + c.read(s.inner[w]);
        if (slope != nullptr && c.thread() == 0) slope[i] = double(inner);
        if (to.data == nullptr) return;
        T factor = T(1), along = T(0);
        if constexpr (Similarity::normalizes) {
            factor = inverse_norm[i];
            along = factor >= T(1 / Similarity::epsilon) ? T(0) : inner;
        }
        for (index_t k = c.thread() * together; k < to.width; k += threads * together) {
            const quad<T> g = splits > 0 ? read_together(sum_at(i, k)) : gradient(i, k), row = rows.four(i, k);
            SELFSAME_UNROLL_ALL
            for (int r = 0; r < together; ++r) {
                if (k + r >= to.width) continue;
                const T v = factor * math::fma(-along, row.v[r], g.v[r]);
                E& e = to.at(i, k + r);
                e = element_cast<E>(adds ? element_cast<T>(e) + v : v);
            }
        }
    }

  private:
    SELFSAME_DEVICE quad<T>* sum_at(index_t i, index_t k) const {
        return reinterpret_cast<quad<T>*>(partial + i * rows.pitch + k);
    }
    /// Left where the first split's was, for the same thread.
    SELFSAME_DEVICE quad<T> gradient(index_t i, index_t k) const {
        quad<T> g{};
        for (index_t s = 0; s < splits; ++s) {
            const quad<T> more = read_together(sum_at(i, k + s * stride));
            SELFSAME_UNROLL_ALL
            for (int r = 0; r < 4; ++r) g.v[r] = g.v[r] + more.v[r];
        }
        if (partners.has_data()) {
            const quad<T> partner = partners.four(i, k);
            SELFSAME_UNROLL_ALL
            for (int r = 0; r < 4; ++r) g.v[r] = math::fma(pull[i], partner.v[r], g.v[r]);
        }
        SELFSAME_UNROLL_ALL
        for (int r = 0; r < 4; ++r) g.v[r] = scale * g.v[r];
        if (splits > 0) write_together(sum_at(i, k), g);
        return g;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
