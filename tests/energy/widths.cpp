#include <gtest/gtest.h>

#include <limits>

#include "helpers.hpp"

/// \file
/// Losses of rows of any width and of vectors of any length, against loops over their elements in double: whole
/// registers, remainders, and rows longer than what is converted at a time.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

constexpr index_t widths[] = {1,  2,  3,   7,   15,  16,  17,  31,   32,   33,   63,
                              64, 65, 100, 127, 128, 129, 512, 1023, 1024, 1025, 2500};

template <class T>
constexpr double rounding = sizeof(T) == 8 ? 1e-13 : 2e-6;

template <class T>
void expect_near(const std::vector<T>& x, const doubles& expected, const char* what) {
    double largest = 1;
    for (const double v : expected) largest = (std::max)(largest, std::fabs(v));
    for (std::size_t k = 0; k < x.size(); ++k)
        ASSERT_NEAR(x[k], expected[k], rounding<T> * largest) << what << " " << k;
}

/// Every second column of a wider matrix.
template <class T>
auto spaced(std::vector<T>& x, index_t rows, index_t width) {
    return view(x.data(), std::array<index_t, 2>{rows, width}, std::array<index_t, 2>{2 * width, 2});
}

template <class T>
void check_labelled(index_t width) {
    constexpr index_t n = 21;
    const auto count = static_cast<std::size_t>(n * width);
    const auto x = converted<T>(uniforms(count, -3, 3, static_cast<std::uint64_t>(width)));
    std::vector<T> wide(2 * count), g_wide(2 * count), g(count), losses(n);
    std::vector<int> labels;
    doubles likelihood(n), hinges(n), g_likelihood(count), g_hinge(count);
    for (std::size_t k = 0; k < count; ++k) wide[2 * k] = x[k];
    for (index_t i = 0; i < n; ++i) {
        const index_t label = (i * 37) % width;
        labels.push_back(static_cast<int>(label));
        const auto e = [&](index_t k) { return static_cast<double>(x[static_cast<std::size_t>(i * width + k)]); };
        double sum = 0;
        index_t worst = -1;
        for (index_t k = 0; k < width; ++k) {
            sum += std::exp(-e(k) / 0.7);
            if (k != label && (worst < 0 || e(k) < e(worst))) worst = k;
        }
        const auto row = static_cast<std::size_t>(i);
        likelihood[row] = e(label) + 0.7 * std::log(sum);
        for (index_t k = 0; k < width; ++k) {
            g_likelihood[static_cast<std::size_t>(i * width + k)] = (k == label) - std::exp(-e(k) / 0.7) / sum;
        }
        if (worst < 0) continue;
        hinges[row] = (std::max)(0.0, 1 + e(label) - e(worst));
        if (hinges[row] > 0) {
            g_hinge[static_cast<std::size_t>(i * width + label)] = 1;
            g_hinge[static_cast<std::size_t>(i * width + worst)] = -1;
        }
    }
    const auto compare = [&](const auto& objective, const doubles& expected, const doubles& gradient) {
        value_and_grad(ctx, objective, labelled_energies{rows_of(x, width), labels}, losses,
                       labelled_energies{rows_of(g, width)});
        expect_near(losses, expected, "loss");
        expect_near(g, gradient, "gradient");
        value_and_grad(ctx, objective, labelled_energies{spaced(wide, n, width), labels}, losses,
                       labelled_energies{spaced(g_wide, n, width)});
        expect_near(losses, expected, "loss of columns apart");
        for (std::size_t k = 0; k < count; ++k) g[k] = g_wide[2 * k];
        expect_near(g, gradient, "gradient of columns apart");
    };
    compare(negative_log_likelihood{.temperature = 0.7, .reduction = reduction::per_sample}, likelihood, g_likelihood);
    compare(generalized_margin<hinge>{.reduction = reduction::per_sample}, hinges, g_hinge);
}
TEST(EnergyWidths, LabelledRows) {
    for (const index_t width : widths) check_labelled<float>(width), check_labelled<double>(width);
}

TEST(EnergyWidths, TiesAndNaNAnywhereInARow) {
    for (const index_t width : widths) {
        if (width < 3) continue;
        for (const index_t at : {index_t(1), width / 2, width - 1}) {
            doubles x(static_cast<std::size_t>(width), 5.0), g(x.size());
            const std::vector<int> label{0};
            const auto value = [&] {
                return value_and_grad(ctx, generalized_margin<log_margin>{},
                                      labelled_energies{rows_of(x, width), label},
                                      labelled_energies{rows_of(g, width)});
            };
            x[static_cast<std::size_t>(at)] = x[static_cast<std::size_t>(width - 1)] = 1;
            x[0] = -7;  // the correct answer is no incorrect one
            value();
            for (index_t k = 1; k < width; ++k)
                EXPECT_EQ(g[static_cast<std::size_t>(k)] < 0, k == at) << width << " " << k;
            x[static_cast<std::size_t>(at)] = std::nan("");
            EXPECT_TRUE(std::isnan(value())) << width;
            EXPECT_TRUE(
                std::isnan(forward(ctx, negative_log_likelihood{}, labelled_energies{rows_of(x, width), label})));
        }
    }
}

template <class T>
void check_scores(index_t width) {
    constexpr index_t n = 19;
    const auto count = static_cast<std::size_t>(n * width);
    const auto s = converted<T>(uniforms(count, -3, 3, static_cast<std::uint64_t>(width))),
               v = converted<T>(uniforms(count, -3, 3, static_cast<std::uint64_t>(width) + 1)),
               products = converted<T>(uniforms(n, -3, 3, 7)), sigmas = converted<T>(uniforms(n, 0.5, 2, 8));
    std::vector<T> g(count), h(count), losses(n);
    doubles denoised(n), sliced(n), g_denoised(count), h_denoised(count), g_sliced(count), h_sliced(count);
    for (std::size_t i = 0; i < n; ++i) {
        double along = 0;
        const auto at = [&](std::size_t k) { return i * static_cast<std::size_t>(width) + k; };
        for (std::size_t k = 0; k < static_cast<std::size_t>(width); ++k) {
            const double r =
                static_cast<double>(s[at(k)]) + static_cast<double>(v[at(k)]) / static_cast<double>(sigmas[i]);
            denoised[i] += r * r / 2;
            g_denoised[at(k)] = r;
            h_denoised[at(k)] = r / static_cast<double>(sigmas[i]);
            along += static_cast<double>(s[at(k)]) * static_cast<double>(v[at(k)]);
        }
        sliced[i] = static_cast<double>(products[i]) + along * along / 2;
        for (std::size_t k = 0; k < static_cast<std::size_t>(width); ++k) {
            g_sliced[at(k)] = along * static_cast<double>(v[at(k)]);
            h_sliced[at(k)] = along * static_cast<double>(s[at(k)]);
        }
    }
    value_and_grad(ctx, denoising_score_matching{.reduction = reduction::per_sample},
                   noisy_scores{rows_of(s, width), rows_of(v, width), sigmas}, losses,
                   noisy_scores{rows_of(g, width), rows_of(h, width)});
    expect_near(losses, denoised, "denoising");
    expect_near(g, g_denoised, "gradient of scores");
    expect_near(h, h_denoised, "gradient of noise");
    value_and_grad(ctx, sliced_score_matching{.reduction = reduction::per_sample},
                   sliced_scores{rows_of(s, width), rows_of(v, width), products}, losses,
                   sliced_scores{rows_of(g, width), rows_of(h, width), none{}});
    expect_near(losses, sliced, "sliced");
    expect_near(g, g_sliced, "gradient of scores");
    expect_near(h, h_sliced, "gradient of directions");
}
TEST(EnergyWidths, Scores) {
    for (const index_t width : widths) check_scores<float>(width), check_scores<double>(width);
}

template <class T>
void check_vector(index_t n) {
    const auto count = static_cast<std::size_t>(n);
    auto correct = converted<T>(uniforms(count, -3, 3, 1)), incorrect = converted<T>(uniforms(2 * count, -3, 3, 2));
    std::vector<T> g(count), h(2 * count, T(9)), losses(count);
    doubles expected(count), slopes(count);
    double total = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const double d = static_cast<double>(correct[i]) - static_cast<double>(incorrect[2 * i]);
        total += expected[i] = std::log1p(std::exp(d));
        slopes[i] = 1 / (1 + std::exp(-d));
    }
    const auto apart = [&](std::vector<T>& x) {
        return view(x.data(), std::array<index_t, 1>{n}, std::array<index_t, 1>{2});
    };
    generalized_margin<log_margin> objective{.reduction = reduction::per_sample};
    value_and_grad(ctx, objective, energy_pairs{correct, apart(incorrect)}, losses, energy_pairs{g, apart(h)});
    expect_near(losses, expected, "loss");
    expect_near(g, slopes, "gradient");
    for (std::size_t i = 0; i < count; ++i) {
        ASSERT_EQ(h[2 * i], -g[i]);
        ASSERT_EQ(h[2 * i + 1], T(9));
    }
    objective.reduction = reduction::sum;
    const double sum = forward(ctx, objective, energy_pairs{correct, apart(incorrect)});
    EXPECT_NEAR(sum, total, (sizeof(T) == 8 ? 1e-13 : 1e-6) * (std::max)(1.0, total)) << n;
    value_and_grad(ctx, objective, energy_pairs{correct, apart(incorrect)}, energy_pairs{correct, none{}});
    EXPECT_EQ(correct, g);
}
TEST(EnergyWidths, Vectors) {
    for (const index_t n : widths) check_vector<float>(n), check_vector<double>(n);
    check_vector<float>(20001);
}

TEST(EnergyWidths, InfiniteTermsGiveInfiniteLosses) {
    const double infinity = std::numeric_limits<double>::infinity();
    for (const std::size_t width : {std::size_t{2}, std::size_t{600}}) {
        doubles s(width, 1.0), v(width, 1.0);
        s[1] = infinity;
        const auto w = static_cast<index_t>(width);
        EXPECT_EQ(forward(ctx, denoising_score_matching{}, noisy_scores{rows_of(s, w), rows_of(v, w)}), infinity);
        EXPECT_EQ(forward(ctx, energy_bounds{}, energy_samples{s, v}), infinity);
    }
}

}  // namespace
