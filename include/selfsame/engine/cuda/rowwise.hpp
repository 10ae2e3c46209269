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

/// `to` without data: elements have no results. It may be the memory of `from`, element by element.
template <class T, class Policy, class E, class G, int ThreadsPerRow>
struct reduce_rows {
    static constexpr const char* name = "reduce_rows";
    using reducer = typename Policy::template reducer<T>;
    static constexpr int threads = ThreadsPerRow > warp_size ? ThreadsPerRow : 4 * warp_size;
    static constexpr int together = threads / ThreadsPerRow;
    static constexpr bool needs_block = ThreadsPerRow > warp_size;
    struct states {
        reducer of_warp[threads / warp_size];
    };
    using shared = std::conditional_t<needs_block, states, no_shared>;

    Policy policy;
    strided_rows<E> from;
    strided_rows<G> to;
    bool adds;

    static constexpr index_t blocks(index_t rows) { return blocks_for(rows, together); }

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = c.block() * together + c.thread() / ThreadsPerRow;
        if (i >= from.count) return;  // whole warps, or the whole block
        const int first = c.thread() % ThreadsPerRow;
        reducer state = begin(i);
        for (index_t k = first; k < from.width; k += unroll * ThreadsPerRow) {
            T z[unroll];
            SELFSAME_UNROLL_ALL
            for (int u = 0; u < unroll; ++u) {
                const index_t at = k + u * ThreadsPerRow;
                const bool there = at < from.width;
                z[u] = reducer::only(there, there ? element_cast<T>(from.at(i, at)) : T(0));
            }
            state.absorb(z, T(k), T(ThreadsPerRow), policy.scale);
        }
        for (int mask = 1; mask < warp_size; mask *= 2) state.merge(c.shuffle_xor(state, mask), policy.scale);
        if constexpr (needs_block) {
            auto& s = c.template shared<shared>();
            if (c.lane() == 0) c.write(s.of_warp[c.warp()], state);
            c.sync();
            state = c.read(s.of_warp[0]);
            for (int w = 1; w < threads / warp_size; ++w) state.merge(c.read(s.of_warp[w]), policy.scale);
        }
        const auto known = policy.finish(state, i);
        if (first == 0) policy.write(known, i);
        if (to.data == nullptr) return;
        for (index_t k = first; k < to.width; k += ThreadsPerRow) {
            const T g = policy.element(element_cast<T>(from.at(i, k)), known, T(k));
            G& result = to.at(i, k);
            result = element_cast<G>(adds ? element_cast<T>(result) + g : g);
        }
    }

  private:
    static constexpr int unroll = 4;

    SELFSAME_DEVICE reducer begin([[maybe_unused]] index_t i) const {
        if constexpr (requires { policy.begin(i); }) {
            return policy.begin(i);
        } else {
            return {};
        }
    }
};

/// Launches `reduce_rows`: short rows a warp each, long ones a block.
template <class T, class Machine, class Policy, class E, class G>
void reduce_rows_on(const Machine& machine, const Policy& policy, const strided_rows<E>& from,
                    const strided_rows<G>& to, bool adds) {
    const auto launch = [&]<int Threads>(std::integral_constant<int, Threads>) {
        using kernel = reduce_rows<T, Policy, E, G, Threads>;
        machine.launch(kernel::blocks(from.count), kernel{policy, from, to, adds});
    };
    constexpr index_t longest_of_a_warp = 1024;
    if (from.width <= longest_of_a_warp) {
        launch(std::integral_constant<int, warp_size>());
    } else {
        launch(std::integral_constant<int, 256>());
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::device
