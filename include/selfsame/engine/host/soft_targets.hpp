#pragma once

#include "selfsame/engine/host/results.hpp"
#include "selfsame/engine/host/rowwise.hpp"
#include "selfsame/engine/soft_target_arguments.hpp"
#include "selfsame/policy/accumulate.hpp"

/// \file
/// Rows of several views of a sample against target rows of the same sample: the targets are made once for a sample and
/// stay in cache while the sample's views are walked.

namespace selfsame::inline SELFSAME_ISA::host {

/// Rows of scratch memory.
template <class T>
struct scratch_rows {
    T* data;
    index_t columns_, stride;

    index_t rows() const { return 0; }
    index_t columns() const { return columns_; }
    bool in_place() const { return true; }
    T* write(index_t row, index_t first, T*) const { return data + row * stride + first; }
    void written(index_t, index_t, index_t, const T*) const {}
};

/// The target of each view: of rows view * samples + sample.
template <class T>
struct view_targets {
    const T* const* by_view;
    index_t samples, columns_;

    index_t rows() const { return 0; }
    index_t columns() const { return columns_; }
    static constexpr bool contiguous() { return true; }
    const T* elements(index_t row, index_t first) const { return by_view[row / samples] + first; }
    const T* read(index_t row, index_t first, index_t, T*) const { return elements(row, first); }
};

/// A row of targets, in memory of the teacher or in `memory`.
template <class T, class Formula, class Teacher, class Center>
const T* make_target(const Formula& formula, const Teacher& teacher, const Center& center, index_t row, T* memory) {
    using logits = row_source_of<T, Teacher>;
    const index_t columns = teacher.extent(1);
    if constexpr (!Formula::reduces) {
        return logits(teacher).read(row, 0, columns, memory);
    } else {
        const auto write = [&](const auto& walk) {
            const auto reduced = walk.reduce_rows({row, 1, 1});
            walk.write_row(row, scratch_rows<T>{memory, columns, columns}, 0, Formula::row::of(reduced), false);
        };
        if constexpr (is_none<Center>) {
            write(row_walk<T, Formula, logits>(formula, logits(teacher)));
        } else {
            const auto c = as_tensor<1>(center);
            // Every row of the teacher meets the same center.
            const auto repeated = selfsame::detail::strided<memory_space::host>(
                c.data_handle(), std::array<index_t, 2>{teacher.extent(0), columns},
                std::array<index_t, 2>{0, c.stride(0)});
            using centers = row_source_of<T, std::remove_const_t<decltype(repeated)>>;
            write(row_walk<T, Formula, logits, centers>(formula, logits(teacher), centers(repeated)));
        }
        return memory;
    }
}

template <class T>
using cross_entropy_walk = selfsame::detail::soft_cross_entropy_terms<batch<T>>;

/// The sum of the targets that each view of a sample is compared with, made(t) those of teacher t. Views that are
/// compared with the same ones share a row; `memory` has `stride` values for each view.
template <class T, class Pairing, class Made>
void sum_targets(const Pairing& pairing, index_t columns, Made&& made, T* memory, index_t stride, const T** targets) {
    const T* each[selfsame::detail::max_teachers];
    for (index_t t = 0; t < pairing.teachers; ++t) each[t] = made(t);
    const T* all = nullptr;
    for (index_t s = 0; s < pairing.students; ++s) {
        index_t count = 0, only = 0;
        for (index_t t = 0; t < pairing.teachers; ++t) {
            if (pairing.pairs(t, s)) only = t, ++count;
        }
        if (count == 1) {
            targets[s] = each[only];
        } else if (count == pairing.teachers && all != nullptr) {
            targets[s] = all;
        } else {
            for (index_t k = 0; k < columns; ++k) memory[k] = T(0);
            for (index_t t = 0; t < pairing.teachers; ++t) {
                if (!pairing.pairs(t, s)) continue;
                for (index_t k = 0; k < columns; ++k) memory[k] += each[t][k];
            }
            targets[s] = memory;
            if (count == pairing.teachers) all = memory;
            memory += stride;
        }
    }
}

/// The cross-entropies of rows of a walk over cross_entropy_walk, added up; and, into the same rows of `out` unless it
/// is none, their gradients times `weight`.
template <class T, class Walk, class Out>
T views_of_sample(const Walk& walk, const typename Walk::some_rows& rows, T weight, const Out& out, bool past_caches) {
    T total = T(0);
    const index_t together = walk.together();
    for (index_t s = 0; s < rows.count; s += together) {
        const index_t n = (std::min)(together, rows.count - s);
        const typename Walk::some_rows some{rows.at(s), n, rows.step};
        if (past_caches) walk.fetch_edges(out, some);
        const auto reduced = walk.reduce_rows(some);
        const batch<T> values = reduced.value();
        for (index_t k = 0; k < n; ++k) total += values[static_cast<int>(k)];
        if constexpr (!is_none<Out>) {
            const auto row = cross_entropy_walk<T>::row::of(reduced, batch<T>(weight));
            for (index_t k = 0; k < n; ++k) {
                walk.write_row(rows.at(s + k), out, rows.at(s + k), spread<T>(row, static_cast<int>(k)), past_caches);
            }
        }
    }
    return total;
}

template <class T, class Context, class Objective, class Inputs>
class soft_target_pass : soft_target_arguments<memory_space::host, Objective, Inputs> {
    using arguments = soft_target_arguments<memory_space::host, Objective, Inputs>;
    using V = batch<T>;
    static constexpr index_t L = lanes<T>;
    using arguments::columns_, arguments::each, arguments::has_weights, arguments::inputs_, arguments::objective_,
        arguments::pairs_, arguments::samples_, arguments::students_, arguments::teachers_;

  public:
    soft_target_pass(const Context& ctx, const Objective& objective, const Inputs& inputs)
        : arguments(objective, inputs), ctx_(ctx) {}

    /// losses: one value, or one a sample; upstream: of each loss; gradient: of the students, or none; added if Adds.
    template <bool Adds, class Loss, class Upstream, class Gradient>
    void run(const Loss& loss, const Upstream& upstream, const Gradient& gradient) const {
        constexpr bool writes = !is_none<Gradient>;
        const auto teacher = as_tensor<2>(inputs_.teacher);
        const auto student = as_tensor<2>(inputs_.students);
        this->template check_outputs<Adds>(loss, upstream, gradient);
        const double total_weight = each() || objective_.reduction == reduction::sum ? 1 : sum_of_weights();

        const index_t stride = (columns_ + L - 1) / L * L, tables = teachers_ + students_;
        const auto threads = static_cast<index_t>(workers(ctx_));
        scratch<decltype(Context::policy)> memory(
            ctx_.policy, scratch_bytes<T>(samples_) +
                             static_cast<std::size_t>(threads) * (scratch_bytes<T>(tables * stride)) +
                             scratch_bytes<const T*>(threads * students_));
        T* const losses = memory.template take<T>(samples_);
        T* const rows = memory.template take<T>(threads * tables * stride);
        const T** const by_view = memory.template take<const T*>(threads * students_);

        const row_source_of<T, std::remove_const_t<decltype(student)>> student_rows(student, samples_);
        using student_source = std::remove_const_t<decltype(student_rows)>;
        const cross_entropy_walk<T> policy{T(1.44269504088896340736 / objective_.temperature)};
        const bool past_caches = students_ * samples_ * columns_ > past_caches_from;
        const auto formula = objective_.targets.template formula<V>();
        parallel_for(ctx_, samples_, [&](index_t b, int worker) {
            T* const mine = rows + worker * tables * stride;
            const T** const targets = by_view + worker * students_;
            sum_targets(
                objective_.pairing, columns_,
                [&](index_t t) {
                    return make_target(formula, teacher, inputs_.center, t * samples_ + b, mine + t * stride);
                },
                mine + teachers_ * stride, stride, targets);
            const view_targets<T> target_rows{targets, samples_, columns_};
            const row_walk<T, cross_entropy_walk<T>, student_source, view_targets<T>> walk(policy, student_rows,
                                                                                           target_rows);
            const double weight = weight_of(b) / (total_weight * double(pairs_));
            const typename decltype(walk)::some_rows views{b, students_, samples_};
            T total;
            if constexpr (writes) {
                const double up = element_cast<double>(upstream(upstream.size() > 1 ? b : 0));
                total = views_of_sample<T>(walk, views, T(up * weight / objective_.temperature),
                                           results_of<T, Adds>(gradient), past_caches);
            } else {
                total = views_of_sample<T>(walk, views, T(0), none{}, false);
            }
            losses[b] = static_cast<T>(weight * double(total));
        });
        if constexpr (!is_none<Loss>) {
            using E = typename Loss::value_type;
            double total = 0;
            for (index_t b = 0; b < samples_; ++b) {
                if (each()) {
                    loss(b) = element_cast<E>(losses[b]);
                } else {
                    total += double(losses[b]);
                }
            }
            if (!each()) loss(0) = element_cast<E>(total);
        }
    }

  private:
    double weight_of([[maybe_unused]] index_t b) const {
        if constexpr (has_weights) {
            return element_cast<double>(as_tensor<1>(inputs_.weights)(b));
        } else {
            return 1;
        }
    }
    double sum_of_weights() const {
        double total = 0;
        for (index_t b = 0; b < samples_; ++b) total += weight_of(b);
        return total > 0 ? total : 1;
    }

    const Context& ctx_;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
