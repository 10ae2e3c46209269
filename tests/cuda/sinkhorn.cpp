#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

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
using selfsame::soft_codes;
namespace marginals = selfsame::marginals;

template <class From, class To>
dense assign_on_device(const auto& options, const dense& scores, const std::vector<bool>& mask = {},
                       layout in = layout::packed, layout out = layout::packed) {
    stored<From> x(scores, in);
    stored<To> q(scores.rows, scores.width, out);
    const auto from = on_device(std::as_const(x).view());
    if (mask.empty()) {
        selfsame::assign(where::policy(), options, from, on_device(q.view()));
    } else {
        const std::vector<unsigned char> values(mask.begin(), mask.end());
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

TEST(cuda_sinkhorn, is_the_definition) {
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

}  // namespace
