#pragma once

#include <cstring>
#include <limits>

#include "selfsame/engine/excluded_diagonals.hpp"
#include "selfsame/engine/host/block_products.hpp"
#include "selfsame/engine/host/fetcher.hpp"
#include "selfsame/engine/host/kept_rows.hpp"
#include "selfsame/engine/host/schedule.hpp"

/// \file
/// The host's pairwise engine: walks tiles of the similarity matrix, reduces each and drops it, and computes each again
/// for the gradients. What a pair contributes is the objective's; nothing here knows which objective it is.

namespace selfsame::inline SELFSAME_ISA::host {

template <class T, class Objective>
class tile_engine {
    using V = batch<T>;
    using layout = layout_of<precision_of<Objective>, T>;
    using products = block_products<layout>;
    using reducer = typename Objective::template reducer<T>;
    using lane_reducer = typename Objective::template reducer<V>;
    using kept = kept_rows<T, Objective>;
    static constexpr int L = lanes<T>, MR = products::height, NV = products::width / L;
    static constexpr index_t strip = products::width, pitch = weights_pitch;
    static constexpr index_t strips = products::runs_beside ? 3 : 1;  // at hand
    static constexpr bool shares_level = requires(typename Objective::template row<T> r) { Objective::level(r); };
    static constexpr bool has_reach = requires { reducer::reach; };
    static_assert(tile_size % MR == 0 && tile_size % strip == 0);

    static constexpr index_t widest_ahead = (256 << 10) / static_cast<index_t>(sizeof(T)) / tile_size;

  public:
    using set = embedding_set<typename Objective::similarity, layout>;

    /// Working memory of one thread.
    struct workspace {
        T* row_sums;     // tile_size x lanes
        T* column_sums;  // tile_size
        T* row_factor;
        T* column_factor;
        T* strip;   // of logits; more than one, see `strips`
        T* logits;  // tile_size x pitch; then the weights
        T* row;     // one embedding
        products operands;

        /// Where nothing else is while strips are handed on.
        T* spare_strip() const { return strip + (strips - 1) * MR * products::width; }
    };
    static constexpr std::size_t logit_bytes = sizeof(T) * tile_size * tile_size;

    static std::size_t workspace_bytes(index_t padded_width) {
        return scratch_bytes<T>(tile_size * L) + 3 * scratch_bytes<T>(tile_size) +
               scratch_bytes<T>(strips * MR * strip) + scratch_bytes<T>(tile_size * pitch) +
               scratch_bytes<T>(padded_width) + products::bytes(padded_width);
    }
    template <class Scratch>
    static workspace allocate(Scratch& m, index_t padded_width) {
        workspace w{};
        w.row_sums = m.template take<T>(tile_size * L);
        w.column_sums = m.template take<T>(tile_size);
        w.row_factor = m.template take<T>(tile_size);
        w.column_factor = m.template take<T>(tile_size);
        w.strip = m.template take<T>(strips * MR * strip);
        w.logits = m.template take<T>(tile_size * pitch);
        w.row = m.template take<T>(padded_width);
        w.operands.allocate(m, padded_width);
        return w;
    }

    Objective objective;
    const set* row_set;
    const set* column_set;  // may be row_set
    bool one_set;           // column tiles are row tiles: the matrix is symmetric
    excluded_diagonals excluded;
    T scale, bias;
    reducer* row_state;
    reducer* column_state;  // null: columns have no loss of their own
    kept row_kept, column_kept;
    const T* row_weight;
    const T* column_weight;
    T* stored_logits = nullptr;  // tiles that are kept for the backward pass
    index_t stored_tiles = 0;

    // Not inlined, so that a call's bits do not depend on what else it does.
    [[gnu::noinline]] void forward(const tile_schedule::tile& t, const tile_schedule::tile& next,
                                   const workspace& w) const {
        [[maybe_unused]] const typename products::open open;
        const area a = bounds(t);
        fetcher ahead = ahead_of(t, next, false, true);
        const bool columns = column_state != nullptr && !(one_set && t.row_block == t.column_block);
        T* keep = t.number < stored_tiles ? stored_logits + t.number * (tile_size * tile_size) : nullptr;
        w.operands.begin_rows(*row_set, a.row, a.strips_rows);
        T level = T(0);
        bool shared = true;
        if constexpr (has_reach) {
            T low = (std::numeric_limits<T>::max)(), high = -low;
            span_levels(a.row, a.rows, low, high, [&](index_t i) { return row_state[i].level; });
            if (columns) span_levels(a.column, a.columns, low, high, [&](index_t j) { return column_state[j].level; });
            level = high;
            shared = high - low < reducer::reach;
        }
        if (shared) {
            shared = columns ? add_shared<true>(a, w, keep, level, ahead) : add_shared<false>(a, w, keep, level, ahead);
        }
        if constexpr (has_reach) {
            if (!shared) columns ? absorb<true>(a, w, keep) : absorb<false>(a, w, keep);
        }
    }

    [[gnu::noinline]] void backward(const tile_schedule::tile& t, const tile_schedule::tile& next,
                                    const workspace& w) const {
        [[maybe_unused]] const typename products::open open;
        const area a = bounds(t);
        const bool diagonal = one_set && t.row_block == t.column_block;
        const T* kept_logits = t.number < stored_tiles ? stored_logits + t.number * (tile_size * tile_size) : nullptr;
        fetcher ahead = ahead_of(t, next, true, kept_logits == nullptr);
        if (kept_logits == nullptr) w.operands.begin_rows(*row_set, a.row, a.strips_rows);
        column_weight != nullptr ? weigh<true>(a, w, kept_logits, ahead) : weigh<false>(a, w, kept_logits, ahead);
        if (row_set->has_gradient()) {
            w.operands.add_to_rows(w.logits, *row_set, a.row, a.strips_rows, *column_set, a.column, a.strips_columns);
        }
        if (column_set->has_gradient() && !diagonal) {
            w.operands.add_to_columns(w.logits, *column_set, a.column, round_up(a.columns, MR), *row_set, a.row,
                                      a.strips_rows);
        }
    }

  private:
    struct area {
        index_t row, rows, column, columns, strips_rows, strips_columns;
    };

    area bounds(const tile_schedule::tile& t) const {
        const index_t r = t.row_block * tile_size, c = t.column_block * tile_size;
        const index_t rows = (std::min)(tile_size, row_set->count() - r);
        const index_t columns = (std::min)(tile_size, column_set->count() - c);
        return {r, rows, c, columns, round_up(rows, MR), round_up(columns, strip)};
    }

    /// What the next tile reads of embeddings and this one does not, where both fit into the second-level cache.
    fetcher ahead_of(const tile_schedule::tile& t, const tile_schedule::tile& next, bool gradients,
                     bool computes) const {
        fetcher ahead;
        if (row_set->padded_width() > widest_ahead) return ahead;
        const index_t r = next.row_block * tile_size, c = next.column_block * tile_size;
        const auto add = [&](auto memory) { ahead.add(memory.begin, memory.bytes); };
        if (next.row_block != t.row_block) add(row_set->left_memory(r, tile_size));
        if (next.column_block != t.column_block) {
            add(column_set->panel_memory(c, tile_size));
            if (gradients && row_set->has_gradient()) add(column_set->product_memory(c, tile_size));
        }
        const int calls = computes ? products::calls_beside(row_set->padded_width()) : 1;  // of a strip
        ahead.spread(static_cast<std::size_t>(tile_size / MR * (tile_size / strip) * calls));
        return ahead;
    }

    template <class F>
    static void span_levels(index_t first, index_t n, T& low, T& high, F&& at) {
        for (index_t i = first; i < first + n; ++i) {
            low = at(i) < low ? at(i) : low;
            high = at(i) > high ? at(i) : high;
        }
    }

    // Kept tiles lie strip after strip, in the order of the loops: a stream for the processor's prefetcher.
    static constexpr index_t kept_at(index_t i, index_t j) { return j * tile_size + i * strip; }
    static constexpr index_t kept_ahead = 16 * MR * strip;  // fetched so far ahead: memory answers in a strip's time

    bool masked(const area& a, index_t i, index_t j) const {
        return i + MR > a.rows || j + strip > a.columns || excluded.meets(a.row + i, MR, a.column + j, strip);
    }

    // Sets lanes that do not count in the strip at (i, j) of the tile.
    void replace_excluded(const area& a, index_t i, index_t j, T by, T* x, index_t step) const {
        const index_t columns = (std::min)(strip, a.columns - j);
        for (index_t m = 0; m < MR; ++m) {
            T* y = x + m * step;
            for (index_t c = i + m < a.rows ? columns : 0; c < strip; ++c) y[c] = by;
            for (int d = 0; d < excluded.count; ++d) {
                const index_t c = a.row + i + m + excluded.offset[d] - (a.column + j);
                if (c >= 0 && c < strip) y[c] = by;
            }
        }
    }

    struct strip_at {
        index_t i, j;
        const T* x;  // what `logit` makes logits of, MR rows `strip` apart
        bool masked = false;
    };

    /// Computes the strips of the tile, in memory of its own where place(i, j) is null, and hands them on: `rows` some
    /// rows of a strip, `whole` one in which lanes do not count. Where products leave the vector registers alone, a
    /// strip is handed on while the next one is computed.
    template <class Place, class Rows, class Whole>
    SELFSAME_INLINE void for_each_strip(const area& a, const workspace& w, fetcher& ahead, Place&& place, Rows&& rows,
                                        Whole&& whole) const {
        strip_at last{0, 0, nullptr};
        const auto hand_on = [&](int from, int to) __attribute__((always_inline)) {
            ahead.step();
            if (last.masked) {
                if (from == 0) whole(last);
            } else if (last.x != nullptr) {
                rows(last, from, to);
            }
        };
        int turn = 0;
        for (index_t j = 0; j < a.columns; j += strip) {
            for (index_t i = 0; i < a.strips_rows; i += MR) {
                T* x = place(i, j);
                if (x == nullptr) x = w.strip + turn * MR * strip;
                multiply(a, w, i, j, x, strip, hand_on);
                last = {i, j, x, masked(a, i, j)};
                if constexpr (products::runs_beside) {
                    turn = 1 - turn;
                } else {
                    hand_on(0, MR);
                }
            }
        }
        if constexpr (products::runs_beside) hand_on(0, MR);
    }

    /// x of the strip at (i, j) of the tile, and `beside`, if the products can.
    template <class Beside>
    SELFSAME_INLINE void multiply(const area& a, const workspace& w, index_t i, index_t j, T* x, index_t step,
                                  Beside&& beside) const {
        if constexpr (products::runs_beside) {
            w.operands.strip(*row_set, i, *column_set, a.column + j, x, step, beside);
        } else {
            w.operands.strip(*row_set, a.row + i, *column_set, a.column + j, scale, bias, x, step);
        }
    }
    SELFSAME_INLINE V logit(V x) const {
        if constexpr (products::runs_beside) {
            return math::fma(x, V(scale), V(bias));
        } else {
            return x;
        }
    }

    SELFSAME_INLINE V term(V x) const {
        if constexpr (requires { objective.term(x); }) {
            return objective.term(x);
        } else {
            return x;
        }
    }

    /// Sums of mapped terms under one level for the tile. False, with nothing changed, if a term is beyond reach.
    template <bool Columns>
    bool add_shared(const area& a, const workspace& w, T* keep, T level, fetcher& ahead) const {
        const V at(level);
        for (index_t e = 0; e < tile_size * L; e += L) store(w.row_sums + e, V(T(0)));
        for (index_t e = 0; e < tile_size; e += L) store(w.column_sums + e, V(T(0)));
        const auto add = [&](const strip_at& s, const T* from, int first, int last, auto&& map)
                             __attribute__((always_inline)) {
                                 V column[NV];
                                 SELFSAME_UNROLL(4)
                                 for (int v = 0; v < NV; ++v) column[v] = load<V>(w.column_sums + s.j + v * L);
                                 SELFSAME_UNROLL(2)
                                 for (int m = first; m < last; ++m) {
                                     V row = load<V>(w.row_sums + (s.i + m) * L);
                                     SELFSAME_UNROLL(4)
                                     for (int v = 0; v < NV; ++v) {
                                         const V e = map(load<V>(from + m * strip + v * L));
                                         row += e;
                                         column[v] += e;
                                     }
                                     store(w.row_sums + (s.i + m) * L, row);
                                 }
                                 if constexpr (Columns) {
                                     SELFSAME_UNROLL(4)
                                     for (int v = 0; v < NV; ++v) store(w.column_sums + s.j + v * L, column[v]);
                                 }
                             };
        const auto map = [&](V y) __attribute__((always_inline)) { return lane_reducer::map(term(logit(y)), at); };
        const auto place = [&](index_t i, index_t j) { return keep != nullptr ? keep + kept_at(i, j) : nullptr; };
        for_each_strip(
            a, w, ahead, place,
            [&](const strip_at& s, int first, int last)
                __attribute__((always_inline)) { add(s, s.x, first, last, map); },
            [&](const strip_at& s) {
                T* const mapped = w.spare_strip();
                for (index_t e = 0; e < MR * strip; e += L) store(mapped + e, map(load<V>(s.x + e)));
                replace_excluded(a, s.i, s.j, T(0), mapped, strip);
                add(s, mapped, 0, MR, [](V e) __attribute__((always_inline)) { return e; });
            });
        for (index_t i = 0; i < a.rows; ++i) {
            T& s = w.row_sums[i * L];
            s = sum(load<V>(w.row_sums + i * L));
            if constexpr (has_reach) {
                if (!(s > reducer::smallest_sum && s < reducer::largest_sum)) return false;
            }
        }
        if constexpr (Columns && has_reach) {
            for (index_t j = 0; j < a.columns; ++j) {
                if (!(w.column_sums[j] > reducer::smallest_sum)) return false;
            }
        }
        for (index_t i = 0; i < a.rows; ++i) {
            row_state[a.row + i].merge(reducer::from_sum(w.row_sums[i * L], level));
        }
        if constexpr (Columns) {
            for (index_t j = 0; j < a.columns; ++j) {
                column_state[a.column + j].merge(reducer::from_sum(w.column_sums[j], level));
            }
        }
        return true;
    }

    /// The general way: each row and column absorbs the tile's terms under its own level.
    template <bool Columns>
    [[gnu::noinline]] void absorb(const area& a, const workspace& w, T* keep) const {
        for (index_t j = 0; j < a.columns; j += strip) {
            for (index_t i = 0; i < a.strips_rows; i += MR) {
                T* x = w.logits + i * pitch + j;
                multiply(a, w, i, j, x, pitch, [](int, int) {});
                for (int m = 0; m < MR; ++m) {
                    for (index_t c = 0; c < strip; c += L) {
                        const V y = load<V>(x + m * pitch + c);
                        if (keep != nullptr) store(keep + kept_at(i, j) + m * strip + c, y);
                        store(x + m * pitch + c, term(logit(y)));
                    }
                }
                if (masked(a, i, j)) replace_excluded(a, i, j, -(std::numeric_limits<T>::max)(), x, pitch);
            }
        }
        for (index_t i = 0; i < a.rows; ++i) {
            lane_reducer lanes_of_row{};
            for (index_t j = 0; j < a.strips_columns; j += strip) {
                V x[NV];
                for (int v = 0; v < NV; ++v) x[v] = load<V>(w.logits + i * pitch + j + v * L);
                lanes_of_row.absorb(x);
            }
            for (int l = 0; l < L; ++l) row_state[a.row + i].merge(lane(lanes_of_row, l));
        }
        if constexpr (Columns) {
            for (index_t j = 0; j < a.columns; j += L) {
                lane_reducer column{};
                for (index_t i = 0; i < a.strips_rows; i += MR) {
                    V x[MR];
                    for (int m = 0; m < MR; ++m) x[m] = load<V>(w.logits + (i + m) * pitch + j);
                    column.absorb(x);
                }
                for (int l = 0; l < L && j + l < a.columns; ++l) {
                    column_state[a.column + j + l].merge(lane(column, l));
                }
            }
        }
    }

    static reducer lane(const lane_reducer& r, int l) {
        constexpr std::size_t fields = sizeof(reducer) / sizeof(T);
        T all[fields * L], one[fields];
        std::memcpy(all, &r, sizeof(r));
        for (std::size_t f = 0; f < fields; ++f) one[f] = all[f * L + static_cast<std::size_t>(l)];
        reducer result{};
        std::memcpy(&result, one, sizeof(result));
        return result;
    }

    /// d loss / d logit of the tile, as operands of the products that follow.
    template <bool Columns>
    void weigh(const area& a, const workspace& w, const T* kept_logits, fetcher& ahead) const {
        if constexpr (shares_level && Columns) {
            // weight = e^(x - level of the row): one exponential serves row and column.
            T low = (std::numeric_limits<T>::max)(), high = -low;
            span_levels(a.row, a.rows, low, high, [&](index_t i) { return Objective::level(row_kept.at(i)); });
            span_levels(a.column, a.columns, low, high, [&](index_t j) { return Objective::level(column_kept.at(j)); });
            if (high - low < reducer::reach) {
                for (index_t i = 0; i < tile_size; ++i) {
                    w.row_factor[i] =
                        i < a.rows ? row_weight[a.row + i] * math::exp(low - Objective::level(row_kept.at(a.row + i)))
                                   : T(0);
                    w.column_factor[i] = i < a.columns
                                             ? column_weight[a.column + i] *
                                                   math::exp(low - Objective::level(column_kept.at(a.column + i)))
                                             : T(0);
                }
                const V at(low);
                return weigh_strips(a, w, kept_logits, ahead,
                                    [&](index_t i, index_t j, V x) __attribute__((always_inline)) {
                                        return math::exp(x - at) * (V(w.row_factor[i]) + load<V>(w.column_factor + j));
                                    });
            }
        }
        weigh_strips(a, w, kept_logits, ahead, [&](index_t i, index_t j, V x) __attribute__((always_inline)) {
            const index_t r = a.row + i, c = a.column + j;
            const V y = V(row_weight[r]) * objective.weight(x, row_kept.spread(r));
            if constexpr (Columns) {
                return math::fma(load<V>(column_weight + c), objective.weight(x, column_kept.across(c)), y);
            } else {
                return y;
            }
        });
    }

    template <class F>
    SELFSAME_INLINE void weigh_strips(const area& a, const workspace& w, const T* kept_logits, fetcher& ahead,
                                      F&& weight) const {
        const auto weigh = [&](const strip_at& s, int first, int last) __attribute__((always_inline)) {
            T* y = w.logits + s.i * pitch + s.j;
            SELFSAME_UNROLL(2)
            for (int m = first; m < last; ++m) {
                SELFSAME_UNROLL(4)
                for (int v = 0; v < NV; ++v) {
                    store(y + m * pitch + v * L, weight(s.i + m, s.j + v * L, logit(load<V>(s.x + m * strip + v * L))));
                }
            }
        };
        const auto weigh_masked = [&](const strip_at& s) {
            weigh(s, 0, MR);
            replace_excluded(a, s.i, s.j, T(0), w.logits + s.i * pitch + s.j, pitch);
        };
        if (kept_logits == nullptr) {
            const auto place = [](index_t, index_t) { return static_cast<T*>(nullptr); };
            return for_each_strip(a, w, ahead, place, weigh, weigh_masked);
        }
        for (index_t j = 0; j < a.columns; j += strip) {
            for (index_t i = 0; i < a.strips_rows; i += MR) {
                const strip_at s{i, j, kept_logits + kept_at(i, j)};
                for (index_t e = 0; e < MR * strip; e += L) __builtin_prefetch(s.x + kept_ahead + e, 0, 2);
                ahead.step();
                masked(a, i, j) ? weigh_masked(s) : weigh(s, 0, MR);
            }
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::host
