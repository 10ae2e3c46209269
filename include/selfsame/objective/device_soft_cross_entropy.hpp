#pragma once

#include "selfsame/engine/cuda/center_kernels.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/soft_target_kernels.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"

/// \file
/// Cross-entropy with soft targets on a device: the calls of objective/soft_cross_entropy.hpp with device tensors,
/// kernels one after the other, without a wait. Losses go to device tensors; `upstream` is one, or a value. Working
/// memory is a few values for each row.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

/// A matrix that is only read.
template <class Tensor>
auto given_rows(const Tensor& x) {
    static_assert(real_element<typename Tensor::value_type>,
                  "selfsame: logits and targets are float, double, half or bfloat16");
    return strided_rows<const typename Tensor::value_type>{x.data_handle(), x.extent(0), x.extent(1), x.stride(0),
                                                           x.stride(1)};
}
template <class Tensor>
auto given_values(const Tensor& x) {
    return strided_values<const typename Tensor::value_type>{x.data_handle(), x.stride(0)};
}

template <class T, class Context, class Objective, class Inputs>
class soft_target_pass : soft_target_arguments<memory_space::device, Objective, Inputs> {
    using arguments = soft_target_arguments<memory_space::device, Objective, Inputs>;
    using policy = decltype(Context::policy);
    using formula = decltype(std::declval<Objective>().targets.template formula<T>());
    using pairing = decltype(Objective::pairing);
    static_assert(
        std::is_trivially_copyable_v<formula> && std::is_trivially_copyable_v<pairing>,
        "selfsame: targets' formulas and pairings go to the device by value: they must be trivially copyable");
    using arguments::columns_, arguments::each, arguments::has_center, arguments::has_weights, arguments::inputs_,
        arguments::objective_, arguments::pairs_, arguments::samples_, arguments::students_, arguments::teachers_;

  public:
    soft_target_pass(const Context& ctx, const Objective& objective, const Inputs& inputs)
        : arguments(objective, inputs), policy_(ctx.policy), machine_(ctx.policy) {}

    template <bool Adds, class Loss, class Upstream, class Gradient>
    void run(const Loss& loss, const Upstream& upstream, const Gradient& gradient) {
        this->template check_outputs<Adds>(loss, upstream, gradient);
        scratch_count count;
        lay_out(count);
        scratch<policy> memory(policy_, count.bytes());
        lay_out(memory);
        with_weights([&](const auto& weights) {
            if constexpr (is_none<Upstream>) {
                weigh(weights, upstream_value{0}, nullptr);
            } else if constexpr (Upstream::accessor_type::space == memory_space::host) {
                weigh(weights, upstream_value{element_cast<double>(upstream(0))}, slope_);
            } else {
                weigh(weights,
                      upstream_values<typename Upstream::value_type>{given_values(upstream), upstream.size() > 1},
                      slope_);
            }
        });
        const auto students = given_rows(as_tensor<2>(inputs_.students));
        if constexpr (is_none<Gradient>) {
            using S = typename decltype(as_tensor<2>(inputs_.students))::value_type;
            walk(students, strided_rows<S>{}, false);
        } else {
            static_assert(real_element<typename Gradient::value_type>,
                          "selfsame: gradients are float, double, half or bfloat16");
            walk(students, rows_of(gradient), Adds);
        }
        if constexpr (!is_none<Loss>) {
            using E = typename Loss::element_type;
            const soft_target_losses<T> losses{values_, share_, students_};
            if (each()) {
                machine_.launch(thread_each::blocks(samples_),
                                write_terms<soft_target_losses<T>, E>{{}, losses, samples_, values_of(loss)});
            } else {
                machine_.launch(1, total<soft_target_losses<T>, E>{{}, losses, samples_, values_of(loss)});
            }
        }
    }

  private:
    template <class Memory>
    void lay_out(Memory& memory) {
        if constexpr (formula::reduces) known_ = memory.template take<typename formula::row>(teachers_ * samples_);
        values_ = memory.template take<T>(students_ * samples_);
        slope_ = memory.template take<T>(samples_);
        share_ = memory.template take<double>(samples_);
        total_ = memory.template take<double>(1);
    }

    template <class F>
    void with_weights(F&& f) const {
        if constexpr (has_weights) {
            const auto w = given_values(as_tensor<1>(inputs_.weights));
            f(upstream_values<std::remove_const_t<std::remove_pointer_t<decltype(w.data)>>>{w, true});
        } else {
            f(upstream_value{1});
        }
    }

    template <class Weights, class Upstream>
    void weigh(const Weights& weights, const Upstream& upstream, T* slope) const {
        double divisor = static_cast<double>(pairs_);
        const double* sum = nullptr;
        if (objective_.reduction == reduction::mean) {
            if constexpr (has_weights) {
                machine_.launch(1, total<summed_weights<Weights>, double>{{}, {weights}, samples_, {total_, 1}});
                sum = total_;
            } else {
                divisor *= static_cast<double>(samples_);
            }
        }
        machine_.launch(thread_each::blocks(samples_),
                        weigh_samples<T, Weights, Upstream>{
                            {}, weights, upstream, sum, divisor, objective_.temperature, samples_, share_, slope});
    }

    template <class S, class G>
    void walk(const strided_rows<const S>& students, const strided_rows<G>& to, bool adds) const {
        const auto rows = given_rows(as_tensor<2>(inputs_.teacher));
        using E = std::remove_const_t<std::remove_pointer_t<decltype(rows.data)>>;
        const auto center = [&] {
            if constexpr (has_center) {
                return given_values(as_tensor<1>(inputs_.center));
            } else {
                return none{};
            }
        }();
        using center_type = std::remove_const_t<decltype(center)>;
        const teacher_rows<T, formula, E, center_type> teacher{objective_.targets.template formula<T>(), rows, center};
        with_row_team(columns_, [&]<class Team>(Team) {
            if constexpr (formula::reduces) {
                machine_.launch(Team::blocks(rows.count),
                                reduce_targets<T, formula, E, center_type, Team>{teacher, known_});
            }
            machine_.launch(Team::blocks(students.count),
                            soft_target_rows<T, formula, pairing, E, center_type, S, G, Team>{
                                {T(1.44269504088896340736 / objective_.temperature)},
                                teacher,
                                known_,
                                objective_.pairing,
                                samples_,
                                students,
                                slope_,
                                values_,
                                to,
                                adds});
        });
    }

    const policy& policy_;
    device::machine<policy> machine_;
    typename formula::row* known_ = nullptr;
    T *values_ = nullptr, *slope_ = nullptr;
    double *share_ = nullptr, *total_ = nullptr;
};

struct soft_target_passes {
    template <class T, class Context, class Objective, class Inputs>
    using pass = soft_target_pass<T, Context, Objective, Inputs>;

    template <class Context, class Center, class... Teachers>
    static void move_center(const Context& context, const Center& c, double momentum, index_t rows,
                            const Teachers&... teachers) {
        using policy = decltype(Context::policy);
        const machine<policy> machine(context.policy);
        const index_t columns = c.extent(0);
        const index_t tiles = blocks_for(columns, column_threads);
        if (columns == 0) return;
        // Blocks enough to hide the wait for memory, of rows enough to be worth a sum.
        const index_t wanted = (std::max)(16 * machine.enough_blocks / tiles, index_t(1));
        const auto chunk_rows = [&](index_t count) {
            constexpr index_t fewest = 8;
            return (std::max)(blocks_for(count, wanted), fewest);
        };
        const auto chunks_of = [&](const auto& x) { return blocks_for(x.extent(0), chunk_rows(x.extent(0))); };
        const index_t chunks = (chunks_of(teachers) + ...);
        scratch<policy> memory(context.policy, scratch_bytes<double>(chunks * columns));
        double* const sums = memory.template take<double>(chunks * columns);
        index_t done = 0;
        const auto add = [&](const auto& x) {
            using kernel = sum_columns<typename std::remove_cvref_t<decltype(x)>::value_type>;
            machine.launch(chunks_of(x) * tiles,
                           kernel{given_rows(x), tiles, chunk_rows(x.extent(0)), sums + done * columns});
            done += chunks_of(x);
        };
        (add(teachers), ...);
        using E = typename Center::element_type;
        machine.launch(thread_each::blocks(columns),
                       device::move_center<E>{{}, values_of(c), columns, chunks, rows, sums, momentum});
    }
};

}  // namespace device

template <class Context>
    requires(memory_of<decltype(Context::policy)> == memory_space::device)
struct soft_target_engine<Context> : device::soft_target_passes {};

}  // namespace selfsame::inline SELFSAME_ISA
