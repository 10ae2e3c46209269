#include "modes.hpp"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "progress.hpp"
#include "selfsame/interop/torch.hpp"
#include "torch_energy.hpp"

namespace example {
namespace {

using selfsame::chain_key;
using selfsame::torch_view;

constexpr double radius = 2, deviation = 0.25, pi = 3.14159265358979323846;
constexpr index_t sample_count = 24000;
constexpr std::uint32_t mode_op = 0x90, point_op = 0x91;

at::Tensor draw(std::uint64_t seed, std::uint32_t iteration, index_t count) {
    at::Tensor x = at::empty({count, 2});
    float* p = x.data_ptr<float>();
    selfsame::random_row(seed, iteration, 0, point_op).normal(p, 2 * count);
    std::vector<float> share(static_cast<std::size_t>(count));
    selfsame::random_row(seed, iteration, 0, mode_op).uniform(share.data(), count, 0.0f, 1.0f);
    const mode_masses masses = true_masses();
    for (index_t i = 0; i < count; ++i) {
        double left = double(share[static_cast<std::size_t>(i)]);
        std::size_t mode = 0;
        while (mode < 7 && left >= masses[mode]) left -= masses[mode++];
        const double angle = static_cast<double>(mode) * pi / 4;
        p[2 * i] = static_cast<float>(radius * std::cos(angle) + deviation * double(p[2 * i]));
        p[2 * i + 1] = static_cast<float>(radius * std::sin(angle) + deviation * double(p[2 * i + 1]));
    }
    return x;
}

/// Samples weigh the same, or as `weights` says.
void measure(mode_result& result, const at::Tensor& samples, const at::Tensor& weights = {}) {
    const float* p = samples.data_ptr<float>();
    const std::int64_t count = samples.size(0);
    for (std::int64_t i = 0; i < count; ++i) {
        const double x = double(p[2 * i]), y = double(p[2 * i + 1]);
        const auto mode = (static_cast<std::int64_t>(std::lround(std::atan2(y, x) / (pi / 4))) + 8) % 8;
        const double angle = static_cast<double>(mode) * pi / 4;
        const double off = std::hypot(x - radius * std::cos(angle), y - radius * std::sin(angle));
        const double weight = weights.defined() ? weights.data_ptr<double>()[i] : 1 / static_cast<double>(count);
        result.masses[static_cast<std::size_t>(mode)] += weight;
        result.near += off < 3 * deviation ? weight : 0;
        if (i < 2000 && !weights.defined()) {
            result.points.push_back({p[2 * i], p[2 * i + 1]});
            result.nearest.push_back(mode);
        }
    }
}

/// e^(-E) itself, integrated on a grid: what samples would show if sampling were perfect.
mode_result integral_of(const energy_model& energy) {
    constexpr std::int64_t lines = 400;
    constexpr double edge = 5;
    const at::NoGradGuard no_graph;
    const at::Tensor line = (at::arange(lines, at::kFloat) + 0.5) * (2 * edge / lines) - edge;
    const at::Tensor grid = at::stack({line.repeat_interleave(lines), line.repeat({lines})}, 1).contiguous();
    mode_result result;
    result.method = "its density, integrated";
    measure(result, grid, at::softmax(-energy(grid).to(at::kDouble), 0));
    return result;
}

torch::nn::Sequential perceptron(std::int64_t inputs, std::int64_t width) {
    using torch::nn::Linear, torch::nn::SiLU;
    return torch::nn::Sequential(Linear(inputs, width), SiLU(), Linear(width, width), SiLU(), Linear(width, width),
                                 SiLU(), Linear(width, 1));
}

}  // namespace

mode_masses true_masses() {
    mode_masses masses;
    for (std::size_t k = 0; k < 8; ++k) masses[k] = static_cast<double>(k + 2) / 44;
    return masses;
}

double mode_result::worst() const {
    const mode_masses expected = true_masses();
    double most = 0;
    for (std::size_t k = 0; k < 8; ++k) most = std::max(most, std::abs(masses[k] - expected[k]));
    return most;
}

mode_result data_of_modes(std::uint64_t seed) {
    mode_result result;
    result.method = "data";
    measure(result, draw(seed, ~0u, sample_count));
    return result;
}

std::vector<mode_result> modes_by_contrastive_divergence(std::uint64_t seed, std::int64_t iterations) {
    mode_result result;
    result.method = "persistent contrastive divergence";
    torch::manual_seed(seed);
    auto net = perceptron(2, 64);
    // The quadratic keeps the density integrable wherever the perceptron is flat.
    const auto energy = [net = net.ptr()](const at::Tensor& x) {
        return 4 * net->forward(x).squeeze(1) + x.square().sum(1) / (2 * 3.0 * 3.0);
    };
    // Chains take some thousand steps around the circle: they must live long for masses to be learned.
    result.training =
        contrast({.title = "eight modes, contrastive divergence",
                  .seed = seed,
                  .iterations = iterations,
                  .batch = 1024,
                  .rate = 2e-3,
                  .average = 0.998},
                 {.sampler = {.step = 0.06}, .steps = 10, .restart = 0.005, .regularization = 1e-4}, *net, energy,
                 [&](std::uint32_t iteration, index_t count) { return draw(seed, iteration, count); });
    result.divergences = result.training.divergences;

    // From a quarter of the energy, where modes are no obstacles, to all of it; then looked at repeatedly.
    constexpr index_t looks = 4, steps = 300;
    const std::vector<double> shares{0.25, 0.5, 0.75, 0.9, 0.95, 1, 1, 1, 1};
    at::Tensor chains = at::empty({sample_count / looks, 2});
    const auto rows = torch_view<float, 2>(chains);
    selfsame::replay_buffer<float>(2, 1, 1).draw({.seed = seed + 1}, rows, selfsame::uniform_start{-3, 3});
    std::vector<at::Tensor> seen;
    chain_key key{.seed = seed + 1};
    pretrain::progress_line progress("eight modes, MALA");
    const std::size_t pieces = shares.size() + looks;
    for (std::size_t k = 0; k < pieces; ++k) {
        const double share = k < shares.size() ? shares[k] : 1;
        const auto tempered = as_callable([&](const at::Tensor& x) { return share * energy(x); });
        const auto report = selfsame::sample(ctx, selfsame::mala{.step = 0.06}, tempered, rows, key, steps);
        result.acceptance = report.acceptance;
        result.divergences += static_cast<std::int64_t>(report.divergences.size());
        key.step = key.step_after(steps);
        if (k >= shares.size()) seen.push_back(chains.clone());
        progress.update(std::to_string(k + 1) + " of " + std::to_string(pieces), k + 1 == pieces);
    }
    progress.finish();
    measure(result, at::cat(seen));
    return {result, integral_of(energy)};
}

mode_result modes_by_score_matching(std::uint64_t seed, std::int64_t iterations) {
    mode_result result;
    result.method = "denoising score matching";
    torch::manual_seed(seed);
    auto net = perceptron(3, 64);
    constexpr double variance = radius * radius / 2 + deviation * deviation;
    // Coordinates of unit size at each level; the quadratic is the energy of a single Gaussian of the data's spread.
    const auto energy = [net = net.ptr()](const at::Tensor& x, const at::Tensor& sigmas) {
        const at::Tensor scaled = x / (sigmas.square() + variance).sqrt().unsqueeze(1);
        return 4 * net->forward(at::cat({2 * scaled, sigmas.log().unsqueeze(1) / 2}, 1)).squeeze(1) +
               scaled.square().sum(1) / 2;
    };
    const auto score = [&](const at::Tensor& x, const at::Tensor& sigmas) {
        return score_of_energy(energy, x, sigmas);
    };
    const selfsame::annealed_langevin schedule{
        .highest = 5, .lowest = 0.08, .levels = 30, .steps = 8, .step = 0.1, .ancestral = true};
    result.training =
        match_scores({.title = "eight modes, score matching",
                      .seed = seed,
                      .iterations = iterations,
                      .batch = 512,
                      .rate = 3e-3,
                      .average = 0.998},
                     {.lowest = schedule.lowest,
                      .highest = schedule.highest,
                      .middle = 0.4,
                      .spread = 1,
                      .weight = [](double sigma) { return 1 + sigma * sigma / variance; }},
                     *net, score, [&](std::uint32_t iteration, index_t count) { return draw(seed, iteration, count); });

    at::Tensor samples = at::empty({sample_count, 2});
    const auto rows = torch_view<float, 2>(samples);
    selfsame::replay_buffer<float>(2, 1, 1).draw({.seed = seed + 1}, rows, selfsame::normal_start{0, schedule.highest});
    const auto report = selfsame::sample(ctx, schedule, score_as_callable(score), rows, chain_key{.seed = seed + 1});
    result.divergences = static_cast<std::int64_t>(report.divergences.size());
    measure(result, samples);
    return result;
}

}  // namespace example
