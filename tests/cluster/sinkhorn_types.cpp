#include <gtest/gtest.h>

#include "helpers.hpp"

/// \file
/// All element types, shapes and layouts, against the definition.

namespace selfsame_tests {
namespace {

using selfsame::log_domain;
using selfsame::sinkhorn;

template <class Types>
class SinkhornOfTypes : public testing::Test {};
template <class From, class To>
struct types {
    using from = From;
    using to = To;
};
using pairs_of_types =
    testing::Types<types<float, float>, types<double, double>, types<half, half>, types<bfloat16, bfloat16>,
                   types<half, float>, types<float, bfloat16>, types<double, float>>;
TYPED_TEST_SUITE(SinkhornOfTypes, pairs_of_types);

TYPED_TEST(SinkhornOfTypes, AsItsDefinition) {
    using From = typename TypeParam::from;
    using To = typename TypeParam::to;
    const std::size_t shapes[][2] = {{1, 1},   {1, 7},   {7, 1},    {2, 3},    {8, 16},   {9, 17},   {16, 33},
                                     {23, 40}, {40, 95}, {65, 128}, {131, 64}, {64, 513}, {17, 1100}};
    std::uint64_t seed = 1;
    for (const auto& shape : shapes) {
        const std::size_t samples = shape[0], prototypes = shape[1];
        for (const double epsilon : {0.05, 0.5}) {
            const dense scores = rounded<From>(random_scores(samples, prototypes, ++seed));
            const int iterations = 1 + static_cast<int>(seed % 4);
            const dense expected = sinkhorn_reference(scores, {.epsilon = epsilon, .iterations = iterations});
            const layout in = static_cast<layout>(seed % output_layouts),
                         out = static_cast<layout>(seed / 2 % output_layouts);
            const double bound = allowance<From, To>(scores, epsilon);
            const auto check = [&](const assignment& a) {
                EXPECT_LT(largest_difference(a.codes, expected, true), bound)
                    << samples << " x " << prototypes << ", epsilon " << epsilon << ", layouts " << int(in) << int(out);
                EXPECT_TRUE(a.stayed_inside);
                EXPECT_EQ(a.report.iterations, iterations);
                EXPECT_FALSE(a.report.converged && a.report.marginal_error > 0);
            };
            check(assign<From, To>(1, sinkhorn<>{.epsilon = epsilon, .iterations = iterations}, scores, {}, in, out));
            check(assign<From, To>(1, sinkhorn<log_domain>{.epsilon = epsilon, .iterations = iterations}, scores, {},
                                   in, out));
        }
    }
}

}  // namespace
}  // namespace selfsame_tests
