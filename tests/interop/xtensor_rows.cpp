#include <gtest/gtest.h>

#include "selfsame/interop/xtensor.hpp"

#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/energy/energy.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"
#include "selfsame/objective/swav.hpp"

/// \file
/// What is made of rows takes containers of xtensor and raw pointers alike: the same results of each.

namespace {

using namespace selfsame;
using matrices = xt::xtensor<double, 2>;

constexpr index_t rows = 12, columns = 7;
const auto ctx = thrust::omp::par;

/// Containers of two layouts, and views of pointers to the same values.
struct Values : testing::Test {
    matrices x{xt::xtensor<double, 2>::shape_type{rows, columns}}, y = x, g = x, expected = x;
    xt::xtensor<double, 2, xt::layout_type::column_major> turned{
        xt::xtensor<double, 2, xt::layout_type::column_major>::shape_type{rows, columns}};
    xt::xtensor<double, 1> u{xt::xtensor<double, 1>::shape_type{rows}}, w = u, g_u = u, expected_u = u;

    Values() {
        for (std::size_t i = 0; i < rows; ++i) {
            for (std::size_t j = 0; j < columns; ++j) {
                x(i, j) = std::sin(double(7 * i + j));
                y(i, j) = std::cos(double(5 * i + 2 * j));
            }
            u(i) = x(i, 0), w(i) = y(i, 0);
        }
        turned = x;
    }
    static auto raw(matrices& m) { return matrix(m.data(), rows, columns); }
    static auto raw(xt::xtensor<double, 1>& v) { return vector(v.data(), rows); }
};
using XtensorRows = Values;

TEST_F(XtensorRows, Sinkhorn) {
    xt::xtensor<double, 2, xt::layout_type::column_major> codes = turned;
    assign(ctx, sinkhorn<>{.epsilon = 0.5}, turned, codes);
    assign(ctx, sinkhorn<>{.epsilon = 0.5}, raw(x), raw(expected));
    EXPECT_TRUE(xt::allclose(codes, expected, 1e-14, 1e-14));
}

TEST_F(XtensorRows, Scores) {
    const logit_scores<free_energy> energy{};
    forward(ctx, energy, turned, g_u);
    forward(ctx, energy, raw(x), raw(expected_u));
    EXPECT_EQ(g_u, expected_u);
    backward(ctx, energy, x, w, g);
    backward(ctx, energy, raw(x), raw(w), raw(expected));
    EXPECT_EQ(g, expected);
    backward(ctx, energy, x, w, accumulate{g});
    EXPECT_TRUE(xt::allclose(g, 2 * expected, 1e-14, 1e-14));
}

TEST_F(XtensorRows, CrossEntropyOfViewsAndPrototypes) {
    const dino loss{.pairing = {.teachers = 1, .students = 3}};
    auto teacher = xt::view(y, xt::range(0, 4), xt::all());
    const double a = value_and_grad(ctx, loss, views{teacher, turned}, g);
    const double b = value_and_grad(ctx, loss, views{matrix(y.data(), 4, columns), raw(x)}, raw(expected));
    EXPECT_EQ(a, b);
    EXPECT_EQ(g, expected);

    const swav<> objective{.pairing = {.teachers = 1, .students = 3}};
    matrices g_y = y, expected_y = y;
    const double c = value_and_grad(ctx, objective, prototype_views{turned, y}, prototype_gradients{g, g_y});
    const double d = value_and_grad(ctx, objective, prototype_views{raw(x), raw(y)},
                                    prototype_gradients{raw(expected), raw(expected_y)});
    EXPECT_EQ(c, d);
    EXPECT_EQ(g, expected);
    EXPECT_EQ(g_y, expected_y);
}

TEST_F(XtensorRows, EnergyLosses) {
    const auto same = [&](double a, double b) {
        EXPECT_EQ(a, b);
        EXPECT_EQ(g_u, expected_u);
        EXPECT_EQ(g, expected);
    };
    g_u.fill(0), expected_u.fill(0), g.fill(0), expected.fill(0);
    same(value_and_grad(ctx, contrastive_divergence{}, energy_samples{u, w}, energy_samples{g_u, none{}}),
         value_and_grad(ctx, contrastive_divergence{}, energy_samples{raw(u), raw(w)},
                        energy_samples{raw(expected_u), none{}}));
    same(value_and_grad(ctx, generalized_margin<hinge>{}, energy_pairs{u, w}, energy_pairs{none{}, g_u}),
         value_and_grad(ctx, generalized_margin<hinge>{}, energy_pairs{raw(u), raw(w)},
                        energy_pairs{none{}, raw(expected_u)}));
    same(
        value_and_grad(ctx, noise_contrastive{}, log_densities{u, w, w, u}, log_densities{g_u, none{}, none{}, none{}}),
        value_and_grad(ctx, noise_contrastive{}, log_densities{raw(u), raw(w), raw(w), raw(u)},
                       log_densities{raw(expected_u), none{}, none{}, none{}}));
    xt::xtensor<int, 1> labels{xt::xtensor<int, 1>::shape_type{rows}};
    labels.fill(3);
    same(value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{turned, labels}, labelled_energies{g}),
         value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{raw(x), vector(labels.data(), rows)},
                        labelled_energies{raw(expected)}));
    same(value_and_grad(ctx, denoising_score_matching{}, noisy_scores{turned, y}, noisy_scores{g, none{}}),
         value_and_grad(ctx, denoising_score_matching{}, noisy_scores{raw(x), raw(y)},
                        noisy_scores{raw(expected), none{}}));
    same(value_and_grad(ctx, sliced_score_matching{}, sliced_scores{turned, y, u}, sliced_scores{g, none{}, g_u}),
         value_and_grad(ctx, sliced_score_matching{}, sliced_scores{raw(x), raw(y), raw(u)},
                        sliced_scores{raw(expected), none{}, raw(expected_u)}));
}

}  // namespace
