#pragma once

#include "selfsame/cluster/device_sinkhorn.hpp"
#include "selfsame/engine/cuda/matrix_products.hpp"
#include "selfsame/engine/cuda/pairwise_rows.hpp"
#include "selfsame/objective/device_soft_cross_entropy.hpp"
#include "selfsame/objective/swav.hpp"

/// \file
/// SwAV on a device: the calls of objective/swav.hpp with device tensors, kernels one after the other, without a wait.
/// Losses go to device tensors; `upstream` is one, or a value. Working memory is the scores of all views with the
/// prototypes, in float or double, the codes of the assigned views (and their scores again with a queue), what is
/// given once more, and some partial gradients.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

template <class T>
struct matrix_block;
template <>
struct matrix_block<float> {
    using type = fma_block<float, 8, 8>;
};
template <>
struct matrix_block<double> {
    using type = fma_block<double, 4, 4>;
};

template <class T, class Context, class Objective, class Inputs, bool WantsFeatures, bool WantsPrototypes>
class prototype_pass : public prototype_arguments<memory_space::device, Objective, Inputs> {
    using arguments = prototype_arguments<memory_space::device, Objective, Inputs>;
    using arguments::assigned_, arguments::d_, arguments::has_queue, arguments::inputs_, arguments::k_, arguments::n_,
        arguments::objective_, arguments::queued_, arguments::views_;
    using policy = decltype(Context::policy);
    using block = typename matrix_block<T>::type;
    using layout = unit_layout<T>;
    using operand = typename block::operand;
    using rows_type = row_values<T, T>;

  public:
    prototype_pass(const Context& ctx, const Objective& objective, const Inputs& inputs)
        : arguments(objective, inputs), ctx_(ctx), machine_(ctx.policy), width_(layout::pitch_for(d_)),
          pitch_(layout::pitch_for(k_)) {}

    template <bool Adds, class Loss, class Upstream, class Gradients>
    void run(const Loss& loss, const Upstream& upstream, const Gradients& gradients) {
        scratch_count count;
        lay_out(count);
        scratch<policy> memory(ctx_.policy, count.bytes());
        lay_out(memory);
        pack<cosine>(given_rows(as_tensor<2>(inputs_.features)), width_, features_, inverse_norms_);
        pack<dot>(given_rows(as_tensor<2>(inputs_.prototypes)), width_, prototypes_, nullptr);
        score(features_, views_ * n_, scores_);
        if (n_ > 0) assign_codes();
        const auto scores = matrix_of(scores_, views_ * n_);
        predict(loss, upstream, scores);
        if constexpr (WantsFeatures) {
            const tile_split split = split_of(k_, views_ * n_);
            multiply<lies::along, lies::across>({scores_, nullptr, views_ * n_, pitch_, views_ * n_},
                                                {prototypes_, nullptr, k_, width_, k_}, k_, split, sums_, views_ * n_,
                                                width_);
            finish<cosine, Adds>(split, features_, inverse_norms_, as_tensor<2>(gradients.features));
        }
        if constexpr (WantsPrototypes) {
            const tile_split split = split_of(views_ * n_, k_);
            multiply<lies::across, lies::across>({scores_, nullptr, views_ * n_, pitch_, views_ * n_},
                                                 {features_, nullptr, views_ * n_, width_, views_ * n_}, views_ * n_,
                                                 split, sums_, k_, width_);
            finish<dot, Adds>(split, prototypes_, nullptr, as_tensor<2>(gradients.prototypes));
        }
    }

  private:
    template <class Memory>
    void lay_out(Memory& memory) {
        features_ = memory.template take<T>(views_ * n_ * width_);
        inverse_norms_ = memory.template take<T>(views_ * n_);
        prototypes_ = memory.template take<T>(k_ * width_);
        scores_ = memory.template take<T>(views_ * n_ * pitch_);
        codes_ = memory.template take<T>(assigned_ * n_ * pitch_);
        if constexpr (has_queue) {
            queue_ = memory.template take<T>(assigned_ * queued_ * width_);
            norms_of_queue_ = memory.template take<T>(assigned_ * queued_);
            beside_queue_ = memory.template take<T>(assigned_ * (n_ + queued_) * pitch_);
        }
        index_t sums = 0;
        if (WantsFeatures) sums = split_of(k_, views_ * n_).splits * views_ * n_ * width_;
        if (WantsPrototypes) sums = (std::max)(sums, split_of(views_ * n_, k_).splits * k_ * width_);
        sums_ = memory.template take<T>(sums);
    }

    auto matrix_of(T* data, index_t rows) const {
        return view<memory_space::device>(data, std::array<index_t, 2>{rows, k_}, std::array<index_t, 2>{pitch_, 1});
    }
    auto positions_of(T* data, index_t rows) const {
        return view<memory_space::device>(data, std::array<index_t, 3>{assigned_, rows, k_},
                                          std::array<index_t, 3>{rows * pitch_, pitch_, 1});
    }

    /// Rows one after the other, zero from their width to the pitch.
    template <class Similarity, class E>
    void pack(const strided_rows<const E>& from, index_t pitch, T* to, T* inverse_norms) const {
        machine_.launch(warp_each::blocks(from.count),
                        pack_rows<T, T, const E, Similarity>{
                            {}, from, 0, from.count, pitch, from.count, to, nullptr, nullptr, inverse_norms});
    }

    /// How a sum over `depth` terms for rows x d_ results is shared among blocks.
    tile_split split_of(index_t depth, index_t rows) const {
        constexpr index_t fewest = 4 * block::depth;
        return {depth, fewest, blocks_for(rows, block::tile_rows) * blocks_for(width_, block::tile_columns),
                machine_.enough_blocks * block::resident};
    }

    template <lies Left, lies Right>
    void multiply(const operand& left, const operand& right, index_t depth, const tile_split& split, T* to,
                  index_t rows, index_t pitch) const {
        const index_t row_blocks = blocks_for(rows, block::tile_rows);
        const index_t column_blocks = blocks_for(pitch, block::tile_columns);
        machine_.launch(row_blocks * column_blocks * split.splits,
                        multiply_tiles<block, Left, Right>{
                            {}, left, right, depth, row_blocks, column_blocks, split, to, rows, pitch});
    }
    /// Scores of packed rows.
    void score(const T* rows, index_t count, T* to) const {
        const tile_split whole(width_, block::depth, 1, 1);
        multiply<lies::along, lies::along>({rows, nullptr, count, width_, count},
                                           {prototypes_, nullptr, k_, width_, k_}, width_, whole, to, count, pitch_);
    }

    /// The codes of the assigned views, each view's by itself.
    void assign_codes() const {
        if constexpr (has_queue) {
            const auto rows = [&](T* from) { return given_rows(matrix_of(from, n_)); };
            pack<cosine>(given_rows(as_tensor<2>(inputs_.queue)), width_, queue_, norms_of_queue_);
            for (index_t a = 0; a < assigned_; ++a) {
                T* const to = beside_queue_ + a * (n_ + queued_) * pitch_;
                pack<dot>(rows(scores_ + a * n_ * pitch_), pitch_, to, nullptr);
                score(queue_ + a * queued_ * width_, queued_, to + n_ * pitch_);
            }
            const auto x = positions_of(beside_queue_, n_ + queued_);
            assign(ctx_, objective_.assignment, x, x);
            for (index_t a = 0; a < assigned_; ++a) {
                pack<dot>(rows(beside_queue_ + a * (n_ + queued_) * pitch_), pitch_, codes_ + a * n_ * pitch_, nullptr);
            }
        } else {
            assign(ctx_, objective_.assignment, positions_of(scores_, n_), positions_of(codes_, n_));
        }
    }

    /// Losses, and slopes in the place of the scores where gradients are wanted.
    template <class Loss, class Upstream, class Scores>
    void predict(const Loss& loss, const Upstream& upstream, const Scores& scores) const {
        const soft_cross_entropy<given_targets, other_views> objective{
            {}, objective_.pairing, objective_.temperature, objective_.reduction};
        const selfsame::views inputs{matrix_of(codes_, assigned_ * n_), scores};
        soft_target_pass<T, Context, std::remove_const_t<decltype(objective)>, std::remove_const_t<decltype(inputs)>>
            pass(ctx_, objective, inputs);
        if constexpr (WantsFeatures || WantsPrototypes) {
            pass.template run<false>(loss, upstream, scores);
        } else {
            pass.template run<false>(loss, none{}, none{});
        }
    }

    template <class Similarity, bool Adds, class Output>
    void finish(const tile_split& split, const T* rows, const T* inverse_norms, const Output& out) const {
        static_assert(real_element<typename Output::value_type>,
                      "selfsame: gradients are float, double, half or bfloat16");
        const auto to = rows_of(out);
        const rows_type values{rows, nullptr, nullptr, width_, to.count};
        machine_.launch(
            to.count,
            finish_gradients<T, T, typename Output::value_type, Similarity>{
                sums_, split.splits, to.count * width_, values, {}, nullptr, inverse_norms, T(1), nullptr, to, Adds});
    }

    const Context& ctx_;
    device::machine<policy> machine_;
    index_t width_, pitch_;
    T *features_ = nullptr, *inverse_norms_ = nullptr, *prototypes_ = nullptr, *scores_ = nullptr, *codes_ = nullptr,
      *queue_ = nullptr, *norms_of_queue_ = nullptr, *beside_queue_ = nullptr, *sums_ = nullptr;
};

struct prototype_passes {
    template <class T, class Context, class Objective, class Inputs, class Loss, class Upstream, class Gradients>
    static void run(const Context& context, const Objective& objective, const Inputs& inputs, const Loss& loss,
                    const Upstream& upstream, const Gradients& wanted) {
        const auto& gradients = host::unwrap(wanted);
        prototype_pass<T, Context, Objective, Inputs, !is_none<decltype(gradients.features)>,
                       !is_none<decltype(gradients.prototypes)>>
            pass(context, objective, inputs);
        pass.check_outputs(loss, upstream, wanted);
        pass.template run<host::adds<Gradients>>(loss, upstream, gradients);
    }

    template <class Context, class Rows>
    static void normalize(const Context& context, const Rows& rows) {
        using policy = decltype(Context::policy);
        machine<policy>(context.policy)
            .launch(warp_each::blocks(rows.extent(0)), normalize_each<typename Rows::value_type>{{}, rows_of(rows)});
    }
};

}  // namespace device

template <class Context>
    requires(memory_of<decltype(Context::policy)> == memory_space::device)
struct prototype_engine<Context> : device::prototype_passes {};

}  // namespace selfsame::inline SELFSAME_ISA
