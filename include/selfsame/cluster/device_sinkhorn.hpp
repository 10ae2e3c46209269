#pragma once

#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/row_kernels.hpp"
#include "selfsame/engine/cuda/transport_iterations.hpp"

/// \file
/// `assign` on a device: kernels one after the other, without a wait. Nothing is returned. With a tolerance all
/// iterations are launched, and a position that has converged does nothing in those left. Given marginals are of device
/// memory and not looked at before: where they have no sum > 0 codes are NaN.
/// Working memory is 2 K values for each of 132 chunks of samples at most (for each position, where there are more of
/// them). In float, with up to 67,584 prototypes, without a tolerance, the iterations of each of up to four positions
/// are one kernel if the GPU has room for all its blocks, which takes 16 bytes more for each sample and 512 prototypes,
/// and as many for each prototype and group of samples, of which there are as many as 132 blocks allow.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

/// Weights of the prototypes, evaluated on the device.
inline marginals::uniform weights_of(const marginals::uniform& m) { return m; }

struct power_law_weights {
    double p;
    constexpr double operator()(index_t k) const { return math::exp(-p * math::log(static_cast<double>(k + 1))); }
};
inline power_law_weights weights_of(const marginals::power_law& m) { return {m.p}; }

template <class E>
struct given_weights {
    strided_values<E> values;
    constexpr double operator()(index_t k) const { return element_cast<double>(values[k]); }
};
template <class W>
auto weights_of(const marginals::given<W>& m) {
    const auto w = as_tensor<1>(m.weights);
    static_assert(decltype(w)::accessor_type::space == memory_space::device,
                  "selfsame: on a device the weights of marginals::given must be of device memory");
    return given_weights<typename decltype(w)::element_type>{values_of(w)};
}

template <class T, class E, class G, class Mask, class Options, class Context>
class transport_call {
    using policy = decltype(Context::policy);
    static constexpr bool logarithmic = Options::domain::logarithmic, one_hot = Options::codes::one_hot;
    static constexpr bool has_kernel = std::is_same_v<T, float>;  // of all iterations
    using at_once = std::conditional_t<has_kernel, iterate_together<E, G, Mask, !one_hot>, void>;

  public:
    transport_call(const Context& ctx, const Options& options, index_t positions, index_t samples, index_t prototypes)
        : machine_(ctx.policy), options_(options), positions_(positions), samples_(samples), prototypes_(prototypes) {
        if constexpr (has_kernel) {
            constexpr index_t few = 4;  // more share the multiprocessors better at once
            if (positions <= few && options.tolerance == 0) {
                parts_ = transport_parts::of(samples, prototypes, machine_.enough_blocks);
                if (!machine_.template has_room<at_once>(parts_.blocks())) parts_ = {};
            }
        }
        constexpr index_t fewest = 8, each_multiprocessor = 16;  // samples of a chunk; blocks
        const index_t narrow = blocks_for(prototypes, reduce_prototypes<T, E, Mask>::threads);
        const index_t blocks = parts_.slices == 0 ? machine_.enough_blocks / positions
                                                  : each_multiprocessor * machine_.enough_blocks / (narrow * positions);
        chunk_ = blocks_for(samples, (std::min)((std::max)(blocks, index_t(1)), blocks_for(samples, fewest)));
        chunks_ = blocks_for(samples, chunk_);
        scratch_count count;
        lay_out(count);
        bytes_ = count.bytes();
    }

    void run(const policy& p, const strided_positions<const E>& scores, const strided_positions<G>& codes,
             const Mask& mask) {
        scratch<policy> memory(p, bytes_);
        lay_out(memory);
        const transport_scores<T, E, Mask> x{
            {1.44269504088896340736 / options_.epsilon}, scores, mask, samples_, prototypes_, chunks_, chunk_};
        const auto weights = weights_of(options_.marginals);
        const index_t narrow = blocks_for(prototypes_, reduce_prototypes<T, E, Mask>::threads);
        const auto of = [&](index_t tiles) {
            return prototype_sums<T>{prototypes_, chunks_, tiles, sums_, counted_, potential_, share_};
        };
        machine_.launch(1, fill_shares<T, std::remove_const_t<decltype(weights)>>{weights, prototypes_, share_});
        machine_.launch(positions_ * chunks_ * narrow,
                        reduce_prototypes<T, E, Mask>{x, narrow, sums_, levels_, counted_});
        machine_.launch(positions_ * narrow, start_potentials<T>{of(narrow), levels_, stopped_});
        if (parts_.slices > 0) {
            iterate_at_once(x, codes, of(narrow));
            if (!one_hot) return;
        } else {
            iterate(x, of(blocks_for(prototypes_, transport_threads)));
        }
        machine_.launch(positions_ * samples_, write_codes<T, E, G, Mask, logarithmic, one_hot>{x, codes, potential_});
    }

  private:
    void iterate_at_once(const transport_scores<T, E, Mask>& x, const strided_positions<G>& codes,
                         const prototype_sums<T>& of) const {
        if constexpr (has_kernel) {
            const auto aligned = [&]<class V>(const strided_positions<V>& rows) {
                return rows.step == 1 && rows.row_step % 4 == 0 && rows.position_step % 4 == 0 &&
                       prototypes_ % 4 == 0 &&
                       reinterpret_cast<std::uintptr_t>(rows.data) % alignof(quad<std::remove_const_t<V>>) == 0;
            };
            const index_t count = messages();
            machine_.launch(clear_messages::blocks(count), clear_messages{{}, messages_, count});
            for (index_t p = 0; p < positions_; ++p) {
                machine_.launch(parts_.blocks(),
                                at_once{x, of, codes, parts_, p, options_.iterations - 1,
                                        static_cast<std::uint32_t>(p * options_.iterations), aligned(x.scores),
                                        aligned(codes), messages_, messages_ + 2 * parts_.row_messages(samples_)});
            }
        }
    }
    void iterate(const transport_scores<T, E, Mask>& x, const prototype_sums<T>& of) const {
        using iteration = sum_elements<T, E, Mask, logarithmic>;
        // What the blocks have read is to be in the second level's cache still.
        constexpr index_t cached = index_t(192) << 10;
        const index_t step =
            (std::max)(index_t(1), (std::min)(index_t(iteration::together),
                                              cached / (prototypes_ * static_cast<index_t>(sizeof(E)))));
        int *stopped = stopped_, *stops = stopped_ + positions_;
        for (int i = 1; i < options_.iterations; ++i) {
            machine_.launch(positions_ * chunks_, iteration{x, step, potential_, sums_, stopped});
            machine_.launch(positions_ * of.tiles, add_chunks<T>{of, errors_, stopped});
            machine_.launch(positions_ * of.tiles,
                            correct_potentials<T>{of, options_.tolerance, errors_, stopped, stops});
            std::swap(stopped, stops);
        }
    }
    index_t messages() const { return 2 * (parts_.row_messages(samples_) + parts_.column_messages(prototypes_)); }
    template <class Memory>
    void lay_out(Memory& memory) {
        const index_t sums = positions_ * chunks_ * prototypes_;
        potential_ = memory.template take<T>(positions_ * prototypes_);
        share_ = memory.template take<T>(prototypes_);
        sums_ = memory.template take<T>(sums);
        levels_ = memory.template take<T>(sums);
        errors_ = memory.template take<double>(positions_ * blocks_for(prototypes_, transport_threads));
        counted_ = memory.template take<index_t>(positions_ * chunks_);
        stopped_ = memory.template take<int>(2 * positions_);
        messages_ = memory.template take<message>(messages());
    }

    device::machine<policy> machine_;
    const Options& options_;
    index_t positions_, samples_, prototypes_, chunk_ = 0, chunks_ = 0;
    transport_parts parts_{};  // slices: 0 where kernels follow one another
    std::size_t bytes_ = 0;
    T *potential_ = nullptr, *share_ = nullptr, *sums_ = nullptr, *levels_ = nullptr;
    double* errors_ = nullptr;
    index_t* counted_ = nullptr;
    int* stopped_ = nullptr;
    message* messages_ = nullptr;
};

template <class X>
auto positions_of(const X& x) {
    using E = typename X::element_type;
    if constexpr (X::rank() == 3) {
        return strided_positions<E>{x.data_handle(), x.stride(0), x.stride(1), x.stride(2)};
    } else {
        return strided_positions<E>{x.data_handle(), 0, x.stride(0), x.stride(1)};
    }
}
template <class X>
auto mask_of(const X& x) {
    if constexpr (is_none<X>) {
        return all_count{};
    } else {
        using M = std::remove_const_t<typename X::element_type>;
        if constexpr (X::rank() == 2) {
            return strided_mask<M>{x.data_handle(), x.stride(0), x.stride(1)};
        } else {
            return strided_mask<M>{x.data_handle(), 0, x.stride(0)};
        }
    }
}

}  // namespace device

namespace detail {

template <class Context>
    requires(memory_of<decltype(Context::policy)> == memory_space::device)
struct sinkhorn_engine<Context> {
    template <class T, class Options, class S, class Q, class Mask>
    static void run(const Context& c, const Options& options, index_t positions, index_t samples, index_t prototypes,
                    const S& scores, const Q& codes, const Mask& mask) {
        if (positions * samples == 0) return;
        using E = typename S::value_type;
        const device::strided_positions<const E> from = [&] {
            const auto x = device::positions_of(scores);
            return device::strided_positions<const E>{x.data, x.position_step, x.row_step, x.step};
        }();
        const auto to = device::positions_of(codes);
        const auto counts = device::mask_of(mask);
        device::transport_call<T, E, typename Q::value_type, std::remove_const_t<decltype(counts)>, Options, Context>(
            c, options, positions, samples, prototypes)
            .run(c.policy, from, to, counts);
    }
};

}  // namespace detail

}  // namespace selfsame::inline SELFSAME_ISA
