#pragma once

#include <type_traits>

#include "../../examples/own_objective/objective.hpp"
#include "chains.hpp"
#include "selfsame/cluster/sinkhorn.hpp"
#include "selfsame/energy/contrast.hpp"
#include "selfsame/energy/likelihood.hpp"
#include "selfsame/energy/margin.hpp"
#include "selfsame/energy/noise_contrastive.hpp"
#include "selfsame/energy/scores.hpp"
#include "selfsame/objective/info_nce.hpp"
#include "selfsame/objective/soft_cross_entropy.hpp"
#include "selfsame/objective/swav.hpp"

/// \file
/// The calls whose kernels are compiled for GPUs (kernels.cu) and run in fibers (shipped.cpp): one list, so that no
/// kernel is in the one and not in the other.

namespace selfsame_tests {

/// Tensors of a call over pairs of elements E; losses and upstream are floats, one a sample.
template <class E, selfsame::memory_space Space>
struct shipped_tensors {
    template <class T, std::size_t Rank>
    using tensor = selfsame::tensor<T, Rank, Space>;

    tensor<const E, 2> anchors, positives, queue;
    tensor<E, 2> to_anchors, to_positives, to_queue;
    tensor<float, 1> loss, losses, upstream, temperature;
    tensor<typename selfsame::compute<E>::type, 1> saved;  // enough for any objective
    tensor<const int, 1> labels;                           // of the anchors, less than their width
};

/// Calls `f` with the objective's inputs and gradients.
template <class Objective, class Tensors, class F>
void with_arguments(const Objective& o, const Tensors& x, F&& f) {
    using namespace selfsame;
    if constexpr (Objective::negatives::own_queue) {
        f(pairs{x.anchors, x.positives, x.queue},
          pair_gradients{x.to_anchors, x.to_positives, x.to_queue, x.temperature});
    } else if constexpr (requires { o.temperature_gradient(1.0); }) {
        f(pairs{x.anchors, x.positives}, pair_gradients{x.to_anchors, x.to_positives, none{}, x.temperature});
    } else {
        f(pairs{x.anchors, x.positives}, pair_gradients{x.to_anchors, x.to_positives});
    }
}

/// Forward and backward for one loss a sample, where the objective has a choice.
template <class Policy, class Objective, class Tensors, class Inputs, class Gradients>
bool call_for_samples(const Policy& policy, Objective o, const Tensors& x, const Inputs& inputs,
                      const Gradients& gradients) {
    if constexpr (requires { o.reduction; }) {
        const auto saved = selfsame::vector<decltype(x.saved)::accessor_type::space>(
            x.saved.data_handle(), selfsame::saved_size(o, x.anchors.extent(0)));
        o.reduction = selfsame::reduction::per_sample;
        selfsame::forward(policy, o, inputs, x.losses, saved);
        selfsame::backward(policy, o, inputs, saved, x.upstream, gradients);
        return true;
    } else {
        return false;
    }
}

/// value_and_grad for one value, then `call_for_samples`; `done(name)` after each.
template <class Policy, class Objective, class Tensors, class Done>
void call_objective(const Policy& policy, const char* name, const Objective& o, const Tensors& x, Done&& done) {
    with_arguments(o, x, [&](const auto& inputs, const auto& gradients) {
        selfsame::value_and_grad(policy, o, inputs, x.loss, gradients);
        done(name);
        if (call_for_samples(policy, o, x, inputs, gradients)) done(name);
    });
}

/// value_and_grad of as many wide rows as the anchors' memory has room for.
template <class Policy, class Objective, class Tensors>
void call_wide(const Policy& policy, const Objective& o, const Tensors& x) {
    constexpr auto space = decltype(x.loss)::accessor_type::space;
    constexpr selfsame::index_t width = 200;
    const auto wide = [&](const auto& rows) {
        const auto count = static_cast<selfsame::index_t>(x.anchors.size()) / width;
        return selfsame::matrix<space>(rows.data_handle(), count, width);
    };
    selfsame::value_and_grad(policy, o, selfsame::pairs{wide(x.anchors), wide(x.positives)}, x.loss,
                             selfsame::pair_gradients{wide(x.to_anchors), wide(x.to_positives)});
}

/// Scores of the anchors as short rows of logits, and of the queue as a single long one.
template <class Policy, class Tensors>
void call_scores(const Policy& policy, const Tensors& x) {
    using namespace selfsame;
    constexpr memory_space space = decltype(x.loss)::accessor_type::space;
    const logit_scores<free_energy, max_logit, max_probability, entropy, margin> all{};
    const auto values = matrix<space>(x.saved.data_handle(), x.anchors.extent(0), 5);
    forward(policy, all, x.anchors, values);
    value_and_grad(policy, all, x.anchors, values, x.to_anchors);
    const index_t columns = x.queue.extent(0) * x.queue.extent(1);
    const auto logits = matrix<space>(x.queue.data_handle(), 1, columns);
    const auto gradient = matrix<space>(x.to_queue.data_handle(), 1, columns);
    value_and_grad(policy, all, logits, matrix<space>(x.saved.data_handle(), 1, 5), gradient);
    const logit_scores<free_energy> energy{};
    forward(policy, energy, x.anchors, x.losses);
    backward(policy, energy, x.anchors, x.upstream, x.to_anchors);
    forward(policy, energy, logits, x.loss);
    backward(policy, energy, logits, vector<space>(x.upstream.data_handle(), 1), gradient);
    forward(policy, all, logits, matrix<space>(x.saved.data_handle(), 1, 5));
}

/// The policy of a machine that has no room for blocks that live at the same time, where a policy can be that.
template <class Policy>
Policy without_room(Policy policy) {
    if constexpr (requires { policy.room; }) policy.room = 0;
    return policy;
}

/// Codes of the first anchors, of the positives whose label is not 0, of the anchors as one row, and hard ones of the
/// queue as few rows.
template <class Policy, class Floats, class Doubles, class Halves>
void call_sinkhorn(const Policy& policy, const Floats& f, const Doubles& d, const Halves& h) {
    using namespace selfsame;
    constexpr memory_space space = decltype(f.loss)::accessor_type::space;
    const sinkhorn<> soft{.epsilon = 0.5, .tolerance = 1e-3};
    const auto first = [](const auto& x) { return matrix<space>(x.data_handle(), 12, x.extent(1)); };
    assign(policy, soft, first(f.anchors), first(f.to_anchors));
    assign(policy, soft, first(d.anchors), first(d.to_anchors));
    const sinkhorn<> without_tolerance{.epsilon = 0.5};
    const auto one = [](const auto& x) { return matrix<space>(x.data_handle(), 1, static_cast<index_t>(x.size())); };
    assign(policy, without_tolerance, f.positives, f.to_positives, f.labels);
    assign(policy, without_tolerance, one(f.anchors), one(f.to_anchors));
    const sinkhorn<log_domain, marginals::power_law, hard_codes> hard{.epsilon = 0.5};
    const auto rows = [](const auto& x) {
        return matrix<space>(x.data_handle(), 3, static_cast<index_t>(x.size()) / 3);
    };
    assign(policy, hard, rows(h.queue), rows(h.to_queue), vector<space>(h.upstream.data_handle(), 3));
}

/// Chains that begin at what the anchors' results hold, with a sampler of each kind.
template <class Policy, class Tensors>
void call_samplers(const Policy& policy, const Tensors& x) {
    using namespace selfsame;
    using T = typename decltype(x.to_anchors)::value_type;
    const bowl_of<std::remove_cvref_t<Policy>, T> energy{policy};
    const auto go = [&](const auto& sampler) {
        const chain_key key{.seed = 4};
        if constexpr (memory_of<std::remove_cvref_t<Policy>> == memory_space::device) {
            sample(policy, sampler, energy, x.to_anchors, key, 2);
            sample(policy, sampler, energy, x.to_anchors, key, 2, chain_outcomes<decltype(x.losses)>{x.losses});
        } else {
            sample(policy, sampler, energy, x.to_anchors, key, 2);
            const auto told = sample(policy, sampler, energy, x.to_anchors, key, 2);
            for (std::size_t i = 0; i < told.energies.size(); ++i) {
                x.losses(static_cast<index_t>(i)) = static_cast<float>(told.energies[i]);
            }
        }
    };
    go(langevin::of(0.01));
    go(mala{.step = 0.01});
}

/// DINO, iBOT and swapped prediction over short rows and over a few long ones, which overlap; centers.
template <class Policy, class Floats, class Doubles, class Bfloats, class Halves>
void call_soft_targets(const Policy& policy, const Floats& f, const Doubles& d, const Bfloats& b, const Halves& h) {
    using namespace selfsame;
    constexpr memory_space space = decltype(f.loss)::accessor_type::space;
    constexpr index_t samples = 7, columns = 1100;
    const auto first = [&](const auto& x, index_t rows) { return matrix<space>(x.data_handle(), rows, x.extent(1)); };
    const auto wide = [&](const auto& x, index_t rows) {
        return view<space>(x.data_handle(), std::array<index_t, 2>{rows, columns}, std::array<index_t, 2>{100, 1});
    };
    const auto center = [&](index_t count) { return vector<space>(f.queue.data_handle(), count); };
    const auto losses = [&](const auto& x, index_t count) { return vector<space>(x.losses.data_handle(), count); };
    constexpr other_views pairing{.teachers = 2, .students = 5};

    const auto call_dino = [&](const auto& x) {
        const dino o{.pairing = pairing};
        value_and_grad(policy, o,
                       views{first(x.anchors, 2 * samples), first(x.queue, 5 * samples), center(x.queue.extent(1))},
                       x.loss, first(x.to_queue, 5 * samples));
        forward(policy, o, views{wide(x.queue, 2), wide(x.queue, 5), center(columns)}, losses(x, 1));
    };
    call_dino(f);
    call_dino(b);

    swapped_prediction swapped{.pairing = pairing, .reduction = reduction::sum};
    value_and_grad(policy, swapped, views{first(d.anchors, 2 * samples), first(d.queue, 5 * samples)}, d.loss,
                   accumulate{first(d.to_queue, 5 * samples)});
    swapped.reduction = reduction::per_sample;
    forward(policy, swapped, views{wide(d.queue, 2), wide(d.queue, 5)}, losses(d, 1));

    ibot patches{};
    const auto weights = vector<space>(h.upstream.data_handle(), 5 * samples);
    value_and_grad(policy, patches,
                   views{first(h.anchors, 5 * samples), first(h.positives, 5 * samples), none{}, weights}, h.loss,
                   first(h.to_positives, 5 * samples));
    patches.reduction = reduction::per_sample;
    value_and_grad(policy, patches, views{wide(h.queue, 1), wide(h.queue, 1)}, losses(h, 1), wide(h.to_queue, 1),
                   vector<space>(h.upstream.data_handle(), 1));

    update_center(policy, losses(f, f.anchors.extent(1)), 0.9, f.anchors, f.queue);
    update_center(policy, vector<space>(b.to_anchors.data_handle(), b.anchors.extent(1)), 0.9, b.queue);
}

/// SwAV of narrow rows in the memory of the anchors, with prototypes in that of the queue, and with many prototypes.
template <class Policy, class Floats, class Doubles, class Halves>
void call_swav(const Policy& policy, const Floats& f, const Doubles& d, const Halves& h) {
    using namespace selfsame;
    constexpr memory_space space = decltype(f.loss)::accessor_type::space;
    const auto rows = [](const auto& x, index_t count, index_t columns) {
        return matrix<space>(x.data_handle(), count, columns);
    };
    constexpr other_views pairing{.teachers = 2, .students = 4};
    constexpr index_t width = 7, samples = 18, views = 4 * samples;
    const swav<> one{.assignment = {.epsilon = 0.5}, .pairing = pairing, .temperature = 0.5};
    value_and_grad(policy, one, prototype_views{rows(f.anchors, views, width), rows(f.queue, 150, width)}, f.loss,
                   prototype_gradients{rows(f.to_anchors, views, width), rows(f.to_queue, 150, width)});

    swav<> each = one;
    each.reduction = reduction::per_sample;
    value_and_grad(
        policy, each,
        prototype_views{rows(d.anchors, views, width), rows(d.queue, 70, width), rows(d.positives, 22, width)},
        vector<space>(d.losses.data_handle(), samples),
        accumulate{prototype_gradients{rows(d.to_anchors, views, width), rows(d.to_queue, 70, width)}},
        vector<space>(d.upstream.data_handle(), samples));
    value_and_grad(
        policy, one,
        prototype_views{rows(h.anchors, views, width), rows(h.queue, 40, width), rows(h.positives, 6, width)}, h.loss,
        prototype_gradients{rows(h.to_anchors, views, width), rows(h.to_queue, 40, width)});

    const swav<> two{.assignment = {.epsilon = 0.5}, .pairing = {.teachers = 2, .students = 2}};
    forward(policy, two, prototype_views{rows(f.anchors, 4, 1), rows(f.queue, 1100, 1)}, f.temperature);
    forward(policy, two, prototype_views{rows(d.anchors, 4, 1), rows(d.queue, 1100, 1)}, d.temperature);
    normalize_rows(policy, f.to_positives);
}

/// Losses of the first anchors as vectors of energies, of two and of one at a time.
template <class Policy, class Floats, class Doubles, class Halves>
void call_losses(const Policy& policy, const Floats& f, const Doubles& d, const Halves& h) {
    using namespace selfsame;
    constexpr memory_space space = decltype(f.loss)::accessor_type::space;
    constexpr index_t n = 700, m = 300;
    const auto first = [](const auto& x, index_t count) { return vector<space>(x.data_handle(), count); };
    value_and_grad(policy, generalized_margin<log_margin>{}, energy_pairs{first(f.anchors, n), first(f.positives, n)},
                   f.loss, energy_pairs{first(f.to_anchors, n), first(f.to_positives, n)});
    const index_t samples = f.upstream.extent(0);
    backward(policy, generalized_margin<hinge>{.reduction = reduction::per_sample},
             energy_pairs{first(h.anchors, samples), first(h.positives, samples)}, none{}, f.upstream,
             accumulate{energy_pairs{first(h.to_anchors, samples), none{}}});
    value_and_grad(policy, noise_contrastive{},
                   log_densities{first(d.anchors, n), first(d.positives, n), first(d.queue, m), first(d.anchors, m)},
                   d.loss, log_densities{first(d.to_anchors, n), none{}, first(d.to_queue, m), none{}});
    value_and_grad(policy, contrastive_divergence{.regularization = 0.1},
                   energy_samples{first(h.anchors, n), first(h.queue, m)}, h.loss,
                   energy_samples{first(h.to_positives, n), first(h.to_queue, m)});
}

/// Losses of rows of energies, short ones and a single long one.
template <class Policy, class Tensors, class Labels>
void call_labelled(const Policy& policy, const Tensors& x, const Labels& labels) {
    using namespace selfsame;
    constexpr memory_space space = decltype(x.loss)::accessor_type::space;
    const index_t columns = static_cast<index_t>(x.queue.size());
    const auto one = vector<space>(labels.data_handle(), 1);
    const auto energies = matrix<space>(x.queue.data_handle(), 1, columns);
    const auto gradient = matrix<space>(x.to_queue.data_handle(), 1, columns);
    const negative_log_likelihood likelihood{.temperature = 2};
    value_and_grad(policy, likelihood, labelled_energies{x.anchors, labels}, x.loss, labelled_energies{x.to_anchors});
    forward(policy, likelihood, labelled_energies{energies, one}, x.loss);
    const generalized_margin<hinge> hinges{.function = {.margin = 8}, .reduction = reduction::per_sample};
    forward(policy, hinges, labelled_energies{x.anchors, labels}, x.losses);
    value_and_grad(policy, hinges, labelled_energies{energies, one}, x.temperature, labelled_energies{gradient},
                   vector<space>(x.upstream.data_handle(), 1));
}

template <class Policy, class Floats, class Doubles, class Bfloats, class Halves, class Done>
void call_everything(const Policy& policy, const Floats& f, const Doubles& d, const Bfloats& b, const Halves& h,
                     Done&& done) {
    using namespace selfsame;
    call_objective(policy, "NT-Xent of floats", nt_xent{}, f, done);
    call_objective(policy, "CLIP of floats", clip{}, f, done);
    call_objective(policy, "MoCo of floats", moco{}, f, done);
    call_objective(policy, "in-batch dot of floats", info_nce<dot, in_batch>{.temperature = 8}, f, done);
    call_objective(policy, "margin of floats", margin_contrast{}, f, done);
    call_objective(policy, "NT-Xent of doubles", nt_xent{}, d, done);
    call_objective(policy, "CLIP of bfloats", clip{}, b, done);
    call_objective(policy, "CLIP of bfloats in tensor cores", info_nce<cosine, in_batch_two_way, bfloat16_products>{},
                   b, done);
    call_wide(policy, info_nce<cosine, in_batch_two_way, bfloat16_products>{}, b);
    done("CLIP of wide bfloats in tensor cores");
    call_objective(policy, "NT-Xent of bfloats in tensor cores", info_nce<cosine, both_views, bfloat16_products>{}, b,
                   done);
    call_objective(policy, "MoCo of halves", moco{}, h, done);
    call_scores(policy, f);
    done("scores");
    call_sinkhorn(policy, f, d, h);
    done("Sinkhorn");
    call_sinkhorn(without_room(policy), f, d, h);
    done("Sinkhorn by kernels in turn");
    call_soft_targets(policy, f, d, b, h);
    done("soft targets");
    call_swav(policy, f, d, h);
    done("SwAV");
    call_samplers(policy, f);
    call_samplers(policy, d);
    done("samplers");
    call_losses(policy, f, d, h);
    done("losses of energies");
    call_labelled(policy, f, f.labels);
    call_labelled(policy, h, f.labels);
    done("losses of labelled energies");
    call_objective(policy, "MoCo of floats in tensor cores", info_nce<cosine, from_queue, bfloat16_products>{}, f,
                   done);
}

}  // namespace selfsame_tests
