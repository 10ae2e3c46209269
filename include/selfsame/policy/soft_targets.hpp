#pragma once

#include "selfsame/core/error.hpp"
#include "selfsame/core/tensor.hpp"
#include "selfsame/policy/softmax.hpp"

/// \file
/// Formulas of soft targets and of their cross-entropy with softmaxes, for every engine; V is a batch or a scalar.

namespace selfsame::inline SELFSAME_ISA {

namespace detail {

/// Targets as they are.
template <class V>
struct given_target {
    static constexpr bool reduces = false;
    struct row {};

    SELFSAME_INLINE static constexpr V element(V q, const row&) { return q; }
};

/// Targets 2^(bits from the level to t) / sum of a row of logits t, less the center's.
template <class V>
struct sharpened_target {
    static constexpr bool reduces = true;
    template <class X>
    using reducer = softmax_statistics<X>;
    struct row {
        V level, bits_of_sum;

        static constexpr row of(const reducer<V>& r) { return {r.level, r.bits_of_sum()}; }
    };
    math::scalar_t<V> scale;

    SELFSAME_INLINE constexpr V term(V t) const { return t; }
    SELFSAME_INLINE constexpr V term(V t, V center) const { return t - center; }
    SELFSAME_INLINE constexpr V element(V t, const row& r) const {
        return math::exp2(reducer<V>::bits(t, r.level, V(scale)) - r.bits_of_sum);
    }
    SELFSAME_INLINE constexpr V element(V t, V center, const row& r) const { return element(t - center, r); }
};

/// Cross-entropy of targets q with softmax(z / temperature), scale = log2(e) / temperature.
template <class V>
struct soft_cross_entropy_terms {
    template <class X>
    using reducer = cross_entropy_statistics<X>;
    struct row {
        V level, factor, weight;

        static constexpr row of(const reducer<V>& r, V weight) {
            return {r.level, r.mass * V(math::exp2_unit<V>) / r.sum, weight};
        }
    };
    math::scalar_t<V> scale;

    SELFSAME_INLINE constexpr typename reducer<V>::term term(V z, V q) const { return {z, q}; }
    /// weight (p sum q - q).
    SELFSAME_INLINE constexpr V element(V z, V q, const row& r) const {
        return r.weight * math::fma(math::exp2_in_units(reducer<V>::bits(z, r.level, V(scale))), r.factor, -q);
    }
};

/// A center after a step whose `rows` rows of teachers have this sum in its column.
constexpr double moved_center(double center, double momentum, double sum, index_t rows) {
    return momentum * center + (1 - momentum) * sum / static_cast<double>(rows);
}

template <class Pairing>
constexpr index_t count_pairs(const Pairing& pairing) {
    index_t pairs = 0;
    for (index_t t = 0; t < pairing.teachers; ++t) {
        for (index_t s = 0; s < pairing.students; ++s) pairs += pairing.pairs(t, s);
    }
    return pairs;
}

/// The most targets of a sample.
inline constexpr index_t max_teachers = 16;

}  // namespace detail

/// Targets are distributions already: SwAV's codes, or what Sinkhorn makes of a teacher's logits.
struct given_targets {
    void check() const {}

    template <class V>
    constexpr detail::given_target<V> formula() const {
        return {};
    }
};

/// softmax((t - center) / temperature) of a teacher's logits t; Caron et al. 2021.
struct sharpened_targets {
    double temperature = 0.04;

    void check() const {
        if (!(temperature > 0)) fail("targets.temperature", temperature, "> 0");
    }

    template <class V>
    constexpr detail::sharpened_target<V> formula() const {
        return {math::scalar_t<V>(1.44269504088896340736 / temperature)};
    }
};

/// Every view of the students with every target but its own: SwAV's swapped prediction, DINO's cross views. The first
/// `teachers` views of the students are those that the targets were made of.
struct other_views {
    int teachers = 2, students = 10;
    constexpr bool pairs(index_t teacher, index_t student) const { return teacher != student; }
};
/// Row by row: a masked patch with the teacher's of the same place.
struct same_row {
    static constexpr int teachers = 1, students = 1;
    static constexpr bool pairs(index_t, index_t) { return true; }
};

}  // namespace selfsame::inline SELFSAME_ISA
