#pragma once

#include "selfsame/engine/cuda/row_kernels.hpp"
#include "selfsame/policy/accumulate.hpp"

/// \file
/// The device's rowwise engine: a row is reduced by a warp or by a block, and walked again where every element has a
/// result of its own. What a row is reduced to, and what an element is, are the policy's, with T for its values:
///
///     reducer<T>               absorb(terms, column, step, scale), merge, only(counts, term)
///     begin(row)               a row's empty reducer, where that is not reducer<T>{}
///     scale                    a number of T for the reducer
///     finish(reducer, row)     what is known of row number `row`
///     write(known, row)        its results, by one thread
///     element(z, known, column)

namespace selfsame::inline SELFSAME_ISA::device {

/// The threads that share a row: a warp, or a block. Thread `first` has the columns first, first + columns_apart, ...
template <int ThreadsPerRow>
struct row_team {
    static constexpr int threads = ThreadsPerRow > warp_size ? ThreadsPerRow : 4 * warp_size;
    static constexpr int together = threads / ThreadsPerRow;  // rows of a block
    static constexpr bool is_block = ThreadsPerRow > warp_size;
    static constexpr int columns_apart = ThreadsPerRow;
    static constexpr int unroll = 4;
    template <class Reducer>
    struct states {
        Reducer of_warp[threads / warp_size];
    };
    template <class Reducer>
    using shared = std::conditional_t<is_block, states<Reducer>, no_shared>;

    static constexpr index_t blocks(index_t rows) { return blocks_for(rows, together); }
    /// The same in whole warps, or in the whole block.
    template <block_context C>
    SELFSAME_DEVICE static index_t row(const C& c) {
        return c.block() * together + c.thread() / ThreadsPerRow;
    }
    template <block_context C>
    SELFSAME_DEVICE static int first(const C& c) {
        return c.thread() % ThreadsPerRow;
    }

    /// From an empty state. read(k, terms) gives those of columns k, k + columns_apart, ...; past the width any.
    template <class Term, class Reducer, class T, block_context C, class Read>
    SELFSAME_DEVICE static Reducer reduce(C& c, Reducer state, index_t width, T scale, Read&& read) {
        for (index_t k = first(c); k < width; k += unroll * columns_apart) {
            Term z[unroll];
            read(k, z);
            SELFSAME_UNROLL_ALL
            for (int u = 0; u < unroll; ++u) z[u] = Reducer::only(k + u * columns_apart < width, z[u]);
            state.absorb(z, T(k), T(columns_apart), scale);
        }
        for (int mask = 1; mask < warp_size; mask *= 2) state.merge(c.shuffle_xor(state, mask), scale);
        if constexpr (is_block) {
            auto& s = c.template shared<shared<Reducer>>();
            if (c.lane() == 0) c.write(s.of_warp[c.warp()], state);
            c.sync();
            state = c.read(s.of_warp[0]);
            for (int w = 1; w < threads / warp_size; ++w) state.merge(c.read(s.of_warp[w]), scale);
        }
        return state;
    }
};

/// f(team) for the threads that suit rows of this width: short rows a warp each, long ones a block.
template <class F>
void with_row_team(index_t width, F&& f) {
    constexpr index_t longest_of_a_warp = 1024;
    if (width <= longest_of_a_warp) {
        f(row_team<warp_size>());
    } else {
        f(row_team<256>());
    }
}

/// `to` without data: elements have no results. It may be the memory of `from`, element by element.
template <class T, class Policy, class E, class G, class Team>
struct reduce_rows {
    static constexpr const char* name = "reduce_rows";
    using reducer = typename Policy::template reducer<T>;
    static constexpr int threads = Team::threads;
    using shared = typename Team::template shared<reducer>;

    Policy policy;
    strided_rows<E> from;
    strided_rows<G> to;
    bool adds;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = Team::row(c);
        if (i >= from.count) return;
        const int first = Team::first(c);
        const auto state =
            Team::template reduce<T>(c, begin(i), from.width, policy.scale, [&](index_t k, T(&z)[Team::unroll]) {
                SELFSAME_UNROLL_ALL
                for (int u = 0; u < Team::unroll; ++u) {
                    const index_t at = k + u * Team::columns_apart;
                    z[u] = at < from.width ? element_cast<T>(from.at(i, at)) : T(0);
                }
            });
        const auto known = policy.finish(state, i);
        if (first == 0) policy.write(known, i);
        if (to.data == nullptr) return;
        for (index_t k = first; k < to.width; k += Team::columns_apart) {
            const T g = policy.element(element_cast<T>(from.at(i, k)), known, T(k));
            G& result = to.at(i, k);
            result = element_cast<G>(adds ? element_cast<T>(result) + g : g);
        }
    }

  private:
    SELFSAME_DEVICE reducer begin([[maybe_unused]] index_t i) const {
        if constexpr (requires { policy.begin(i); }) {
            return policy.begin(i);
        } else {
            return {};
        }
    }
};

/// Launches `reduce_rows`.
template <class T, class Machine, class Policy, class E, class G>
void reduce_rows_on(const Machine& machine, const Policy& policy, const strided_rows<E>& from,
                    const strided_rows<G>& to, bool adds) {
    with_row_team(from.width, [&]<class Team>(Team) {
        machine.launch(Team::blocks(from.count), reduce_rows<T, Policy, E, G, Team>{policy, from, to, adds});
    });
}

}  // namespace selfsame::inline SELFSAME_ISA::device
