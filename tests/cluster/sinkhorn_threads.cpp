#include <gtest/gtest.h>

#include <thrust/execution_policy.h>

#include "helpers.hpp"

/// \file
/// The number of threads changes no bit.

namespace selfsame_tests {
namespace {

using selfsame::log_domain;
using selfsame::sinkhorn;

template <class T>
void expect_one_result(const auto& options, std::size_t samples, std::size_t prototypes, bool masked) {
    dense scores = random_scores(samples, prototypes, samples);
    for (std::size_t k = 0; k < prototypes; ++k) scores.row(samples / 2)[k] -= 50;  // done under its own maximum
    std::vector<bool> mask;
    for (std::size_t b = 0; b < samples && masked; ++b) mask.push_back(b % 3 != 0);
    const assignment first = assign<T, T>(1, options, scores, mask);
    EXPECT_LT(largest_difference(first.codes, first.codes), 1);
    for (const int threads : sanitized ? std::vector<int>{3} : std::vector<int>{2, 3, 5, 8}) {
        const assignment other = assign<T, T>(threads, options, scores, mask);
        EXPECT_TRUE(same(other.codes.values, first.codes.values)) << threads;
        EXPECT_EQ(other.report.marginal_error, first.report.marginal_error);
        EXPECT_EQ(other.report.iterations, first.report.iterations);
    }
}

TEST(SinkhornThreads, NumberOfThreadsChangesNoBit) {
    const std::size_t samples = sanitized ? 300 : 1500;
    for (const bool masked : {false, true}) {
        expect_one_result<float>(sinkhorn<>{}, samples + 3, 200, masked);
        expect_one_result<double>(sinkhorn<>{}, samples, 101, masked);
        expect_one_result<float>(sinkhorn<log_domain>{}, samples + 3, 200, masked);
        expect_one_result<float>(sinkhorn<>{.iterations = 50, .tolerance = 1e-3}, samples + 3, 33, masked);
        expect_one_result<half>(sinkhorn<>{}, samples + 3, 33, masked);
    }
    expect_one_result<float>(sinkhorn<>{.iterations = 2}, 100, 20000, false);  // prototypes in several pieces
}

// More of them than share passes: neither threads nor the others change a position's codes.
TEST(SinkhornThreads, PositionsAtOnce) {
    constexpr index_t positions = 16, samples = 9, prototypes = 50000;
    const dense scores = random_scores(positions * samples, prototypes, 3);
    const std::vector<float> x(scores.values.begin(), scores.values.end());
    const std::array<index_t, 3> shape{positions, samples, prototypes};
    const sinkhorn<> options{.iterations = 2};
    std::vector<float> first;
    for (const int threads : sanitized ? std::vector<int>{1, 3} : std::vector<int>{1, 2, 5}) {
        std::vector<float> q(x.size());
        selfsame::assign(selfsame::context{thrust::omp::par, threads}, options, selfsame::view(x.data(), shape),
                         selfsame::view(q.data(), shape));
        if (threads == 1) first = q;
        EXPECT_EQ(q, first);
    }
    for (const index_t p : {index_t(0), index_t(14)}) {
        constexpr index_t size = samples * prototypes;
        std::vector<float> alone(size);
        selfsame::assign(thrust::seq, options, selfsame::matrix(x.data() + p * size, samples, prototypes),
                         selfsame::matrix(alone.data(), samples, prototypes));
        EXPECT_TRUE(std::equal(alone.begin(), alone.end(), first.begin() + p * size)) << p;
    }
}

TEST(SinkhornThreads, SequentialPolicy) {
    const dense scores = random_scores(200, 50, 4);
    stored<float> x(scores, layout::packed), q(200, 50);
    selfsame::assign(thrust::seq, sinkhorn<>{}, x.view(), q.view());
    EXPECT_TRUE(same(q.get().values, assign<float>(sinkhorn<>{}, scores).codes.values));
}

// Large enough to be written past the caches, at every alignment of rows.
TEST(SinkhornThreads, LargeCodesAsSmallOnes) {
    if (sanitized) GTEST_SKIP() << "too large under a sanitizer";
    constexpr std::size_t samples = 1100, prototypes = 4001;
    const dense scores = rounded<float>(random_scores(samples, prototypes, 5));
    const assignment large = assign<float, float>(2, sinkhorn<>{}, scores, {}, layout::packed, layout::padded);
    EXPECT_TRUE(large.stayed_inside);
    stored<float> x(scores, layout::packed);
    selfsame::assign(selfsame::context{thrust::omp::par, 2}, sinkhorn<>{}, x.view(),
                     x.view());  // in place: through them
    EXPECT_TRUE(same(x.get().values, large.codes.values));
    EXPECT_LT(largest_difference(large.codes, sinkhorn_reference(scores, {}), true),
              (allowance<float, float>(scores, 0.05)));
}

}  // namespace
}  // namespace selfsame_tests
