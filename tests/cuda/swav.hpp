#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "objective/helpers.hpp"
#include "selfsame/objective/swav.hpp"
#include "support.hpp"

/// \file
/// Calls of SwAV that are made on the device and on the host; those of the host are in a unit of their own, of which
/// nvcc would make nothing.

namespace swav_tests {

using selfsame::index_t;
using selfsame::memory_space;
using selfsame::none;
using selfsame::prototype_gradients;
using selfsame::prototype_views;
using selfsame::reduction;
using selfsame_tests::dense;
using selfsame_tests::layout;
using selfsame_tests::refusal;
using selfsame_tests::stored;

struct problem {
    index_t views, assigned, samples, prototypes, width;
    index_t queued = -1;  // of each assigned view; -1: no queue
    unsigned seed = 1;
};

inline dense random_rows(index_t rows, index_t width, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    dense m(static_cast<std::size_t>(rows), static_cast<std::size_t>(width));
    for (double& x : m.values) x = std::round(256 * normal(random)) / 256;  // what half holds too
    return m;
}

inline selfsame::swav<> objective_of(const problem& p) {
    return {.assignment = {.epsilon = 0.5},
            .pairing = {.teachers = static_cast<int>(p.assigned), .students = static_cast<int>(p.views)},
            .temperature = 0.3};
}

struct layouts {
    layout features = layout::packed, prototypes = layout::packed, to_features = layout::packed,
           to_prototypes = layout::packed;
};

/// What calls write, in double.
struct results {
    std::vector<double> values;
    std::vector<std::size_t> ends;  // of losses, gradients of features, gradients of prototypes, ...
    void add(const std::vector<double>& more) {
        values.insert(values.end(), more.begin(), more.end());
        ends.push_back(values.size());
    }
};

/// All calls, of elements E, on the host or on the device.
template <class Where, class E>
results call(const problem& p, const layouts& how = {}) {
    using T = typename selfsame::compute<E>::type;
    const dense queue_rows = random_rows(p.queued > 0 ? p.assigned * p.queued : 0, p.width, p.seed + 2);
    const dense feature_rows = random_rows(p.views * p.samples, p.width, p.seed);
    const dense prototype_rows = random_rows(p.prototypes, p.width, p.seed + 1);
    const stored<E> features(feature_rows, how.features), prototypes(prototype_rows, how.prototypes),
        queue(queue_rows, how.features);
    results all;
    const auto go = [&](const auto& inputs) {
        for (const reduction r : {reduction::mean, reduction::sum, reduction::per_sample}) {
            selfsame::swav<> o = objective_of(p);
            o.reduction = r;
            const bool each = r == reduction::per_sample;
            std::vector<T> loss(static_cast<std::size_t>(each ? p.samples : 1), T(9)), again = loss, upstream;
            for (std::size_t b = 0; b < loss.size(); ++b) upstream.push_back(T(0.5) + T(b));
            stored<E> to_features(random_rows(p.views * p.samples, p.width, 5), how.to_features);
            stored<E> to_prototypes(random_rows(p.prototypes, p.width, 6), how.to_prototypes);
            const auto losses = Where::place(selfsame::as_tensor<1>(loss));
            const auto ups = Where::place(selfsame::as_tensor<1>(std::as_const(upstream)));
            const auto F = Where::place(to_features.view()), P = Where::place(to_prototypes.view());
            const auto note = [&] {
                Where::wait();
                all.add({loss.begin(), loss.end()});
                all.add(to_features.get().values);
                all.add(to_prototypes.get().values);
                EXPECT_TRUE(features.untouched() && prototypes.untouched() && queue.untouched());
                EXPECT_TRUE(to_features.untouched() && to_prototypes.untouched());
            };
            selfsame::value_and_grad(Where::policy(), o, inputs, losses, prototype_gradients{F, P}, ups);
            note();
            selfsame::forward(Where::policy(), o, inputs, Where::place(selfsame::as_tensor<1>(again)));
            Where::wait();
            // Not to the bit: units without optimization are part of the same program, and where a function is in both
            // kinds the linker takes one, contracted or not.
            for (std::size_t b = 0; b < loss.size(); ++b)
                EXPECT_NEAR(again[b], loss[b],
                            8 * std::numeric_limits<T>::epsilon() * std::fabs(loss[b]) + std::numeric_limits<T>::min());
            if (!each) continue;
            selfsame::backward(Where::policy(), o, inputs, 1.5, selfsame::accumulate{prototype_gradients{F, P}});
            note();
            selfsame::backward(Where::policy(), o, inputs, ups, prototype_gradients{none{}, P});
            note();
            selfsame::value_and_grad(Where::policy(), o, inputs, losses, prototype_gradients{F, none{}});
            note();
        }
    };
    if (p.queued >= 0) {
        go(prototype_views{Where::place(features.view()), Where::place(prototypes.view()), Where::place(queue.view())});
    } else {
        go(prototype_views{Where::place(features.view()), Where::place(prototypes.view())});
    }
    return all;
}

/// The gradient of the features, and the loss, of two samples with two prototypes.
template <class Where>
std::vector<float> gradient_of(std::vector<float> features, std::vector<float> prototypes) {
    std::vector<float> to(features.size()), loss(1);
    const auto rows = [](auto& v) {
        return selfsame::matrix<Where::space>(v.data(), static_cast<index_t>(v.size()) / 10, 10);
    };
    selfsame::value_and_grad(Where::policy(), objective_of({3, 2, 2, 2, 10}),
                             prototype_views{rows(features), rows(prototypes)},
                             Where::place(selfsame::as_tensor<1>(loss)), prototype_gradients{rows(to), none{}});
    Where::wait();
    to.push_back(loss[0]);
    return to;
}

/// What a call of either kind is refused with.
template <class Where>
std::vector<std::string> refusals() {
    std::vector<float> x(48), g(48), loss(1), two(2);
    const auto rows = [](auto& v, index_t count, index_t width) {
        return selfsame::matrix<Where::space>(v.data(), count, width);
    };
    const auto values = [](auto& v) {
        return selfsame::vector<Where::space>(v.data(), static_cast<index_t>(v.size()));
    };
    const auto F = rows(x, 8, 4), C = rows(x, 6, 4), G = rows(g, 8, 4);
    const selfsame::swav<> o{.pairing = {.teachers = 2, .students = 4}};
    selfsame::swav<> each = o;
    each.reduction = reduction::per_sample;
    std::vector<std::string> all;
    const auto told = [&](auto&& f) {
        all.push_back(refusal(f));
        Where::wait();
    };
    const auto with = Where::policy();
    told([&] { forward(with, o, prototype_views{rows(x, 7, 4), C}, values(loss)); });
    told([&] { forward(with, o, prototype_views{F, rows(x, 4, 5)}, values(loss)); });
    told([&] { forward(with, o, prototype_views{F, rows(x, 0, 4)}, values(loss)); });
    told([&] { forward(with, o, prototype_views{rows(x, 8, 0), rows(x, 2, 0)}, values(loss)); });
    told([&] { forward(with, o, prototype_views{F, C, rows(x, 3, 4)}, values(loss)); });
    told([&] { forward(with, o, prototype_views{F, C}, values(two)); });
    told([&] { forward(with, each, prototype_views{F, C}, values(loss)); });
    told([&] { backward(with, o, prototype_views{F, C}, values(two), prototype_gradients{G, none{}}); });
    told([&] { backward(with, o, prototype_views{F, C}, 1.0, prototype_gradients{rows(g, 4, 4), none{}}); });
    told([&] { backward(with, o, prototype_views{F, C}, 1.0, prototype_gradients{none{}, G}); });
    told([&] { backward(with, o, prototype_views{F, C}, 1.0, prototype_gradients{G, rows(g, 6, 4)}); });
    told([&] { backward(with, o, prototype_views{F, C}, 1.0, selfsame::accumulate{prototype_gradients{F, none{}}}); });
    told([&] {
        value_and_grad(with, o, prototype_views{F, C}, selfsame::vector<Where::space>(g.data(), 1),
                       prototype_gradients{G, none{}});
    });
    told([&] {
        forward(with, selfsame::swav<>{.assignment = {.epsilon = 0}, .pairing = o.pairing}, prototype_views{F, C},
                values(loss));
    });
    told([&] {
        forward(with, selfsame::swav<>{.pairing = o.pairing, .temperature = 0}, prototype_views{F, C}, values(loss));
    });
    told([&] {
        forward(with, selfsame::swav<>{.pairing = {.teachers = 1, .students = 1}}, prototype_views{F, C}, values(loss));
    });
    told([&] {
        forward(with, selfsame::swav<>{.pairing = {.teachers = 4, .students = 2}}, prototype_views{F, C}, values(loss));
    });
    return all;
}

using selfsame_tests::elements;

results call_on_host(elements kind, const problem& p, const layouts& how);
std::vector<float> gradient_on_host(const std::vector<float>& features, const std::vector<float>& prototypes);
void normalize_on_host(std::vector<float>& rows, index_t width);
std::vector<std::string> refusals_on_host();

}  // namespace swav_tests
