#include <gtest/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <algorithm>
#include <string>
#include <vector>

#include "helpers.hpp"
#include "selfsame/engine/pairwise.hpp"

/// \file
/// Objectives that the library does not have, written as a user would: the engine may know none. No objective's header
/// is included here.

namespace {

using namespace selfsame_tests;
namespace math = selfsame::math;

/// A reducer of one's own: the sum of terms, with how many there were, so that it has two members.
template <class V>
struct counted_sum {
    V total = V(0), terms = V(0);
    static constexpr counted_sum around(V) { return {}; }
    static constexpr V map(V x, V) { return x; }
    static constexpr counted_sum from_sum(V sum, V) { return {sum, V(1)}; }
    constexpr void merge(const counted_sum& o) {
        total = total + o.total;
        terms = terms + o.terms;
    }
    constexpr V value() const { return total; }
};

/// SigLIP, one direction: -log sigmoid(y) - sum_j log sigmoid(-x_j), x = scale s + bias.
template <class Similarity, class Negatives>
struct siglip {
    using similarity = Similarity;
    using negatives = Negatives;
    template <class V>
    using reducer = counted_sum<V>;
    template <class V>
    struct row {
        V positive;
    };
    double scale = 10, bias = -3;

    template <class V>
    constexpr V logit(V s) const {
        return s * V(math::scalar_t<V>(scale)) + V(math::scalar_t<V>(bias));
    }
    template <class V>
    static constexpr V term(V x) {
        return math::softplus(x);
    }
    template <class V>
    static constexpr V loss(V negatives, V positive) {
        return negatives + math::softplus(-positive);
    }
    template <class V>
    static constexpr row<V> keep(V, V positive) {
        return {positive};
    }
    template <class V>
    static constexpr V weight(V x, row<V>) {
        return math::sigmoid(x);
    }
    template <class V>
    static constexpr V positive_weight(row<V> r) {
        return -math::sigmoid(-r.positive);
    }
    constexpr double temperature_gradient(double d_scale) const { return d_scale; }
};

row_result siglip_row(const std::vector<double>& x, double y) {
    row_result r{std::log1p(std::exp(-y)), {}, -1 / (1 + std::exp(y))};
    for (const double v : x) {
        r.loss += std::log1p(std::exp(v));
        r.negatives.push_back(1 / (1 + std::exp(-v)));
    }
    return r;
}

/// Squared hinge: (1 - y)^2 + sum_j max(0, x_j - margin)^2, with the library's reducer, and nothing but what it needs.
template <class Similarity, class Negatives>
struct squared_hinge {
    using similarity = Similarity;
    using negatives = Negatives;
    template <class V>
    using reducer = selfsame::sum_of<V>;
    template <class V>
    struct row {
        V positive;
    };
    double margin = 0.1;

    template <class V>
    static constexpr V logit(V s) {
        return s;
    }
    template <class V>
    constexpr V over(V x) const {
        return math::max(V(math::scalar_t<V>(0)), x - V(math::scalar_t<V>(margin)));
    }
    template <class V>
    constexpr V term(V x) const {
        return over(x) * over(x);
    }
    template <class V>
    static constexpr V loss(V negatives, V positive) {
        const V short_of = V(1) - positive;
        return negatives + short_of * short_of;
    }
    template <class V>
    static constexpr row<V> keep(V, V positive) {
        return {positive};
    }
    template <class V>
    constexpr V weight(V x, row<V>) const {
        return V(math::scalar_t<V>(2)) * over(x);
    }
    template <class V>
    static constexpr V positive_weight(row<V> r) {
        return V(2) * (r.positive - V(1));
    }
};

row_result hinge_row(const std::vector<double>& x, double y) {
    row_result r{(1 - y) * (1 - y), {}, 2 * (y - 1)};
    for (const double v : x) {
        const double over = (std::max)(0.0, v - 0.1);
        r.loss += over * over;
        r.negatives.push_back(2 * over);
    }
    return r;
}

/// Nothing to keep of a row, and terms without curvature: sum_j x_j - 3 y.
template <class Similarity, class Negatives>
struct linear {
    using similarity = Similarity;
    using negatives = Negatives;
    template <class V>
    using reducer = selfsame::sum_of<V>;
    template <class V>
    struct row {};

    template <class V>
    static constexpr V logit(V s) {
        return s * V(math::scalar_t<V>(2));
    }
    template <class V>
    static constexpr V loss(V negatives, V positive) {
        return negatives - V(3) * positive;
    }
    template <class V>
    static constexpr row<V> keep(V, V) {
        return {};
    }
    template <class V>
    static constexpr V weight(V, row<V>) {
        return V(math::scalar_t<V>(1));
    }
    template <class V>
    static constexpr V positive_weight(row<V>) {
        return V(-3);
    }
};

row_result linear_row(const std::vector<double>& x, double y) {
    row_result r{-3 * y, std::vector<double>(x.size(), 1.0), -3};
    for (const double v : x) r.loss += v;
    return r;
}

/// Decoupled contrastive loss: -y + log sum_j e^(x_j), the positive not among the terms. Its reducer is a log-sum-exp
/// whose value matters even where it lies far below the positive.
template <class Similarity, class Negatives>
struct decoupled {
    using similarity = Similarity;
    using negatives = Negatives;
    template <class V>
    using reducer = selfsame::log_sum_exp<V>;
    template <class V>
    struct row {
        V negatives;
    };
    double scale = 10;

    template <class V>
    constexpr V logit(V s) const {
        return s * V(math::scalar_t<V>(scale));
    }
    template <class V>
    static constexpr V loss(V negatives, V positive) {
        return negatives - positive;
    }
    template <class V>
    static constexpr row<V> keep(V negatives, V) {
        return {negatives};
    }
    template <class V>
    static constexpr V weight(V x, row<V> r) {
        return math::exp(x - r.negatives);
    }
    template <class V>
    static constexpr V positive_weight(row<V>) {
        return V(-1);
    }
};

row_result decoupled_row(const std::vector<double>& x, double y) {
    const double top = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (const double v : x) sum += std::exp(v - top);
    row_result r{top + std::log(sum) - y, {}, -1};
    for (const double v : x) r.negatives.push_back(std::exp(v - top) / sum);
    return r;
}

template <class Negatives>
constexpr who who_of = Negatives::one_set   ? who::both_views
                       : Negatives::two_way ? who::two_way
                                            : who::in_batch;

template <class T, class Objective>
void compare(const Objective& o, double scale, double bias, const row_function& row, std::size_t n, std::size_t width,
             double size = 1) {
    const double loss_bound = sizeof(T) == 8 ? 1e-11 : 2e-6, bound = sizeof(T) == 8 ? 1e-10 : 2e-5;
    matrix a = random_matrix(n, width, 11), b = random_matrix(n, width, 12);
    for (matrix* m : {&a, &b}) {
        for (auto& r : *m) {
            for (double& v : r) v *= size;
        }
        *m = rounded<T>(*m);
    }
    const dense_result expected =
        dense_pairs(who_of<typename Objective::negatives>, Objective::similarity::normalizes, scale, bias, row, a, b);
    const std::vector<T> va = flat<T>(a), vb = flat<T>(b);
    const auto rows = static_cast<selfsame::index_t>(n), columns = static_cast<selfsame::index_t>(width);
    const selfsame::pairs inputs{selfsame::matrix(va.data(), rows, columns),
                                 selfsame::matrix(vb.data(), rows, columns)};
    for (const int threads : {1, 3}) {
        for (const std::size_t scratch : {std::size_t(0), std::size_t(1) << 20}) {
            const selfsame::context ctx{thrust::omp::par, threads, scratch};
            std::vector<T> da(va.size()), db(vb.size());
            auto ga = selfsame::matrix(da.data(), rows, columns), gb = selfsame::matrix(db.data(), rows, columns);
            double loss = 0, d_scale = 0;
            if constexpr (requires { o.temperature_gradient(1.0); }) {
                selfsame::value_and_grad(ctx, o, inputs, loss,
                                         selfsame::pair_gradients{ga, gb, selfsame::none{}, d_scale});
                EXPECT_NEAR(d_scale, expected.scale, 20 * bound * (std::max)(1.0, std::fabs(expected.scale)));
            } else {
                selfsame::value_and_grad(ctx, o, inputs, loss, selfsame::pair_gradients{ga, gb});
            }
            EXPECT_NEAR(loss, expected.mean, loss_bound * (std::max)(1.0, std::fabs(expected.mean)));
            EXPECT_LE(relative_distance(da, expected.anchors), bound);
            EXPECT_LE(relative_distance(db, expected.positives), bound);

            std::vector<T> saved(static_cast<std::size_t>(selfsame::saved_size(o, rows)), T(-1));
            T again = T(0);
            selfsame::forward(ctx, o, inputs, again, saved);
            EXPECT_EQ(again, static_cast<T>(loss));
            std::vector<T> da2(va.size()), db2(vb.size());
            selfsame::backward(ctx, o, inputs, saved, 1.0,
                               selfsame::pair_gradients{selfsame::matrix(da2.data(), rows, columns),
                                                        selfsame::matrix(db2.data(), rows, columns)});
            EXPECT_EQ(da, da2);
            EXPECT_EQ(db, db2);
        }
    }
}

template <class P>
class OwnObjective : public testing::Test {};

template <class T, class Similarity, class Negatives>
struct combination {
    using value = T;
    using similarity = Similarity;
    using negatives = Negatives;
};
using combinations = testing::Types<combination<float, selfsame::cosine, selfsame::in_batch>,
                                    combination<double, selfsame::dot, selfsame::in_batch>,
                                    combination<double, selfsame::cosine, selfsame::both_views>,
                                    combination<float, selfsame::dot, selfsame::in_batch_two_way>>;
TYPED_TEST_SUITE(OwnObjective, combinations);

constexpr std::size_t sizes[][2] = {{1, 3}, {2, 1}, {7, 5}, {193, 17}, {sanitized ? 50 : 400, 64}};

TYPED_TEST(OwnObjective, SigLIP) {
    using P = TypeParam;
    for (const auto& s : sizes) {
        if (P::similarity::normalizes && s[1] == 1) continue;  // the gradient of a cosine in one dimension is 0
        const siglip<typename P::similarity, typename P::negatives> o;
        compare<typename P::value>(o, o.scale, o.bias, siglip_row, s[0], s[1], 1 / std::sqrt(double(s[1])));
    }
}

TYPED_TEST(OwnObjective, SquaredHinge) {
    using P = TypeParam;
    for (const auto& s : sizes) {
        if (s[1] == 1) continue;
        compare<typename P::value>(squared_hinge<typename P::similarity, typename P::negatives>{}, 1, 0, hinge_row,
                                   s[0], s[1], 1 / std::sqrt(double(s[1])));
    }
}

TYPED_TEST(OwnObjective, NothingKeptOfARow) {
    using P = TypeParam;
    using objective = linear<typename P::similarity, typename P::negatives>;
    static_assert(selfsame::saved_size(objective{}, 10) == 0);
    for (const auto& s : sizes) {
        if (s[1] == 1) continue;
        compare<typename P::value>(objective{}, 2, 0, linear_row, s[0], s[1], 1 / std::sqrt(double(s[1])));
    }
}

TYPED_TEST(OwnObjective, Decoupled) {
    using P = TypeParam;
    for (const auto& s : sizes) {
        if (s[0] == 1 || s[1] == 1) continue;
        compare<typename P::value>(decoupled<typename P::similarity, typename P::negatives>{}, 10, 0, decoupled_row,
                                   s[0], s[1], 1 / std::sqrt(double(s[1])));
    }
}

// Positives that are far above all negatives, or far below, by more than an exponential can express.
TEST(OwnObjectiveFarApart, NegativesAreReducedWhereverThePositiveIs) {
    using objective = decoupled<selfsame::dot, selfsame::in_batch>;
    constexpr std::size_t n = 200;
    for (const float mine : {40.0f, -40.0f, 5.0f}) {
        // anchors (mine, 1) and positives e: y = 10 (mine b_i + 1 c_i); every negative is the same for all anchors.
        std::vector<float> a, b;
        for (std::size_t i = 0; i < n; ++i) {
            a.insert(a.end(), {i == 3 ? mine : 0.0f, 1.0f});
            b.insert(b.end(), {i == 3 ? 1.0f : 0.0f, static_cast<float>(i % 7) * 0.1f});
        }
        matrix da(n, std::vector<double>(2)), db = da;
        for (std::size_t i = 0; i < n; ++i) {
            da[i] = {static_cast<double>(a[2 * i]), static_cast<double>(a[2 * i + 1])};
            db[i] = {static_cast<double>(b[2 * i]), static_cast<double>(b[2 * i + 1])};
        }
        const dense_result expected = dense_pairs(who::in_batch, false, 10, 0, decoupled_row, da, db);
        std::vector<float> ga(2 * n), gb(2 * n);
        const auto loss = selfsame::value_and_grad(
            thrust::seq, objective{},
            selfsame::pairs{selfsame::matrix(a.data(), n, 2), selfsame::matrix(b.data(), n, 2)},
            selfsame::pair_gradients{selfsame::matrix(ga.data(), n, 2), selfsame::matrix(gb.data(), n, 2)});
        EXPECT_NEAR(loss, expected.mean, 2e-6 * (std::max)(1.0, std::fabs(expected.mean))) << mine;
        EXPECT_LE(relative_distance(ga, expected.anchors), 2e-5) << mine;
        EXPECT_LE(relative_distance(gb, expected.positives), 2e-5) << mine;
    }
}

// ---- What satisfies the concept: a member that cannot be evaluated in a constant expression would be silently empty
// on a device.

using right = siglip<selfsame::cosine, selfsame::in_batch>;
static_assert(selfsame::pairwise_objective<right>);
static_assert(selfsame::pairwise_objective<squared_hinge<selfsame::dot, selfsame::both_views>>);
static_assert(selfsame::pairwise_objective<linear<selfsame::dot, selfsame::both_views>>);

struct forgot_logit : right {
    template <class V>
    V logit(V s) const {
        return s;
    }
};
struct forgot_term : right {
    template <class V>
    static V term(V x) {
        return x;
    }
};
struct forgot_loss : right {
    template <class V>
    static V loss(V negatives, V) {
        return negatives;
    }
};
struct forgot_keep : right {
    template <class V>
    static row<V> keep(V, V y) {
        return {y};
    }
};
struct forgot_weight : right {
    template <class V>
    static V weight(V x, row<V>) {
        return x;
    }
};
struct forgot_positive_weight : right {
    template <class V>
    static V positive_weight(row<V> r) {
        return r.positive;
    }
};
struct forgot_level : right {
    template <class V>
    static V level(row<V> r) {
        return r.positive;
    }
};
struct forgot_in_the_reducer : right {
    template <class V>
    struct reducer {
        V total = V(0);
        static constexpr reducer around(V) { return {}; }
        static V map(V x, V) { return x; }
        static constexpr reducer from_sum(V sum, V) { return {sum}; }
        constexpr void merge(const reducer& o) { total = total + o.total; }
        constexpr V value() const { return total; }
    };
};
struct reducer_of_another_type : right {
    template <class V>
    struct reducer : counted_sum<V> {};
};
static_assert(!selfsame::pairwise_objective<forgot_logit>);
static_assert(!selfsame::pairwise_objective<forgot_term>);
static_assert(!selfsame::pairwise_objective<forgot_loss>);
static_assert(!selfsame::pairwise_objective<forgot_keep>);
static_assert(!selfsame::pairwise_objective<forgot_weight>);
static_assert(!selfsame::pairwise_objective<forgot_positive_weight>);
static_assert(!selfsame::pairwise_objective<forgot_level>);
static_assert(!selfsame::pairwise_objective<forgot_in_the_reducer>);
static_assert(!selfsame::pairwise_objective<reducer_of_another_type>);

struct no_weight {
    using similarity = selfsame::cosine;
    using negatives = selfsame::in_batch;
    template <class V>
    using reducer = selfsame::sum_of<V>;
    template <class V>
    struct row {};
};
static_assert(!selfsame::pairwise_objective<no_weight>);
static_assert(!selfsame::pairwise_objective<int>);

}  // namespace
