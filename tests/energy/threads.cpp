#include <gtest/gtest.h>

#include "helpers.hpp"

/// \file
/// The number of threads changes no bit of losses, gradients and chains.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

/// f(context) gives the same on any number of threads.
template <class F>
void expect_one_result(F&& f) {
    const auto first = f(context{thrust::omp::par, 1});
    for (const int threads : {2, 3, 5, 8}) EXPECT_EQ(f(context{thrust::omp::par, threads}), first) << threads;
    EXPECT_EQ(f(context{thrust::seq}), first);
}

TEST(EnergyThreads, Losses) {
    const auto x = converted<float>(uniforms(60000, -3, 3, 1)), y = converted<float>(uniforms(60000, -3, 3, 2));
    std::vector<int> labels;
    for (int i = 0; i < 6000; ++i) labels.push_back(i % 10);
    const auto run = [&](const auto& objective, const auto& inputs, auto&& gradients_of) {
        expect_one_result([&](const auto& ctx) {
            std::vector<float> g(60000);
            float loss = 0;
            value_and_grad(ctx, objective, inputs, loss, gradients_of(g));
            g.push_back(loss);
            return g;
        });
    };
    run(contrastive_divergence{.regularization = 0.1}, energy_samples{x, y},
        [](auto& g) { return energy_samples{g, none{}}; });
    run(noise_contrastive{}, log_densities{x, y, y, x},
        [](auto& g) { return log_densities{none{}, none{}, none{}, g}; });
    run(generalized_margin<log_margin>{}, energy_pairs{x, y}, [](auto& g) { return energy_pairs{g, none{}}; });
    run(negative_log_likelihood{}, labelled_energies{rows_of(x, 10), labels},
        [](auto& g) { return labelled_energies{rows_of(g, 10)}; });
    run(denoising_score_matching{}, noisy_scores{rows_of(x, 100), rows_of(y, 100)},
        [](auto& g) { return noisy_scores{rows_of(g, 100), none{}}; });
    // More samples than 256 pieces of 4096, and in double, where the order of a sum shows.
    const doubles many = uniforms(sanitized ? 60000 : 1200001, -3, 3, 5);
    expect_one_result([&](const auto& ctx) { return forward(ctx, energy_bounds{}, energy_samples{many, x}); });
}

template <class T, class S>
void expect_chains(const S& sampler, index_t n, index_t width) {
    const auto start = converted<T>(uniforms(static_cast<std::size_t>(n * width), -1, 1, 3));
    const gaussian energy{doubles(static_cast<std::size_t>(width), 0.2), doubles(static_cast<std::size_t>(width), 0.7)};
    expect_one_result([&](const auto& ctx) {
        std::vector<T> x = start;
        const auto report = sample(ctx, sampler, energy, rows_of(x, width), chain_key{.seed = 4}, 7);
        x.push_back(static_cast<T>(report.acceptance));
        for (const double e : report.energies) x.push_back(static_cast<T>(e));
        return x;
    });
}
TEST(EnergyThreads, Chains) {
    expect_chains<float>(jem_sampler, 3000, 3);
    expect_chains<double>(langevin::of(0.05), 7, 3001);
    expect_chains<float>(mala{.step = 0.3}, 3000, 3);
    expect_chains<double>(mala{.step = 0.01}, 50, 301);
}

}  // namespace
