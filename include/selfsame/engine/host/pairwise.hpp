#pragma once

#include <cstring>
#include <limits>

#include "selfsame/engine/excluded_diagonals.hpp"
#include "selfsame/engine/host/embedding_set.hpp"
#include "selfsame/engine/host/fetcher.hpp"
#include "selfsame/engine/host/kept_rows.hpp"
#include "selfsame/engine/host/products.hpp"
#include "selfsame/engine/host/schedule.hpp"

/// \file
/// The host's pairwise engine: walks tiles of the similarity matrix, reduces each and drops it, and computes each again
/// for the gradients. What a pair contributes is the objective's; nothing here knows which objective it is.

namespace selfsame::inline SELFSAME_ISA::host {

template <class T, class Objective, class Set>
class tile_engine {
    using V = batch<T>;
    using product = host::product<precision_of<Objective>, T>;
    using unit = typename product::unit;
    using reducer = typename Objective::template reducer<T>;
    using lane_reducer = typename Objective::template reducer<V>;
    using kept = kept_rows<T, Objective>;
    static constexpr int MR = strip_rows, NV = strip_registers, L = lanes<T>;
    static constexpr index_t strip = strip_columns<T>;
    static constexpr bool shares_level = requires(typename Objective::template row<T> r) { Objective::level(r); };
    static constexpr bool has_reach = requires { reducer::reach; };
    static_assert(tile_size % MR == 0 && tile_size % strip == 0);

    // Pitch of the tile of weights: off a power of two, so that a column of it does not map to one cache set.
    static constexpr index_t pitch = tile_size + 16;
    static constexpr index_t deep = tile_size / product::depth;  // units along a tile
    static constexpr index_t widest_ahead = (256 << 10) / static_cast<index_t>(sizeof(T)) / tile_size;

  public:
    /// Working memory of one thread.
    struct workspace {
        T* row_sums;     // tile_size x lanes
        T* column_sums;  // tile_size
        T* row_factor;
        T* column_factor;
        T* strip;         // strip_rows x strip_columns
        T* logits;        // tile_size x pitch
        unit* by_row;     // weights as the left operand over columns,
        unit* by_column;  // and over rows; both are the memory of `logits` where a unit is a value
        unit* turned;     // by_column, transposed, where products are in tiles
        T* row;           // one embedding
    };
    static constexpr std::size_t logit_bytes = sizeof(T) * tile_size * tile_size;

    static std::size_t workspace_bytes(index_t padded_width) {
        return scratch_bytes<T>(tile_size * L) + 3 * scratch_bytes<T>(tile_size) + scratch_bytes<T>(MR * strip) +
               scratch_bytes<T>(tile_size * pitch) + scratch_bytes<T>(padded_width) +
               (product::depth == 1 ? 0 : scratch_bytes<unit>(tile_size * pitch)) +
               (product::in_tiles ? scratch_bytes<unit>(tile_size * deep) : 0);
    }
    template <class Scratch>
    static workspace allocate(Scratch& m, index_t padded_width) {
        workspace w{};
        w.row_sums = m.template take<T>(tile_size * L);
        w.column_sums = m.template take<T>(tile_size);
        w.row_factor = m.template take<T>(tile_size);
        w.column_factor = m.template take<T>(tile_size);
        w.strip = m.template take<T>(MR * strip);
        w.logits = m.template take<T>(tile_size * pitch);
        if constexpr (product::depth == 1) {
            w.by_row = w.by_column = w.logits;
        } else {
            w.by_row = m.template take<unit>(tile_size * pitch);
            w.by_column = w.by_row + tile_size * pitch / 2;
        }
        if constexpr (product::in_tiles) w.turned = m.template take<unit>(tile_size * deep);
        w.row = m.template take<T>(padded_width);
        return w;
    }

    Objective objective;
    const Set* row_set;
    const Set* column_set;  // may be row_set
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
        [[maybe_unused]] const typename product::open open;
        const area a = bounds(t);
        fetcher ahead = ahead_of(t, next, false);
        const bool columns = column_state != nullptr && !(one_set && t.row_block == t.column_block);
        T* keep = t.number < stored_tiles ? stored_logits + t.number * (tile_size * tile_size) : nullptr;
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
        [[maybe_unused]] const typename product::open open;
        const area a = bounds(t);
        fetcher ahead = ahead_of(t, next, true);
        const bool diagonal = one_set && t.row_block == t.column_block;
        const T* kept_logits = t.number < stored_tiles ? stored_logits + t.number * (tile_size * tile_size) : nullptr;
        column_weight != nullptr ? weigh<true>(a, w, kept_logits, ahead) : weigh<false>(a, w, kept_logits, ahead);
        if (row_set->has_gradient()) {
            add_products<product, T>(w.by_row, pitch / product::depth, 1, column_set->product_rows(a.column),
                                     round_up(a.columns, strip), row_set->gradient(a.row), a.strips_rows,
                                     row_set->padded_width());
        }
        if (column_set->has_gradient() && !diagonal) {
            if constexpr (product::in_tiles) turn(w);
            constexpr index_t row_step = product::in_tiles ? deep : 1, unit_step = product::in_tiles ? 1 : pitch;
            add_products<product, T>(product::in_tiles ? w.turned : w.by_column, row_step, unit_step,
                                     row_set->product_rows(a.row), a.strips_rows, column_set->gradient(a.column),
                                     round_up(a.columns, MR), column_set->padded_width());
        }
    }

  private:
    struct area {
        index_t row, rows, column, columns, strips_rows;
    };

    area bounds(const tile_schedule::tile& t) const {
        const index_t r = t.row_block * tile_size, c = t.column_block * tile_size;
        const index_t rows = (std::min)(tile_size, row_set->count() - r);
        const index_t columns = (std::min)(tile_size, column_set->count() - c);
        return {r, rows, c, columns, round_up(rows, MR)};
    }

    /// What the next tile reads of embeddings and this one does not, where both fit into the second-level cache.
    fetcher ahead_of(const tile_schedule::tile& t, const tile_schedule::tile& next, bool gradients) const {
        fetcher ahead;
        if (row_set->padded_width() > widest_ahead) return ahead;
        const auto bytes = [](index_t units) { return sizeof(unit) * static_cast<std::size_t>(tile_size * units); };
        const index_t r = next.row_block * tile_size, c = next.column_block * tile_size;
        if (next.row_block != t.row_block) ahead.add(row_set->row_units(r), bytes(row_set->row_step()));
        if (next.column_block != t.column_block) {
            ahead.add(column_set->panel(c), bytes(column_set->units_deep()));
            if (gradients && row_set->has_gradient()) {
                ahead.add(column_set->product_rows(c), bytes(column_set->padded_width() / product::depth));
            }
        }
        ahead.spread(tile_size / MR * (tile_size / strip));
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

    /// x = scale a.b + bias of the strip at (i, j) of the tile, MR rows `step` apart.
    SELFSAME_INLINE void logits(const area& a, index_t i, index_t j, T* x, index_t step) const {
        product_strip<product, T>(row_set->row_units(a.row + i), row_set->row_step(), column_set->panel(a.column + j),
                                  row_set->units_deep(), scale, bias, x, step);
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
        for (index_t j = 0; j < a.columns; j += strip) {
            for (index_t i = 0; i < a.strips_rows; i += MR) {
                T* x = keep != nullptr ? keep + kept_at(i, j) : w.strip;
                logits(a, i, j, x, strip);
                ahead.step();
                V column[NV];
                SELFSAME_UNROLL(4)
                for (int v = 0; v < NV; ++v) column[v] = load<V>(w.column_sums + j + v * L);
                const auto add = [&](const T* from, auto&& map) __attribute__((always_inline)) {
                    SELFSAME_UNROLL(2)
                    for (int m = 0; m < MR; ++m) {
                        V row = load<V>(w.row_sums + (i + m) * L);
                        SELFSAME_UNROLL(4)
                        for (int v = 0; v < NV; ++v) {
                            const V e = map(load<V>(from + m * strip + v * L));
                            row += e;
                            column[v] += e;
                        }
                        store(w.row_sums + (i + m) * L, row);
                    }
                };
                const auto map = [&](V y) __attribute__((always_inline)) { return lane_reducer::map(term(y), at); };
                if (!masked(a, i, j)) {
                    add(x, map);
                } else {
                    for (int m = 0; m < MR; ++m) {
                        for (int v = 0; v < NV; ++v) {
                            store(w.strip + m * strip + v * L, map(load<V>(x + m * strip + v * L)));
                        }
                    }
                    replace_excluded(a, i, j, T(0), w.strip, strip);
                    add(w.strip, [](V e) __attribute__((always_inline)) { return e; });
                }
                if constexpr (Columns) {
                    SELFSAME_UNROLL(4)
                    for (int v = 0; v < NV; ++v) store(w.column_sums + j + v * L, column[v]);
                }
            }
        }
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
        const index_t padded_columns = round_up(a.columns, strip);
        for (index_t j = 0; j < a.columns; j += strip) {
            for (index_t i = 0; i < a.strips_rows; i += MR) {
                T* x = w.logits + i * pitch + j;
                logits(a, i, j, x, pitch);
                for (int m = 0; m < MR; ++m) {
                    for (index_t c = 0; c < strip; c += L) {
                        const V y = load<V>(x + m * pitch + c);
                        if (keep != nullptr) store(keep + kept_at(i, j) + m * strip + c, y);
                        store(x + m * pitch + c, term(y));
                    }
                }
                if (masked(a, i, j)) replace_excluded(a, i, j, -(std::numeric_limits<T>::max)(), x, pitch);
            }
        }
        for (index_t i = 0; i < a.rows; ++i) {
            lane_reducer lanes_of_row{};
            for (index_t j = 0; j < padded_columns; j += strip) {
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
        for (index_t j = 0; j < a.columns; j += strip) {
            for (index_t i = 0; i < a.strips_rows; i += MR) {
                const T* x = kept_logits != nullptr ? kept_logits + kept_at(i, j) : w.strip;
                // Weights of a value a unit are left where the products read them.
                T* y = product::depth == 1 ? w.logits + i * pitch + j : w.strip;
                constexpr index_t y_step = product::depth == 1 ? pitch : strip;
                if (kept_logits != nullptr) {
                    for (index_t e = 0; e < MR * strip; e += L) __builtin_prefetch(x + kept_ahead + e, 0, 2);
                } else {
                    logits(a, i, j, w.strip, strip);
                }
                ahead.step();
                SELFSAME_UNROLL(2)
                for (int m = 0; m < MR; ++m) {
                    SELFSAME_UNROLL(4)
                    for (int v = 0; v < NV; ++v) {
                        store(y + m * y_step + v * L, weight(i + m, j + v * L, load<V>(x + m * strip + v * L)));
                    }
                }
                if (masked(a, i, j)) replace_excluded(a, i, j, T(0), y, y_step);
                if constexpr (product::depth == 2) pack_weights(w, i, j);
            }
        }
    }

    static void turn(const workspace& w) {
        using U = batch<unit>;
        for (index_t u = 0; u < deep; u += L) {
            for (index_t j = 0; j < tile_size; j += L) {
                U x[L];
                SELFSAME_UNROLL(16)
                for (int l = 0; l < L; ++l) x[l] = load<U>(w.by_column + (u + l) * pitch + j);
                transpose(x);
                SELFSAME_UNROLL(16)
                for (int l = 0; l < L; ++l) store(w.turned + (j + l) * deep + u, x[l]);
            }
        }
    }

    /// The strip as pairs along the columns and as pairs along the rows.
    static void pack_weights(const workspace& w, index_t i, index_t j) {
        for (index_t m = 0; m < MR; ++m) {
            const T* x = w.strip + m * strip;
            unit* to = w.by_row + ((i + m) * pitch + j) / 2;
            for (index_t c = 0; c < strip; c += 2) to[c / 2] = product::pack(x[c], x[c + 1]);
        }
        for (index_t m = 0; m < MR; m += 2) {
            const T* x = w.strip + m * strip;
            unit* to = w.by_column + (i + m) / 2 * pitch + j;
            for (index_t c = 0; c < strip; ++c) to[c] = product::pack(x[c], x[c + strip]);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::host
