// Calls of the host's engines in a unit of nvcc's: its front end crashes on some of what g++ and clang take.
#include <thrust/execution_policy.h>

#include "selfsame/augment/augment.hpp"
#include "selfsame/augment/recipes.hpp"
#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/energy/energy.hpp"
#include "selfsame/objective/info_nce.hpp"
#include "selfsame/objective/swav.hpp"

namespace {

using namespace selfsame;
const auto ctx = thrust::seq;

template <class T>
auto rows(T* p) {
    return matrix(p, 8, 4);
}

}  // namespace

void pairs_of_rows(const float* x, float* g, float* loss) {
    value_and_grad(ctx, nt_xent{}, pairs{rows(x), rows(x)}, *loss, pair_gradients{rows(g), rows(g + 32)});
}
void scores(const float* x, float* g, float* values) {
    using all = logit_scores<free_energy, max_logit, max_probability, entropy, margin>;
    forward(ctx, all{}, rows(x), matrix(values, 8, 5));
    value_and_grad(ctx, all{}, rows(x), matrix(values, 8, 5), rows(g));
}
void clusters(const float* x, float* g) {
    assign(ctx, sinkhorn<>{}, rows(x), rows(g));
    assign(ctx, sinkhorn<log_domain>{}, rows(x), rows(g));
}
void soft_targets(const float* x, const float* center, float* g, float* loss) {
    value_and_grad(ctx, dino{.pairing = {.teachers = 2, .students = 4}},
                   views{matrix(x, 4, 4), rows(x), vector(center, 4)}, *loss, rows(g));
}
void prototypes(const float* x, float* g, float* loss) {
    value_and_grad(ctx, swav<>{.pairing = {.teachers = 2, .students = 4}}, prototype_views{rows(x), matrix(x, 6, 4)},
                   *loss, prototype_gradients{rows(g), matrix(g + 32, 6, 4)});
}
void energies(const float* x, const int* labels, float* g, float* loss) {
    value_and_grad(ctx, negative_log_likelihood{}, labelled_energies{rows(x), vector(labels, 8)}, *loss,
                   labelled_energies{rows(g)});
    value_and_grad(ctx, generalized_margin<hinge>{}, energy_pairs{vector(x, 8), vector(x, 8)}, *loss,
                   energy_pairs{vector(g, 8), vector(g + 8, 8)});
    value_and_grad(ctx, contrastive_divergence{}, energy_samples{vector(x, 8), vector(x, 8)}, *loss,
                   energy_samples{vector(g, 8), vector(g + 8, 8)});
    value_and_grad(ctx, denoising_score_matching{.sigma = 1}, noisy_scores{rows(x), rows(x)}, *loss,
                   noisy_scores{rows(g), none{}});
}
void images(const unsigned char* x, float* views) {
    augment::apply(ctx, augment::recipes::simclr, view(x, std::array<index_t, 4>{2, 40, 50, 3}), 0, augment::key{},
                   view(views, std::array<index_t, 4>{2, 3, 224, 224}));
    augment::apply(ctx, augment::pipeline{augment::rotation{}, augment::equalize{}},
                   view(x, std::array<index_t, 4>{2, 40, 50, 3}), 0, augment::key{},
                   view(views, std::array<index_t, 4>{2, 3, 40, 50}));
}
