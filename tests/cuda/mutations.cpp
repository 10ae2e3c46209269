#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <iostream>
#include <tuple>

#include "cluster/helpers.hpp"
#include "device.hpp"
#include "fiber_machine.hpp"
#include "images.hpp"
#include "selfsame/cluster/device_sinkhorn.hpp"
#include "selfsame/energy/device_losses.hpp"
#include "selfsame/energy/device_scores.hpp"
#include "selfsame/energy/margin.hpp"
#include "selfsame/objective/device_soft_cross_entropy.hpp"
#include "selfsame/objective/device_swav.hpp"

// Every wait in a kernel is there for a reason: without it something must fail.

namespace {

using namespace selfsame_tests;

std::string outcome_of(const std::vector<problem>& problems) {
    try {
        for (const auto& p : problems) {
            const answer a = evaluate_on_device(p);
            const closeness c = p.bfloat_products ? closeness{1e-3, 1e-2} : closeness{};
            const std::string wrong = complaints(a.apart, reference(a.rounded), p.how, c);
            if (!wrong.empty()) return wrong;
        }
    } catch (const kernel_error& e) {
        return e.what();
    }
    return "";
}

std::string outcome_of_scores() {
    std::vector<float> logits(2000, 1.0f), values(1);
    try {
        selfsame::forward(fibers{}, selfsame::logit_scores<selfsame::free_energy>{},
                          selfsame::matrix<selfsame::memory_space::device>(logits.data(), 1, 2000), on_device(values));
    } catch (const kernel_error& e) {
        return e.what();
    }
    return std::abs(values[0] + 1 + std::log(2000.0f)) < 1e-4f ? "" : "a wrong free energy";
}

std::string outcome_of_losses() {
    std::vector<float> energies(3000, 1.0f), gradient(3000), loss(1);
    energies[2999] = 0;
    const std::vector<int> labels = {2000};
    try {
        const selfsame::generalized_margin<selfsame::hinge> o{};
        selfsame::value_and_grad(fibers{}, o, selfsame::energy_pairs{on_device(energies), on_device(gradient)},
                                 on_device(loss), selfsame::energy_pairs{selfsame::none{}, on_device(gradient)});
        if (std::abs(loss[0] - 5999.0f / 3000) > 1e-5f) return "a wrong loss of pairs";
        const auto rows = selfsame::matrix<selfsame::memory_space::device>(energies.data(), 1, 3000);
        selfsame::value_and_grad(fibers{}, o, selfsame::labelled_energies{rows, on_device(labels)}, on_device(loss),
                                 selfsame::labelled_energies{rows});
    } catch (const kernel_error& e) {
        return e.what();
    }
    return loss[0] == 2 && energies[2000] == 1 && energies[2999] == -1 ? "" : "a wrong loss of a row";
}

/// In kernels one after the other, or in one whose blocks live at the same time: two slices of two groups of rows.
std::string outcome_of_sinkhorn(index_t room) {
    dense scores(100, 600);
    for (std::size_t b = 0; b < scores.rows; ++b) scores.row(b)[b * 7 % scores.width] = 1;
    std::vector<float> from(scores.values.begin(), scores.values.end()), codes(from.size());
    const auto view = [](auto& v) { return selfsame::matrix<selfsame::memory_space::device>(v.data(), 100, 600); };
    fibers policy;
    policy.room = room;
    try {
        selfsame::assign(policy, selfsame::sinkhorn<>{.epsilon = 0.2}, view(from), view(codes));
    } catch (const kernel_error& e) {
        return e.what();
    }
    static const dense expected = sinkhorn_reference(scores, {.epsilon = 0.2});
    for (std::size_t e = 0; e < codes.size(); ++e) {
        if (!(std::abs(codes[e] - expected.values[e]) < 1e-4)) return "a wrong code";
    }
    return "";
}

std::string outcome_of_soft_targets() {
    std::vector<float> teacher(2 * 1500), students(3 * 1500), gradient(3 * 1500), loss(1);
    for (std::size_t e = 0; e < teacher.size(); ++e) teacher[e] = e % 1500 == 700 ? 9.0f : 0.0f;
    for (std::size_t e = 0; e < students.size(); ++e) students[e] = e % 1500 == 900 ? 1.0f : 0.0f;
    const auto rows = [](auto& v) {
        return selfsame::matrix<selfsame::memory_space::device>(v.data(), static_cast<index_t>(v.size() / 1500), 1500);
    };
    try {
        selfsame::value_and_grad(
            fibers{},
            selfsame::dino{
                .targets = {.temperature = 0.3}, .pairing = {.teachers = 2, .students = 3}, .temperature = 1},
            selfsame::views{rows(teacher), rows(students)}, on_device(loss), rows(gradient));
    } catch (const kernel_error& e) {
        return e.what();
    }
    float at_target = 0;
    for (std::size_t e = 700; e < gradient.size(); e += 1500) at_target += gradient[e];
    // All targets are in column 700, but for 2^-33 of them.
    const float total = 1499 + std::exp(1.0f);
    if (std::abs(loss[0] - std::log(total)) > 1e-5f) return "a wrong loss";
    return std::abs(at_target - (1 / total - 1)) < 1e-5f ? "" : "a wrong gradient";
}

std::string outcome_of_swav() {
    // Two slices of the width and several of either gradient's sum, which is in splits; prototypes are orthogonal.
    constexpr std::size_t samples = 70, prototypes = 20, width = 40;
    std::vector<float> features(2 * samples * width), rows(prototypes * width), to_features(features.size()),
        to_rows(rows.size()), loss(1);
    for (std::size_t k = 0; k < prototypes; ++k) rows[k * width + k + 15] = 1;
    for (std::size_t i = 0; i < 2 * samples; ++i) features[i * width + i % prototypes + 15] = 2;
    const auto view = [](auto& v) {
        return selfsame::matrix<selfsame::memory_space::device>(v.data(), static_cast<index_t>(v.size() / width),
                                                                static_cast<index_t>(width));
    };
    try {
        selfsame::value_and_grad(fibers{},
                                 selfsame::swav<>{.pairing = {.teachers = 2, .students = 2}, .temperature = 0.5},
                                 selfsame::prototype_views{view(features), view(rows)}, on_device(loss),
                                 selfsame::prototype_gradients{view(to_features), view(to_rows)});
    } catch (const kernel_error& e) {
        return e.what();
    }
    // Codes are one-hot but for e^-20; the other view of a sample is of prototype (i + 10) % 20.
    const float total = 19 + std::exp(2.0f);
    if (std::abs(loss[0] - std::log(total)) > 1e-4f) return "a wrong loss";
    float at_features = 0, at_rows = 0;
    for (std::size_t i = 0; i < 2 * samples; ++i) at_features += to_features[i * width + (i + 10) % prototypes + 15];
    for (std::size_t k = 0; k < prototypes; ++k) at_rows += to_rows[k * width + k + 15];
    if (std::abs(at_features - (1 / total - 1)) > 1e-4f) return "a wrong gradient of features";
    return std::abs(at_rows - 2 * std::exp(2.0f) / total) < 1e-4f ? "" : "a wrong gradient of prototypes";
}

/// Views whose passes want every wait of the kernel, threads running in two orders, and two views a block.
std::string outcome_of_images() {
    using test_images::work;
    static const auto expected = [] {
        return std::tuple{test_images::views_on_host({.what = work::recipe, .count = 5, .planar = true}),
                          test_images::views_on_host({.what = work::geometry, .count = 2}),
                          test_images::views_on_host({.what = work::moves, .count = 4})};
    }();
    std::string wrong;
    enough_blocks = 1;
    for (const int order : {0, 1}) {
        order_of_threads = order;
        try {
            const auto recipe = test_images::views_on_device({.what = work::recipe, .count = 5, .planar = true});
            const auto geometry = test_images::views_on_device({.what = work::geometry, .count = 2});
            const auto moves = test_images::views_on_device({.what = work::moves, .count = 4});
            if (!(test_images::distance(recipe, std::get<0>(expected)) < 1e-5)) wrong = "a wrong view of a recipe";
            if (!(test_images::distance(geometry, std::get<1>(expected)) < 1e-5)) wrong = "a wrong warped view";
            if (!(test_images::distance(moves, std::get<2>(expected)) < 1e-5)) wrong = "a wrong equalized view";
        } catch (const kernel_error& e) {
            wrong = e.what();
        }
    }
    order_of_threads = 0;
    enough_blocks = 4;
    return wrong;
}

template <class Outcome>
void expect_every_wait_matters(std::size_t waits_at_least, const Outcome& outcome) {
    waits::seen.clear();
    ASSERT_EQ(outcome(), "");
    const std::vector<site> all = waits::seen;
    ASSERT_GE(all.size(), waits_at_least);
    for (const site& at : all) {
        waits::deleted = at;
        const std::string what = outcome();
        waits::deleted = {};
        EXPECT_NE(what, "") << "nothing fails without the wait at " << at.text();
        std::cout << at.text() << ": " << what << "\n";
    }
}

TEST(cuda_mutations, no_wait_of_pairs_can_be_deleted) {
    // Several tiles, slices of depth and splits; more losses than a thread of the sum.
    std::vector<problem> problems = {random_problem(contrast::both_views, 100, 40, 0, 1),
                                     random_problem(contrast::two_way, 140, 20, 0, 2)};
    for (const std::size_t width : {std::size_t(96), std::size_t(100)}) {  // an odd and an even number of stages
        problems.push_back(random_problem(contrast::two_way, 130, width, 0, 3));
        problems.back().bfloat_products = true;
    }
    expect_every_wait_matters(8, [&] { return outcome_of(problems); });
}

TEST(cuda_mutations, no_wait_of_warpgroups_can_be_deleted) {
    warpgroups = true;
    problem p = random_problem(contrast::two_way, 250, 300, 0, 3);  // more steps than slots, and no slice empty
    p.bfloat_products = true;
    p.types = elements::bfloats;
    expect_every_wait_matters(7, [&] { return outcome_of({p}); });
    warpgroups = false;
}

TEST(cuda_mutations, no_wait_of_images_can_be_deleted) {
    // Memory is zero at first: without a wait places of pixels are read that nobody wrote.
    mallopt(M_PERTURB, 255);
    expect_every_wait_matters(8, outcome_of_images);
    mallopt(M_PERTURB, 0);
}

TEST(cuda_mutations, no_wait_of_rows_can_be_deleted) { expect_every_wait_matters(1, outcome_of_scores); }

TEST(cuda_mutations, no_wait_of_losses_can_be_deleted) { expect_every_wait_matters(3, outcome_of_losses); }

TEST(cuda_mutations, no_wait_of_sinkhorn_can_be_deleted) {
    expect_every_wait_matters(1, [] { return outcome_of_sinkhorn(0); });
    expect_every_wait_matters(5, [] { return outcome_of_sinkhorn(4); });
}

TEST(cuda_mutations, no_wait_of_soft_targets_can_be_deleted) { expect_every_wait_matters(1, outcome_of_soft_targets); }

TEST(cuda_mutations, no_wait_of_swav_can_be_deleted) { expect_every_wait_matters(4, outcome_of_swav); }

}  // namespace
