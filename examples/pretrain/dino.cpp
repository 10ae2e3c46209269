#include <thrust/system/omp/execution_policy.h>
#include <torch/torch.h>

#include <cmath>
#include <numbers>
#include <selfsame/interop/torch_rows.hpp>
#include <selfsame/objective/swav.hpp>

#include "objective.hpp"

namespace pretrain {
namespace {

constexpr double frozen = 0.05;          // share of all steps in which the last layer stays as it is
constexpr double first_momentum = 0.99;  // of the teacher; 1 at the end
constexpr double center_momentum = 0.9;

/// Caron et al. 2021. The last layer is cosines with prototypes of length 1.
class dino_objective : public objective {
  public:
    dino_objective(std::int64_t prototypes, std::int64_t local_views, std::int64_t channels, std::uint64_t seed)
        : loss_{.targets = {.temperature = 0.04},
                .pairing = {.teachers = 2, .students = static_cast<int>(2 + local_views)},
                .temperature = 0.1},
          prototypes_(register_parameter("prototypes", objectives::random_prototypes(prototypes, seed))),
          teacher_(register_module("teacher", std::make_shared<encoder_impl>(channels, seed))),
          teacher_prototypes_(register_buffer("teacher_prototypes", prototypes_.detach().clone())),
          center_(register_buffer("center", torch::zeros({prototypes}))) {
        for (torch::Tensor& weight : teacher_->parameters()) weight.set_requires_grad(false);
    }

    torch::Tensor loss(encoder_impl& network, const view_batch& views, const progress_point& at) override {
        const torch::Tensor targets = scores(*teacher_, views.global, teacher_prototypes_);
        const bool is_frozen = static_cast<double>(at.step) < frozen * static_cast<double>(at.steps);
        const torch::Tensor last_layer = is_frozen ? prototypes_.detach() : prototypes_;
        torch::Tensor predictions = scores(network, views.global, last_layer);
        if (views.local.defined()) predictions = torch::cat({predictions, scores(network, views.local, last_layer)});
        const torch::Tensor value = selfsame::differentiable(thrust::omp::par, loss_, targets, predictions, center_);
        selfsame::update_center(thrust::omp::par, selfsame::torch_view<float, 1>(center_), center_momentum,
                                selfsame::torch_view<const float, 2>(targets));
        return value;
    }

    void after_step(encoder_impl& network, const progress_point& at) override {
        const torch::NoGradGuard no_grad;
        selfsame::normalize_rows(thrust::omp::par, selfsame::torch_view<float, 2>(prototypes_));
        const double done = static_cast<double>(at.step) / static_cast<double>(at.steps);
        const double momentum = 1 - (1 - first_momentum) * (std::cos(std::numbers::pi * done) + 1) / 2;
        const std::vector<torch::Tensor> of_teacher = teacher_->parameters(), of_student = network.parameters();
        for (std::size_t i = 0; i < of_teacher.size(); ++i) of_teacher[i].lerp_(of_student[i], 1 - momentum);
        teacher_prototypes_.lerp_(prototypes_, 1 - momentum);
        selfsame::normalize_rows(thrust::omp::par, selfsame::torch_view<float, 2>(teacher_prototypes_));
    }

    encoder kept(const encoder&) override { return teacher_; }
    prototype_set prototypes() override { return {teacher_prototypes_, center_}; }

  private:
    static torch::Tensor scores(encoder_impl& network, const torch::Tensor& images, const torch::Tensor& last_layer) {
        const torch::Tensor rows = network.project(images);
        return torch::mm(rows / rows.norm(2, {1}, true).clamp_min(1e-12), last_layer.t());
    }

    selfsame::dino loss_;
    torch::Tensor prototypes_;
    encoder teacher_;
    torch::Tensor teacher_prototypes_;
    torch::Tensor center_;
};

}  // namespace

std::shared_ptr<objective> objectives::dino(const options& settings, std::int64_t channels, std::int64_t,
                                            std::uint64_t seed) {
    return std::make_shared<dino_objective>(settings.prototypes, settings.local_views, channels, seed);
}

}  // namespace pretrain
