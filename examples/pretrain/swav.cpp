#include <thrust/system/omp/execution_policy.h>
#include <torch/torch.h>

#include <selfsame/interop/torch_swav.hpp>

#include "objective.hpp"

namespace pretrain {
namespace {

constexpr double frozen = 0.05;  // share of all steps in which the prototypes stay as they are
constexpr std::int64_t queued_batches = 4;

/// Caron et al. 2020.
class swav_objective : public objective {
  public:
    swav_objective(std::int64_t prototypes, std::int64_t local_views, std::int64_t batch, std::uint64_t seed)
        : batch_(batch), loss_{.assignment = {.epsilon = 0.03, .iterations = 5},
                               .pairing = {.teachers = 2, .students = static_cast<int>(2 + local_views)},
                               .temperature = 0.1},
          prototypes_(register_parameter("prototypes", objectives::random_prototypes(prototypes, seed))),
          queue_(register_buffer("queue", torch::zeros({2 * queued_batches * batch, encoder_impl::projection_width}))) {
    }

    torch::Tensor loss(encoder_impl& network, const view_batch& views, const progress_point& at) override {
        torch::Tensor features = network.project(views.global);
        const torch::Tensor assigned = features.detach();
        if (views.local.defined()) features = torch::cat({features, network.project(views.local)});
        const bool is_frozen = static_cast<double>(at.step) < frozen * static_cast<double>(at.steps);
        const torch::Tensor value =
            selfsame::differentiable(thrust::omp::par, loss_, features, is_frozen ? prototypes_.detach() : prototypes_,
                                     at.step < queued_batches ? torch::Tensor() : queue_);
        enqueue(assigned, at.step % queued_batches);
        return value;
    }

    void after_step(encoder_impl&, const progress_point&) override {
        const torch::NoGradGuard no_grad;
        selfsame::normalize_rows(thrust::omp::par, selfsame::torch_view<float, 2>(prototypes_));
    }

    prototype_set prototypes() override { return {prototypes_.detach(), torch::zeros({prototypes_.size(0)})}; }

  private:
    /// The place of a batch in the queue follows from the step, so it need not be kept.
    void enqueue(const torch::Tensor& features, std::int64_t place) {
        for (std::int64_t view = 0; view < 2; ++view) {
            queue_.narrow(0, (view * queued_batches + place) * batch_, batch_)
                .copy_(features.narrow(0, view * batch_, batch_));
        }
    }

    std::int64_t batch_;
    selfsame::swav<> loss_;
    torch::Tensor prototypes_;
    torch::Tensor queue_;
};

}  // namespace

std::shared_ptr<objective> objectives::swav(const options& settings, std::int64_t, std::int64_t batch,
                                            std::uint64_t seed) {
    return std::make_shared<swav_objective>(settings.prototypes, settings.local_views, batch, seed);
}

}  // namespace pretrain
