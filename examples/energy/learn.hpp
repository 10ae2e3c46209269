#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "selfsame/energy/energy.hpp"

namespace example {

using selfsame::index_t;

/// E(x): N x D to N.
using energy_model = std::function<at::Tensor(const at::Tensor& x)>;
/// Of x at levels of noise: N x D and N, to N energies or N x D scores.
using noisy_model = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& sigmas)>;
/// `count` samples of the data, a function of the iteration.
using data_source = std::function<at::Tensor(std::uint32_t iteration, index_t count)>;

/// What both ways of learning share.
struct learning {
    std::string title;
    std::uint64_t seed = 0;
    std::int64_t iterations = 0;
    index_t batch = 256;
    double rate = 1e-3;      ///< Adam's, which falls to a fiftieth along half a cosine
    double average = 0.995;  ///< decay of the average of weights that is kept
};

struct learned {
    std::vector<float> losses;
    double seconds = 0;
    std::int64_t samples_seen = 0;
    std::int64_t divergences = 0;
};

/// Persistent contrastive divergence; chains of the replay buffer begin at data.
struct chains_of_learning {
    selfsame::mala sampler;
    index_t steps = 10;
    index_t capacity = 10000;
    double restart = 0.05;
    double regularization = 0;
};
learned contrast(const learning& how, const chains_of_learning& chains, torch::nn::Module& network,
                 const energy_model& energy, const data_source& data);

/// Denoising score matching at log-normal levels of noise (Karras et al. 2022) within bounds. A sample's loss is
/// 1/2 ||sigma s + n||^2 times `weight(sigma)`.
struct noise_of_learning {
    double lowest, highest;
    double middle;
    double spread;  ///< standard deviation of log sigma
    std::function<double(double sigma)> weight;
};
learned match_scores(const learning& how, const noise_of_learning& noise, torch::nn::Module& network,
                     const noisy_model& score, const data_source& data);

/// -grad E by autograd, with a graph where gradients are recorded.
at::Tensor score_of_energy(const noisy_model& energy, const at::Tensor& x, const at::Tensor& sigmas);

}  // namespace example
