#include "objective.hpp"

#include <thrust/system/omp/execution_policy.h>
#include <torch/torch.h>

#include <selfsame/interop/torch.hpp>
#include <selfsame/objective/info_nce.hpp>

namespace pretrain {
namespace {

struct entry {
    const char* name;
    at::Tensor (*loss)(const at::Tensor& first, const at::Tensor& second);
};

constexpr entry table[] = {
    {"ntxent",
     [](const at::Tensor& first, const at::Tensor& second) {
         return selfsame::differentiable(thrust::omp::par, selfsame::nt_xent{.temperature = 0.1}, first, second);
     }},
};

}  // namespace

bool is_objective(const std::string& name) {
    for (const entry& known : table) {
        if (name == known.name) return true;
    }
    return false;
}

std::string objective_names() {
    std::string names;
    for (const entry& known : table) names += (names.empty() ? "" : ", ") + std::string(known.name);
    return names;
}

at::Tensor objective_loss(const std::string& name, const at::Tensor& first, const at::Tensor& second) {
    for (const entry& known : table) {
        if (name == known.name) return known.loss(first, second);
    }
    throw std::invalid_argument("objective " + name);
}

}  // namespace pretrain
