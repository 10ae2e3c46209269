#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "cluster/helpers.hpp"
#include "selfsame/cluster/device_sinkhorn.hpp"
#include "where.hpp"

// Sinkhorn on the device beside SwAV's definition in long double, and beside the host.

namespace {

using namespace selfsame_tests;
using selfsame::exponential_domain;
using selfsame::hard_codes;
using selfsame::log_domain;
using selfsame::sinkhorn;
namespace marginals = selfsame::marginals;

// With room for blocks that live at the same time, and without: kernels one after the other.
class cuda_sinkhorn : public ::testing::TestWithParam<index_t> {
  protected:
    void SetUp() override { blocks_at_once = GetParam(); }
    void TearDown() override { blocks_at_once = 4; }
};
#if defined(__CUDACC__)
INSTANTIATE_TEST_SUITE_P(on_gpu, cuda_sinkhorn, ::testing::Values(4));
#else
INSTANTIATE_TEST_SUITE_P(together, cuda_sinkhorn, ::testing::Values(4));
INSTANTIATE_TEST_SUITE_P(in_turn, cuda_sinkhorn, ::testing::Values(0));
#endif

template <class From, class To>
dense assign_on_device(const auto& options, const dense& scores, const std::vector<bool>& mask = {},
                       layout in = layout::packed, layout out = layout::packed) {
    stored<From> x(scores, in);
    stored<To> q(scores.rows, scores.width, out);
    const auto from = on_device(std::as_const(x).view());
    const std::vector<unsigned char> values(mask.begin(), mask.end());
    if (mask.empty()) {
        selfsame::assign(where::policy(), options, from, on_device(q.view()));
    } else {
        selfsame::assign(where::policy(), options, from, on_device(q.view()), on_device(values));
    }
    where::wait();
    EXPECT_TRUE(q.untouched() && x.untouched());
    return q.get();
}

template <class From, class To = From>
void expect_definition(const transport& how, std::size_t samples, std::size_t prototypes, layout in = layout::packed,
                       layout out = layout::packed) {
    const dense scores = rounded<From>(random_scores(samples, prototypes, 3));
    const sinkhorn<> options{.epsilon = how.epsilon, .iterations = how.iterations};
    const dense got = assign_on_device<From, To>(options, scores, how.mask, in, out);
    EXPECT_LT(largest_difference(got, sinkhorn_reference(scores, how), true),
              (allowance<From, To>(scores, how.epsilon)))
        << samples << " x " << prototypes;
}

TEST_P(cuda_sinkhorn, is_the_definition) {
    order_of_threads = 2;
    expect_definition<float>({}, 37, 700);
    expect_definition<float>({}, 1, 5);
    expect_definition<float>({}, 9, 1);
    expect_definition<float>({.epsilon = 0.2, .iterations = 1}, 67, 20);
    expect_definition<double>({.iterations = 5}, 35, 33);
    order_of_threads = 1;
    expect_definition<selfsame::half, float>({}, 21, 40, layout::upside_down, layout::spread);
    expect_definition<selfsame::bfloat16>({}, 21, 40, layout::transposed, layout::padded);
    order_of_threads = 0;
}

TEST_P(cuda_sinkhorn, gives_prototypes_what_the_marginals_say) {
    const dense scores = rounded<float>(random_scores(20, 15, 4));
    std::vector<double> weights(15);
    for (std::size_t k = 0; k < 15; ++k) weights[k] = std::pow(static_cast<double>(k + 1), -1.5);
    const double bound = allowance<float, float>(scores, 0.05);
    const auto off = [&](const auto& m) {
        const sinkhorn<exponential_domain, std::remove_cvref_t<decltype(m)>> options{.marginals = m};
        const dense expected = sinkhorn_reference(scores, {.marginals = weights});
        return largest_difference(assign_on_device<float, float>(options, scores), expected, true);
    };
    EXPECT_LT(off(marginals::power_law{1.5}), bound);
    weights[6] = 0;
    const auto given = on_device(std::as_const(weights));
    EXPECT_LT(off(marginals::given{given}), bound);
    const sinkhorn<exponential_domain, marginals::given<std::remove_cvref_t<decltype(given)>>> wrong{
        .marginals = {given}};
    EXPECT_EQ(refusal([&] { assign_on_device<float, float>(wrong, random_scores(3, 14, 1)); }),
              "selfsame: marginals.weights: got 15, expected 14 values");
}

// More chunks than one, several tiles of prototypes, and rows too long to be read four at once.
TEST_P(cuda_sinkhorn, of_long_rows_is_the_definition) {
    enough_blocks = 2;
    expect_definition<float>({.iterations = 2}, 17, 1100);
    expect_definition<float>({.iterations = 2}, 9, 20000);
    enough_blocks = 4;
}

// Slices and groups of any number, few rows and none that count, in any layout.
TEST_P(cuda_sinkhorn, of_any_shape_is_the_definition) {
    std::mt19937 random(1);
    const auto draw = [&](auto first, auto last) { return std::uniform_int_distribution(first, last)(random); };
#if defined(__CUDACC__)
    constexpr int cases = 20;  // compute-sanitizer takes a minute for these
#else
    constexpr int cases = 60;
#endif
    for (int n = 0; n < cases; ++n) {
        enough_blocks = blocks_at_once == 0 ? 4 : (blocks_at_once = draw(1, 6));
        order_of_threads = draw(0, thread_orders - 1);
        const auto samples = draw(std::size_t(1), std::size_t(n % 3 == 0 ? 10 : 120));
        const auto prototypes = draw(std::size_t(1), std::size_t(n % 2 == 0 ? 60 : 1500));
        transport how{.epsilon = 0.05 * draw(1, 20), .iterations = draw(1, 4)};
        const int masked = draw(-3, 3);  // of four
        for (std::size_t b = 0; b < samples && masked >= 0; ++b) how.mask.push_back(draw(0, 3) >= masked);
        const auto any = [&] { return static_cast<layout>(draw(0, output_layouts - 1)); };
        SCOPED_TRACE("case " + std::to_string(n) + ", " + std::to_string(enough_blocks) + " blocks");
        expect_definition<float>(how, samples, prototypes, any(), any());
        if (n % 5 == 0) expect_definition<selfsame::half, selfsame::bfloat16>(how, samples, prototypes, any(), any());
    }
    enough_blocks = 4;
    order_of_threads = 0;
}

// Where terms overflow or vanish, and samples far from others.
TEST_P(cuda_sinkhorn, takes_any_epsilon_in_both_domains) {
    dense scores = rounded<float>(random_scores(30, 37, 5));
    for (std::size_t k = 0; k < 37; ++k) scores.row(4)[k] -= 6;
    scores = rounded<float>(scores);
    for (const double epsilon : {2e-3, 0.05, 1.0}) {
        const dense expected = sinkhorn_reference(scores, {.epsilon = epsilon});
        const double bound = allowance<float, float>(scores, epsilon);
        const auto off = [&](const auto& options) {
            return largest_difference(assign_on_device<float, float>(options, scores), expected, true);
        };
        EXPECT_LT(off(sinkhorn<>{.epsilon = epsilon}), bound) << epsilon;
        EXPECT_LT(off(sinkhorn<log_domain>{.epsilon = epsilon}), bound) << epsilon;
    }
}

TEST_P(cuda_sinkhorn, passes_masked_samples_over) {
    dense scores = rounded<float>(random_scores(23, 12, 8));
    transport how{.mask = std::vector<bool>(23, true)};
    for (const std::size_t b : {0u, 8u, 9u, 10u, 11u, 22u}) how.mask[b] = false;
    const dense expected = sinkhorn_reference(scores, how);
    for (std::size_t k = 0; k < 12; ++k) scores.row(8)[k] = NAN;
    const dense got = assign_on_device<float, float>(sinkhorn<>{}, scores, how.mask);
    EXPECT_LT(largest_difference(got, expected, true), (allowance<float, float>(random_scores(23, 12, 8), 0.05)));
    const dense none = assign_on_device<float, float>(sinkhorn<>{}, scores, std::vector<bool>(23, false));
    EXPECT_EQ(none.values, std::vector<double>(none.values.size(), 0));
}

TEST_P(cuda_sinkhorn, of_infinite_and_missing_scores_is_the_limit) {
    dense scores = rounded<float>(random_scores(14, 10, 9));
    for (std::size_t k = 0; k < 10; ++k) scores.row(3)[k] = -INFINITY;
    for (std::size_t b = 0; b < 14; ++b) scores.row(b)[7] = -INFINITY;
    const dense got = assign_on_device<float, float>(sinkhorn<>{}, scores);
    EXPECT_LT(largest_difference(got, sinkhorn_reference(scores, {}), true), 1e-5);
    for (const float wrong : {NAN, INFINITY}) {
        dense bad = scores;
        bad.row(5)[2] = wrong;
        for (const double v : assign_on_device<float, float>(sinkhorn<>{}, bad).values) ASSERT_TRUE(std::isnan(v));
        for (const double v :
             assign_on_device<float, float>(sinkhorn<exponential_domain, marginals::uniform, hard_codes>{}, bad)
                 .values) {
            ASSERT_TRUE(std::isnan(v));
        }
    }
}

TEST_P(cuda_sinkhorn, hard_codes_are_the_first_largest) {
    dense scores = rounded<float>(random_scores(15, 600, 10));
    for (std::size_t b = 0; b < 15; ++b) std::copy_n(scores.row(b), 300, scores.row(b) + 300);  // two largest
    for (std::size_t k = 0; k < 600; ++k) scores.row(1)[k] = -INFINITY;
    const dense soft = sinkhorn_reference(scores, {});
    const dense got =
        assign_on_device<float, float>(sinkhorn<exponential_domain, marginals::uniform, hard_codes>{}, scores);
    for (std::size_t b = 0; b < 15; ++b) {
        const auto top = std::max_element(soft.row(b), soft.row(b) + 600) - soft.row(b);
        for (std::size_t k = 0; k < 600; ++k) {
            ASSERT_EQ(got.row(b)[k], b != 1 && static_cast<std::ptrdiff_t>(k) == top) << b << ", " << k;
        }
    }
}

TEST_P(cuda_sinkhorn, stops_at_the_tolerance) {
    const dense scores = rounded<float>(random_scores(40, 24, 11));
    const auto after = [&](int n) { return sinkhorn_reference(scores, {.iterations = n}); };
    const double tolerance = std::sqrt(marginal_error(after(3), {}) * marginal_error(after(4), {}));
    const dense got = assign_on_device<float, float>(sinkhorn<>{.iterations = 9, .tolerance = tolerance}, scores);
    const double bound = allowance<float, float>(scores, 0.05);
    EXPECT_LT(largest_difference(got, after(4), true), bound);
    EXPECT_GT(largest_difference(got, after(5), true), bound);
}

// Positions are problems of their own; their codes take the place of the scores, the same bits in any order of threads.
TEST_P(cuda_sinkhorn, positions_in_place_are_deterministic) {
    constexpr std::size_t positions = 3, samples = 40, prototypes = 600;
    const dense scores = rounded<float>(random_scores(positions * samples, prototypes, 12));
    std::vector<unsigned char> mask(positions * samples, 1);
    transport how{.mask = std::vector<bool>(samples, true)};
    how.mask[4] = false;
    mask[samples + 4] = 0;  // in the second position
    std::vector<float> first;
    for (order_of_threads = 0; order_of_threads < thread_orders; ++order_of_threads) {
        std::vector<float> x(scores.values.begin(), scores.values.end());
        const auto view = selfsame::view<selfsame::memory_space::device>(
            x.data(), std::array<index_t, 3>{positions, samples, prototypes},
            std::array<index_t, 3>{samples * prototypes, prototypes, 1});
        const auto counts = selfsame::view<selfsame::memory_space::device>(
            mask.data(), std::array<index_t, 2>{positions, samples}, std::array<index_t, 2>{samples, 1});
        selfsame::assign(where::policy(), sinkhorn<>{}, view, view, counts);
        where::wait();
        if (order_of_threads == 0) first = x;
        EXPECT_EQ(x, first);
    }
    order_of_threads = 0;
    for (std::size_t p = 0; p < positions; ++p) {
        dense from(samples, prototypes), got(samples, prototypes);
        for (std::size_t e = 0; e < from.values.size(); ++e) {
            from.values[e] = scores.values[p * from.values.size() + e];
            got.values[e] = first[p * from.values.size() + e];
        }
        EXPECT_LT(largest_difference(got, sinkhorn_reference(from, p == 1 ? how : transport{}), true),
                  (allowance<float, float>(from, 0.05)))
            << p;
    }
}

TEST_P(cuda_sinkhorn, of_nothing_does_nothing_and_refuses_other_shapes) {
    std::vector<float> x(12), q(12);
    const auto rows = [](auto& v, index_t n, index_t k) {
        return selfsame::matrix<selfsame::memory_space::device>(v.data(), n, k);
    };
    selfsame::assign(where::policy(), sinkhorn<>{}, rows(x, 0, 4), rows(q, 0, 4));
    EXPECT_EQ(refusal([&] { selfsame::assign(where::policy(), sinkhorn<>{}, rows(x, 3, 4), rows(q, 4, 3)); }),
              "selfsame: codes: got 4 x 3, expected 3 x 4");
    EXPECT_NE(refusal([&] { selfsame::assign(where::policy(), sinkhorn<>{}, rows(x, 3, 0), rows(q, 3, 0)); }), "");
    EXPECT_NE(
        refusal([&] { selfsame::assign(where::policy(), sinkhorn<>{.epsilon = 0}, rows(x, 3, 4), rows(q, 3, 4)); }),
        "");
}

}  // namespace
