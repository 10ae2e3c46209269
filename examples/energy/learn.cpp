#include "learn.hpp"

#include <torch/autograd.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "progress.hpp"
#include "selfsame/interop/torch.hpp"
#include "signals.hpp"
#include "torch_energy.hpp"

namespace example {
namespace {

using selfsame::none;
using selfsame::torch_view;

constexpr std::uint32_t noise_op = 0x80, level_op = 0x81;

/// Calls step(t), which gives a loss after `backward`, for each iteration.
template <class Step>
void descend(const learning& how, torch::nn::Module& network, learned& result, Step&& step) {
    torch::optim::Adam optimizer(network.parameters(), torch::optim::AdamOptions(how.rate).betas({0.9, 0.99}));
    weight_average average(network, how.average);
    pretrain::progress_line progress(how.title);
    const double began = pretrain::now();
    const auto count = static_cast<double>(how.iterations);
    double smooth = 0;
    for (std::int64_t t = 0; t < how.iterations && !pretrain::stop_requested(); ++t) {
        const auto at = static_cast<double>(t);
        const double rate =
            how.rate * std::min(1.0, (at + 1) / 100) * (0.02 + 0.49 * (1 + std::cos(M_PI * at / count)));
        for (auto& group : optimizer.param_groups()) {
            static_cast<torch::optim::AdamOptions&>(group.options()).lr(rate);
        }
        optimizer.zero_grad();
        const auto loss = static_cast<float>(step(static_cast<std::uint32_t>(t)));
        optimizer.step();
        average.update();
        result.losses.push_back(loss);
        smooth += (double(loss) - smooth) * std::max(0.02, 1 / (at + 1));
        const double spent = pretrain::now() - began, left = spent / (at + 1) * (count - at - 1);
        char text[96];
        std::snprintf(text, sizeof text, "%lld of %lld  loss %.4f  %s left", static_cast<long long>(t + 1),
                      static_cast<long long>(how.iterations), smooth, pretrain::minutes(left).c_str());
        progress.update(text, t + 1 == how.iterations);
    }
    progress.finish();
    average.apply();
    result.seconds = pretrain::now() - began;
    result.samples_seen = static_cast<std::int64_t>(result.losses.size()) * how.batch;
}

}  // namespace

learned contrast(const learning& how, const chains_of_learning& chains, torch::nn::Module& network,
                 const energy_model& energy, const data_source& data) {
    learned result;
    const index_t n = how.batch, width = data(0, 1).size(1);
    selfsame::replay_buffer<float> buffer(width, chains.capacity, chains.restart);
    const selfsame::contrastive_divergence objective{.regularization = chains.regularization};
    const auto callable = as_callable(energy);
    descend(how, network, result, [&](std::uint32_t t) {
        at::Tensor samples = at::empty({n, width});
        const auto rows = torch_view<float, 2>(samples);
        const std::vector<at::Tensor> fresh = data(t, 2 * n).chunk(2);
        const auto drawn = buffer.draw({.seed = how.seed, .iteration = t}, rows);
        for (index_t i = 0; i < n; ++i) {
            if (drawn.restarted[static_cast<std::size_t>(i)]) samples[i].copy_(fresh[1][i]);
        }
        const auto report = selfsame::sample(
            ctx, chains.sampler, callable, rows,
            selfsame::chain_key{.seed = how.seed, .first = std::uint64_t{t} * static_cast<std::uint64_t>(n)},
            chains.steps);
        buffer.store(drawn.places, rows);
        result.divergences += static_cast<std::int64_t>(report.divergences.size());

        const at::Tensor e = energy(at::cat({fresh[0], samples}));
        const at::Tensor values = e.detach().contiguous();
        const at::Tensor gradient = at::empty_like(values);
        const float loss =
            selfsame::value_and_grad(ctx, objective,
                                     selfsame::energy_samples{torch_view<const float, 1>(values.slice(0, 0, n)),
                                                              torch_view<const float, 1>(values.slice(0, n))},
                                     selfsame::energy_samples{torch_view<float, 1>(gradient.slice(0, 0, n)),
                                                              torch_view<float, 1>(gradient.slice(0, n))});
        e.backward(gradient);
        return loss;
    });
    return result;
}

learned match_scores(const learning& how, const noise_of_learning& noise, torch::nn::Module& network,
                     const noisy_model& score, const data_source& data) {
    learned result;
    const index_t n = how.batch;
    const selfsame::denoising_score_matching objective{.weighted = true, .reduction = selfsame::reduction::per_sample};
    descend(how, network, result, [&](std::uint32_t t) {
        const at::Tensor clean = data(t, n);
        const index_t width = clean.size(1);
        const at::Tensor unit = at::empty({n, width}), sigmas = at::empty({n}), weights = at::empty({n});
        selfsame::random_row(how.seed, t, 0, noise_op).normal(unit.data_ptr<float>(), n * width);
        selfsame::random_row(how.seed, t, 0, level_op).normal(sigmas.data_ptr<float>(), n);
        for (index_t i = 0; i < n; ++i) {
            float& s = sigmas.data_ptr<float>()[i];
            const double level = noise.middle * std::exp(noise.spread * double(s));
            s = static_cast<float>(std::clamp(level, noise.lowest, noise.highest));
            weights.data_ptr<float>()[i] = static_cast<float>(noise.weight(double(s)) / static_cast<double>(n));
        }
        const at::Tensor s = score(clean + sigmas.unsqueeze(1) * unit, sigmas);
        const at::Tensor values = s.detach().contiguous();
        const at::Tensor losses = at::empty({n}), gradient = at::empty_like(values);
        const selfsame::noisy_scores inputs{torch_view<const float, 2>(values), torch_view<const float, 2>(unit),
                                            torch_view<const float, 1>(sigmas)};
        selfsame::forward(ctx, objective, inputs, torch_view<float, 1>(losses));
        selfsame::backward(ctx, objective, inputs, none{}, torch_view<const float, 1>(weights),
                           selfsame::noisy_scores{torch_view<float, 2>(gradient), none{}});
        s.backward(gradient);
        // Per element, so that 1 is a model that knows nothing of the unit that the weights give.
        return 2 * at::dot(losses, weights).item<float>() / static_cast<float>(width);
    });
    return result;
}

at::Tensor score_of_energy(const noisy_model& energy, const at::Tensor& x, const at::Tensor& sigmas) {
    const bool recorded = at::GradMode::is_enabled();
    const at::AutoGradMode graph(true);
    const at::Tensor at_x = x.detach().requires_grad_();
    return -torch::autograd::grad({energy(at_x, sigmas).sum()}, {at_x}, {}, recorded, recorded)[0];
}

}  // namespace example
