#include "selfsame/objective/info_nce.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "helpers.hpp"

/// \file
/// InfoNCE against its dense float64 reference, and against differences of its own values.

namespace {

using namespace selfsame_tests;

/// What a type allows: of the loss, of the gradient as computed, and by how much narrowing it adds. A logit has the
/// relative error of its type, which a low temperature turns into an absolute one, also in the loss of a single sample.
struct allowed {
    double loss, gradient, rounding, narrowing;
};
allowed allowed_for(const problem& p) {
    switch (p.types) {
        case elements::doubles:
            return {1e-11, 1e-10, 1e-12 + 1e-14 / p.temperature, 0};
        case elements::mixed_to_double:
            return {1e-11, 1e-10, 1e-12 + 1e-14 / p.temperature, 0x1p-8};
        case elements::floats:
            return {1e-6 + 2e-7 / p.temperature, 2e-5, 5e-7 + 2e-7 / p.temperature, 0};
        case elements::halves:
            return {1e-6 + 2e-7 / p.temperature, 2e-5, 5e-7 + 2e-7 / p.temperature, 0x1p-11};
        default:
            return {1e-6 + 2e-7 / p.temperature, 2e-5, 5e-7 + 2e-7 / p.temperature, 0x1p-8};
    }
}

problem any_problem(bool doubles) {
    const auto size = [](int most, std::vector<int> special, std::vector<int> large) {
        return static_cast<std::size_t>(
            *rc::gen::weightedOneOf<int>({{6, rc::gen::inRange(0, most)},
                                          {3, rc::gen::elementOf(special)},
                                          {sanitized ? 0u : 1u, rc::gen::elementOf(large)}}));
    };
    const auto against =
        *rc::gen::element(contrast::both_views, contrast::in_batch, contrast::two_way, contrast::queue);
    const std::size_t n = size(24, {1, 2, 63, 64, 65, 96, 97, 100}, {191, 192, 193, 385});
    const std::size_t d = 1 + size(24, {0, 14, 15, 16, 30, 31, 32, 62, 63, 64}, {126, 127, 128, 299});
    const std::size_t m = size(40, {0, 1, 64, 191, 192, 193}, {385, 700});
    const auto seed = *rc::gen::inRange<std::uint64_t>(0, 1000000);
    problem p = random_problem(against, n, d, m, seed, 0.1 * *rc::gen::inRange(0, 11));
    p.temperature = std::pow(10.0, 0.1 * *rc::gen::inRange(-30, 31));
    p.how = *rc::gen::element(total::mean, total::sum, total::per_sample);
    if (doubles) {
        p.types = *rc::gen::element(elements::doubles, elements::doubles, elements::mixed_to_double);
    } else {
        p.types = *rc::gen::element(elements::floats, elements::floats, elements::halves, elements::bfloats,
                                    elements::mixed_to_float);
    }
    p.normalize = p.types == elements::mixed_to_float    ? true
                  : p.types == elements::mixed_to_double ? false
                                                         : *rc::gen::arbitrary<bool>();
    if (!p.normalize) {
        // Similarities of about 1, as the promises about temperatures mean.
        for (dense* x : {&p.anchors, &p.positives, &p.queue}) {
            for (double& v : x->values) v /= std::sqrt(static_cast<double>(d));
        }
    }
    for (layout& l : p.in) l = static_cast<layout>(*rc::gen::inRange(0, input_layouts));
    for (layout& l : p.out) l = static_cast<layout>(*rc::gen::inRange(0, output_layouts));
    p.threads = *rc::gen::inRange(1, 4);
    p.scratch_bytes = *rc::gen::element<std::size_t>(0, 1000, 200000, 10000000);
    if (p.how == total::per_sample && *rc::gen::arbitrary<bool>()) {
        std::mt19937_64 random(seed + 1);
        std::normal_distribution<double> normal;
        p.upstream.assign(n, 0.0);
        for (double& u : p.upstream) u = normal(random);
        if (n == 1) p.upstream = {0.7};
    }
    return p;
}

/// Gives the problem to the library and compares all that comes out.
std::string trouble(problem p) {
    reference_result expected = reference(evaluate(p, fused).rounded);
    const allowed a = allowed_for(p);
    if (a.narrowing > 0) {
        // As loss scaling does, put gradients where 16 bits can hold them.
        const double count = static_cast<double>(p.anchors.rows * p.anchors.width);
        const double size = std::sqrt(count) / (std::max)({expected.anchors_scale, expected.positives_scale, 1e-300});
        const double scale = std::exp2(std::round(std::log2(size > 0 && size < 1e30 ? size : 1.0)));
        for (double& u : p.upstream) u *= scale;
    }
    const answer got = evaluate(p);
    expected = reference(got.rounded);
    std::string text =
        complaints(got.apart, expected, p.how, {a.loss, a.gradient + a.narrowing, a.rounding + a.narrowing * 1e-3});
    if (!same(got.apart_of_one, got.fused)) text += "forward and backward differ from value_and_grad; ";
    if (!got.fused.stayed_inside) text += "value_and_grad wrote beside an output; ";
    return text.empty() ? text : describe(p) + text;
}

RC_GTEST_PROP(InfoNCE, DoublesAgreeWithTheReference, ()) { RC_ASSERT(trouble(any_problem(true)) == ""); }
RC_GTEST_PROP(InfoNCE, FloatsAgreeWithTheReference, ()) { RC_ASSERT(trouble(any_problem(false)) == ""); }

// The promise of the design, without allowance for cancellation: embeddings as encoders give them.
TEST(InfoNCE, FloatHoldsItsPromiseAtAnyTemperature) {
    const std::size_t n = sanitized ? 30 : 193;
    for (const contrast against : contrasts) {
        for (const bool normalize : {true, false}) {
            for (const double temperature : {1e-3, 1e-2, 0.07, 0.5, 1.0, 1e3}) {
                for (const double likeness : {0.0, 0.9}) {
                    problem p = random_problem(against, n, 128, 300, 99, likeness);
                    p.normalize = normalize;
                    p.temperature = temperature;
                    if (!normalize) {
                        for (dense* x : {&p.anchors, &p.positives, &p.queue}) {
                            for (double& v : x->values) v /= std::sqrt(128.0);
                        }
                    }
                    const answer got = evaluate(p, fused);
                    EXPECT_EQ(complaints(got.fused, reference(got.rounded), p.how, {}), "") << describe(p) << likeness;
                }
            }
        }
    }
}

// A pair that is already alike, so that the loss and 1 - p vanish: what is left comes from the negatives alone.
TEST(InfoNCE, SmallLossesKeepTheirGradients) {
    for (const contrast against : contrasts) {
        for (const elements types : {elements::floats, elements::doubles}) {
            problem p = random_problem(against, 40, 64, 50, 5, 0.99);
            p.types = types;
            p.temperature = 0.04;
            const answer got = evaluate(p, fused);
            const reference_result expected = reference(got.rounded);
            ASSERT_LT(expected.loss, 1e-3);
            EXPECT_NEAR(got.fused.loss[0] / expected.loss, 1, types == elements::doubles ? 1e-10 : 3e-5);
            EXPECT_EQ(complaints(got.fused, expected, p.how, {}), "") << describe(p);
        }
    }
}

TEST(InfoNCE, GradientsAreTheDifferencesOfLosses) {
    for (const contrast against : contrasts) {
        for (const bool normalize : {true, false}) {
            for (const total how : {total::mean, total::sum, total::per_sample}) {
                problem p = random_problem(against, 6, 4, 5, 17);
                p.types = elements::doubles;
                p.normalize = normalize;
                p.temperature = 0.4;
                p.how = how;
                if (how == total::per_sample) p.upstream = {1, -2, 0.5, 0, 3, 1};
                const answer got = evaluate(p, apart);
                const auto loss = [&](const problem& q) {
                    const std::vector<double> l = evaluate(q, fused).fused.loss;
                    double sum = 0;
                    for (std::size_t i = 0; i < l.size(); ++i) sum += l[i] * q.upstream[i];
                    return sum;
                };
                const auto slope = [&](double& v, double step) {
                    const double before = v;
                    v = before + step;
                    const double above = loss(p);
                    v = before - step;
                    const double below = loss(p);
                    v = before;
                    return (above - below) / (2 * step);
                };
                const auto all = [&](dense& x, const dense& gradient, const char* name) {
                    ASSERT_EQ(x.values.size(), gradient.values.size());
                    for (std::size_t e = 0; e < x.values.size(); ++e) {
                        EXPECT_NEAR(slope(x.values[e], 1e-5), gradient.values[e], 1e-8) << describe(p) << name << e;
                    }
                };
                all(p.anchors, got.apart.anchors, "anchors");
                all(p.positives, got.apart.positives, "positives");
                all(p.queue, got.apart.queue, "queue");
                EXPECT_NEAR(slope(p.temperature, 1e-5), got.apart.temperature, 1e-7) << describe(p);
            }
        }
    }
}

// A batch in half precision: gradients of the mean are of the size of 1 / N^(1/2) D^(1/2) N, below what half can hold,
// so upstream has to be applied before they are narrowed.
TEST(InfoNCE, LossScalingComesBeforeNarrowing) {
    problem p = random_problem(contrast::both_views, sanitized ? 200 : 4096, 32, 0, 3);
    p.types = elements::halves;
    p.temperature = sanitized ? 100 : 5;
    const double scale = 0x1p16;
    p.upstream = {scale};
    const answer got = evaluate(p, apart);
    p.types = elements::floats;
    p.anchors = got.rounded.anchors;
    p.positives = got.rounded.positives;
    const answer expected = evaluate(p, apart);  // held against the reference by other tests
    const double size = frobenius(expected.apart.anchors);
    EXPECT_LE(distance(got.apart.anchors, expected.apart.anchors), 4e-4 * size);
    EXPECT_LE(distance(got.apart.positives, expected.apart.positives), 4e-4 * size);

    dense late = got.apart_of_one.anchors;  // narrowed, then scaled: what must not happen
    for (double& v : late.values) v *= scale;
    EXPECT_GE(distance(late, expected.apart.anchors), 5e-3 * size) << "this test would not notice";
}

TEST(InfoNCE, BfloatProductsHaveTheirBound) {
    for (const contrast against : contrasts) {
        for (const bool normalize : {true, false}) {
            for (const auto& [n, d] : {std::pair<std::size_t, std::size_t>{1, 1},
                                       {7, 3},
                                       {sanitized ? 50 : 193, 64},
                                       {sanitized ? 20 : 250, 65},
                                       {64, 128}}) {
                problem p = random_problem(against, n, d, 100, 8);
                p.bfloat_products = true;
                p.normalize = normalize;
                p.temperature = 0.5;
                p.how = total::per_sample;
                p.scratch_bytes = n == 64 ? 1 << 20 : 0;
                if (!normalize) {
                    for (dense* x : {&p.anchors, &p.positives, &p.queue}) {
                        for (double& v : x->values) v /= std::sqrt(static_cast<double>(d));
                    }
                }
                const answer got = evaluate(p);
                EXPECT_EQ(complaints(got.apart, reference(got.rounded), p.how, {1e-2, 1e-2, 2e-3}), "") << describe(p);
                EXPECT_TRUE(same(got.apart_of_one, got.fused));
            }
        }
    }
}

}  // namespace
