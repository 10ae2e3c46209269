#include "selfsame/objective/sum.hpp"

#include <gtest/gtest.h>

#include "selfsame/energy/energy.hpp"
#include "selfsame/objective/info_nce.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"
#include "selfsame/objective/swav.hpp"
#include "support.hpp"

/// \file
/// Gradients that are added to what is there, upstream factors of fused calls, and objectives that are added.

namespace {

using namespace selfsame;
using selfsame_tests::refusal;
using doubles = std::vector<double>;

const auto ctx = thrust::omp::par;

doubles values(std::size_t count, int seed) {
    doubles x(count);
    for (std::size_t k = 0; k < count; ++k) x[k] = std::sin(static_cast<double>(k) * 1.7 + seed) * 2;
    return x;
}
template <class T>
auto rows(std::vector<T>& x, index_t width) {
    return matrix(x.data(), static_cast<index_t>(x.size()) / width, width);
}

const auto written = []<class G>(G&& g) -> G { return std::forward<G>(g); };
const auto added = []<class G>(G&& g) { return accumulate{std::forward<G>(g)}; };

/// differentiate(how, g, upstream) differentiates into g; adding gives what was there and twice the gradient.
template <class E, class F>
void expect_added(std::size_t count, F&& differentiate, double bound = 1e-14) {
    std::vector<E> g(count), sums(count);
    const doubles before = values(count, 9);
    for (std::size_t k = 0; k < count; ++k) sums[k] = element_cast<E>(before[k]);
    differentiate(written, g, 1.0);
    differentiate(added, sums, 2.0);
    double largest = 0;
    for (std::size_t k = 0; k < count; ++k) {
        const auto one = element_cast<double>(g[k]);
        largest = (std::max)(largest, std::fabs(one));
        EXPECT_NEAR(element_cast<double>(sums[k]), element_cast<double>(element_cast<E>(before[k])) + 2 * one, bound);
    }
    EXPECT_GT(largest, 0);
}

TEST(AddedGradients, OfPairsAndPrototypes) {
    auto a = values(35, 1), p = values(35, 2);
    expect_added<double>(35, [&](auto how, auto& g, double upstream) {
        double loss = 0;
        value_and_grad(ctx, nt_xent{}, pairs{rows(a, 5), rows(p, 5)}, loss, how(pair_gradients{rows(g, 5), none{}}),
                       upstream);
        EXPECT_EQ(loss, forward(ctx, nt_xent{}, pairs{rows(a, 5), rows(p, 5)}));
    });
    const swav<> objective{.pairing = {.teachers = 1, .students = 5}};
    expect_added<double>(35, [&](auto how, auto& g, double upstream) {
        double loss = 0;
        value_and_grad(ctx, objective, prototype_views{rows(a, 7), rows(p, 7)}, loss,
                       how(prototype_gradients{rows(g, 7), none{}}), upstream);
    });
    expect_added<float>(
        35,
        [&](auto how, auto& g, double upstream) {
            backward(ctx, objective, prototype_views{rows(a, 7), rows(p, 7)}, upstream,
                     how(prototype_gradients{none{}, rows(g, 7)}));
        },
        1e-6);
}

TEST(AddedGradients, OfRows) {
    // More columns than are converted at a time, and too few to fill a register.
    for (const index_t width : {3, 1500}) {
        const auto count = static_cast<std::size_t>(6 * width);
        auto z = values(count, 3), q = values(count / 6, 4);
        for (double& v : q) v *= v;
        expect_added<double>(count, [&](auto how, auto& g, double upstream) {
            const doubles up(6, upstream);
            backward(ctx, logit_scores<entropy>{}, rows(z, width), up, how(rows(g, width)));
        });
        const swapped_prediction objective{.pairing = {.teachers = 1, .students = 6}, .temperature = 1};
        expect_added<double>(count, [&](auto how, auto& g, double upstream) {
            double loss = 0;
            value_and_grad(ctx, objective, views{rows(q, width), rows(z, width)}, loss, how(rows(g, width)), upstream);
        });
        expect_added<selfsame::half>(
            count,
            [&](auto how, auto& g, double upstream) {
                backward(ctx, objective, views{rows(q, width), rows(z, width)}, upstream, how(rows(g, width)));
            },
            2e-3 * (width == 3 ? 10 : 1));
        const std::vector<int> labels{0, 1, 2, 2, 1, 0};
        expect_added<double>(count, [&](auto how, auto& g, double upstream) {
            double loss = 0;
            value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows(z, width), labels}, loss,
                           how(labelled_energies{rows(g, width)}), upstream);
        });
    }
}

TEST(AddedGradients, OfVectors) {
    for (const std::size_t count : {std::size_t{5}, std::size_t{3000}}) {
        auto a = values(count, 5), b = values(count, 6);
        expect_added<double>(count, [&](auto how, auto& g, double upstream) {
            double loss = 0;
            value_and_grad(ctx, contrastive_divergence{.regularization = 1}, energy_samples{a, b}, loss,
                           how(energy_samples{none{}, g}), upstream);
        });
        expect_added<double>(count, [&](auto how, auto& g, double upstream) {
            backward(ctx, generalized_margin<log_margin>{}, energy_pairs{a, b}, none{}, upstream,
                     how(energy_pairs{g, none{}}));
        });
    }
}

TEST(AddedGradients, NotToTheInputItself) {
    auto x = values(12, 7), y = values(12, 8);
    const std::vector<int> labels{0, 1, 2};
    double loss = 0;
    EXPECT_EQ(refusal([&] {
                  value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows(x, 4), labels}, loss,
                                 accumulate{labelled_energies{rows(x, 4)}});
              }),
              "selfsame: gradient of energies: got the memory of the energies, expected memory of its own");
    EXPECT_NE(refusal([&] {
                  value_and_grad(ctx, nt_xent{}, pairs{rows(x, 4), rows(y, 4)}, loss,
                                 accumulate{pair_gradients{rows(x, 4), none{}}});
              }),
              "");
    EXPECT_NE(refusal([&] { backward(ctx, logit_scores<entropy>{}, rows(x, 4), doubles(3), accumulate{rows(x, 4)}); }),
              "");
    EXPECT_NE(refusal([&] { backward(ctx, ibot{}, views{rows(y, 4), rows(x, 4)}, 1.0, accumulate{rows(x, 4)}); }), "");
}

// Beginning at one address or not: outputs that share memory with one another, or with a part of an input.
TEST(Aliases, OverlapsAreRefused) {
    doubles memory = values(100, 3), y = values(24, 4), g(24);
    const auto part = [&](std::size_t first, index_t pitch = 6) {
        return view(memory.data() + first, std::array<index_t, 2>{4, 6}, std::array<index_t, 2>{pitch, 1});
    };
    const auto run = [&](auto&& anchors, auto&& positives) {
        return refusal(
            [&] { value_and_grad(ctx, nt_xent{}, pairs{rows(y, 6), part(0)}, pair_gradients{anchors, positives}); });
    };
    EXPECT_EQ(run(part(24), part(47)),
              "selfsame: gradient of positives: got the memory of the gradient of anchors, expected memory of its own");
    EXPECT_EQ(run(part(24), part(48)), "");
    EXPECT_EQ(run(part(24, 12), part(30, 12)), "");  // left and right columns of one matrix
    EXPECT_NE(run(part(24, 12), part(29, 12)), "");
    EXPECT_EQ(run(part(10), none{}), "");  // what an input is copied from before

    const logit_scores<free_energy> energy{};
    const doubles up(4, 1.0);
    EXPECT_EQ(refusal([&] { backward(ctx, energy, part(0), up, part(0)); }), "");
    EXPECT_EQ(refusal([&] { backward(ctx, energy, part(0), up, part(6)); }),
              "selfsame: gradient: got a part of the memory of the logits, expected all of it, element by element, or "
              "memory of its own");
    EXPECT_NE(refusal([&] { forward(ctx, energy, part(0), vector(memory.data() + 3, 4)); }), "");
    EXPECT_NE(refusal([&] { value_and_grad(ctx, energy, part(0), vector(g.data() + 3, 4), rows(g, 6)); }), "");
    EXPECT_EQ(refusal([&] { backward(ctx, ibot{}, views{rows(y, 6), part(0)}, 1.0, part(0)); }), "");
    EXPECT_NE(refusal([&] { backward(ctx, ibot{}, views{rows(y, 6), part(0)}, 1.0, part(1)); }), "");
    EXPECT_EQ(refusal([&] { backward(ctx, ibot{}, views{part(0), rows(y, 6)}, 1.0, part(0)); }),
              "selfsame: gradient: got the memory of the teacher, expected memory of its own");

    const auto some = [&](std::size_t first) { return vector(memory.data() + first, 8); };
    const contrastive_divergence divergence;
    const auto contrast = [&](auto&& data, auto&& samples) {
        return refusal(
            [&] { value_and_grad(ctx, divergence, energy_samples{some(0), some(8)}, energy_samples{data, samples}); });
    };
    EXPECT_EQ(contrast(some(0), some(8)), "");
    EXPECT_NE(contrast(some(8), none{}), "");  // samples are read after it is written
    EXPECT_NE(contrast(some(1), none{}), "");
    EXPECT_NE(contrast(some(20), some(27)), "");
    EXPECT_EQ(contrast(some(20), some(28)), "");
    EXPECT_EQ(refusal([&] {
                  value_and_grad(ctx, divergence, energy_samples{some(0), some(8)}, memory[21],
                                 energy_samples{some(20), none{}});
              }),
              "selfsame: loss: got the memory of the gradient of data, expected memory of its own");
    const swav<> objective{.pairing = {.teachers = 1, .students = 2}};
    EXPECT_NE(refusal([&] {
                  value_and_grad(ctx, objective, prototype_views{rows(y, 6), part(0)},
                                 prototype_gradients{part(24), part(40)});
              }),
              "");
}

TEST(SumsOfObjectives, AreSumsOfValuesAndGradients) {
    auto a = values(40, 1), p = values(40, 2);
    doubles one(40), two(40), three(40), sum(40);
    const auto inputs = pairs{rows(a, 5), rows(p, 5)};
    const auto first = nt_xent{.temperature = 0.2};
    const auto second = info_nce<dot, in_batch>{.temperature = 3, .reduction = reduction::sum};
    const auto third = clip{};
    const double x = value_and_grad(ctx, first, inputs, pair_gradients{rows(one, 5), none{}});
    const double y = value_and_grad(ctx, second, inputs, pair_gradients{rows(two, 5), none{}});
    const double z = value_and_grad(ctx, third, inputs, pair_gradients{rows(three, 5), none{}});
    const auto objective = 2.0 * (first + 0.25 * second) + third;
    const double expected = 2 * x + 0.5 * y + z;
    EXPECT_NEAR(forward(ctx, objective, inputs), expected, 1e-13);
    EXPECT_NEAR(value_and_grad(ctx, objective, inputs, pair_gradients{rows(sum, 5), none{}}), expected, 1e-13);
    for (std::size_t k = 0; k < 40; ++k) EXPECT_NEAR(sum[k], 2 * one[k] + 0.5 * two[k] + three[k], 1e-13);
    value_and_grad(ctx, objective, inputs, accumulate{pair_gradients{rows(sum, 5), none{}}}, -1.0);
    for (std::size_t k = 0; k < 40; ++k) EXPECT_NEAR(sum[k], 0, 1e-13);
}

TEST(SumsOfObjectives, OfEnergies) {
    auto x = values(30, 1);
    doubles one(30), two(30), sum(30);
    const std::vector<int> labels{0, 1, 2, 3, 4};
    const auto inputs = labelled_energies{rows(x, 6), labels};
    const double a = value_and_grad(ctx, negative_log_likelihood{}, inputs, labelled_energies{rows(one, 6)});
    const double b = value_and_grad(ctx, generalized_margin<hinge>{}, inputs, labelled_energies{rows(two, 6)});
    const auto objective = negative_log_likelihood{} + 0.1 * generalized_margin<hinge>{};
    EXPECT_NEAR(value_and_grad(ctx, objective, inputs, labelled_energies{rows(sum, 6)}), a + 0.1 * b, 1e-14);
    for (std::size_t k = 0; k < 30; ++k) EXPECT_NEAR(sum[k], one[k] + 0.1 * two[k], 1e-15);
    EXPECT_NE(refusal([&] { value_and_grad(ctx, objective, inputs, labelled_energies{rows(x, 6)}); }), "");
    const negative_log_likelihood each{.reduction = reduction::per_sample};
    EXPECT_EQ(refusal([&] { forward(ctx, 1.0 * each, inputs); }),
              "selfsame: reduction: got per_sample, expected mean or sum: objectives that are added have one value "
              "each");
    EXPECT_EQ(refusal([&] { forward(ctx, HUGE_VAL * objective, inputs); }),
              "selfsame: weight: got inf, expected a finite number");
}

}  // namespace
