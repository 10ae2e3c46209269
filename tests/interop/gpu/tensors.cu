// Objectives of tensors on a GPU, for run.py.
#include <torch/extension.h>

#include "selfsame/energy/scores.cuh"
#include "selfsame/engine/cuda/pairwise.cuh"
#include "selfsame/interop/torch.cuh"
#include "selfsame/objective/info_nce.hpp"

namespace {

using namespace selfsame;

at::Tensor clip_loss(const at::Tensor& anchors, const at::Tensor& positives, const at::Tensor& temperature) {
    return differentiable(torch_gpu(), clip{}, anchors, positives, {}, temperature);
}
at::Tensor nt_xent_losses(const at::Tensor& anchors, const at::Tensor& positives) {
    return differentiable(torch_gpu(), nt_xent{.temperature = 0.2, .reduction = reduction::per_sample}, anchors,
                          positives);
}
at::Tensor moco_loss(const at::Tensor& anchors, const at::Tensor& positives, const at::Tensor& queue) {
    return differentiable(torch_gpu(), moco{.temperature = 0.1}, anchors, positives, queue);
}
at::Tensor free_energies(const at::Tensor& logits) {
    constexpr memory_space gpu = memory_space::device;
    const auto rows = torch_view<const float, 2, gpu>(logits, "logits");
    at::Tensor values = at::empty({logits.size(0)}, logits.options());
    forward(torch_gpu(), logit_scores<free_energy>{}, rows, torch_view<float, 1, gpu>(values));
    return values;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("clip_loss", clip_loss);
    m.def("nt_xent_losses", nt_xent_losses);
    m.def("moco_loss", moco_loss);
    m.def("free_energies", free_energies);
}
