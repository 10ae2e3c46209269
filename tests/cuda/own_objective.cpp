#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "../../examples/own_objective/objective.hpp"
#include "engine/helpers.hpp"
#include "fiber_machine.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"

// Objectives that the library does not have reach the device by their policies alone.

namespace {

using namespace selfsame_tests;
namespace math = selfsame::math;

row_result margin_row(const std::vector<double>& x, double y) {
    row_result r{(1 - y) * (1 - y), {}, -2 * (1 - y)};
    for (const double v : x) {
        const double over = (std::max)(0.0, v - 0.3);
        r.loss += over * over;
        r.negatives.push_back(2 * over);
    }
    return r;
}

/// A reducer of one's own, with two members.
template <class V>
struct counted_sum {
    V total = V(0), parts = V(0);
    static constexpr counted_sum around(V) { return {}; }
    static constexpr V map(V x, V) { return x; }
    static constexpr counted_sum from_sum(V sum, V) { return {sum, V(1)}; }
    constexpr void merge(const counted_sum& o) {
        total = total + o.total;
        parts = parts + o.parts;
    }
    constexpr V value() const { return total; }
};

/// Logistic loss of every pair, nothing kept of a row.
template <class Negatives>
struct pairwise_logistic {
    using similarity = selfsame::dot;
    using negatives = Negatives;
    template <class V>
    using reducer = counted_sum<V>;
    template <class V>
    struct row {};

    template <class V>
    static constexpr V logit(V s) {
        return V(math::scalar_t<V>(0.5)) * s - V(math::scalar_t<V>(1));
    }
    template <class V>
    static constexpr V term(V x) {
        return math::softplus(x);
    }
    template <class V>
    static constexpr V loss(V negatives, V positive) {
        return negatives - V(2) * positive;
    }
    template <class V>
    static constexpr row<V> keep(V, V) {
        return {};
    }
    template <class V>
    static constexpr V weight(V x, row<V>) {
        return math::sigmoid(x);
    }
    template <class V>
    static constexpr V positive_weight(row<V>) {
        return V(-2);
    }
    constexpr double temperature_gradient(double d_scale) const { return d_scale; }
};

row_result logistic_row(const std::vector<double>& x, double y) {
    row_result r{-2 * y, {}, -2};
    for (const double v : x) {
        r.loss += std::log1p(std::exp(v));
        r.negatives.push_back(1 / (1 + std::exp(-v)));
    }
    return r;
}

template <class Objective>
void compare(const Objective& o, who against, double scale, double bias, const row_function& row, std::size_t n,
             std::size_t width) {
    const matrix a = rounded<float>(random_matrix(n, width, 3)), b = rounded<float>(random_matrix(n, width, 4));
    const dense_result expected = dense_pairs(against, Objective::similarity::normalizes, scale, bias, row, a, b);
    const std::vector<float> va = flat<float>(a), vb = flat<float>(b);
    const auto view = [&](auto& v) {
        return on_device(selfsame::matrix(v.data(), static_cast<index_t>(n), static_cast<index_t>(width)));
    };
    std::vector<float> da(va.size()), db(vb.size());
    std::vector<double> loss(1), slope(1);
    const selfsame::pairs inputs{view(va), view(vb)};
    if constexpr (requires { o.temperature_gradient(1.0); }) {
        selfsame::value_and_grad(fibers{}, o, inputs, on_device(loss),
                                 selfsame::pair_gradients{view(da), view(db), selfsame::none{}, on_device(slope)});
        EXPECT_NEAR(slope[0], expected.scale, 2e-5 * (std::max)(1.0, std::fabs(expected.scale)));
    } else {
        selfsame::value_and_grad(fibers{}, o, inputs, on_device(loss), selfsame::pair_gradients{view(da), view(db)});
    }
    EXPECT_NEAR(loss[0], expected.mean, 2e-6 * (std::max)(1.0, std::fabs(expected.mean)));
    EXPECT_LE(relative_distance(da, expected.anchors), 2e-5);
    EXPECT_LE(relative_distance(db, expected.positives), 2e-5);
}

TEST(cuda_own_objective, runs_the_policy_of_the_example) {
    for (const std::size_t n : {std::size_t(3), std::size_t(70)})
        compare(margin_contrast{}, who::both_views, 1, 0, margin_row, n, 12);
}

TEST(cuda_own_objective, takes_reducers_and_rows_of_any_shape) {
    compare(pairwise_logistic<selfsame::in_batch>{}, who::in_batch, 0.5, -1, logistic_row, 67, 9);
    compare(pairwise_logistic<selfsame::in_batch_two_way>{}, who::two_way, 0.5, -1, logistic_row, 67, 9);
}

}  // namespace
