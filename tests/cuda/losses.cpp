#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "selfsame/energy/contrast.hpp"
#include "selfsame/energy/device_losses.hpp"
#include "selfsame/energy/likelihood.hpp"
#include "selfsame/energy/margin.hpp"
#include "selfsame/energy/noise_contrastive.hpp"
#include "where.hpp"

// Losses of energies on the device beside formulas in double.

namespace {

using namespace selfsame;
using namespace selfsame_tests;
using doubles = std::vector<double>;

/// Energies of a type, every `step`-th of its memory.
template <class E>
struct held {
    std::vector<E> memory;
    index_t step;

    held(index_t count, unsigned seed, index_t s = 1) : step(s) {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal;
        for (index_t k = 0; k < count * step; ++k) memory.push_back(element_cast<E>(2 * normal(random)));
    }
    auto vector() {
        return view<memory_space::device>(memory.data(),
                                          std::array<index_t, 1>{static_cast<index_t>(memory.size()) / step},
                                          std::array<index_t, 1>{step});
    }
    auto rows(index_t n) {
        const index_t k = n > 0 ? static_cast<index_t>(memory.size()) / step / n : 1;
        return view<memory_space::device>(memory.data(), std::array<index_t, 2>{n, k},
                                          std::array<index_t, 2>{k * step, step});
    }
    double at(index_t k) const { return element_cast<double>(memory[static_cast<std::size_t>(k * step)]); }
};

void expect_close(double got, double expected, double tolerance, const char* what, index_t at = 0) {
    EXPECT_NEAR(got, expected, tolerance * (1 + std::fabs(expected))) << what << " " << at;
}

template <class E>
constexpr double tolerance_of = std::is_same_v<E, double>           ? 1e-12
                                : std::is_same_v<E, float>          ? 3e-6
                                : std::is_same_v<E, selfsame::half> ? 1e-3
                                                                    : 8e-3;

/// The loss of a hinge of margin 1, or of softplus, and its slope by E(correct).
template <class Function>
std::array<double, 2> margin_reference(double correct, double incorrect) {
    const double d = correct - incorrect;
    if constexpr (std::is_same_v<Function, hinge>) {
        return {std::fmax(0, 1 + d), 1 + d > 0 ? 1.0 : 0.0};
    } else {
        return {std::log1p(std::exp(d)), 1 / (1 + std::exp(-d))};
    }
}

template <class Function, class E, class G>
void expect_pairs(index_t n, index_t step) {
    held<E> correct(n, 1, step), incorrect(n, 2);
    held<G> to_correct(n, 3), to_incorrect(n, 4, step), before = to_correct;
    held<float> losses(n, 5, step), upstream(n, 6), loss(1, 7);
    generalized_margin<Function> o{};
    value_and_grad(where::policy(), o, energy_pairs{correct.vector(), incorrect.vector()}, loss.vector(),
                   energy_pairs{to_correct.vector(), to_incorrect.vector()}, 0.5);
    where::wait();
    double mean = 0;
    for (index_t i = 0; i < n; ++i) {
        const auto [value, slope] = margin_reference<Function>(correct.at(i), incorrect.at(i));
        mean += value / static_cast<double>(n);
        expect_close(to_correct.at(i), 0.5 * slope / static_cast<double>(n), tolerance_of<G>, "correct", i);
        expect_close(to_incorrect.at(i), -0.5 * slope / static_cast<double>(n), tolerance_of<G>, "incorrect", i);
    }
    expect_close(loss.at(0), mean, 1e-6, "loss");
    o.reduction = reduction::per_sample;
    forward(where::policy(), o, energy_pairs{correct.vector(), incorrect.vector()}, losses.vector());
    to_correct = before;
    backward(where::policy(), o, energy_pairs{correct.vector(), incorrect.vector()}, none{}, upstream.vector(),
             accumulate{energy_pairs{to_correct.vector(), none{}}});
    where::wait();
    for (index_t i = 0; i < n; ++i) {
        const auto [value, slope] = margin_reference<Function>(correct.at(i), incorrect.at(i));
        expect_close(losses.at(i), value, 3e-6, "losses", i);
        expect_close(to_correct.at(i), before.at(i) + upstream.at(i) * slope, tolerance_of<G>, "sums", i);
    }
}

TEST(cuda_losses, of_pairs_are_their_formulas) {
    for (const index_t n : {0, 1, 31, 130, 2500}) {
        order_of_threads = static_cast<int>(n % 4);
        expect_pairs<hinge, float, float>(n, 1);
        expect_pairs<log_margin, double, double>(n, 3);
        expect_pairs<log_margin, selfsame::half, float>(n, 2);
        expect_pairs<log_margin, bfloat16, bfloat16>(n, 1);
    }
    order_of_threads = 0;
}

TEST(cuda_losses, of_two_samples_are_their_formulas) {
    for (const index_t m : {0, 7, 1500}) {
        const index_t n = 40;
        held<float> a(n, 1), b(m, 2), c(n, 3), d(m, 4), ga(n, 5), gb(m, 6), loss(1, 7), before = gb;
        value_and_grad(where::policy(), contrastive_divergence{.regularization = 0.3},
                       energy_samples{a.vector(), b.vector()}, loss.vector(),
                       accumulate{energy_samples{none{}, gb.vector()}});
        where::wait();
        const auto size = static_cast<double>(m);
        double expected = 0;
        for (index_t i = 0; i < n; ++i) expected += (a.at(i) + 0.3 * a.at(i) * a.at(i)) / 40;
        for (index_t i = 0; i < m; ++i) {
            expected += (0.3 * b.at(i) * b.at(i) - b.at(i)) / size;
            expect_close(gb.at(i), before.at(i) + (0.6 * b.at(i) - 1) / size, 1e-6, "samples", i);
        }
        expect_close(loss.at(0), expected, 1e-6, "contrastive divergence");
        value_and_grad(where::policy(), noise_contrastive{.ratio = 2},
                       log_densities{a.vector(), c.vector(), b.vector(), d.vector()}, loss.vector(),
                       log_densities{ga.vector(), none{}, none{}, gb.vector()});
        where::wait();
        expected = 0;
        const auto x = [](double model, double noise) { return model - noise - std::log(2.0); };
        for (index_t i = 0; i < n; ++i) {
            expected += std::log1p(std::exp(-x(a.at(i), c.at(i)))) / 40;
            expect_close(ga.at(i), -1 / (1 + std::exp(x(a.at(i), c.at(i)))) / 40, 1e-6, "model of data", i);
        }
        for (index_t i = 0; i < m; ++i) {
            expected += 2 * std::log1p(std::exp(x(b.at(i), d.at(i)))) / size;
            expect_close(gb.at(i), -2 / (1 + std::exp(-x(b.at(i), d.at(i)))) / size, 1e-6, "noise of noise", i);
        }
        expect_close(loss.at(0), expected, 1e-6, "noise contrastive");
    }
}

/// -log softmax(-E)[label] and its slopes.
double likelihood_reference(const doubles& e, std::size_t label, doubles& slopes) {
    double least = e[0], sum = 0;
    for (const double x : e) least = std::fmin(least, x);
    for (const double x : e) sum += std::exp(least - x);
    slopes.assign(e.size(), 0);
    for (std::size_t k = 0; k < e.size(); ++k) slopes[k] = (k == label ? 1 : 0) - std::exp(least - e[k]) / sum;
    return e[label] - least + std::log(sum);
}
double hinge_reference(const doubles& e, std::size_t label, doubles& slopes) {
    std::size_t worst = e.size();
    for (std::size_t k = 0; k < e.size(); ++k) {
        if (k != label && (worst == e.size() || e[k] < e[worst])) worst = k;
    }
    slopes.assign(e.size(), 0);
    if (worst == e.size() || !(1 + e[label] - e[worst] > 0)) return 0;
    slopes[label] = 1;
    slopes[worst] = -1;
    return 1 + e[label] - e[worst];
}

template <class E, class Label, class O, class Reference>
void expect_rows(O o, index_t n, index_t k, index_t step, bool in_place, const Reference& reference) {
    held<E> energies(n * k, 1, step), gradient(n * k, 2), kept = energies;
    held<float> upstream(n, 3), losses(n, 4), loss(1, 5);
    std::vector<Label> labels;
    for (index_t i = 0; i < n; ++i) labels.push_back(static_cast<Label>((i * 37 + k - 1) % k));
    const auto bad = static_cast<std::size_t>(n > 3 ? 2 : n);
    const labelled_energies inputs{energies.rows(n), on_device(std::as_const(labels))};
    forward(where::policy(), o, inputs, loss.vector());
    where::wait();
    doubles slopes;
    double mean = 0;
    const auto row = [&](index_t i) {
        doubles e;
        for (index_t j = 0; j < k; ++j) e.push_back(kept.at(i * k + j));
        return e;
    };
    for (index_t i = 0; i < n; ++i) {
        mean += reference(row(i), static_cast<std::size_t>(labels[static_cast<std::size_t>(i)]), slopes) /
                static_cast<double>(n);
    }
    expect_close(loss.at(0), mean, 2e-6, "loss");
    if (bad < labels.size()) labels[bad] = static_cast<Label>(n % 2 == 0 ? k : -1);
    o.reduction = reduction::per_sample;
    const auto to = in_place ? energies.rows(n) : gradient.rows(n);
    value_and_grad(where::policy(), o, inputs, losses.vector(), labelled_energies{to}, upstream.vector());
    where::wait();
    const held<E>& got = in_place ? energies : gradient;
    for (index_t i = 0; i < n; ++i) {
        if (static_cast<std::size_t>(i) == bad) {
            EXPECT_TRUE(std::isnan(losses.at(i)));
            for (index_t j = 0; j < k; ++j) EXPECT_TRUE(std::isnan(got.at(i * k + j)));
            continue;
        }
        const double value = reference(row(i), static_cast<std::size_t>(labels[static_cast<std::size_t>(i)]), slopes);
        expect_close(losses.at(i), value, 5e-6, "losses", i);
        for (index_t j = 0; j < k; ++j) {
            expect_close(got.at(i * k + j), upstream.at(i) * slopes[static_cast<std::size_t>(j)], tolerance_of<E>,
                         "energies", j);
        }
    }
}

TEST(cuda_losses, of_labelled_rows_are_their_formulas) {
    for (const index_t k : {1, 2, 10, 33, 300, 1025, 1500}) {
        order_of_threads = static_cast<int>(k % 4);
        const index_t n = k > 1000 ? 5 : 6;
        expect_rows<float, int>(negative_log_likelihood{}, n, k, 1, false, likelihood_reference);
        expect_rows<float, std::int64_t>(negative_log_likelihood{}, n, k, 2, true, likelihood_reference);
        expect_rows<double, int>(negative_log_likelihood{}, n, k, 1, true, likelihood_reference);
        expect_rows<float, int>(generalized_margin<hinge>{}, n, k, 1, true, hinge_reference);
        expect_rows<selfsame::half, int>(generalized_margin<hinge>{}, n, k, 1, true, hinge_reference);
        expect_rows<bfloat16, short>(negative_log_likelihood{}, n, k, 3, false, likelihood_reference);
    }
    order_of_threads = 0;
    expect_rows<float, int>(negative_log_likelihood{}, 0, 1, 1, false, likelihood_reference);
}

}  // namespace
