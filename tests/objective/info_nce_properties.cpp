#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "helpers.hpp"

/// \file
/// What InfoNCE must satisfy whatever a reference says.

namespace {

using namespace selfsame_tests;

problem sample(contrast against, std::uint64_t seed = 1) {
    problem p = random_problem(against, 205, 13, 197, seed);
    p.types = elements::doubles;
    p.how = total::per_sample;
    return p;
}
void scale_row(dense& x, std::size_t i, double by) {
    for (std::size_t k = 0; k < x.width; ++k) x.row(i)[k] *= by;
}

TEST(InfoNCEProperties, CosineDoesNotSeeTheLengthOfRows) {
    for (const contrast against : contrasts) {
        problem p = sample(against), longer = p;
        for (dense* x : {&longer.anchors, &longer.positives, &longer.queue}) {
            for (std::size_t i = 0; i < x->rows; ++i) scale_row(*x, i, std::exp2(static_cast<double>(i % 9) - 4));
        }
        outcome a = evaluate(p, fused).fused, b = evaluate(longer, fused).fused;
        for (std::size_t i = 0; i < a.loss.size(); ++i) EXPECT_NEAR(a.loss[i], b.loss[i], 1e-12);
        // The gradient shrinks as the row grows, and is orthogonal to it.
        for (std::size_t i = 0; i < a.anchors.rows; ++i) {
            scale_row(b.anchors, i, std::exp2(static_cast<double>(i % 9) - 4));
            EXPECT_NEAR(detail::inner(a.anchors.row(i), p.anchors.row(i), 13), 0, 1e-13);
        }
        EXPECT_LE(distance(a.anchors, b.anchors), 1e-12 * frobenius(a.anchors));
        EXPECT_NEAR(a.temperature, b.temperature, 1e-11 * std::fabs(a.temperature));
    }
}

TEST(InfoNCEProperties, ViewsMayBeSwapped) {
    for (const contrast against : {contrast::both_views, contrast::two_way}) {
        const problem p = sample(against);
        problem swapped = p;
        std::swap(swapped.anchors, swapped.positives);
        const outcome a = evaluate(p, fused).fused, b = evaluate(swapped, fused).fused;
        for (std::size_t i = 0; i < a.loss.size(); ++i) EXPECT_NEAR(a.loss[i], b.loss[i], 1e-12);
        EXPECT_LE(distance(a.anchors, b.positives), 1e-12 * frobenius(a.anchors));
        EXPECT_LE(distance(a.positives, b.anchors), 1e-12 * frobenius(a.positives));
    }
}

TEST(InfoNCEProperties, TheOrderOfSamplesDoesNotMatter) {
    for (const contrast against : contrasts) {
        const problem p = sample(against);
        const std::size_t n = p.anchors.rows;
        std::vector<std::size_t> order(n);
        std::iota(order.begin(), order.end(), std::size_t(0));
        std::shuffle(order.begin(), order.end(), std::mt19937(4));
        problem mixed = p;
        const auto rows = [&](const dense& x) {
            dense y = x;
            for (std::size_t i = 0; i < n; ++i) std::copy_n(x.row(order[i]), x.width, y.row(i));
            return y;
        };
        mixed.anchors = rows(p.anchors);
        mixed.positives = rows(p.positives);
        for (std::size_t j = 0; j < mixed.queue.rows; ++j) {
            std::copy_n(p.queue.row(p.queue.rows - 1 - j), p.queue.width, mixed.queue.row(j));
        }
        const outcome a = evaluate(p, fused).fused, b = evaluate(mixed, fused).fused;
        for (std::size_t i = 0; i < n; ++i) EXPECT_NEAR(a.loss[order[i]], b.loss[i], 1e-12);
        EXPECT_LE(distance(rows(a.anchors), b.anchors), 1e-12 * frobenius(a.anchors));
        EXPECT_LE(distance(rows(a.positives), b.positives), 1e-12 * frobenius(a.positives));
    }
}

// Embeddings that all agree tell nothing apart: the loss is the log of the number of candidates.
TEST(InfoNCEProperties, ClosedFormOfEqualEmbeddings) {
    for (const std::size_t n :
         {std::size_t(1), std::size_t(2), std::size_t(97), std::size_t(193), std::size_t(sanitized ? 200 : 500)}) {
        problem p;
        p.anchors = p.positives = dense(n, 6);
        std::fill(p.anchors.values.begin(), p.anchors.values.end(), 0.3);
        std::fill(p.positives.values.begin(), p.positives.values.end(), 0.3);
        for (const elements types : {elements::floats, elements::doubles, elements::halves, elements::bfloats}) {
            p.types = types;
            const double bound = types == elements::doubles ? 1e-12 : 1e-6;
            p.against = contrast::both_views;
            const double views = std::log(2.0 * static_cast<double>(n) - 1);
            EXPECT_NEAR(evaluate(p, fused).fused.loss[0], views, bound * (std::max)(1.0, views));
            p.against = contrast::two_way;
            const double pairs = std::log(static_cast<double>(n));
            EXPECT_NEAR(evaluate(p, fused).fused.loss[0], pairs, bound * (std::max)(1.0, pairs));
        }
    }
}

// Orthogonal samples, identical views: -1/T + log(e^(1/T) + 2N - 2), per row.
TEST(InfoNCEProperties, ClosedFormOfIdenticalViews) {
    const std::size_t n = sanitized ? 100 : 250;
    problem p;
    p.anchors = dense(n, n);
    for (std::size_t i = 0; i < n; ++i) p.anchors.row(i)[i] = 2;
    p.positives = p.anchors;
    for (const double temperature : {0.05, 0.2, 1.0}) {
        p.temperature = temperature;
        const double expected = std::log1p((2.0 * static_cast<double>(n) - 2) * std::exp(-1 / temperature));
        EXPECT_NEAR(evaluate(p, fused).fused.loss[0], expected, 1e-6);
    }
}

TEST(InfoNCEProperties, AQueueOfTheOtherPositivesIsTheBatch) {
    const problem batch = sample(contrast::in_batch);
    problem one = sample(contrast::queue);
    one.anchors = dense(1, 13);
    one.positives = dense(1, 13);
    one.queue = dense(204, 13);
    std::copy_n(batch.anchors.row(0), 13, one.anchors.row(0));
    std::copy_n(batch.positives.row(0), 13, one.positives.row(0));
    std::copy(batch.positives.row(1), batch.positives.row(0) + 205 * 13, one.queue.values.begin());
    EXPECT_NEAR(evaluate(one, fused).fused.loss[0], evaluate(batch, fused).fused.loss[0], 1e-12);
}

TEST(InfoNCEProperties, TwoWayIsTheMeanOfBothDirections) {
    const problem both = sample(contrast::two_way);
    problem rows = sample(contrast::in_batch), columns = rows;
    std::swap(columns.anchors, columns.positives);
    const outcome two = evaluate(both, fused).fused, r = evaluate(rows, fused).fused,
                  c = evaluate(columns, fused).fused;
    for (std::size_t i = 0; i < two.loss.size(); ++i) EXPECT_NEAR(two.loss[i], 0.5 * (r.loss[i] + c.loss[i]), 1e-12);
    dense mean = r.anchors;
    for (std::size_t e = 0; e < mean.values.size(); ++e)
        mean.values[e] = 0.5 * (r.anchors.values[e] + c.positives.values[e]);
    EXPECT_LE(distance(two.anchors, mean), 1e-12 * frobenius(mean));
}

// A step against the gradient lowers the loss.
TEST(InfoNCEProperties, DescentDescends) {
    for (const contrast against : contrasts) {
        problem p = random_problem(against, 60, 8, 50, 2, 0);
        p.temperature = 0.3;
        double before = 1e9;
        for (int step = 0; step < 20; ++step) {
            const outcome o = evaluate(p, fused).fused;
            EXPECT_LT(o.loss[0], before) << describe(p) << step;
            before = o.loss[0];
            for (std::size_t e = 0; e < p.anchors.values.size(); ++e) {
                p.anchors.values[e] -= 3 * o.anchors.values[e];
                p.positives.values[e] -= 3 * o.positives.values[e];
            }
        }
    }
}

}  // namespace
