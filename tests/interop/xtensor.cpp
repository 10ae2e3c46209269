#include "selfsame/interop/xtensor.hpp"

#include <gtest/gtest.h>

#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/generators/xrandom.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xrandom.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include "selfsame/objective/info_nce.hpp"
#include "support.hpp"

namespace {

using selfsame::as_tensor;
using selfsame::nt_xent;
using selfsame::pair_gradients;
using selfsame::pairs;

TEST(Xtensor, ViewsShareMemoryAndStrides) {
    xt::xtensor<double, 2> x({3, 4});
    const auto t = as_tensor<2>(x);
    t(1, 2) = 5;
    EXPECT_EQ(x(1, 2), 5);
    auto part = xt::view(x, xt::range(1, 3), xt::range(0, 4, 2));
    const auto p = as_tensor<2>(part);
    EXPECT_EQ(p.extent(0), 2);
    EXPECT_EQ(p.extent(1), 2);
    EXPECT_EQ(p(0, 1), 5);
    EXPECT_EQ(p.stride(1), 2);
    auto backwards = xt::view(x, xt::range(2, xt::placeholders::_, -1), xt::all());
    const auto b = as_tensor<2>(backwards);
    EXPECT_EQ(b(1, 2), 5);
    EXPECT_EQ(b.stride(0), -4);
}

TEST(Xtensor, ValueAndGradientAreThoseOfRawPointers) {
    for (std::size_t n : {std::size_t{1}, std::size_t{2}, std::size_t{50}}) {
        const xt::xtensor<float, 2> a = xt::random::randn<float>({n, std::size_t{9}});
        const xt::xarray<float> p = xt::random::randn<float>({n, std::size_t{9}});
        xt::xtensor<float, 2> da({n, 9}), expected_a({n, 9}), expected_p({n, 9});
        xt::xtensor<float, 2, xt::layout_type::column_major> dp({n, 9});
        const auto rows = static_cast<selfsame::index_t>(n);
        const float loss = value_and_grad(thrust::seq, nt_xent{}, pairs{a, p}, pair_gradients{da, dp});
        const float expected = value_and_grad(
            thrust::seq, nt_xent{}, pairs{selfsame::matrix(a.data(), rows, 9), selfsame::matrix(p.data(), rows, 9)},
            pair_gradients{selfsame::matrix(expected_a.data(), rows, 9), selfsame::matrix(expected_p.data(), rows, 9)});
        EXPECT_EQ(loss, expected);
        EXPECT_EQ(da, expected_a);
        EXPECT_EQ(dp, expected_p);
    }
}

TEST(Xtensor, PerSampleLossesGoIntoAVector) {
    const xt::xtensor<double, 2> a = xt::random::randn<double>({6, 3}), p = xt::random::randn<double>({6, 3});
    xt::xtensor<double, 1> losses = xt::zeros<double>({6});
    const nt_xent each{.temperature = 0.5, .reduction = selfsame::reduction::per_sample};
    forward(thrust::seq, each, pairs{a, p}, losses);
    const double mean = forward(thrust::seq, nt_xent{.temperature = 0.5}, pairs{a, p});
    EXPECT_NEAR(xt::mean(losses)(), mean, 1e-14);
}

TEST(Xtensor, AnotherRankIsRefused) {
    const xt::xarray<float> a = xt::zeros<float>({2, 3, 4});
    EXPECT_EQ(selfsame_tests::refusal([&] { as_tensor<2>(a); }), "selfsame: tensor: got 3, expected 2 dimensions");
}

}  // namespace
