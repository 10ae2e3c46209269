#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>

#include "encoder.hpp"
#include "options.hpp"

namespace pretrain {

/// Where a training is, before or after a step.
struct progress_point {
    std::int64_t step = 0;
    std::int64_t steps = 0;  // of the whole training
};

/// Views of a batch of B images as normalized floats, NCHW, view after view: 2 B global ones, and local ones if the
/// objective wants any.
struct view_batch {
    torch::Tensor global;
    torch::Tensor local;
};

/// An image belongs to the prototype k of the largest cosine(projection, row k) - center k.
struct prototype_set {
    torch::Tensor rows;    // K x projection_width, of length 1; undefined for an objective without
    torch::Tensor center;  // K
};

/// What is asked of the encoder. An objective with a state of its own (prototypes, a teacher, a queue) registers it as
/// parameters, buffers and modules: those that require gradients are trained, all are part of a checkpoint.
class objective : public torch::nn::Module {
  public:
    /// The mean loss of a batch; `backward` on it reaches the encoder and what else is trained.
    virtual torch::Tensor loss(encoder_impl& network, const view_batch& views, const progress_point& at) = 0;

    /// What follows the optimizer's step.
    virtual void after_step(encoder_impl&, const progress_point&) {}

    /// The encoder that is kept of the training.
    virtual encoder kept(const encoder& network) { return network; }

    /// What the kept encoder's projections are compared with.
    virtual prototype_set prototypes() { return {}; }
};

/// What is known of an objective by its name.
struct objective_entry {
    const char* name;
    const char* asks;             // in a sentence, of views
    std::int64_t prototypes = 0;  // 0: has none
    std::int64_t local_views = 0;
    std::shared_ptr<objective> (*make)(const options& settings, std::int64_t channels, std::int64_t batch,
                                       std::uint64_t seed);
};

/// Nothing if there is no such objective. A new objective is one more entry of the table in objective.cpp.
const objective_entry* find_objective(const std::string& name);
std::string objective_names();

namespace objectives {

std::shared_ptr<objective> ntxent(const options& settings, std::int64_t channels, std::int64_t batch,
                                  std::uint64_t seed);
std::shared_ptr<objective> swav(const options& settings, std::int64_t channels, std::int64_t batch, std::uint64_t seed);
std::shared_ptr<objective> dino(const options& settings, std::int64_t channels, std::int64_t batch, std::uint64_t seed);

/// K unit rows in random directions, a function of the seed.
torch::Tensor random_prototypes(std::int64_t count, std::uint64_t seed);

}  // namespace objectives
}  // namespace pretrain
