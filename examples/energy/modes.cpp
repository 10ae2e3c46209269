#include "modes.hpp"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "progress.hpp"
#include "selfsame/energy/energy.hpp"
#include "selfsame/interop/torch.hpp"
#include "torch_energy.hpp"

namespace example {
namespace {

using selfsame::chain_key;
using selfsame::index_t;
using selfsame::none;
using selfsame::torch_view;

constexpr double radius = 2, deviation = 0.25, pi = 3.14159265358979323846;
constexpr index_t sample_count = 20000;
constexpr std::uint32_t mode_op = 0x80, point_op = 0x81, level_op = 0x82;
const auto ctx = thrust::omp::par;

at::Tensor draw(std::uint64_t seed, std::uint32_t iteration, index_t count) {
    at::Tensor x = at::empty({count, 2});
    float* p = x.data_ptr<float>();
    selfsame::random_row(seed, iteration, 0, point_op).normal(p, 2 * count);
    selfsame::random_row modes(seed, iteration, 0, mode_op);
    std::vector<float> mode(static_cast<std::size_t>(count));
    modes.uniform(mode.data(), count, 0.0f, 8.0f);
    for (index_t i = 0; i < count; ++i) {
        const double angle = std::min(7.0, std::floor(double(mode[static_cast<std::size_t>(i)]))) * pi / 4;
        p[2 * i] = static_cast<float>(radius * std::cos(angle) + deviation * double(p[2 * i]));
        p[2 * i + 1] = static_cast<float>(radius * std::sin(angle) + deviation * double(p[2 * i + 1]));
    }
    return x;
}

void measure(mode_result& result, const at::Tensor& samples) {
    const float* p = samples.data_ptr<float>();
    const auto count = samples.size(0);
    for (std::int64_t i = 0; i < count; ++i) {
        const double x = double(p[2 * i]), y = double(p[2 * i + 1]);
        const auto mode = (static_cast<std::int64_t>(std::lround(std::atan2(y, x) / (pi / 4))) + 8) % 8;
        const double angle = static_cast<double>(mode) * pi / 4;
        const double off = std::hypot(x - radius * std::cos(angle), y - radius * std::sin(angle));
        result.masses[static_cast<std::size_t>(mode)] += 1 / static_cast<double>(count);
        result.near += (off < 3 * deviation ? 1 : 0) / static_cast<double>(count);
        if (i < 2000) {
            result.points.push_back({p[2 * i], p[2 * i + 1]});
            result.nearest.push_back(mode);
        }
    }
}

torch::nn::Sequential perceptron(std::int64_t inputs, std::int64_t width) {
    using torch::nn::Linear, torch::nn::SiLU;
    return torch::nn::Sequential(Linear(inputs, width), SiLU(), Linear(width, width), SiLU(), Linear(width, 1));
}

}  // namespace

double mode_result::worst() const {
    double most = 0;
    for (const double m : masses) most = std::max(most, std::abs(m - 0.125));
    return most;
}

mode_result data_of_modes(std::uint64_t seed) {
    mode_result result;
    result.method = "data";
    measure(result, draw(seed, ~0u, sample_count));
    return result;
}

mode_result modes_by_contrastive_divergence(std::uint64_t seed, std::int64_t iterations) {
    constexpr index_t batch = 256, steps = 10;
    const double began = pretrain::now();
    mode_result result;
    result.method = "persistent contrastive divergence";
    torch::manual_seed(seed);
    auto net = perceptron(2, 64);
    // The quadratic keeps the density integrable wherever the perceptron is flat.
    const auto energy = [net = net.ptr()](const at::Tensor& x) {
        return net->forward(x).squeeze(1) + x.square().sum(1) / (2 * 3.0 * 3.0);
    };
    const auto callable = as_callable(energy);
    torch::optim::Adam optimizer(net->parameters(), torch::optim::AdamOptions(2e-3).betas({0.5, 0.99}));
    weight_average average(*net, 0.999);

    selfsame::langevin sampler = selfsame::langevin::of(0.02);
    sampler.check_last = false;
    selfsame::replay_buffer<float> buffer(2, 10000, 0.05);
    const selfsame::uniform_start start{-3, 3};
    const selfsame::contrastive_divergence objective{.regularization = 1e-3};
    pretrain::progress_line progress("eight modes, contrastive divergence");
    for (std::int64_t t = 0; t < iterations; ++t) {
        const auto iteration = static_cast<std::uint32_t>(t);
        for (auto& group : optimizer.param_groups()) {
            static_cast<torch::optim::AdamOptions&>(group.options())
                .lr(2e-3 * (1 - 0.99 * static_cast<double>(t) / static_cast<double>(iterations)));
        }
        at::Tensor samples = at::empty({batch, 2});
        const auto rows = torch_view<float, 2>(samples);
        const auto drawn = buffer.draw({.seed = seed, .iteration = iteration}, rows, start);
        const auto report = selfsame::sample(
            ctx, sampler, callable, rows,
            chain_key{.seed = seed, .first = static_cast<std::uint64_t>(t) * std::uint64_t{batch}}, steps);
        buffer.store(drawn.places, rows);
        result.divergences += static_cast<std::int64_t>(report.divergences.size());

        const at::Tensor e = energy(at::cat({draw(seed, iteration, batch), samples}));
        at::Tensor gradient = at::empty_like(e, at::MemoryFormat::Contiguous).detach();
        const at::Tensor values = e.detach();
        const float loss =
            selfsame::value_and_grad(ctx, objective,
                                     selfsame::energy_samples{torch_view<const float, 1>(values.slice(0, 0, batch)),
                                                              torch_view<const float, 1>(values.slice(0, batch))},
                                     selfsame::energy_samples{torch_view<float, 1>(gradient.slice(0, 0, batch)),
                                                              torch_view<float, 1>(gradient.slice(0, batch))});
        optimizer.zero_grad();
        e.backward(gradient);
        optimizer.step();
        average.update();
        result.losses.push_back(loss);
        if (t % 50 == 0) {
            progress.update(std::to_string(t) + " of " + std::to_string(iterations), false);
        }
    }
    progress.finish();
    average.apply();
    result.seconds = pretrain::now() - began;

    at::Tensor samples = at::empty({sample_count, 2});
    const auto rows = torch_view<float, 2>(samples);
    selfsame::replay_buffer<float>(2, 1, 1).draw({.seed = seed + 1}, rows, selfsame::uniform_start{-3, 3});
    const auto report =
        selfsame::sample(ctx, selfsame::mala{.step = 0.04}, callable, rows, chain_key{.seed = seed + 1}, 600);
    result.acceptance = report.acceptance;
    result.divergences += static_cast<std::int64_t>(report.divergences.size());
    measure(result, samples);
    return result;
}

mode_result modes_by_score_matching(std::uint64_t seed, std::int64_t iterations) {
    constexpr index_t batch = 512;
    constexpr double lowest = 0.05, highest = 3;
    const double began = pretrain::now();
    mode_result result;
    result.method = "denoising score matching";
    torch::manual_seed(seed);
    auto net = perceptron(3, 64);
    // Coordinates of unit size at each level; the quadratic is the energy of a single Gaussian of the data's spread.
    const auto energy = [net = net.ptr()](const at::Tensor& x, const at::Tensor& sigmas) {
        const at::Tensor size = (sigmas.square() + radius * radius / 2).sqrt();
        const at::Tensor scaled = x / size.unsqueeze(1);
        return net->forward(at::cat({scaled, sigmas.log().unsqueeze(1) / 2}, 1)).squeeze(1) +
               scaled.square().sum(1) / 2;
    };
    torch::optim::Adam optimizer(net->parameters(), torch::optim::AdamOptions(3e-3));
    weight_average average(*net, 0.995);
    const selfsame::denoising_score_matching objective{.weighted = true};
    pretrain::progress_line progress("eight modes, score matching");
    for (std::int64_t t = 0; t < iterations; ++t) {
        const auto iteration = static_cast<std::uint32_t>(t);
        for (auto& group : optimizer.param_groups()) {
            static_cast<torch::optim::AdamOptions&>(group.options())
                .lr(3e-3 * (1 - 0.97 * static_cast<double>(t) / static_cast<double>(iterations)));
        }
        at::Tensor noise = at::empty({batch, 2}), sigmas = at::empty({batch});
        selfsame::random_row(seed, iteration, 1, point_op).normal(noise.data_ptr<float>(), 2 * batch);
        selfsame::random_row(seed, iteration, 1, level_op)
            .uniform(sigmas.data_ptr<float>(), batch, static_cast<float>(std::log(lowest)),
                     static_cast<float>(std::log(highest)));
        sigmas.exp_();
        const at::Tensor noisy = (draw(seed, iteration, batch) + sigmas.unsqueeze(1) * noise).requires_grad_();
        const at::Tensor scores = -torch::autograd::grad({energy(noisy, sigmas).sum()}, {noisy}, {}, true, true)[0];
        at::Tensor gradient = at::empty({batch, 2});
        const at::Tensor values = scores.detach().contiguous();
        const float loss = selfsame::value_and_grad(
            ctx, objective,
            selfsame::noisy_scores{torch_view<const float, 2>(values), torch_view<const float, 2>(noise),
                                   torch_view<const float, 1>(sigmas)},
            selfsame::noisy_scores{torch_view<float, 2>(gradient), none{}});
        optimizer.zero_grad();
        scores.backward(gradient);
        optimizer.step();
        average.update();
        result.losses.push_back(loss);
        if (t % 50 == 0) progress.update(std::to_string(t) + " of " + std::to_string(iterations), false);
    }
    progress.finish();
    average.apply();
    result.seconds = pretrain::now() - began;

    at::Tensor samples = at::empty({sample_count, 2});
    const auto rows = torch_view<float, 2>(samples);
    selfsame::replay_buffer<float>(2, 1, 1).draw({.seed = seed + 1}, rows, selfsame::normal_start{0, highest});
    chain_key key{.seed = seed + 1};
    constexpr int levels = 14;
    constexpr index_t steps = 40;
    for (int level = 0; level < levels; ++level) {
        const double sigma = highest * std::pow(lowest / highest, double(level) / (levels - 1));
        const auto at_level = [&](const at::Tensor& x) { return energy(x, at::full({x.size(0)}, sigma)); };
        // A fifth of the squared width of what is sampled.
        const double step = 0.2 * (sigma * sigma + deviation * deviation);
        const auto report =
            selfsame::sample(ctx, selfsame::langevin::of(step), as_callable(at_level), rows, key, steps);
        result.divergences += static_cast<std::int64_t>(report.divergences.size());
        key.step = key.step_after(steps);
    }
    measure(result, samples);
    return result;
}

}  // namespace example
