#include "objective.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

namespace pretrain {
namespace {

constexpr objective_entry table[] = {
    {"ntxent", "that views of one image lie together and views of different images apart", 0, 0, objectives::ntxent},
    {"swav", "that the prototype to which one view of an image belongs can be told from its other views", 300, 2,
     objectives::swav},
    {"dino", "that what a teacher, a mean of the encoders so far, makes of one view can be told from the other views",
     512, 2, objectives::dino},
};

}  // namespace

const objective_entry* find_objective(const std::string& name) {
    for (const objective_entry& known : table) {
        if (name == known.name) return &known;
    }
    return nullptr;
}

std::string objective_names() {
    std::string names;
    for (const objective_entry& known : table) names += (names.empty() ? "" : ", ") + std::string(known.name);
    return names;
}

torch::Tensor objectives::random_prototypes(std::int64_t count, std::uint64_t seed) {
    // Other numbers than those that the encoder begins with.
    auto generator = at::make_generator<at::CPUGeneratorImpl>(~seed);
    const torch::Tensor rows = torch::empty({count, encoder_impl::projection_width}).normal_(0, 1, generator);
    return rows / rows.norm(2, {1}, true);
}

}  // namespace pretrain
