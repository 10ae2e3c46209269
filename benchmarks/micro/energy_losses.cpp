// Losses of energies: of a vector of them, of rows of answers, of scores of noisy samples; value and gradient.
#include <thrust/system/omp/execution_policy.h>
#include <cstdint>
#include <memory>
#include <random>
#include <selfsame/energy/energy.hpp>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

using selfsame::index_t;

std::vector<float> numbers(index_t n) {
    auto x = make_large<float>(static_cast<std::size_t>(n));
    std::minstd_rand random(1);
    for (float& v : x) v = static_cast<float>(random()) / 0x1p28f - 4;
    return x;
}

// What is differentiated is read, its gradient is written.
work of_elements(index_t n, int threads) { return {8.0 * static_cast<double>(n), memory_copy, threads}; }

void add_contrastive_divergence(index_t n, int threads) {
    add_case("contrastive_divergence_value_and_grad/N:" + std::to_string(n) + "/threads:" + std::to_string(threads),
             of_elements(2 * n, threads), [=] {
                 struct state {
                     std::vector<float> data, samples, of_data, of_samples;
                 };
                 const auto x = std::make_shared<state>(state{numbers(n), numbers(n), numbers(n), numbers(n)});
                 return [=] {
                     const selfsame::context ctx{thrust::omp::par, threads};
                     selfsame::value_and_grad(ctx, selfsame::contrastive_divergence{},
                                              selfsame::energy_samples{x->data, x->samples},
                                              selfsame::energy_samples{x->of_data, x->of_samples});
                 };
             });
}

void add_likelihood(index_t samples, index_t answers, int threads) {
    add_case("negative_log_likelihood_value_and_grad/N:" + std::to_string(samples) + "/K:" + std::to_string(answers) +
                 "/threads:" + std::to_string(threads),
             of_elements(samples * answers, threads), [=] {
                 struct state {
                     std::vector<float> energies, gradient;
                     std::vector<std::int64_t> labels;
                 };
                 const auto x =
                     std::make_shared<state>(state{numbers(samples * answers), numbers(samples * answers),
                                                   std::vector<std::int64_t>(static_cast<std::size_t>(samples))});
                 for (index_t i = 0; i < samples; ++i) x->labels[static_cast<std::size_t>(i)] = i * 37 % answers;
                 return [=] {
                     const selfsame::context ctx{thrust::omp::par, threads};
                     selfsame::value_and_grad(
                         ctx, selfsame::negative_log_likelihood{},
                         selfsame::labelled_energies{selfsame::matrix(x->energies.data(), samples, answers), x->labels},
                         selfsame::labelled_energies{selfsame::matrix(x->gradient.data(), samples, answers)});
                 };
             });
}

// The noise is read, too.
void add_score_matching(index_t samples, index_t width, int threads) {
    const double bytes = 12.0 * static_cast<double>(samples * width);
    add_case("denoising_score_matching_value_and_grad/N:" + std::to_string(samples) + "/D:" + std::to_string(width) +
                 "/threads:" + std::to_string(threads),
             {bytes, memory_copy, threads}, [=] {
                 struct state {
                     std::vector<float> scores, noise, gradient;
                 };
                 const auto x = std::make_shared<state>(
                     state{numbers(samples * width), numbers(samples * width), numbers(samples * width)});
                 return [=] {
                     const auto of = [&](std::vector<float>& v) { return selfsame::matrix(v.data(), samples, width); };
                     const selfsame::context ctx{thrust::omp::par, threads};
                     selfsame::value_and_grad(ctx, selfsame::denoising_score_matching{.sigma = 0.5},
                                              selfsame::noisy_scores{of(x->scores), of(x->noise)},
                                              selfsame::noisy_scores{of(x->gradient), selfsame::none{}});
                 };
             });
}

const cases losses([] {
    for (const int threads : {1, 2}) {
        add_contrastive_divergence(16 * 1024 * 1024, threads);
        add_likelihood(65536, 1000, threads);
        add_likelihood(655360, 100, threads);
        add_score_matching(65536, 784, threads);
    }
});

}  // namespace
}  // namespace benchmarks
