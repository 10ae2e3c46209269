#pragma once

#include <limits>

#include "selfsame/engine/cuda/row_kernels.hpp"
#include "selfsame/engine/cuda/transport_kernels.hpp"

/// \file
/// Iterations of Sinkhorn and Knopp's on one position, and its codes, in one kernel that reads the scores once for
/// each. Blocks share out columns (slices) and rows (groups). A warp of a block has the slice's part of a row and tells
/// the same warp of the other slices the logarithm of its sum; the part stays in shared memory until all have told
/// theirs. So some rows are under way while others are waited for, and sums over rows and potentials never leave the
/// block, but for groups, which tell each other their sums once an iteration.

namespace selfsame::inline SELFSAME_ISA::device {

/// How a matrix is shared out.
struct transport_parts {
    static constexpr index_t widest = 512;  // columns of a slice
    static constexpr index_t most = 160;    // slices
    static constexpr index_t warps = 16;    // of a block, a row each

    int width = 0, slices = 0, groups = 0;

    /// For at most so many blocks; nothing where slices alone are more.
    static constexpr transport_parts of(index_t samples, index_t prototypes, index_t blocks) {
        const index_t width = blocks_for(blocks_for(prototypes, blocks_for(prototypes, widest)), 4) * 4;
        const index_t slices = blocks_for(prototypes, width);
        if (slices > blocks || slices > most || samples >= index_t(1) << 30) return {};
        const index_t rows = samples < warps ? 1 : samples / warps, room = blocks / slices;
        return {static_cast<int>(width), static_cast<int>(slices), static_cast<int>(room < rows ? room : rows)};
    }
    constexpr index_t blocks() const { return index_t(slices) * groups; }
    /// Messages of one iteration: of rows, and of columns.
    constexpr index_t row_messages(index_t samples) const { return slices * samples; }
    constexpr index_t column_messages(index_t prototypes) const { return groups > 1 ? groups * prototypes : 0; }
};

/// Before any message: their numbers are from 1 on.
struct clear_messages : thread_each {
    static constexpr const char* name = "clear_messages";
    message* to;
    index_t count;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t n = item(c);
        if (n < count) to[n] = {0, 0};
    }
};

/// Codes: whether they are written too, soft ones.
template <class E, class G, class Mask, bool Codes>
struct iterate_together {
    static constexpr const char* name = "iterate_together";
    static constexpr bool cooperative = true;  // all blocks live at the same time
    static constexpr int warps = static_cast<int>(transport_parts::warps), threads = warps * warp_size;
    static constexpr int depth = 4;  // rows of a warp in shared memory
    static constexpr int quads = static_cast<int>(transport_parts::widest) / (4 * warp_size);
    using four = quad<float>;
    struct shared {
        four terms[warps][depth][quads][warp_size];
        float levels[warps][depth][warp_size];
        float potential[transport_parts::widest];
    };
    static_assert(threads == transport_parts::widest);

    transport_scores<float, E, Mask> x;
    prototype_sums<float> of;  // potential: the first, and what it becomes
    strided_positions<G> codes;
    transport_parts parts;
    index_t position;
    int iterations;
    std::uint32_t before;         // numbers of messages to other launches
    bool aligned, aligned_codes;  // four at once
    /// Of two iterations, in turn: nobody tells the next but one before all have heard it.
    message *of_rows, *of_columns;

    template <grid_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        auto& s = c.template shared<shared>();
        const int slice = static_cast<int>(c.block()) % parts.slices;
        const int group = static_cast<int>(c.block()) / parts.slices;
        const int each = static_cast<int>(blocks_for(x.samples, parts.groups));
        const index_t first = index_t(slice) * parts.width, k = first + c.thread();
        const slice_rows rows{slice, static_cast<int>(smaller(parts.width, x.prototypes - first)),
                              group * each + c.warp(), static_cast<int>(smaller((group + 1) * each, x.samples)), first};
        const bool mine = c.thread() < rows.columns;
        float* const column = of.potential + position * x.prototypes;
        const float wanted = mine ? of.target(position, k) : 0.0f;
        // Others have no terms, whatever is loaded of them.
        float potential = mine ? column[k] : none;
        c.write(s.potential[c.thread()], potential);
        for (int n = 1; n <= iterations; ++n) {
            const std::uint32_t number = before + static_cast<std::uint32_t>(n);
            c.sync();
            float sums[quads][4] = {};
            walk(c, rows, number, [&](int, int q, const four& elements) {
                SELFSAME_UNROLL_ALL
                for (int e = 0; e < 4; ++e) sums[q][e] += elements.v[e];
            });
            SELFSAME_UNROLL_ALL
            for (int q = 0; q < quads; ++q) {
                c.write(s.terms[c.warp()][0][q][c.lane()], four{sums[q][0], sums[q][1], sums[q][2], sums[q][3]});
            }
            c.sync();
            float total = 0;
            for (int w = 0; w < warps; ++w) total += c.read(element(s.terms[w][0], c.thread()));
            if (parts.groups > 1 && mine) {
                message* const told = of_columns + number % 2 * parts.column_messages(x.prototypes) + k;
                c.tell(told[group * x.prototypes], {total, number});
                total = 0;
                for (index_t g = 0; g < parts.groups; ++g) total += c.hear(told[g * x.prototypes], number);
            }
            potential = selfsame::detail::transport_terms::next_potential(potential, total, wanted);
            c.write(s.potential[c.thread()], potential);
        }
        if constexpr (Codes) {
            c.sync();
            walk(c, rows, before + static_cast<std::uint32_t>(iterations) + 1,
                 [&](int row, int q, const four& elements) { put(c, rows, row, q, elements); });
            for (int row = rows.begin; row < rows.end; row += warps) {
                if (x.counts(position, row)) continue;
                for (int q = 0; q < quads; ++q) put(c, rows, row, q, four{});
            }
        } else {
            if (mine && group == 0) column[k] = potential;
        }
    }

  private:
    using terms = selfsame::detail::transport_terms;
    static constexpr index_t smaller(index_t a, index_t b) { return a < b ? a : b; }
    static constexpr float lowest = -(std::numeric_limits<float>::max)() / 4;
    static constexpr float none = -std::numeric_limits<float>::infinity();

    /// What a warp has: the columns of its block's slice, of every 16th row.
    struct slice_rows {
        int slice, columns, begin, end;
        index_t first;
    };
    /// Lanes have four neighbours each, and then the next ones.
    template <grid_context C>
    SELFSAME_DEVICE static int column_of(const C& c, int q) {
        return (q * warp_size + c.lane()) * 4;
    }
    /// Where a column of the slice is.
    SELFSAME_DEVICE static float& element(four (&row)[quads][warp_size], int at) {
        return row[at / (4 * warp_size)][at / 4 % warp_size].v[at % 4];
    }
    SELFSAME_DEVICE int next(int row, int end) const {
        while (row < end && !x.counts(position, row)) row += warps;
        return row;
    }

    /// A lane's part of a row, and of what is told of one.
    struct part {
        quad<E> v[quads];
    };
    static constexpr int heard_each = static_cast<int>(transport_parts::most) / warp_size;
    struct heard {
        message of[heard_each];
    };

    /// Calls use(row, q, elements) for the row's elements, which are its terms divided by their sum.
    template <grid_context C, class F>
    SELFSAME_DEVICE void walk(C& c, const slice_rows& rows, std::uint32_t n, F&& use) const {
        auto& s = c.template shared<shared>();
        float potential[quads][4];
        SELFSAME_UNROLL_ALL
        for (int q = 0; q < quads; ++q) {
            SELFSAME_UNROLL_ALL
            for (int e = 0; e < 4; ++e) potential[q][e] = c.read(s.potential[column_of(c, q) + e]);
        }
        message* const told = of_rows + static_cast<int>(n % 2) * parts.row_messages(x.samples);
        const auto load_if = [&](int row) {
            part p{};
            if (row < rows.end) load(c, rows, row, p);
            return p;
        };
        int row = next(rows.begin, rows.end), waiting = row, made = 0, taken = 0;
        part now = load_if(row);
        while (waiting < rows.end) {
            const bool takes = row >= rows.end || made - taken == depth - 1;
            heard h{};
            if (takes) listen(c, told + index_t(waiting) * parts.slices, h);
            if (row < rows.end) {
                const int after = next(row + warps, rows.end);
                const part ahead = load_if(after);
                const float sum = make(c, now, potential, made % depth);
                if (c.lane() == 0) c.tell(told[index_t(row) * parts.slices + rows.slice], {sum, n});
                ++made;
                now = ahead;
                row = after;
            }
            if (takes) {
                const int slot = taken % depth;
                const float whole = sum_of(c, told + index_t(waiting) * parts.slices, h, n);
                // A row without a term has none to give.
                const float factor =
                    whole == none ? 0.0f : terms::map(c.read(s.levels[c.warp()][slot][c.lane()]), whole);
                SELFSAME_UNROLL_ALL
                for (int q = 0; q < quads; ++q) {
                    four elements = c.read(s.terms[c.warp()][slot][q][c.lane()]);
                    SELFSAME_UNROLL_ALL
                    for (int e = 0; e < 4; ++e) elements.v[e] = terms::element(elements.v[e], factor);
                    use(waiting, q, elements);
                }
                ++taken;
                waiting = next(waiting + warps, rows.end);
            }
        }
    }

    template <grid_context C>
    SELFSAME_DEVICE void load(const C& c, const slice_rows& rows, int row, part& p) const {
        SELFSAME_UNROLL_ALL
        for (int q = 0; q < quads; ++q) {
            const int at = column_of(c, q);
            const E* const from = &x.scores.at(position, row, rows.first + at);
            if (aligned) {
                if (at < rows.columns) p.v[q] = read_together(reinterpret_cast<const quad<E>*>(from));
            } else {
                SELFSAME_UNROLL_ALL
                for (int e = 0; e < 4; ++e) {
                    if (at + e < rows.columns) p.v[q].v[e] = from[e * x.scores.step];
                }
            }
        }
    }
    template <grid_context C>
    SELFSAME_DEVICE void put(const C& c, const slice_rows& rows, int row, int q, const four& elements) const {
        const int at = column_of(c, q);
        G* const to = &codes.at(position, row, rows.first + at);
        if (aligned_codes) {
            quad<G> all;
            SELFSAME_UNROLL_ALL
            for (int e = 0; e < 4; ++e) all.v[e] = element_cast<G>(elements.v[e]);
            if (at < rows.columns) write_together(reinterpret_cast<quad<G>*>(to), all);
        } else {
            SELFSAME_UNROLL_ALL
            for (int e = 0; e < 4; ++e) {
                if (at + e < rows.columns) to[e * codes.step] = element_cast<G>(elements.v[e]);
            }
        }
    }

    /// Terms of a row, those of each lane relative to its largest, and the logarithm of the sum of all.
    template <grid_context C>
    SELFSAME_DEVICE float make(C& c, const part& p, const float (&potential)[quads][4], int slot) const {
        auto& s = c.template shared<shared>();
        float y[quads][4], level = lowest;
        SELFSAME_UNROLL_ALL
        for (int q = 0; q < quads; ++q) {
            SELFSAME_UNROLL_ALL
            for (int e = 0; e < 4; ++e) {
                y[q][e] = x.terms.logit(element_cast<float>(p.v[q].v[e]), potential[q][e]);
                level = (math::max)(level, y[q][e]);
            }
        }
        float sum = 0;
        SELFSAME_UNROLL_ALL
        for (int q = 0; q < quads; ++q) {
            four made;
            SELFSAME_UNROLL_ALL
            for (int e = 0; e < 4; ++e) {
                made.v[e] = terms::map(y[q][e], level);
                sum += made.v[e];
            }
            c.write(s.terms[c.warp()][slot][q][c.lane()], made);
        }
        c.write(s.levels[c.warp()][slot][c.lane()], level);
        return logarithm_of_sum(c, sum, level);
    }

    /// log2 of the sum over the lanes of sum 2^level.
    template <grid_context C>
    SELFSAME_DEVICE static float logarithm_of_sum(C& c, float sum, float level) {
        float top = level;
        for (int mask = 1; mask < warp_size; mask *= 2) top = (math::max)(top, c.shuffle_xor(top, mask));
        return top + math::log2(warp_sum(c, sum * terms::map(level, top)));
    }

    /// What is told of a row so far.
    template <grid_context C>
    SELFSAME_DEVICE void listen(C& c, const message* told, heard& h) const {
        SELFSAME_UNROLL_ALL
        for (int i = 0; i < heard_each; ++i) {
            const int at = i * warp_size + c.lane();
            if (at < parts.slices) h.of[i] = c.look(told[at]);
        }
    }
    /// The logarithm of a row's sum, once all have told theirs.
    template <grid_context C>
    SELFSAME_DEVICE float sum_of(C& c, const message* told, const heard& h, std::uint32_t n) const {
        float logs[heard_each], level = lowest;
        SELFSAME_UNROLL_ALL
        for (int i = 0; i < heard_each; ++i) {
            const int at = i * warp_size + c.lane();
            logs[i] = none;
            if (at < parts.slices) logs[i] = h.of[i].number == n ? h.of[i].value : c.hear(told[at], n);
            level = (math::max)(level, logs[i]);
        }
        float sum = 0;
        SELFSAME_UNROLL_ALL
        for (int i = 0; i < heard_each; ++i) sum += terms::map(logs[i], level);
        return logarithm_of_sum(c, sum, level);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
