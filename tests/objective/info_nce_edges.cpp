#include <gtest/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "helpers.hpp"

/// \file
/// Where formulas end: no rows, one row, one dimension, NaN, duplicates, zeros, huge and tiny values, temperatures at
/// which everything underflows, and more pairs than 32 bits count.

namespace {

using namespace selfsame_tests;
constexpr elements real_types[] = {elements::floats, elements::doubles};

bool all_zero(const dense& x) {
    return std::all_of(x.values.begin(), x.values.end(), [](double v) { return v == 0; });
}
bool all_finite(const outcome& o) {
    const auto finite = [](const std::vector<double>& x) {
        return std::all_of(x.begin(), x.end(), [](double v) { return std::isfinite(v); });
    };
    return finite(o.loss) && finite(o.anchors.values) && finite(o.positives.values) && finite(o.queue.values) &&
           std::isfinite(o.temperature);
}

TEST(InfoNCEEdges, EmptyBatch) {
    for (const contrast against : contrasts) {
        for (const total how : {total::mean, total::sum, total::per_sample}) {
            for (const int threads : {1, 3}) {
                problem p = random_problem(against, 0, 7, 5, 1);
                p.how = how;
                p.threads = threads;
                p.scratch_bytes = 1 << 20;
                const answer got = evaluate(p);
                EXPECT_EQ(got.fused.loss, std::vector<double>(how == total::per_sample ? 0 : 1, 0.0)) << describe(p);
                EXPECT_TRUE(all_zero(got.fused.queue)) << describe(p);
                EXPECT_EQ(got.fused.temperature, 0);
                EXPECT_TRUE(same(got.apart, got.fused));
            }
        }
    }
}

// Nothing to contrast with: the loss is 0, and so are all gradients.
TEST(InfoNCEEdges, NoNegatives) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            for (const double temperature : {1e-3, 0.1, 1e3}) {
                problem p = random_problem(against, against == contrast::queue ? 4 : 1, 5, 0, 2);
                p.types = types;
                p.temperature = temperature;
                p.how = total::per_sample;
                const answer got = evaluate(p);
                EXPECT_EQ(got.fused.loss, std::vector<double>(p.anchors.rows, 0.0)) << describe(p);
                EXPECT_TRUE(all_zero(got.fused.anchors) && all_zero(got.fused.positives)) << describe(p);
                EXPECT_EQ(got.fused.temperature, 0) << describe(p);
                EXPECT_TRUE(same(got.apart, got.fused));
            }
        }
    }
}

// In one dimension a cosine is a sign.
TEST(InfoNCEEdges, OneDimension) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            problem p = random_problem(against, 50, 1, 30, 3);
            p.types = types;
            const answer got = evaluate(p, fused);
            const reference_result expected = reference(got.rounded);
            EXPECT_NEAR(got.fused.loss[0], expected.loss, 1e-5);
            const double bound = types == elements::doubles ? 1e-13 : 1e-6;
            EXPECT_LE(frobenius(got.fused.anchors), bound * expected.anchors_scale);
            EXPECT_LE(frobenius(got.fused.positives), bound * expected.positives_scale);
        }
    }
}

/// Which losses a NaN in row `row` of a matrix must reach.
TEST(InfoNCEEdges, NaNReachesTheLossesThatSeeItAndNoOther) {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr std::size_t n = 230, m = 210, row = 200;
    for (const contrast against : contrasts) {
        for (const elements types : {elements::floats, elements::doubles, elements::halves, elements::bfloats}) {
            for (const double temperature : {0.1, 1e-3}) {
                // The types' engines are one template: a sanitizer needs not see each at each temperature.
                if (sanitized && types != (temperature < 0.1 ? elements::halves : elements::floats)) continue;
                for (int which_matrix = 0; which_matrix < (against == contrast::queue ? 3 : 2); ++which_matrix) {
                    problem p = random_problem(against, n, 9, m, 4);
                    p.types = types;
                    p.temperature = temperature;
                    p.how = total::per_sample;
                    const reference_result without = reference(evaluate(p, fused).rounded, false);
                    dense& x = which_matrix == 0 ? p.anchors : which_matrix == 1 ? p.positives : p.queue;
                    x.row(row)[3] = nan;
                    const outcome got = evaluate(p, fused).fused;
                    const bool only_its_own = (against == contrast::in_batch && which_matrix == 0) ||
                                              (against == contrast::queue && which_matrix < 2);
                    int wrong = 0;
                    for (std::size_t i = 0; i < n; ++i) {
                        if (!only_its_own || i == row) {
                            wrong += std::isnan(got.loss[i]) ? 0 : 1;
                        } else {
                            wrong += std::fabs(got.loss[i] - without.losses[i]) <=
                                             1e-3 * (std::max)(1.0, std::fabs(without.losses[i]))
                                         ? 0
                                         : 1;
                        }
                    }
                    EXPECT_EQ(wrong, 0) << describe(p) << which_matrix;
                    EXPECT_TRUE(std::isnan(got.anchors.row(row)[0])) << describe(p) << which_matrix;
                    if (which_matrix != 2 || against != contrast::queue) {
                        EXPECT_TRUE(std::isnan(got.positives.row(row)[0])) << describe(p) << which_matrix;
                    }
                    if (only_its_own) {
                        EXPECT_FALSE(std::isnan(got.anchors.row(0)[0])) << describe(p) << which_matrix;
                    }
                    EXPECT_TRUE(std::isnan(got.temperature)) << describe(p) << which_matrix;

                    p.how = total::mean;
                    EXPECT_TRUE(std::isnan(evaluate(p, fused).fused.loss[0])) << describe(p) << which_matrix;
                }
            }
        }
    }
}

TEST(InfoNCEEdges, InfinityIsNoNumberEither) {
    for (const contrast against : contrasts) {
        for (const bool normalize : {true, false}) {
            problem p = random_problem(against, 20, 9, 10, 4);
            p.normalize = normalize;
            p.anchors.row(5)[2] = std::numeric_limits<double>::infinity();
            p.how = total::per_sample;
            const outcome got = evaluate(p, fused).fused;
            EXPECT_FALSE(std::isfinite(got.loss[5])) << describe(p);
        }
    }
}

TEST(InfoNCEEdges, AllAlike) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            for (const double temperature : {1e-3, 0.1, 1e3}) {
                problem p = random_problem(against, 200, 16, 210, 6);
                for (dense* x : {&p.anchors, &p.positives, &p.queue}) {
                    for (std::size_t i = 0; i < x->rows; ++i) std::copy_n(p.anchors.row(0), 16, x->row(i));
                }
                p.types = types;
                p.temperature = temperature;
                p.how = total::per_sample;
                const outcome got = evaluate(p, fused).fused;
                const double expected = std::log(against == contrast::both_views ? 399
                                                 : against == contrast::queue    ? 211
                                                                                 : 200);
                // At a low temperature a rounding of the similarities is all there is to tell rows apart.
                const double rounding = types == elements::doubles ? 1e-15 : 1e-7;
                double worst = 0;
                for (const double l : got.loss) worst = (std::max)(worst, std::fabs(l - expected));
                EXPECT_LE(worst, 40 * rounding + 3 * rounding / temperature) << describe(p);
                // The gradients of the parts cancel in sum: what is left is rounding.
                const reference_result r = reference(p);
                const double bound = 30 * rounding + 3 * rounding / temperature;
                EXPECT_LE(frobenius(got.anchors), bound * r.anchors_scale + 1e-30) << describe(p);
                EXPECT_LE(frobenius(got.positives), bound * r.positives_scale + 1e-30) << describe(p);
            }
        }
    }
}

TEST(InfoNCEEdges, NearDuplicates) {
    for (const contrast against : contrasts) {
        for (const double temperature : {1e-3, 0.1}) {
            problem p = random_problem(against, 60, 16, 40, 7, 1.0);
            for (std::size_t i = 0; i < p.anchors.rows; ++i) {
                // In groups of three nearly the same rows, positives equal to their anchors.
                for (std::size_t k = 0; k < 16; ++k) {
                    p.anchors.row(i)[k] = p.anchors.row(i / 3 * 3)[k] * (1 + 1e-7 * static_cast<double>(i % 3));
                    p.positives.row(i)[k] = p.anchors.row(i)[k];
                }
            }
            const answer got = evaluate(p, fused);
            const reference_result expected = reference(got.rounded);
            EXPECT_TRUE(all_finite(got.fused)) << describe(p);
            EXPECT_EQ(
                complaints(got.fused, expected, p.how, {1e-6 + 2e-7 / temperature, 2e-5, 1e-6 + 2e-7 / temperature}),
                "")
                << describe(p);
        }
    }
}

// A row of zeros has similarity 0 to all, as x / max(|x|, 1e-12) says, and the slope of that.
TEST(InfoNCEEdges, RowsOfZeros) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            problem p = random_problem(against, 30, 8, 20, 9);
            for (dense* x : {&p.anchors, &p.positives}) std::fill_n(x->row(4), 8, 0.0);
            std::fill_n(p.positives.row(11), 8, 0.0);
            if (against == contrast::queue) std::fill_n(p.queue.row(0), 8, 0.0);
            p.types = types;
            p.how = total::per_sample;
            const answer got = evaluate(p, fused);
            const reference_result expected = reference(got.rounded);
            EXPECT_TRUE(all_finite(got.fused)) << describe(p);
            EXPECT_EQ(complaints(got.fused, expected, p.how, {1e-6, 2e-5, 1e-7}), "") << describe(p);
        }
    }
}

TEST(InfoNCEEdges, HugeAndTinyRows) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            std::vector<double> sizes = {1e30, 1e-8, 3e37, 1e-30};
            if (types == elements::doubles) sizes.insert(sizes.end(), {1e200, 1e307});
            for (const double size : sizes) {
                problem p = random_problem(against, 30, 8, 20, 10);
                for (std::size_t i = 0; i < 30; i += 2) {
                    for (std::size_t k = 0; k < 8; ++k) p.anchors.row(i)[k] *= size;
                }
                for (double& v : p.positives.values) v *= size;
                p.types = types;
                p.how = total::per_sample;
                const answer got = evaluate(p, fused);
                const reference_result expected = reference(got.rounded);
                EXPECT_TRUE(all_finite(got.fused)) << describe(p) << size;
                for (std::size_t i = 0; i < 30; ++i) {
                    EXPECT_NEAR(got.fused.loss[i], expected.losses[i], 2e-6 * (std::max)(1.0, expected.losses[i]))
                        << describe(p) << size;
                }
                if (size == 1e30 || size == 1e-8) {  // others have gradients that float cannot hold
                    EXPECT_LE(distance(got.fused.positives, expected.positives), 2e-5 * frobenius(expected.positives))
                        << describe(p) << size;
                }
            }
        }
    }
}

// Positives alike and negatives opposite, or the other way round, at a temperature that no exponential survives.
TEST(InfoNCEEdges, EverythingUnderflows) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            for (const bool good : {true, false}) {
                problem p = random_problem(against, against == contrast::queue ? 150 : 2, 4, 150, 11);
                for (std::size_t i = 0; i < p.anchors.rows; ++i) {
                    const double side = i % 2 == 0 || against == contrast::queue ? 1 : -1;
                    std::fill_n(p.anchors.row(i), 4, side);
                    std::fill_n(p.positives.row(i), 4, good ? side : -side);
                }
                for (double& v : p.queue.values) v = good ? -1 : 1;
                p.types = types;
                p.temperature = 1e-3;
                p.how = total::per_sample;
                const answer got = evaluate(p, fused);
                const reference_result expected = reference(got.rounded);
                EXPECT_TRUE(all_finite(got.fused)) << describe(p);
                for (std::size_t i = 0; i < p.anchors.rows; ++i) {
                    EXPECT_NEAR(got.fused.loss[i], expected.losses[i], 1e-6 * (std::max)(1.0, expected.losses[i]))
                        << describe(p);
                }
                EXPECT_NEAR(got.fused.temperature, expected.temperature, 2e-5 * std::fabs(expected.temperature))
                    << describe(p);
            }
        }
    }
}

// Logits that lie hundreds apart within a tile, so that its rows cannot share a level.
TEST(InfoNCEEdges, LevelsFarApart) {
    for (const contrast against : contrasts) {
        for (const elements types : real_types) {
            problem p = random_problem(against, 210, 6, 200, 12);
            p.normalize = false;
            for (std::size_t i = 0; i < 210; ++i) {
                for (std::size_t k = 0; k < 6; ++k) p.anchors.row(i)[k] *= static_cast<double>(i % 13);
            }
            p.types = types;
            p.how = total::per_sample;
            const answer got = evaluate(p, fused);
            EXPECT_EQ(complaints(got.fused, reference(got.rounded), p.how, {1e-5, 1e-4, 1e-4}), "") << describe(p);
        }
    }
}

// 2.15e9 pairs in closed form: anchors and positives take few values, so the denominator is a short sum.
TEST(InfoNCEEdges, MorePairsThan32BitsCount) {
#if !defined(__OPTIMIZE__)
    GTEST_SKIP() << "too slow without optimization";
#endif
    if (sanitized) GTEST_SKIP() << "too slow under a sanitizer";
    constexpr std::size_t n = 46400, kinds = 5;
    std::vector<float> a(n), b(n);
    for (std::size_t i = 0; i < n; ++i) {
        a[i] = 0.25f * static_cast<float>(i % 3);
        b[i] = 0.25f * static_cast<float>(i % kinds);
    }
    a[n - 1] = b[n - 1] = 1.0f;  // the last pair of all
    std::vector<float> losses(n);
    using objective = selfsame::info_nce<selfsame::dot, selfsame::in_batch>;
    selfsame::forward(thrust::omp::par, objective{.temperature = 0.125, .reduction = selfsame::reduction::per_sample},
                      selfsame::pairs{selfsame::matrix(a.data(), n, 1), selfsame::matrix(b.data(), n, 1)}, losses);
    double counts[kinds] = {};
    for (std::size_t i = 0; i + 1 < n; ++i) counts[i % kinds] += 1;
    double worst = 0;
    for (std::size_t i = 0; i < n; ++i) {
        const double x = 8 * static_cast<double>(a[i]);
        double sum = std::exp(x);
        for (std::size_t k = 0; k < kinds; ++k) sum += counts[k] * std::exp(x * 0.25 * static_cast<double>(k));
        const double expected = std::log(sum) - x * static_cast<double>(b[i]);
        worst = (std::max)(worst, std::fabs(static_cast<double>(losses[i]) - expected) / (std::max)(1.0, expected));
    }
    EXPECT_LE(worst, 1e-6);
}

}  // namespace
