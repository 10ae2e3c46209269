#include <gtest/gtest.h>

#include <thrust/system/cpp/execution_policy.h>
#include <limits>
#include <random>
#include <vector>

#include "chains.hpp"
#include "support.hpp"
#include "where.hpp"

// Samplers on the device beside the host's: a chain takes the same path, bit for bit, and so does what is told of it.

namespace {

using namespace selfsame_tests;
using selfsame::chain_key;
using selfsame::divergence;
using selfsame::langevin;
using selfsame::mala;

template <class T>
std::vector<T> random_states(index_t rows, index_t width) {
    std::mt19937 random(5);
    std::normal_distribution<double> normal;
    std::vector<T> x(static_cast<std::size_t>(rows * width));
    for (T& e : x) e = static_cast<T>(normal(random));
    return x;
}

template <class T>
struct sampled {
    std::vector<T> states, energies;
    std::vector<index_t> accepted, steps;
    std::vector<int> reasons;
};

template <class T, class Sampler>
sampled<T> on_the_device(const Sampler& sampler, std::vector<T> states, index_t rows, index_t width,
                         const chain_key& key, index_t steps, T limit) {
    const auto n = static_cast<std::size_t>(rows);
    sampled<T> s{{}, std::vector<T>(n), std::vector<index_t>(n), std::vector<index_t>(n), std::vector<int>(n)};
    const auto policy = where::policy();
    selfsame::sample(policy, sampler, bowl_of<std::remove_const_t<decltype(policy)>, T>{policy, {limit}},
                     selfsame::matrix<selfsame::memory_space::device>(states.data(), rows, width), key, steps,
                     selfsame::chain_outcomes{on_device(s.energies), on_device(s.accepted), on_device(s.steps),
                                              on_device(s.reasons)});
    where::wait();
    s.states = states;
    return s;
}

template <class T, class Sampler>
void expect_the_hosts_path(const Sampler& sampler, index_t rows, index_t width, const chain_key& key, index_t steps,
                           T limit = std::numeric_limits<T>::infinity()) {
    auto states = random_states<T>(rows, width);
    const sampled<T> got = on_the_device(sampler, states, rows, width, key, steps, limit);
    const auto host = thrust::cpp::par;
    const auto told = selfsame::sample(host, sampler, bowl_of<decltype(thrust::cpp::par), T>{host, {limit}},
                                       selfsame::matrix(states.data(), rows, width), key, steps);
    EXPECT_EQ(got.states, states) << rows << " x " << width;
    double accepted = 0, alive = 0;
    auto diverged = told.divergences.begin();
    for (std::size_t i = 0; i < got.energies.size(); ++i) {
        EXPECT_TRUE(static_cast<double>(got.energies[i]) == told.energies[i] ||
                    (got.energies[i] != got.energies[i] && told.energies[i] != told.energies[i]));
        const bool reported =
            diverged != told.divergences.end() && diverged->chain == key.chain(static_cast<index_t>(i));
        EXPECT_EQ(got.steps[i], reported ? index_t(diverged->step) : -1) << "chain " << i;
        EXPECT_EQ(got.reasons[i], reported ? int(diverged->why) : -1) << "chain " << i;
        const bool stays = reported && (std::is_same_v<Sampler, langevin> || diverged->why == divergence::start);
        if (reported) ++diverged;
        accepted += static_cast<double>(got.accepted[i]);
        alive += stays ? 0 : 1;
    }
    if (std::is_same_v<Sampler, mala> && alive > 0) {
        EXPECT_EQ(accepted / (alive * static_cast<double>(steps)), told.acceptance);
    }
}

TEST(cuda_sampler, langevin_takes_the_path_of_the_host) {
    for (const auto& [rows, width] : {std::pair<index_t, index_t>{1, 1}, {5, 3}, {9, 130}, {3, 261}}) {
        order_of_threads = static_cast<int>(rows) % thread_orders;
        expect_the_hosts_path<float>(langevin::of(0.01), rows, width, {.seed = 7, .first = 40, .step = 3}, 4);
    }
    expect_the_hosts_path<double>(langevin{.step = 0.05, .noise = 0.3, .clip = 1.5, .low = -0.5, .high = 0.75}, 6, 10,
                                  {.seed = 1}, 5);
    order_of_threads = 0;
}

TEST(cuda_sampler, mala_takes_the_path_of_the_host) {
    for (const auto& [rows, width] : {std::pair<index_t, index_t>{1, 1}, {5, 3}, {9, 130}}) {
        order_of_threads = static_cast<int>(rows) % thread_orders;
        expect_the_hosts_path<double>(mala{.step = 0.02}, rows, width, {.seed = 3}, 6);
        expect_the_hosts_path<float>(mala{.step = 0.02}, rows, width, {.seed = 3}, 6);
    }
    order_of_threads = 0;
}

TEST(cuda_sampler, chains_have_names_and_may_be_cut_into_calls) {
    const std::vector<std::uint64_t> names = {9, 2, 70000000000};
    const chain_key key{.seed = 5, .chains = names};
    expect_the_hosts_path<float>(langevin{.step = 0.1, .noise = 0.2}, 3, 8, key, 3);
    auto whole = random_states<float>(3, 8), cut = whole;
    const auto policy = where::policy();
    const bowl_of<std::remove_const_t<decltype(policy)>, float> energy{policy};
    const auto view = [](auto& v) { return selfsame::matrix<selfsame::memory_space::device>(v.data(), 3, 8); };
    selfsame::sample(policy, mala{.step = 0.05}, energy, view(whole), key, 5);
    chain_key on = key;
    for (const index_t steps : {2, 0, 3}) {
        selfsame::sample(policy, mala{.step = 0.05}, energy, view(cut), on, steps);
        on.step = on.step_after(steps);
    }
    where::wait();
    EXPECT_EQ(whole, cut);
}

TEST(cuda_sampler, chains_that_diverge_stop_where_the_host_stops_them) {
    // Some chains begin outside, some walk out, some stay.
    expect_the_hosts_path<float>(langevin{.step = 0.05, .noise = 0.4}, 12, 5, {.seed = 11}, 6, 0.8f);
    expect_the_hosts_path<float>(mala{.step = 0.1}, 12, 5, {.seed = 11}, 6, 0.8f);
    // In the last step: the energy that is told is that of the state before.
    expect_the_hosts_path<float>(langevin{.step = 0.05, .noise = 0.4}, 40, 5, {.seed = 11}, 1, 0.8f);
    // Moves that overflow.
    expect_the_hosts_path<float>(langevin{.step = 1e38, .noise = 0}, 4, 6, {}, 4);
    expect_the_hosts_path<float>(mala{.step = 1e38}, 4, 6, {}, 4);
}

TEST(cuda_sampler, levels_are_those_of_the_host) {
    const selfsame::annealed_langevin schedule{
        .highest = 2, .lowest = 0.5, .levels = 3, .steps = 2, .step = 0.05, .ancestral = true};
    auto states = random_states<float>(4, 9), host_states = states;
    const auto policy = where::policy();
    std::vector<double> sigmas;
    const auto of = [&](const auto& on) {
        return [&](const auto& x, double sigma, const auto& values, const auto& gradients) {
            sigmas.push_back(sigma);
            bowl_of<std::remove_cvref_t<decltype(on)>, float>{on}(x, values, gradients);
        };
    };
    selfsame::sample(policy, schedule, of(policy),
                     selfsame::matrix<selfsame::memory_space::device>(states.data(), 4, 9), {.seed = 2});
    where::wait();
    const auto seen = sigmas;
    sigmas.clear();
    const auto host = thrust::cpp::par;
    selfsame::sample(host, schedule, of(host), selfsame::matrix(host_states.data(), 4, 9), {.seed = 2});
    EXPECT_EQ(seen, sigmas);
    EXPECT_EQ(states, host_states);
}

TEST(cuda_sampler, refuses_before_anything_is_launched) {
    std::vector<float> states(12, 1.0f), energies(3);
    const auto policy = where::policy();
    const bowl_of<std::remove_const_t<decltype(policy)>, float> energy{policy};
    const auto x = selfsame::matrix<selfsame::memory_space::device>(states.data(), 4, 3);
    EXPECT_EQ(refusal([&] {
                  selfsame::sample(policy, langevin{}, energy, x, {}, 2,
                                   selfsame::chain_outcomes<decltype(on_device(energies))>{on_device(energies)});
              }),
              "selfsame: energies: got 3, expected 4 values, as many as rows of states");
    EXPECT_EQ(refusal([&] {
                  const auto inside = selfsame::vector<selfsame::memory_space::device>(states.data() + 2, 4);
                  selfsame::sample(policy, langevin{}, energy, x, {}, 2,
                                   selfsame::chain_outcomes<decltype(inside)>{inside});
              }),
              "selfsame: energies: got the memory of the states, expected memory of its own");
    EXPECT_EQ(refusal([&] { selfsame::sample(policy, langevin{.step = 0}, energy, x, {}, 2); }),
              "selfsame: step: got 0, expected > 0");
    where::wait();
    EXPECT_EQ(states, std::vector<float>(12, 1.0f));
}

}  // namespace
