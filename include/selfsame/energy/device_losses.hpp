#pragma once

#include "selfsame/energy/labelled.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/rowwise.hpp"
#include "selfsame/engine/cuda/sample_kernels.hpp"

/// \file
/// Losses of energies on a device: the calls of engine/rowwise.hpp with device tensors, a kernel for each part and one
/// for the sum, without a wait. A loss is a device tensor; nothing is returned. `upstream` is a value, or a device
/// tensor. Labels are not looked at before: one that is no column makes NaN of its row's loss and gradients.
/// Working memory is a double for each row of energies, or for 4096 blocks of vectors at most.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

template <class View>
auto const_values(const View& x) {
    using E = typename View::value_type;
    return strided_values<const E>{x.data_handle(), x.stride(0)};
}
template <class Source, class Result>
auto column_of(const Source& from, const Result& to) {
    using E = typename Source::value_type;
    if constexpr (is_none<Result>) {
        return sample_column<E, E>{const_values(from), {}};
    } else {
        return sample_column<E, typename Result::value_type>{const_values(from), values_of(to)};
    }
}

struct sample_passes {
    template <class, bool Adds>
    struct results {
        static constexpr bool adds = Adds;
        template <class View>
        static View of(const View& v) {
            return v;
        }
    };

    template <bool Adds, class Context, class Pass, class Call, class Results>
    static void run(const Context& c, const Pass& pass, const Call& call, const Results& results) {
        using policy = decltype(Context::policy);
        using loss_view = decltype(Call::loss);
        const machine<policy> machine(c.policy);
        const auto losses_of = [&] {
            if constexpr (is_none<loss_view>) {
                return loss_of_samples<float>{};
            } else {
                using L = typename loss_view::value_type;
                return call.each() ? loss_of_samples<L>{values_of(call.loss)} : loss_of_samples<L>{};
            }
        };
        const auto launch = [&](double* sums) {
            pass.each_part(results, [&](int part, const auto& samples) {
                const index_t n = pass.count(part);
                if (n == 0) return;
                const double share = call.share(pass, part);
                auto losses = losses_of();
                losses.sums = sums;
                losses.share = share;
                evaluate<typename Pass::compute, Adds>(machine, samples, n, weights_of(call, share), losses);
                if (sums != nullptr) sums += pieces(samples, n);
            });
        };
        if constexpr (!is_none<loss_view>) {
            if (!call.each()) {
                index_t count = 0;
                pass.each_part(results,
                               [&](int part, const auto& samples) { count += pieces(samples, pass.count(part)); });
                scratch<policy> memory(c.policy, scratch_bytes<double>(count));
                double* const sums = memory.template take<double>(count);
                launch(sums);
                machine.launch(
                    1, total<sum_of_pieces, typename loss_view::value_type>{{}, {sums}, count, values_of(call.loss)});
                return;
            }
        }
        launch(nullptr);
    }

  private:
    template <class Call>
    static auto weights_of(const Call& call, double share) {
        using U = typename decltype(call.upstream)::value_type;
        if constexpr (decltype(call.upstream)::accessor_type::space == memory_space::device) {
            return weight_of_samples<U>{share, const_values(call.upstream), call.each_upstream};
        } else {
            return weight_of_samples<float>{share * element_cast<double>(call.upstream(0))};
        }
    }

    static constexpr index_t samples_a_block(index_t n) {
        return evaluate_samples<float, none, float, float>::each_block(n);
    }

    // Sums that a part's losses come in.
    template <class From, class To, class F>
    static index_t pieces(const sample_elements<From, To, F>&, index_t n) {
        return blocks_for(n, samples_a_block(n));
    }
    template <class O, class Energies, class Labels, class To>
    static index_t pieces(const labelled_rows<O, Energies, Labels, To>&, index_t n) {
        return n;
    }

    template <class Own>
    static index_t pieces(const Own&, index_t n) {
        static_assert(sizeof(Own) == 0, "selfsame: this objective's loops are of the host alone");
        return n;
    }

    template <class T, bool Adds, class Machine, class From, class To, class F, class U, class L>
    static void evaluate(const Machine& machine, const sample_elements<From, To, F>& samples, index_t n,
                         const weight_of_samples<U>& weights, const loss_of_samples<L>& losses) {
        const auto launch = [&]<std::size_t... K>(std::index_sequence<K...>) {
            const auto kernel_of = [&](const auto&... column) {
                using kernel = evaluate_samples<T, F, L, U, std::remove_cvref_t<decltype(column)>...>;
                const index_t each = samples_a_block(n);
                machine.launch(blocks_for(n, each),
                               kernel{{}, samples.f, {{column}...}, n, each, weights, losses, Adds});
            };
            kernel_of(column_of(std::get<K>(samples.from), std::get<K>(samples.to))...);
        };
        launch(std::make_index_sequence<std::tuple_size_v<From>>());
    }

    template <class T, bool Adds, class Machine, class O, class Energies, class Labels, class To, class U, class L>
    static void evaluate(const Machine& machine, const labelled_rows<O, Energies, Labels, To>& x, index_t,
                         const weight_of_samples<U>& weights, const loss_of_samples<L>& losses) {
        using E = typename Energies::value_type;
        using label = typename Labels::value_type;
        const labelled_losses<T, O, labelled_row<O, T>, label, L, U> policy{
            x.objective, x.objective.template scale<T>(), const_values(x.labels), x.energies.extent(1), weights,
            losses};
        const strided_rows<const E> from{x.energies.data_handle(), x.energies.extent(0), x.energies.extent(1),
                                         x.energies.stride(0), x.energies.stride(1)};
        if constexpr (is_none<To>) {
            reduce_rows_on<T>(machine, policy, from, strided_rows<E>{}, false);
        } else {
            reduce_rows_on<T>(machine, policy, from, rows_of(x.to), Adds);
        }
    }
};

}  // namespace device

template <class Context>
    requires(memory_of<decltype(Context::policy)> == memory_space::device)
struct sample_engine<Context> : device::sample_passes {};

}  // namespace selfsame::inline SELFSAME_ISA
