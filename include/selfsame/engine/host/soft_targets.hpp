#pragma once

#include "selfsame/core/aliasing.hpp"
#include "selfsame/engine/host/results.hpp"
#include "selfsame/engine/host/rowwise.hpp"
#include "selfsame/policy/accumulate.hpp"
#include "selfsame/policy/reduction.hpp"
#include "selfsame/policy/softmax.hpp"

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
    bool in_place() const { return true; }
    const T* read(index_t row, index_t first, index_t, T*) const { return by_view[row / samples] + first; }
};

/// Cross-entropy of targets q with softmax(z / temperature).
template <class T>
struct cross_entropy_walk {
    using V = batch<T>;
    template <class X>
    using reducer = cross_entropy_statistics<X>;
    struct row {
        V level, factor, weight;

        static row of(const reducer<V>& r, V weight) {
            return {r.level, r.mass * V(math::exp2_unit<V>) / r.sum, weight};
        }
    };
    T scale;

    SELFSAME_INLINE typename reducer<V>::term term(V z, V q) const { return {z, q}; }
    SELFSAME_INLINE V element(V z, V q, const row& r) const {
        return r.weight * math::fma(math::exp2_in_units(reducer<V>::bits(z, r.level, scale)), r.factor, -q);
    }
};

/// The most targets of a sample.
inline constexpr index_t max_teachers = 16;

/// The sum of the targets that each view of a sample is compared with, made(t) those of teacher t. Views that are
/// compared with the same ones share a row; `memory` has `stride` values for each view.
template <class T, class Pairing, class Made>
void sum_targets(const Pairing& pairing, index_t columns, Made&& made, T* memory, index_t stride, const T** targets) {
    const T* each[max_teachers];
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

template <class Pairing>
index_t count_pairs(const Pairing& pairing) {
    index_t pairs = 0;
    for (index_t t = 0; t < pairing.teachers; ++t) {
        for (index_t s = 0; s < pairing.students; ++s) pairs += pairing.pairs(t, s);
    }
    return pairs;
}

/// The cross-entropies of rows of a walk over cross_entropy_walk, added up; and, into the same rows of `out` unless it
/// is none, their gradients times `weight`.
template <class T, class Walk, class Out>
T views_of_sample(const Walk& walk, const typename Walk::some_rows& rows, T weight, const Out& out, bool past_caches) {
    T total = T(0);
    const index_t together = walk.together();
    for (index_t s = 0; s < rows.count; s += together) {
        const index_t n = (std::min)(together, rows.count - s);
        const auto reduced = walk.reduce_rows({rows.at(s), n, rows.step});
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

/// Objective: targets, pairing.teachers, pairing.students, pairing.pairs(teacher, student),
/// temperature, reduction.
template <class T, class Context, class Objective, class Inputs>
class soft_target_pass {
    using V = batch<T>;
    static constexpr index_t L = lanes<T>;
    static constexpr bool has_weights = !is_none<decltype(Inputs::weights)>;

  public:
    soft_target_pass(const Context& ctx, const Objective& objective, const Inputs& inputs)
        : ctx_(ctx), objective_(objective), inputs_(inputs), teachers_(objective.pairing.teachers),
          students_(objective.pairing.students) {
        check();
        pairs_ = count_pairs(objective_.pairing);
        if (pairs_ == 0) fail("pairing", students_, "views that are compared with another");
    }

    index_t samples() const { return samples_; }

    /// losses: one value, or one a sample; upstream: of each loss; gradient: of the students, or none; added if Adds.
    template <bool Adds, class Loss, class Upstream, class Gradient>
    void run(const Loss& loss, const Upstream& upstream, const Gradient& gradient) const {
        constexpr bool writes = !is_none<Gradient>;
        const auto teacher = as_tensor<2>(inputs_.teacher);
        const auto student = as_tensor<2>(inputs_.students);
        const bool each = objective_.reduction == reduction::per_sample;
        check_outputs<Adds>(loss, upstream, gradient, each);
        const double total_weight = each || objective_.reduction == reduction::sum ? 1 : sum_of_weights();

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
        parallel_for(ctx_, samples_, [&](index_t b, int worker) {
            T* const mine = rows + worker * tables * stride;
            const T** const targets = by_view + worker * students_;
            sum_targets(
                objective_.pairing, columns_,
                [&](index_t t) {
                    return objective_.targets.template make<T>(teacher, inputs_.center, t * samples_ + b,
                                                               mine + t * stride);
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
                if (each) {
                    loss(b) = element_cast<E>(losses[b]);
                } else {
                    total += double(losses[b]);
                }
            }
            if (!each) loss(0) = element_cast<E>(total);
        }
    }

  private:
    void check() {
        objective_.check();
        const auto teacher = as_tensor<2>(inputs_.teacher);
        const auto student = as_tensor<2>(inputs_.students);
        if (teachers_ < 1 || students_ < 1)
            fail("pairing", (std::min)(teachers_, students_), "at least one view of each kind");
        samples_ = student.extent(0) / students_;
        columns_ = student.extent(1);
        const auto shape = [&](std::string_view name, const auto& x, index_t views, std::string_view which) {
            if (x.extent(0) == views * samples_ && x.extent(1) == columns_) return;
            std::string expected =
                std::to_string(views) + " x " + std::to_string(samples_) + " rows of " + std::to_string(columns_);
            expected.append(" (").append(which).append(")");
            fail(name, std::string_view(shape_text(x)), expected);
        };
        shape("students", student, students_, "views of each sample, view after view");
        shape("teacher", teacher, teachers_, "views of each sample, view after view");
        if (columns_ == 0 && samples_ > 0)
            fail("students", std::string_view(shape_text(student)), "at least one column");
        if constexpr (!is_none<decltype(Inputs::center)>) {
            const auto c = as_tensor<1>(inputs_.center);
            if (c.extent(0) != columns_)
                fail("center", c.extent(0), std::to_string(columns_) + " values, one a column");
        }
        if constexpr (has_weights) {
            const auto w = as_tensor<1>(inputs_.weights);
            if (w.extent(0) != samples_)
                fail("weights", w.extent(0), std::to_string(samples_) + " values, one a sample");
        }
    }

    template <bool Adds, class Loss, class Upstream, class Gradient>
    void check_outputs(const Loss& loss, const Upstream& upstream, const Gradient& gradient, bool each) const {
        const auto one = static_cast<std::size_t>(each ? samples_ : 1);
        aliasing_rules rules;
        rules.input("teacher", as_tensor<2>(inputs_.teacher));
        rules.input("students", as_tensor<2>(inputs_.students));
        if constexpr (!is_none<decltype(Inputs::center)>) rules.input("center", as_tensor<1>(inputs_.center));
        if constexpr (has_weights) rules.input("weights", as_tensor<1>(inputs_.weights));
        if constexpr (!is_none<Upstream>) {
            rules.input("upstream", upstream);
            if (upstream.size() != 1 && upstream.size() != one) {
                fail("upstream", std::string_view(shape_text(upstream)), "one value, or one a sample for per_sample");
            }
        }
        if constexpr (!is_none<Gradient>) {
            if (gradient.extent(0) != students_ * samples_ || gradient.extent(1) != columns_) {
                fail("gradient", std::string_view(shape_text(gradient)), "the shape of students");
            }
            rules.output("gradient", gradient, Adds ? "" : "students");
        }
        if constexpr (!is_none<Loss>) {
            if (loss.size() != one)
                fail("loss", std::string_view(shape_text(loss)), each ? "one value a sample" : "one value");
            rules.output("loss", loss);
        }
    }

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
    const Objective& objective_;
    const Inputs& inputs_;
    index_t teachers_, students_, samples_ = 0, columns_ = 0, pairs_ = 0;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
