#pragma once

#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/row_kernels.hpp"
#include "selfsame/engine/cuda/transport_kernels.hpp"

/// \file
/// `assign` on a device: kernels one after the other, without a wait. Nothing is returned. With a tolerance all
/// iterations are launched, and a position that has converged does nothing in those left. Given marginals are of device
/// memory and not looked at before: where they have no sum > 0 codes are NaN.
/// Working memory is 2 K values for each of 132 chunks of samples at most (for each position, where there are more of
/// them).

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

template <class T, class Options, class Context>
class transport_call {
    using policy = decltype(Context::policy);
    static constexpr bool logarithmic = Options::domain::logarithmic, one_hot = Options::codes::one_hot;

  public:
    transport_call(const Context& ctx, const Options& options, index_t positions, index_t samples, index_t prototypes)
        : machine_(ctx.policy), options_(options), positions_(positions), samples_(samples), prototypes_(prototypes) {
        constexpr index_t fewest = 8;  // samples of a chunk
        const index_t wanted = (std::max)(machine_.enough_blocks / positions, index_t(1));
        chunk_ = blocks_for(samples, (std::min)(wanted, blocks_for(samples, fewest)));
        chunks_ = blocks_for(samples, chunk_);
        scratch_count count;
        lay_out(count);
        bytes_ = count.bytes();
    }

    template <class E, class G, class Mask>
    void run(const policy& p, const strided_positions<const E>& scores, const strided_positions<G>& codes,
             const Mask& mask) {
        scratch<policy> memory(p, bytes_);
        lay_out(memory);
        const transport_scores<T, E, Mask> x{
            {1.44269504088896340736 / options_.epsilon}, scores, mask, samples_, prototypes_, chunks_, chunk_};
        const auto weights = weights_of(options_.marginals);
        int *stopped = stopped_, *stops = stopped_ + positions_;
        const index_t narrow = blocks_for(prototypes_, reduce_prototypes<T, E, Mask>::threads);
        const index_t wide = blocks_for(prototypes_, transport_threads);
        const auto of = [&](index_t tiles) {
            return prototype_sums<T>{prototypes_, chunks_, tiles, sums_, counted_, potential_, share_};
        };
        machine_.launch(1, fill_shares<T, std::remove_const_t<decltype(weights)>>{weights, prototypes_, share_});
        machine_.launch(positions_ * chunks_ * narrow,
                        reduce_prototypes<T, E, Mask>{x, narrow, sums_, levels_, counted_});
        machine_.launch(positions_ * narrow, start_potentials<T>{of(narrow), levels_, stopped});
        using iteration = sum_elements<T, E, Mask, logarithmic>;
        // What the blocks have read is to be in the second level's cache still.
        constexpr index_t cached = index_t(192) << 10;
        const index_t step =
            (std::max)(index_t(1), (std::min)(index_t(iteration::together),
                                              cached / (prototypes_ * static_cast<index_t>(sizeof(E)))));
        for (int i = 1; i < options_.iterations; ++i) {
            machine_.launch(positions_ * chunks_, iteration{x, step, potential_, sums_, stopped});
            machine_.launch(positions_ * wide, add_chunks<T>{of(wide), errors_, stopped});
            machine_.launch(positions_ * wide,
                            correct_potentials<T>{of(wide), options_.tolerance, errors_, stopped, stops});
            std::swap(stopped, stops);
        }
        machine_.launch(positions_ * samples_, write_codes<T, E, G, Mask, logarithmic, one_hot>{x, codes, potential_});
    }

  private:
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
    }

    device::machine<policy> machine_;
    const Options& options_;
    index_t positions_, samples_, prototypes_, chunk_ = 0, chunks_ = 0;
    std::size_t bytes_ = 0;
    T *potential_ = nullptr, *share_ = nullptr, *sums_ = nullptr, *levels_ = nullptr;
    double* errors_ = nullptr;
    index_t* counted_ = nullptr;
    int* stopped_ = nullptr;
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
        device::transport_call<T, Options, Context>(c, options, positions, samples, prototypes)
            .run(c.policy, from, device::positions_of(codes), device::mask_of(mask));
    }
};

}  // namespace detail

}  // namespace selfsame::inline SELFSAME_ISA
