#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "helpers.hpp"
#include "selfsame/objective/info_nce.hpp"

/// \file
/// Losses of energies: against formulas written out, against differences, and where formulas end.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

const double infinity = std::numeric_limits<double>::infinity();

double relu(double x) { return x > 0 ? x : 0; }
double mean_of(const doubles& x, double (*f)(double)) {
    double sum = 0;
    for (const double v : x) sum += f(v);
    return x.empty() ? 0 : sum / static_cast<double>(x.size());
}

TEST(ContrastiveDivergence, IsItsFormula) {
    for (const double a : {0.0, 0.1, 2.0}) {
        doubles data = uniforms(7, -3, 3, 1), samples = uniforms(12, -3, 3, 2), g_data(7), g_samples(12);
        double expected = 0;
        for (const double e : data) expected += (e + a * e * e) / 7;
        for (const double e : samples) expected += (-e + a * e * e) / 12;
        const contrastive_divergence objective{.regularization = a};
        const auto loss = [&] { return forward(ctx, objective, energy_samples{data, samples}); };
        EXPECT_NEAR(loss(), expected, 1e-14);
        EXPECT_EQ(value_and_grad(ctx, objective, energy_samples{data, samples}, energy_samples{g_data, g_samples}),
                  loss());
        expect_gradient(data, g_data, loss, "data");
        expect_gradient(samples, g_samples, loss, "samples");
    }
}

TEST(EnergyBounds, AreTheirFormula) {
    const doubles some = uniforms(40, -40, 10, 3);
    doubles data(some.begin(), some.begin() + 25), outliers(some.begin() + 25, some.end());
    doubles g_data(data.size()), g_outliers(outliers.size());
    const double expected = 0.1 * (mean_of(data, [](double e) { return std::pow(relu(e + 25), 2); }) +
                                   mean_of(outliers, [](double e) { return std::pow(relu(-7 - e), 2); }));
    const auto loss = [&] { return forward(ctx, energy_bounds{}, energy_samples{data, outliers}); };
    EXPECT_NEAR(loss(), expected, 1e-12);
    value_and_grad(ctx, energy_bounds{}, energy_samples{data, outliers}, energy_samples{g_data, g_outliers});
    expect_gradient(data, g_data, loss, "data");
    expect_gradient(outliers, g_outliers, loss, "outliers");
    // Nothing to pull where both bounds hold.
    const doubles low{-26, -25}, high{-7, 0};
    doubles g_low(2), g_high(2);
    EXPECT_EQ(value_and_grad(ctx, energy_bounds{}, energy_samples{low, high}, energy_samples{g_low, g_high}), 0);
    EXPECT_EQ(g_low, doubles(2));
    EXPECT_EQ(g_high, doubles(2));
}

struct nce_inputs {
    doubles a, b, c, d;
};
nce_inputs random_densities(std::size_t n, std::size_t m) {
    return {uniforms(n, -9, 2, 4), uniforms(n, -9, 2, 5), uniforms(m, -9, 2, 6), uniforms(m, -9, 2, 7)};
}

TEST(NoiseContrastive, IsItsFormula) {
    for (const double given : {0.0, 1.0, 3.5}) {
        nce_inputs x = random_densities(9, 15), g = random_densities(9, 15);
        const double nu = given > 0 ? given : 15.0 / 9;
        double expected = 0;
        for (std::size_t i = 0; i < 9; ++i) {
            expected -= std::log(std::exp(x.a[i]) / (std::exp(x.a[i]) + nu * std::exp(x.b[i]))) / 9;
        }
        for (std::size_t i = 0; i < 15; ++i) {
            expected -= nu * std::log(nu * std::exp(x.d[i]) / (std::exp(x.c[i]) + nu * std::exp(x.d[i]))) / 15;
        }
        const noise_contrastive objective{.ratio = given};
        const auto loss = [&] { return forward(ctx, objective, log_densities{x.a, x.b, x.c, x.d}); };
        EXPECT_NEAR(loss(), expected, 1e-12);
        value_and_grad(ctx, objective, log_densities{x.a, x.b, x.c, x.d}, log_densities{g.a, g.b, g.c, g.d});
        expect_gradient(x.a, g.a, loss, "model of data");
        expect_gradient(x.b, g.b, loss, "noise of data");
        expect_gradient(x.c, g.c, loss, "model of noise");
        expect_gradient(x.d, g.d, loss, "noise of noise");
    }
}

double normal_density(double x, double mean, double deviation) {
    const double z = (x - mean) / deviation;
    return std::exp(-z * z / 2) / (deviation * std::sqrt(2 * std::acos(-1.0)));
}
/// The middles of `count` equally probable parts of a normal distribution: an expectation is a mean over them.
doubles normal_quantiles(std::size_t count, double mean, double deviation) {
    doubles x(count);
    for (std::size_t i = 0; i < count; ++i) {
        const double p = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
        double low = -9, high = 9;
        for (int k = 0; k < 60; ++k) {
            const double middle = (low + high) / 2;
            (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
        }
        x[i] = mean + deviation * low;
    }
    return x;
}

/// The loss of the model N(mean, deviation^2) e^constant, with N(1, 0.7^2) as data and N(0, 2^2) as noise.
struct gaussian_nce {
    doubles data = normal_quantiles(8000, 1, 0.7), noise = normal_quantiles(16000, 0, 2);

    double loss(double mean, double deviation, double constant) const {
        const auto model = [&](double x) { return std::log(normal_density(x, mean, deviation)) + constant; };
        doubles a, b, c, d;
        for (const double x : data) a.push_back(model(x)), b.push_back(std::log(normal_density(x, 0, 2)));
        for (const double x : noise) c.push_back(model(x)), d.push_back(std::log(normal_density(x, 0, 2)));
        return forward(ctx, noise_contrastive{}, log_densities{a, b, c, d});
    }
};

TEST(NoiseContrastive, FindsTheGaussianAndItsConstant) {
    const gaussian_nce nce;
    // Its value at the optimum, by the trapezoidal rule: nu = 2.
    double expected = 0;
    for (int k = -40000; k <= 40000; ++k) {
        const double x = k * 5e-4, p = normal_density(x, 1, 0.7), q = 2 * normal_density(x, 0, 2);
        if (p > 0) expected -= 5e-4 * p * std::log(p / (p + q));
        if (q > 0) expected -= 5e-4 * q * std::log(q / (p + q));
    }
    EXPECT_NEAR(nce.loss(1, 0.7, 0), expected, 3e-4);
    const double h = 1e-3;
    EXPECT_NEAR((nce.loss(1 + h, 0.7, 0) - nce.loss(1 - h, 0.7, 0)) / (2 * h), 0, 1e-3);
    EXPECT_NEAR((nce.loss(1, 0.7 + h, 0) - nce.loss(1, 0.7 - h, 0)) / (2 * h), 0, 1e-3);
    EXPECT_NEAR((nce.loss(1, 0.7, h) - nce.loss(1, 0.7, -h)) / (2 * h), 0, 1e-3);
    EXPECT_LT(nce.loss(1, 0.7, 0), nce.loss(1.1, 0.7, 0));
    EXPECT_LT(nce.loss(1, 0.7, 0), nce.loss(1, 0.8, 0));
    EXPECT_LT(nce.loss(1, 0.7, 0), nce.loss(1, 0.7, 0.1));
    EXPECT_LT(nce.loss(1, 0.7, 0), nce.loss(1, 0.7, -0.1));
}

TEST(NoiseContrastive, CannotTellWhatIsAlike) {
    const doubles x = uniforms(5, -3, 3, 8);
    doubles g(5);
    EXPECT_NEAR(
        value_and_grad(ctx, noise_contrastive{}, log_densities{x, x, x, x}, log_densities{g, none{}, none{}, none{}}),
        2 * std::log(2.0), 1e-15);
    for (const double v : g) EXPECT_DOUBLE_EQ(v, -0.1);
}

TEST(NoiseContrastive, FarTails) {
    const doubles good{2000}, bad{-2000};
    EXPECT_EQ(forward(ctx, noise_contrastive{}, log_densities{good, bad, bad, good}), 0);
    EXPECT_EQ(forward(ctx, noise_contrastive{}, log_densities{bad, good, good, bad}), 8000);
    const doubles nothing;
    EXPECT_NEAR(forward(ctx, noise_contrastive{}, log_densities{good, good, nothing, nothing}), std::log(2.0), 1e-15);
}

// Each function of two energies as the tutorial writes it.
template <class Function, class Formula>
void expect_margin(const Function& function, Formula&& formula) {
    const generalized_margin<Function> objective{.function = function, .reduction = reduction::per_sample};
    doubles correct = uniforms(30, -2, 3, 9), incorrect = uniforms(30, -2, 3, 10), loss(30), g_correct(30),
            g_incorrect(30);
    value_and_grad(ctx, objective, energy_pairs{correct, incorrect}, loss, energy_pairs{g_correct, g_incorrect});
    for (std::size_t i = 0; i < 30; ++i) EXPECT_NEAR(loss[i], formula(correct[i], incorrect[i]), 1e-13);
    generalized_margin<Function> total = objective;
    total.reduction = reduction::sum;
    const auto sum = [&] { return forward(ctx, total, energy_pairs{correct, incorrect}); };
    expect_gradient(correct, g_correct, sum, "correct");
    expect_gradient(incorrect, g_incorrect, sum, "incorrect");
}

TEST(GeneralizedMargin, FunctionsAreTheirFormulas) {
    expect_margin(hinge{.margin = 0.7}, [](double c, double w) { return relu(0.7 + c - w); });
    expect_margin(log_margin{}, [](double c, double w) { return std::log(1 + std::exp(c - w)); });
    expect_margin(square_square{.margin = 1.5}, [](double c, double w) { return c * c + std::pow(relu(1.5 - w), 2); });
    expect_margin(square_exponential{.factor = 0.3}, [](double c, double w) { return c * c + 0.3 * std::exp(-w); });
    expect_margin(smooth_error{}, [](double c, double w) { return 1 / (1 + std::exp(w - c)); });
}

// A user's own function needs no more than the two members.
struct perceptron {
    template <class V>
    static constexpr V value(V correct, V incorrect) {
        return (math::max)(V(0), correct - incorrect);
    }
    template <class V>
    static constexpr margin_slopes<V> slopes(V correct, V incorrect) {
        const V on = math::select(correct > incorrect, V(1), V(0));
        return {on, -on};
    }
};
TEST(GeneralizedMargin, TakesAnOwnFunction) {
    expect_margin(perceptron{}, [](double c, double w) { return relu(c - w); });
}

TEST(GeneralizedMargin, FindsTheMostOffendingAnswer) {
    constexpr index_t n = 20, answers = 6;
    doubles x = uniforms(n * answers, -2, 3, 11), g(n * answers), correct, incorrect, g_correct(n), g_incorrect(n);
    std::vector<int> labels;
    std::vector<index_t> offenders;
    for (index_t i = 0; i < n; ++i) {
        labels.push_back(static_cast<int>(i % answers));
        index_t worst = -1;
        for (index_t k = 0; k < answers; ++k) {
            if (k != labels.back() && (worst < 0 || x[static_cast<std::size_t>(i * answers + k)] <
                                                        x[static_cast<std::size_t>(i * answers + worst)])) {
                worst = k;
            }
        }
        offenders.push_back(worst);
        correct.push_back(x[static_cast<std::size_t>(i * answers + labels.back())]);
        incorrect.push_back(x[static_cast<std::size_t>(i * answers + worst)]);
    }
    const generalized_margin<square_square> objective{};
    const double a = value_and_grad(ctx, objective, labelled_energies{rows_of(x, answers), labels},
                                    labelled_energies{rows_of(g, answers)});
    const double b =
        value_and_grad(ctx, objective, energy_pairs{correct, incorrect}, energy_pairs{g_correct, g_incorrect});
    EXPECT_NEAR(a, b, 1e-14);
    for (index_t i = 0; i < n; ++i) {
        for (index_t k = 0; k < answers; ++k) {
            const auto s = static_cast<std::size_t>(i);
            const double expected = k == labels[s] ? g_correct[s] : k == offenders[s] ? g_incorrect[s] : 0;
            EXPECT_EQ(g[static_cast<std::size_t>(i * answers + k)], expected);
        }
    }
    const auto loss = [&] { return forward(ctx, objective, labelled_energies{rows_of(x, answers), labels}); };
    expect_gradient(x, g, loss, "energies");
}

TEST(GeneralizedMargin, TiesGoToTheFirstAndOneAnswerHasNoOffender) {
    const doubles x{0, 1, 0.5, 0.5}, one{0.25};
    const std::vector<int> labels{1}, zero{0};
    doubles g(4), g_one(1);
    value_and_grad(ctx, generalized_margin<hinge>{}, labelled_energies{rows_of(x, 4), labels},
                   labelled_energies{rows_of(g, 4)});
    EXPECT_EQ(g, (doubles{-1, 1, 0, 0}));
    const doubles tie{1, 0.5, 0.5};
    const std::vector<long> first{0};
    doubles g_tie(3);
    value_and_grad(ctx, generalized_margin<hinge>{}, labelled_energies{rows_of(tie, 3), first},
                   labelled_energies{rows_of(g_tie, 3)});
    EXPECT_EQ(g_tie, (doubles{1, -1, 0}));

    const auto alone = labelled_energies{rows_of(one, 1), zero};
    const auto to = labelled_energies{rows_of(g_one, 1)};
    EXPECT_EQ(value_and_grad(ctx, generalized_margin<hinge>{}, alone, to), 0);
    EXPECT_EQ(g_one[0], 0);
    EXPECT_EQ(value_and_grad(ctx, generalized_margin<log_margin>{}, alone, to), 0);
    EXPECT_EQ(value_and_grad(ctx, generalized_margin<square_square>{}, alone, to), 0.0625);
    EXPECT_EQ(g_one[0], 0.5);
    EXPECT_EQ(value_and_grad(ctx, generalized_margin<square_exponential>{}, alone, to), 0.0625);
    EXPECT_EQ(value_and_grad(ctx, generalized_margin<smooth_error>{}, alone, to), 0);
    EXPECT_EQ(value_and_grad(ctx, negative_log_likelihood{}, alone, to), 0);
    EXPECT_EQ(g_one[0], 0);
}

TEST(NegativeLogLikelihood, IsItsFormula) {
    constexpr index_t n = 12, answers = 7;
    std::vector<int> labels;
    for (int i = 0; i < n; ++i) labels.push_back(i % int{answers});
    for (const double t : {0.05, 1.0, 40.0}) {
        doubles x = uniforms(n * answers, -2, 2, 12), g(n * answers);
        double expected = 0;
        for (std::size_t i = 0; i < n; ++i) {
            double sum = 0;
            for (std::size_t k = 0; k < answers; ++k) sum += std::exp(-x[i * answers + k] / t);
            expected += (x[i * answers + static_cast<std::size_t>(labels[i])] + t * std::log(sum)) / n;
        }
        const negative_log_likelihood objective{.temperature = t};
        const auto loss = [&] { return forward(ctx, objective, labelled_energies{rows_of(x, answers), labels}); };
        EXPECT_NEAR(loss(), expected, 1e-13 * (std::max)(1.0, t));
        value_and_grad(ctx, objective, labelled_energies{rows_of(x, answers), labels},
                       labelled_energies{rows_of(g, answers)});
        if (t > 0.1) {
            expect_gradient(x, g, loss, "energies");
        } else {  // as sharp as it is, differences need a smaller step: the gradient is 1 at the label less a softmax
            for (std::size_t i = 0; i < n; ++i) {
                double sum = 0;
                for (std::size_t k = 0; k < answers; ++k) sum += std::exp(-x[i * answers + k] / t);
                for (std::size_t k = 0; k < answers; ++k) {
                    const double p = std::exp(-x[i * answers + k] / t) / sum;
                    EXPECT_NEAR(g[i * answers + k] * n, (static_cast<int>(k) == labels[i] ? 1 : 0) - p, 1e-13);
                }
            }
        }
    }
}

// Cross-entropy over the similarities of a batch, as an energy: InfoNCE is one.
TEST(NegativeLogLikelihood, OfSimilaritiesIsInfoNCE) {
    constexpr index_t n = 33, width = 5;
    const double t = 0.2;
    const doubles a = uniforms(n * width, -1, 1, 13), b = uniforms(n * width, -1, 1, 14);
    doubles x(n * n), g(n * n), g_a(n * width), g_b(n * width), expected_a(n * width, 0.0);
    std::vector<int> labels;
    for (std::size_t i = 0; i < n; ++i) {
        labels.push_back(static_cast<int>(i));
        for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t k = 0; k < width; ++k) x[i * n + j] -= a[i * width + k] * b[j * width + k];
        }
    }
    const double energy_loss =
        value_and_grad(ctx, negative_log_likelihood{.temperature = t}, labelled_energies{rows_of(x, n), labels},
                       labelled_energies{rows_of(g, n)});
    const info_nce<dot, in_batch> contrast{.temperature = t};
    const double pair_loss = value_and_grad(ctx, contrast, pairs{rows_of(a, width), rows_of(b, width)},
                                            pair_gradients{rows_of(g_a, width), rows_of(g_b, width)});
    EXPECT_NEAR(energy_loss, t * pair_loss, 1e-13);
    for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t k = 0; k < width; ++k) expected_a[i * width + k] -= g[i * n + j] * b[j * width + k];
        }
    }
    for (std::size_t k = 0; k < g_a.size(); ++k) EXPECT_NEAR(expected_a[k], t * g_a[k], 1e-13);
}

TEST(NegativeLogLikelihood, ExtremeEnergies) {
    const std::vector<int> labels{0};
    doubles g(3);
    const auto value = [&](const doubles& x, double t) {
        return value_and_grad(ctx, negative_log_likelihood{.temperature = t}, labelled_energies{rows_of(x, 3), labels},
                              labelled_energies{rows_of(g, 3)});
    };
    EXPECT_EQ(value({1e4, -1e4, 1e4}, 1e-3), 2e4);
    EXPECT_EQ(g, (doubles{1, -1, 0}));
    EXPECT_EQ(value({-1e4, 1e4, 1e4}, 1e-3), 0);
    EXPECT_EQ(g, (doubles{0, 0, 0}));
    EXPECT_NEAR(value({1e4, 1e4, infinity}, 1), std::log(2.0), 1e-15);
    EXPECT_NEAR(g[0], 0.5, 1e-15);
    EXPECT_EQ(g[2], 0);
    EXPECT_EQ(value({infinity, 0, 0}, 1), infinity);
    EXPECT_NEAR(g[1], -0.5, 1e-15);
    EXPECT_TRUE(std::isnan(value({0, std::nan(""), 0}, 1)));
    EXPECT_TRUE(std::isnan(value({std::nan(""), 1, 0}, 1)));

    // In float too the small difference of large energies counts.
    const std::vector<float> x{10000.0f, 10000.5f, 20000.0f};
    EXPECT_NEAR(forward(ctx, negative_log_likelihood{}, labelled_energies{rows_of(x, 3), labels}),
                std::log(1 + std::exp(-0.5)), 1e-6);
}

TEST(EnergyLosses, NaNComesOut) {
    const double nan = std::nan("");
    const doubles bad{1, nan, 2}, good{1, 2, 3};
    EXPECT_TRUE(std::isnan(forward(ctx, contrastive_divergence{}, energy_samples{bad, good})));
    EXPECT_TRUE(std::isnan(forward(ctx, contrastive_divergence{}, energy_samples{good, bad})));
    EXPECT_TRUE(std::isnan(forward(ctx, energy_bounds{}, energy_samples{bad, good})));
    EXPECT_TRUE(std::isnan(forward(ctx, energy_bounds{}, energy_samples{good, bad})));
    EXPECT_TRUE(std::isnan(forward(ctx, noise_contrastive{}, log_densities{good, good, good, bad})));
    EXPECT_TRUE(std::isnan(forward(ctx, generalized_margin<hinge>{}, energy_pairs{good, bad})));
    EXPECT_TRUE(std::isnan(forward(ctx, generalized_margin<hinge>{}, energy_pairs{bad, good})));
    EXPECT_TRUE(std::isnan(forward(ctx, generalized_margin<square_square>{}, energy_pairs{good, bad})));
    const std::vector<int> labels{0};
    for (const doubles& x : {doubles{1, nan, 0}, doubles{1, 0, nan}, doubles{nan, 0, 1}}) {
        EXPECT_TRUE(std::isnan(forward(ctx, generalized_margin<hinge>{}, labelled_energies{rows_of(x, 3), labels})));
    }
}

TEST(EnergyLosses, EmptyBatchesGiveZero) {
    doubles x, g;
    const doubles some{1.0, 3.0};
    const std::vector<int> labels;
    EXPECT_EQ(value_and_grad(ctx, contrastive_divergence{}, energy_samples{x, x}, energy_samples{g, none{}}), 0);
    EXPECT_EQ(forward(ctx, contrastive_divergence{}, energy_samples{some, x}), 2);
    EXPECT_EQ(forward(ctx, contrastive_divergence{}, energy_samples{x, some}), -2);
    EXPECT_EQ(forward(ctx, energy_bounds{}, energy_samples{x, x}), 0);
    EXPECT_EQ(forward(ctx, noise_contrastive{}, log_densities{x, x, x, x}), 0);
    EXPECT_TRUE(std::isfinite(forward(ctx, noise_contrastive{}, log_densities{x, x, some, some})));
    EXPECT_EQ(value_and_grad(ctx, generalized_margin<hinge>{}, energy_pairs{x, x}, energy_pairs{g, none{}}), 0);
    EXPECT_EQ(forward(ctx, generalized_margin<hinge>{}, labelled_energies{rows_of(x, 0), labels}), 0);
    EXPECT_EQ(forward(ctx, negative_log_likelihood{}, labelled_energies{rows_of(x, 4), labels}), 0);
    const generalized_margin<hinge> each{.reduction = reduction::per_sample};
    doubles loss;
    forward(ctx, each, energy_pairs{x, x}, loss);
}

TEST(EnergyLosses, ReductionsAndUpstream) {
    doubles correct = uniforms(6, -1, 2, 15), incorrect = uniforms(6, -1, 2, 16), each(6), g(6), scaled(6);
    generalized_margin<log_margin> objective{.reduction = reduction::per_sample};
    forward(ctx, objective, energy_pairs{correct, incorrect}, each);
    const doubles upstream{1, -2, 0, 3, 0.5, 7};
    backward(ctx, objective, energy_pairs{correct, incorrect}, none{}, upstream, energy_pairs{scaled, none{}});
    value_and_grad(ctx, objective, energy_pairs{correct, incorrect}, each, energy_pairs{g, none{}});
    double sum = 0;
    for (std::size_t i = 0; i < 6; ++i) {
        EXPECT_NEAR(scaled[i], upstream[i] * g[i], 1e-15);
        sum += each[i];
    }
    objective.reduction = reduction::sum;
    EXPECT_NEAR(forward(ctx, objective, energy_pairs{correct, incorrect}), sum, 1e-14);
    objective.reduction = reduction::mean;
    EXPECT_NEAR(forward(ctx, objective, energy_pairs{correct, incorrect}), sum / 6, 1e-15);
    backward(ctx, objective, energy_pairs{correct, incorrect}, none{}, 12.0, energy_pairs{scaled, none{}});
    for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(scaled[i], 2 * g[i], 1e-15);
    doubles a(6), b(6);
    backward(ctx, contrastive_divergence{}, energy_samples{correct, incorrect}, none{}, 3.0, energy_samples{a, b});
    EXPECT_EQ(a[0], 0.5);
    EXPECT_EQ(b[0], -0.5);
}

TEST(EnergyLosses, AGradientMayAliasItsInput) {
    doubles x = uniforms(24, -2, 2, 17), g(24), in_place = x;
    const std::vector<int> labels{0, 3, 5, 1};
    value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows_of(x, 6), labels},
                   labelled_energies{rows_of(g, 6)});
    value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows_of(in_place, 6), labels},
                   labelled_energies{rows_of(in_place, 6)});
    EXPECT_EQ(in_place, g);
    in_place = x;
    value_and_grad(ctx, generalized_margin<hinge>{}, labelled_energies{rows_of(x, 6), labels},
                   labelled_energies{rows_of(g, 6)});
    value_and_grad(ctx, generalized_margin<hinge>{}, labelled_energies{rows_of(in_place, 6), labels},
                   labelled_energies{rows_of(in_place, 6)});
    EXPECT_EQ(in_place, g);
}

TEST(EnergyLosses, StridedInputsAndOutputs) {
    doubles wide = uniforms(30, -2, 2, 18), narrow, g(15), g_wide(30, 9.0);
    for (std::size_t k = 0; k < 30; k += 2) narrow.push_back(wide[k]);
    const std::vector<int> labels{0, 4, 2};
    const auto input = view(wide.data(), std::array<index_t, 2>{3, 5}, std::array<index_t, 2>{10, 2});
    const auto output = view(g_wide.data(), std::array<index_t, 2>{3, 5}, std::array<index_t, 2>{10, 2});
    const double a =
        value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{input, labels}, labelled_energies{output});
    const double b = value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows_of(narrow, 5), labels},
                                    labelled_energies{rows_of(g, 5)});
    EXPECT_EQ(a, b);
    for (std::size_t k = 0; k < 30; ++k) EXPECT_EQ(g_wide[k], k % 2 == 0 ? g[k / 2] : 9.0);
}

/// The loss of rounded inputs, in float, is near that of the same values in double.
template <class E>
void expect_agreement(double gradient_bound) {
    const auto x = converted<E>(uniforms(60, -4, 4, 19));
    const auto exact = converted<double>(x);
    std::vector<E> g(60);
    doubles g_exact(60);
    std::vector<int> labels(10, 2);
    const auto near = [](double a, double b) { return std::fabs(a - b) <= 1e-6 * (std::max)(1.0, std::fabs(b)); };
    const auto compare = [&](double a, double b) {
        EXPECT_TRUE(near(a, b)) << a << " " << b;
        for (std::size_t k = 0; k < 60; ++k) {
            EXPECT_NEAR(element_cast<double>(g[k]), g_exact[k],
                        gradient_bound * (std::max)(1e-3, std::fabs(g_exact[k])));
        }
    };
    const negative_log_likelihood likelihood{.temperature = 0.3};
    compare(value_and_grad(ctx, likelihood, labelled_energies{rows_of(x, 6), labels}, labelled_energies{rows_of(g, 6)}),
            value_and_grad(ctx, likelihood, labelled_energies{rows_of(exact, 6), labels},
                           labelled_energies{rows_of(g_exact, 6)}));
    const contrastive_divergence cd{.regularization = 0.1};
    compare(value_and_grad(ctx, cd, energy_samples{x, x}, energy_samples{g, none{}}),
            value_and_grad(ctx, cd, energy_samples{exact, exact}, energy_samples{g_exact, none{}}));
    const generalized_margin<square_exponential> margin{};
    compare(value_and_grad(ctx, margin, energy_pairs{x, x}, energy_pairs{g, none{}}),
            value_and_grad(ctx, margin, energy_pairs{exact, exact}, energy_pairs{g_exact, none{}}));
    compare(
        value_and_grad(ctx, noise_contrastive{}, log_densities{x, x, x, x}, log_densities{none{}, none{}, g, none{}}),
        value_and_grad(ctx, noise_contrastive{}, log_densities{exact, exact, exact, exact},
                       log_densities{none{}, none{}, g_exact, none{}}));
}
TEST(EnergyLosses, FloatAgreesWithDouble) { expect_agreement<float>(1e-5); }
TEST(EnergyLosses, Halves) { expect_agreement<selfsame::half>(1e-3); }
TEST(EnergyLosses, Bfloats) { expect_agreement<bfloat16>(8e-3); }

RC_GTEST_PROP(EnergyLosses, ShiftsOfAllEnergiesDoNotMatter, ()) {
    const int answers = *rc::gen::inRange(2, 9);
    const double shift = *rc::gen::inRange(-1000, 1000);
    doubles x, moved, g(static_cast<std::size_t>(answers)), g_moved = g;
    for (int k = 0; k < answers; ++k) {
        x.push_back(*rc::gen::inRange(-4000, 4000) / 1024.0);
        moved.push_back(x.back() + shift);
    }
    const std::vector<int> label{*rc::gen::inRange(0, answers)};
    const auto both = [&](const auto& objective) {
        const double a = value_and_grad(thrust::seq, objective, labelled_energies{rows_of(x, answers), label},
                                        labelled_energies{rows_of(g, answers)});
        const double b = value_and_grad(thrust::seq, objective, labelled_energies{rows_of(moved, answers), label},
                                        labelled_energies{rows_of(g_moved, answers)});
        double total = 0;
        for (const double v : g) total += v;
        RC_ASSERT(std::fabs(a - b) < 1e-11);
        RC_ASSERT(std::fabs(total) < 1e-13);  // a shift changes nothing, so slopes cancel
        for (std::size_t k = 0; k < g.size(); ++k) RC_ASSERT(std::fabs(g[k] - g_moved[k]) < 1e-11);
    };
    both(negative_log_likelihood{.temperature = 0.7});
    both(generalized_margin<hinge>{});
    both(generalized_margin<log_margin>{});
    both(generalized_margin<smooth_error>{});
}

TEST(EnergyLosses, RefuseBadInputBeforeAnythingIsWritten) {
    const doubles three{1, 2, 3}, two{1, 2}, six(6);
    doubles g3(3, 7.0), g2(2, 7.0), g6(6, 7.0), loss2(2, 7.0);
    double loss = 7;
    const auto refused = [&](const char* message, auto&& f) {
        EXPECT_EQ(refusal(f), message);
        EXPECT_EQ(loss, 7);
        for (const doubles* x : {&g3, &g2, &g6, &loss2}) {
            for (const double v : *x) EXPECT_EQ(v, 7);
        }
    };
    refused("selfsame: regularization: got -1, expected >= 0", [&] {
        value_and_grad(ctx, contrastive_divergence{.regularization = -1}, energy_samples{three, two}, loss,
                       energy_samples{g3, g2});
    });
    refused("selfsame: gradient of samples: got 3, expected the shape of its input, 2", [&] {
        value_and_grad(ctx, contrastive_divergence{}, energy_samples{three, two}, loss, energy_samples{none{}, g3});
    });
    refused("selfsame: gradient of samples: got the memory of the gradient of data, expected memory of its own", [&] {
        value_and_grad(ctx, contrastive_divergence{}, energy_samples{three, three}, loss, energy_samples{g3, g3});
    });
    refused("selfsame: loss: got 2, expected one value", [&] {
        value_and_grad(ctx, contrastive_divergence{}, energy_samples{three, two}, loss2, energy_samples{g3, g2});
    });
    refused("selfsame: inside: got inf, expected a finite number", [&] {
        value_and_grad(ctx, energy_bounds{.inside = infinity}, energy_samples{three, two}, loss,
                       energy_samples{g3, g2});
    });
    refused("selfsame: weight: got -0.1, expected >= 0", [&] {
        value_and_grad(ctx, energy_bounds{.weight = -0.1}, energy_samples{three, two}, loss, energy_samples{g3, g2});
    });
    refused("selfsame: noise_of_data: got 2, expected 3 values, as many as model_of_data", [&] {
        value_and_grad(ctx, noise_contrastive{}, log_densities{three, two, two, two}, loss,
                       log_densities{g3, none{}, none{}, none{}});
    });
    refused("selfsame: noise_of_noise: got 3, expected 2 values, as many as model_of_noise", [&] {
        value_and_grad(ctx, noise_contrastive{}, log_densities{three, three, two, three}, loss,
                       log_densities{g3, none{}, none{}, none{}});
    });
    refused("selfsame: ratio: got -2, expected >= 0 (0: noise samples by data)", [&] {
        value_and_grad(ctx, noise_contrastive{.ratio = -2}, log_densities{three, three, two, two}, loss,
                       log_densities{g3, none{}, none{}, none{}});
    });
    refused("selfsame: incorrect: got 2, expected 3 values, as many as correct", [&] {
        value_and_grad(ctx, generalized_margin<hinge>{}, energy_pairs{three, two}, loss, energy_pairs{g3, g2});
    });
    refused("selfsame: margin: got nan, expected a finite number", [&] {
        const generalized_margin<hinge> objective{.function = {.margin = std::fabs(std::nan(""))}};
        value_and_grad(ctx, objective, energy_pairs{three, three}, loss, energy_pairs{g3, none{}});
    });
    refused("selfsame: factor: got 0, expected > 0", [&] {
        const generalized_margin<square_exponential> objective{.function = {.factor = 0}};
        value_and_grad(ctx, objective, energy_pairs{three, three}, loss, energy_pairs{g3, none{}});
    });
    refused("selfsame: loss: got 2, expected one value a sample", [&] {
        const generalized_margin<hinge> objective{.reduction = reduction::per_sample};
        value_and_grad(ctx, objective, energy_pairs{three, three}, loss2, energy_pairs{g3, none{}});
    });
    refused("selfsame: upstream: got 2, expected one value, or one a sample for per_sample", [&] {
        const generalized_margin<hinge> objective{.reduction = reduction::per_sample};
        backward(ctx, objective, energy_pairs{three, three}, none{}, two, energy_pairs{g3, none{}});
    });
    const std::vector<int> good{0, 1}, high{0, 3}, low{-1, 0}, many{0, 0, 0};
    const auto likelihood = [&](const std::vector<int>& labels, double t = 1) {
        return [&, t] {
            value_and_grad(ctx, negative_log_likelihood{.temperature = t}, labelled_energies{rows_of(six, 3), labels},
                           loss, labelled_energies{rows_of(g6, 3)});
        };
    };
    refused("selfsame: labels: got 3, expected at least 0 and less than the 3 columns of energies", likelihood(high));
    refused("selfsame: labels: got -1, expected at least 0 and less than the 3 columns of energies", likelihood(low));
    refused("selfsame: labels: got 3, expected 2 values, as many as rows of energies", likelihood(many));
    refused("selfsame: temperature: got 0, expected > 0", likelihood(good, 0));
    refused("selfsame: gradient of energies: got a stride of 0, expected elements that do not overlap", [&] {
        const auto flat = view(g6.data(), std::array<index_t, 2>{2, 3}, std::array<index_t, 2>{3, 0});
        value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows_of(six, 3), good}, loss,
                       labelled_energies{flat});
    });
}

// What a device would be given: every function is a constant expression.
static_assert(contrastive_divergence{.regularization = 1}.data_term(2.0f) == 6);
static_assert(energy_bounds{}.sample_slope(-8.0) < 0);
static_assert(noise_contrastive::data_term(0.0f) > 0.69f);
static_assert(hinge{}.value(1.0, 0.0) == 2 && hinge{}.slopes(1.0f, 0.0f).incorrect == -1);
static_assert(log_margin::value(0.0, 0.0) > 0.69 && smooth_error::value(0.0, 0.0) == 0.5);
static_assert(square_square{}.value(2.0f, 0.0f) == 5 && square_exponential{}.slopes(1.0, 0.0).correct == 2);
constexpr double loss_of_two_equals() {
    negative_log_likelihood::reducer<double> incorrect;
    incorrect.absorb({3.0}, 1.0, 1.0, negative_log_likelihood{}.scale<double>());
    return negative_log_likelihood{}.row(incorrect, 3.0).loss;
}
static_assert(loss_of_two_equals() > 0.69 && loss_of_two_equals() < 0.7);

}  // namespace
