#pragma once

#include "selfsame/engine/cuda/fma_products.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/mma_products.hpp"
#include "selfsame/engine/cuda/pairwise_rows.hpp"
#include "selfsame/engine/pairwise.hpp"
#include "selfsame/policy/precision.hpp"

/// \file
/// One call of an objective over pairs on a device: checks the arguments and launches kernels, one after the other,
/// with no wait. Rows own their gradients: a matrix whose rows and columns both want one is computed once for each.
/// Working memory is the embeddings once more, a slab of weights of at most 48 MB, some tiles' partial gradients, and
/// some values a row.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

/// How tiles are multiplied.
template <class Precision, class T>
struct products_of;
template <>
struct products_of<full_precision, float> {
    using type = fma_products<float, 8, 8>;
    using sums = fma_sums<float, 8, 8>;
    using narrow_sums = sums;
};
template <>
struct products_of<full_precision, double> {
    using type = fma_products<double, 4, 4>;
    using sums = fma_sums<double, 4, 4>;
    using narrow_sums = sums;
};
template <>
struct products_of<bfloat16_products, float> {
    using type = mma_products<bfloat16>;
    using sums = mma_sums<bfloat16, 256>;
    using narrow_sums = mma_sums<bfloat16, 128>;
};

template <class Context, class Objective, class Inputs, class Gradients>
class pairwise_pass : public pairwise_arguments<memory_space::device, Objective, Inputs, Gradients> {
    using arguments = pairwise_arguments<memory_space::device, Objective, Inputs, Gradients>;
    using arguments::adds, arguments::one_set, arguments::own_queue, arguments::two_way, arguments::wants_anchors,
        arguments::wants_any, arguments::wants_positives, arguments::wants_queue, arguments::wants_temperature;
    using arguments::d_, arguments::each_upstream, arguments::how, arguments::m_, arguments::n_, arguments::objective_;
    using typename arguments::T, typename arguments::negatives;
    using policy = decltype(Context::policy);
    using similarity = typename Objective::similarity;
    using arithmetic = products_of<precision_of<Objective>, T>;
    using products = typename arithmetic::type;
    using unit = typename products::unit;
    using layout = unit_layout<unit>;
    using rows_type = row_values<T, unit>;
    using reducer = typename Objective::template reducer<T>;
    using kept = kept_values<T, Objective>;
    using weighted = weighted_rows<T, Objective>;
    static_assert(std::is_trivially_copyable_v<Objective> && std::is_trivially_copyable_v<reducer>,
                  "selfsame: an objective and its reducers go to the device by value: they must be trivially copyable");

    static constexpr bool two_rows = one_set || two_way;  // a sample has two rows that have losses
    static constexpr bool wants_rows = one_set ? wants_any : wants_anchors || wants_temperature;
    static constexpr bool wants_columns = !one_set && (own_queue ? wants_queue : wants_positives);

  public:
    pairwise_pass(const Context& ctx, const Objective& objective, const Inputs& inputs, const Gradients& gradients)
        : arguments(objective, inputs), machine_(ctx.policy), pitch_(layout::pitch_for(d_)),
          logit_{static_cast<T>(objective.logit(1.0) - objective.logit(0.0)), static_cast<T>(objective.logit(0.0))},
          memory_(ctx.policy, (this->check(inputs, host::unwrap(gradients)), bytes())) {
        lay_out(memory_);
        pack(inputs.anchors, rows_, 0);
        if constexpr (one_set) {
            pack(inputs.positives, rows_, n_);
        } else if constexpr (own_queue) {
            pack(inputs.positives, partners_, 0);
            pack(inputs.queue, columns_, 0);
        } else {
            pack(inputs.positives, columns_, 0);
        }
        machine_.launch(warp_each::blocks(n_),
                        paired_products<T, unit, affine_logit<T>>{
                            {}, values_of_rows(rows_), partner_rows(), n_, logit_, positive_logit_});
    }

    template <class Upstream>
    void check_upstream(const Upstream& upstream) const {
        arguments::check_upstream(upstream);
        if (Upstream::accessor_type::space == memory_space::host && each_upstream(upstream)) {
            fail("upstream", "a tensor of the host", "one of the device, or a value");
        }
    }

    void keep_logits() {}

    /// Reduces every row.
    void reduce() {
        reduce(rows_, other(), 0);
        if constexpr (two_way) reduce(columns_, rows_, n_);
    }

    template <class Loss>
    void write_loss(const Loss& loss) const {
        const sample_loss<T> of{loss_, two_rows ? loss_ + n_ : nullptr};
        const auto to = values_of(loss);
        using E = typename Loss::element_type;
        if (how() == reduction::per_sample) {
            machine_.launch(thread_each::blocks(n_), write_losses<T, E>{{}, of, n_, to});
        } else {
            const double divisor = how() == reduction::mean && n_ > 0 ? double(n_) : 1;
            machine_.launch(1, total<summed_losses<T>, E>{{}, {of, divisor}, n_, to});
        }
    }

    void keep_rows() {}  // done where rows were reduced

    template <class Saved>
    void save(const Saved& saved) const {
        copy(strided_values<const T>{kept_, 1}, values_of(saved));
    }
    template <class Saved>
    void restore(const Saved& saved) const {
        copy(values_of(saved), strided_values<T>{kept_, 1});
    }

    template <class Upstream>
    void differentiate(const Upstream& upstream, const Gradients& gradients) {
        if constexpr (wants_any) {
            if constexpr (Upstream::accessor_type::space == memory_space::device) {
                using values = upstream_values<std::remove_const_t<typename Upstream::element_type>>;
                weigh(values{{upstream.data_handle(), upstream.stride(0)}, each_upstream(upstream)});
            } else {
                weigh(upstream_value{element_cast<double>(upstream(0))});
            }
            const auto& g = host::unwrap(gradients);
            if constexpr (wants_rows) {
                each_slab<true, two_rows>(rows_, other(), losses_of(0), losses_of(one_set ? 0 : n_), [&](sums_of s) {
                    finish(s, rows_, 0, partner_rows(), slopes_, selfsame::detail::target(g.anchors));
                    if constexpr (one_set) {
                        finish(s, rows_, n_, values_of_rows(rows_), slopes_ == nullptr ? nullptr : slopes_ + n_,
                               selfsame::detail::target(g.positives));
                    }
                });
            }
            if constexpr (wants_columns) {
                each_slab<two_way, true>(columns_, rows_, losses_of(n_), losses_of(0), [&](sums_of s) {
                    if constexpr (own_queue) {
                        finish(s, columns_, 0, rows_type{}, nullptr, selfsame::detail::target(g.queue));
                    } else {
                        finish(s, columns_, 0, values_of_rows(rows_), nullptr, selfsame::detail::target(g.positives));
                    }
                });
            }
            if constexpr (own_queue && wants_positives) {
                finish(sums_of{0, n_, 0}, partners_, 0, values_of_rows(rows_), nullptr,
                       selfsame::detail::target(g.positives));
            }
            if constexpr (wants_temperature) {
                const auto to = as_tensor<1>(g.temperature);
                const temperature_slope<Objective> slope{objective_, slopes_,
                                                         (one_set ? 0.5 : 1) / double(logit_.scale), adds};
                machine_.launch(1, total<temperature_slope<Objective>, typename decltype(to)::element_type>{
                                       {}, slope, rows_.count, values_of(to)});
            }
        }
    }

  private:
    /// Embeddings as they are multiplied, and in the type of the computation where that is another and they are exact
    /// in no other.
    struct embeddings {
        index_t count = 0;
        T* values = nullptr;
        unit* units = nullptr;
        T* factor = nullptr;
        T* inverse_norm = nullptr;
    };
    static constexpr bool has_units = !std::is_same_v<unit, T>;
    template <class... Given>
    static constexpr bool needs_values = !(std::is_same_v<element_t<Given, 2>, unit> && ...) || !has_units;

    /// Partial gradients of rows [first, first + count), one after the other.
    struct sums_of {
        index_t first, count, splits;
    };

    template <class Memory>
    void lay_out(Memory& memory) {
        const auto place = [&](embeddings& e, index_t count, bool values) {
            e.count = count;
            if (values) e.values = memory.template take<T>(count * pitch_);
            if constexpr (has_units) {
                e.units = memory.template take<unit>(layout::rows_for(count) * pitch_);
                e.factor = memory.template take<T>(layout::rows_for(count));
            }
            if constexpr (similarity::normalizes) e.inverse_norm = memory.template take<T>(count);
        };
        using anchors = decltype(Inputs::anchors);
        using positives = decltype(Inputs::positives);
        if constexpr (one_set) {
            place(rows_, 2 * n_, needs_values<anchors, positives>);
        } else if constexpr (own_queue) {
            place(rows_, n_, needs_values<anchors>);
            place(columns_, m_, needs_values<decltype(Inputs::queue)>);
            place(partners_, n_, needs_values<positives>);
        } else {
            place(rows_, n_, needs_values<anchors>);
            place(columns_, n_, needs_values<positives>);
        }
        const index_t all = selfsame::detail::saved_rows<Objective>(n_);
        positive_logit_ = memory.template take<T>(n_);
        loss_ = memory.template take<T>(all);
        kept_ = memory.template take<T>(all * kept::fields);
        states_ = memory.template take<reducer>(
            (std::max)(partial_states(rows_, other()), two_way ? partial_states(columns_, rows_) : 0));
        if constexpr (wants_any) {
            weight_ = memory.template take<T>(all);
            pull_ = memory.template take<T>(n_);
            if constexpr (wants_temperature) slopes_ = memory.template take<double>(rows_.count);
            const auto larger = [&](auto&& of) {
                return (std::max)(wants_rows ? of(slab_of(rows_, other())) : 0,
                                  wants_columns ? of(slab_of(columns_, rows_)) : 0);
            };
            weights_ = memory.template take<unit>(larger([](const weight_slab& s) {
                return s.template operand<products>(static_cast<unit*>(nullptr)).rows * s.columns;
            }));
            sums_ = memory.template take<T>(
                larger([&](const weight_slab& s) { return split_of_sums(s).splits * s.rows * pitch_; }));
        }
    }
    std::size_t bytes() {
        scratch_count count;
        lay_out(count);
        return count.bytes();
    }

    tile_split split_of_columns(index_t columns, index_t others) const {
        return {columns, products::tile_columns, others, machine_.enough_blocks * products::resident};
    }
    tile_split split_of_rows(const embeddings& own, const embeddings& other) const {
        return split_of_columns(other.count, blocks_for(own.count, products::tile_rows));
    }
    index_t partial_states(const embeddings& own, const embeddings& other) const {
        return split_of_rows(own, other).splits * products::row_parts * own.count;
    }

    /// The first slab of a matrix, which no other is larger than.
    weight_slab slab_of(const embeddings& own, const embeddings& other) const {
        const auto padded = [](index_t count, index_t tile) { return blocks_for(count, tile) * tile; };
        const index_t columns = (std::min)(padded(other.count, products::tile_columns), machine_.slab_columns);
        const index_t room = machine_.slab_bytes / static_cast<index_t>(sizeof(unit)) / (std::max)(columns, index_t(1));
        const index_t rows = (std::max)(room / products::tile_rows, index_t(1)) * products::tile_rows;
        return {0, (std::min)(rows, own.count), 0, columns};
    }
    /// Sums are made of 256 columns of rows at a time, of 128 where that leaves less of the last tile unused.
    bool narrow() const { return blocks_for(pitch_, 128) % 2 != 0; }
    template <class F>
    auto with_sums(F&& f) const {
        using wide = typename arithmetic::sums;
        using narrow_type = typename arithmetic::narrow_sums;
        if constexpr (!std::is_same_v<wide, narrow_type>) {
            if (narrow()) return f(std::type_identity<narrow_type>());
        }
        return f(std::type_identity<wide>());
    }
    tile_split split_of_sums(const weight_slab& s) const {
        return with_sums([&]<class Sums>(std::type_identity<Sums>) {
            return split_of_columns(s.columns,
                                    blocks_for(s.rows, Sums::tile_rows) * blocks_for(pitch_, Sums::tile_columns));
        });
    }

    const embeddings& other() const { return one_set ? rows_ : columns_; }
    rows_type values_of_rows(const embeddings& e) const {
        return {e.values, e.units, e.factor, pitch_, layout::rows_for(e.count)};
    }
    rows_type partner_rows() const {
        if constexpr (one_set) {
            return values_of_rows(rows_).from(n_);
        } else {
            return values_of_rows(own_queue ? partners_ : columns_);
        }
    }
    auto operand(const embeddings& e) const {
        if constexpr (has_units) {
            return packed_rows<unit, T>{e.units, e.factor, e.count, pitch_, layout::rows_for(e.count)};
        } else {
            return packed_rows<unit, T>{e.values, nullptr, e.count, pitch_, e.count};
        }
    }
    kept kept_of(index_t first) const { return {kept_ + first, selfsame::detail::saved_rows<Objective>(n_)}; }
    /// Of the rows from `first` of those that have losses.
    weighted losses_of(index_t first) const { return {kept_of(first), weight_ + first}; }

    template <class Input>
    void pack(const Input& input, const embeddings& to, index_t first) const {
        const auto from = rows_of(as_tensor<2>(input));
        using E = std::remove_reference_t<decltype(from.at(0, 0))>;
        const index_t end = first + from.count == to.count ? layout::rows_for(to.count) : first + from.count;
        machine_.launch(warp_each::blocks(end - first), pack_rows<T, unit, E, similarity>{{},
                                                                                          from,
                                                                                          first,
                                                                                          end,
                                                                                          pitch_,
                                                                                          layout::rows_for(to.count),
                                                                                          to.values,
                                                                                          to.units,
                                                                                          to.factor,
                                                                                          to.inverse_norm});
    }

    tile_walk<products, Objective> walk(const embeddings& own, const embeddings& other) const {
        return {objective_, logit_, operand(own), operand(other), excluded_diagonals::of<negatives>(n_)};
    }

    void reduce(const embeddings& own, const embeddings& other, index_t first) {
        using kernel = reduce_tiles<products, Objective>;
        const tile_split split = split_of_rows(own, other);
        const index_t row_blocks = blocks_for(own.count, products::tile_rows);
        machine_.launch(row_blocks * split.splits, kernel{walk(own, other), row_blocks, split, states_});
        machine_.launch(
            warp_each::blocks(own.count),
            finish_rows<T, products, Objective>{
                {}, objective_, states_, own.count, split.splits, positive_logit_, n_, kept_of(first), loss_ + first});
    }

    template <class Upstream>
    void weigh(const Upstream& upstream) const {
        machine_.launch(thread_each::blocks(n_), weigh_rows<T, Objective, Upstream>{{},
                                                                                    objective_,
                                                                                    upstream,
                                                                                    this->share_of_row(),
                                                                                    n_,
                                                                                    kept_of(0),
                                                                                    kept_of(two_rows ? n_ : 0),
                                                                                    weight_,
                                                                                    two_rows ? weight_ + n_ : nullptr,
                                                                                    pull_});
    }

    /// done(sums) for the rows' gradients, as many rows at a time as a slab has.
    template <bool OwnLosses, bool OtherLosses, class Done>
    void each_slab(const embeddings& own, const embeddings& other, weighted own_losses, weighted other_losses,
                   Done&& done) const {
        const weight_slab whole = slab_of(own, other);
        if (own.count == 0) return;
        const tile_split split = split_of_sums(whole);
        for (index_t row0 = 0; row0 < own.count; row0 += whole.rows) {
            const index_t rows = (std::min)(whole.rows, own.count - row0);
            for (index_t column0 = 0; column0 < other.count; column0 += whole.columns) {
                const index_t left = blocks_for(other.count - column0, products::tile_columns) * products::tile_columns;
                const weight_slab slab{row0, rows, column0, (std::min)(whole.columns, left)};
                weigh_slab<OwnLosses, OtherLosses>(own, other, own_losses, other_losses, slab);
                sum_slab(other, slab, split, column0 > 0);
            }
            done(sums_of{row0, rows, split.splits});
        }
    }
    template <bool OwnLosses, bool OtherLosses>
    void weigh_slab(const embeddings& own, const embeddings& other, weighted own_losses, weighted other_losses,
                    const weight_slab& slab) const {
        const index_t row_blocks = blocks_for(slab.rows, products::tile_rows);
        const tile_split split = split_of_columns(slab.columns, row_blocks);
        machine_.launch(row_blocks * split.splits,
                        weigh_tiles<products, Objective, OwnLosses, OtherLosses>{
                            walk(own, other), own_losses, other_losses, slab, row_blocks, split, weights_});
    }
    void sum_slab(const embeddings& other, const weight_slab& slab, const tile_split& split, bool more) const {
        with_sums([&]<class Sums>(std::type_identity<Sums>) {
            const index_t row_blocks = blocks_for(slab.rows, Sums::tile_rows);
            const index_t chunks = blocks_for(pitch_, Sums::tile_columns);
            machine_.launch(row_blocks * chunks * split.splits,
                            sum_tiles<Sums>{slab, weights_, operand(other), row_blocks, chunks, split, sums_, more});
        });
    }

    /// Gradients of those rows of `found` that are among the n_ from `first`, or m_ where they are the queue's.
    template <class Target>
    void finish(sums_of found, const embeddings& e, index_t first, const rows_type& partners, double* slopes,
                const Target& target) const {
        const index_t begin = (std::max)(found.first, first);
        const index_t end = (std::min)(found.first + found.count, one_set ? first + n_ : e.count);
        if (begin >= end) return;
        const index_t of = begin - first;  // in the target
        const auto launch = [&]<class E>(const strided_rows<E>& to) {
            machine_.launch(end - begin, finish_gradients<T, unit, E, similarity>{
                                             sums_ + (begin - found.first) * pitch_, found.splits, found.count * pitch_,
                                             values_of_rows(e).from(begin), partners.from(of), pull_ + of,
                                             similarity::normalizes ? e.inverse_norm + begin : nullptr, logit_.scale,
                                             slopes == nullptr ? nullptr : slopes + of, to, adds});
        };
        if constexpr (!is_none<Target>) {
            launch(rows_of(target).from(of));
        } else if (slopes != nullptr) {
            launch(strided_rows<T>{});
        }
    }

    template <class From, class To>
    void copy(const From& from, const To& to) const {
        const index_t count = selfsame::detail::saved_rows<Objective>(n_) * kept::fields;
        machine_.launch(thread_each::blocks(count), copy_values<From, To>{{}, from, to, count});
    }

    device::machine<policy> machine_;
    index_t pitch_;
    affine_logit<T> logit_;
    embeddings rows_, columns_, partners_;
    T* positive_logit_ = nullptr;
    T* loss_ = nullptr;
    T* kept_ = nullptr;
    reducer* states_ = nullptr;
    T* weight_ = nullptr;
    T* pull_ = nullptr;
    double* slopes_ = nullptr;
    unit* weights_ = nullptr;
    T* sums_ = nullptr;
    scratch<policy> memory_;
};

}  // namespace device

template <class Context>
    requires(memory_of<decltype(Context::policy)> == memory_space::device)
struct pairwise_engine<Context> {
    template <class Objective, class Inputs, class Gradients>
    using pass = device::pairwise_pass<Context, Objective, Inputs, Gradients>;
};

}  // namespace selfsame::inline SELFSAME_ISA
