#include <gtest/gtest.h>

#include <vector>

#include "helpers.hpp"

/// \file
/// On the host the number of threads changes no bit, and a scratch budget only the speed.

namespace {

using namespace selfsame_tests;

std::vector<int> some_threads() { return sanitized ? std::vector<int>{1, 3} : std::vector<int>{1, 2, 3, 5, 8}; }

void expect_one_result(problem p, const std::vector<int>& threads, const std::vector<std::size_t>& budgets) {
    p.threads = threads[0];
    p.scratch_bytes = budgets[0];
    const outcome first = evaluate(p, fused).fused;
    ASSERT_FALSE(std::isnan(first.loss.front()));
    for (const std::size_t scratch : budgets) {
        for (const int t : threads) {
            p.threads = t;
            p.scratch_bytes = scratch;
            EXPECT_TRUE(same(evaluate(p, fused).fused, first)) << describe(p);
        }
    }
}

TEST(InfoNCEThreads, NumberOfThreadsChangesNoBit) {
    const std::size_t n = sanitized ? 200 : 600;
    for (const contrast against : contrasts) {
        for (const elements types : {elements::floats, elements::doubles}) {
            for (const double temperature : {0.1, 2e-3}) {
                problem p = random_problem(against, n, 19, n + 111, 21);
                p.types = types;
                p.temperature = temperature;
                p.how = total::per_sample;
                expect_one_result(p, some_threads(), {0});
            }
        }
    }
}

TEST(InfoNCEThreads, ScratchBudgetChangesNoBit) {
    const std::size_t n = sanitized ? 200 : 500;
    for (const contrast against : contrasts) {
        for (const double temperature : {0.1, 2e-3}) {
            problem p = random_problem(against, n, 19, n + 111, 22);
            p.temperature = temperature;
            // Nothing, less than a tile, one tile, some, all.
            const std::vector<std::size_t> budgets{0, 100, 192 * 192 * 4, 500000, 1 << 26};
            expect_one_result(p, {1, 3}, sanitized ? std::vector<std::size_t>{0, 100, 500000} : budgets);
        }
    }
}

TEST(InfoNCEThreads, BfloatProducts) {
    for (const contrast against : contrasts) {
        problem p = random_problem(against, sanitized ? 200 : 500, 33, 450, 23);
        p.bfloat_products = true;
        expect_one_result(p, some_threads(), {0, 500000});
    }
}

// Blocks are gathered in groups of two from 24 blocks on and of four from 128.
TEST(InfoNCEThreads, GroupsOfBlocks) {
    if (sanitized) GTEST_SKIP() << "too slow under a sanitizer";
    problem p = random_problem(contrast::both_views, 192 * 13 + 5, 3, 0, 24);
    expect_one_result(p, {1, 2, 5}, {0, 1 << 20});
    p = random_problem(contrast::queue, 300, 3, 192 * 27 + 5, 24);
    expect_one_result(p, {1, 2, 5}, {0, 1 << 20});
    p = random_problem(contrast::queue, 100, 3, 192 * 130 + 5, 25);
    expect_one_result(p, {1, 2, 5}, {0});
}

}  // namespace
