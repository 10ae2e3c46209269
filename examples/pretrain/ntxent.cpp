#include <thrust/system/omp/execution_policy.h>
#include <torch/torch.h>

#include <selfsame/interop/torch.hpp>
#include <selfsame/objective/info_nce.hpp>

#include "objective.hpp"

namespace pretrain {
namespace {

/// Chen et al. 2020.
class ntxent_objective : public objective {
  public:
    torch::Tensor loss(encoder_impl& network, const view_batch& views, const progress_point&) override {
        // Both views in one pass: the batch statistics of the normalization layers are then those of all views.
        const std::vector<torch::Tensor> projected = network.project(views.global).chunk(2);
        return selfsame::differentiable(thrust::omp::par, selfsame::nt_xent{.temperature = 0.1}, projected[0],
                                        projected[1]);
    }
};

}  // namespace

std::shared_ptr<objective> objectives::ntxent(const options&, std::int64_t, std::int64_t, std::uint64_t) {
    return std::make_shared<ntxent_objective>();
}

}  // namespace pretrain
