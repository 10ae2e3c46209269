#include <gtest/gtest.h>

#include <thrust/system/cpp/execution_policy.h>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "device.hpp"
#include "selfsame/objective/device_swav.hpp"
#include "where.hpp"

// SwAV on the device beside the host's, which is held to the definition elsewhere.

namespace swav_tests {
namespace {

using selfsame::index_t;
using selfsame::memory_space;
using selfsame::none;
using selfsame::prototype_gradients;
using selfsame::prototype_views;
using selfsame::reduction;
using selfsame_tests::dense;
using selfsame_tests::layout;
using selfsame_tests::on_device;
using selfsame_tests::order_of_threads;
using selfsame_tests::refusal;
using selfsame_tests::stored;
using selfsame_tests::where;

struct problem {
    index_t views, assigned, samples, prototypes, width;
    index_t queued = -1;  // of each assigned view; -1: no queue
    unsigned seed = 1;
};

dense random_rows(index_t rows, index_t width, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    dense m(static_cast<std::size_t>(rows), static_cast<std::size_t>(width));
    for (double& x : m.values) x = std::round(256 * normal(random)) / 256;  // what half holds too
    return m;
}

selfsame::swav<> objective_of(const problem& p) {
    return {.assignment = {.epsilon = 0.5},
            .pairing = {.teachers = static_cast<int>(p.assigned), .students = static_cast<int>(p.views)},
            .temperature = 0.3};
}

struct layouts {
    layout features = layout::packed, prototypes = layout::packed, to_features = layout::packed,
           to_prototypes = layout::packed;
};

template <memory_space Space, class Tensor>
auto in(const Tensor& x) {
    if constexpr (Space == memory_space::device) {
        return on_device(x);
    } else {
        return x;
    }
}

template <memory_space Space>
auto policy() {
    if constexpr (Space == memory_space::device) {
        return where::policy();
    } else {
        return thrust::cpp::par;
    }
}

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
template <class E, memory_space Space>
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
            const auto losses = in<Space>(selfsame::as_tensor<1>(loss));
            const auto ups = in<Space>(selfsame::as_tensor<1>(std::as_const(upstream)));
            const auto F = in<Space>(to_features.view()), P = in<Space>(to_prototypes.view());
            const auto note = [&] {
                if (Space == memory_space::device) where::wait();
                all.add({loss.begin(), loss.end()});
                all.add(to_features.get().values);
                all.add(to_prototypes.get().values);
                EXPECT_TRUE(features.untouched() && prototypes.untouched() && queue.untouched());
                EXPECT_TRUE(to_features.untouched() && to_prototypes.untouched());
            };
            selfsame::value_and_grad(policy<Space>(), o, inputs, losses, prototype_gradients{F, P}, ups);
            note();
            selfsame::forward(policy<Space>(), o, inputs, in<Space>(selfsame::as_tensor<1>(again)));
            if (Space == memory_space::device) where::wait();
            EXPECT_EQ(again, loss);
            selfsame::backward(policy<Space>(), o, inputs, 1.5, selfsame::accumulate{prototype_gradients{F, P}});
            note();
            selfsame::backward(policy<Space>(), o, inputs, ups, prototype_gradients{none{}, P});
            note();
            selfsame::value_and_grad(policy<Space>(), o, inputs, losses, prototype_gradients{F, none{}});
            note();
        }
    };
    if (p.queued >= 0) {
        go(prototype_views{in<Space>(features.view()), in<Space>(prototypes.view()), in<Space>(queue.view())});
    } else {
        go(prototype_views{in<Space>(features.view()), in<Space>(prototypes.view())});
    }
    return all;
}

template <class E>
void expect_host(const problem& p, const layouts& how = {}) {
    const results host = call<E, memory_space::host>(p, how), device = call<E, memory_space::device>(p, how);
    constexpr double unit = std::is_same_v<E, double>               ? 1e-13
                            : std::is_same_v<E, selfsame::bfloat16> ? 0x1p-8
                            : std::is_same_v<E, selfsame::half>     ? 0x1p-11
                                                                    : 3e-6;
    ASSERT_EQ(host.ends, device.ends);
    std::size_t begin = 0;
    for (std::size_t part = 0; part < host.ends.size(); ++part) {
        double largest = 0.5;  // of a single prototype nothing is left but rounding
        for (std::size_t e = begin; e < host.ends[part]; ++e) largest = (std::max)(largest, std::fabs(host.values[e]));
        for (std::size_t e = begin; e < host.ends[part]; ++e) {
            ASSERT_NEAR(device.values[e], host.values[e], unit * largest)
                << p.views << " x " << p.samples << ", " << p.prototypes << " prototypes, width " << p.width
                << ", part " << part << ", element " << e - begin;
        }
        begin = host.ends[part];
    }
}

TEST(cuda_swav, is_the_hosts) {
    order_of_threads = 1;
    expect_host<float>({4, 2, 21, 150, 9});
    expect_host<double>({3, 2, 30, 70, 33});
    order_of_threads = 2;
    expect_host<float>({2, 1, 40, 129, 130});
    expect_host<double>({5, 2, 9, 33, 70});
    order_of_threads = 0;
    expect_host<float>({3, 3, 2, 1100, 5});
    expect_host<double>({2, 2, 2, 1025, 1});
}

TEST(cuda_swav, with_a_queue_is_the_hosts) {
    expect_host<float>({4, 2, 21, 150, 9, 30});
    order_of_threads = 3;
    expect_host<double>({3, 2, 5, 40, 20, 67});
    expect_host<float>({3, 1, 5, 40, 20, 0});
    order_of_threads = 0;
}

TEST(cuda_swav, of_other_layouts_and_elements_is_the_hosts) {
    expect_host<float>({3, 2, 7, 21, 11, 4}, {layout::transposed, layout::upside_down, layout::spread, layout::padded});
    expect_host<double>({2, 2, 7, 21, 11}, {layout::mirrored, layout::repeated, layout::transposed, layout::spread});
    expect_host<selfsame::half>({3, 2, 9, 40, 24, 6}, {layout::padded, layout::packed, layout::packed, layout::spread});
    expect_host<selfsame::bfloat16>({3, 2, 9, 40, 24});
}

TEST(cuda_swav, of_few_is_the_hosts) {
    expect_host<float>({3, 2, 0, 5, 4});
    expect_host<double>({3, 2, 0, 5, 4, 3});
    expect_host<float>({3, 2, 1, 5, 4});
    expect_host<double>({2, 2, 1, 1, 1});
    expect_host<float>({4, 2, 6, 1, 3, 2});
}

TEST(cuda_swav, is_the_same_in_any_order_of_threads) {
    const problem p{4, 2, 18, 140, 20, 5};
    const results first = call<float, memory_space::device>(p);
    for (order_of_threads = 1; order_of_threads < selfsame_tests::thread_orders; ++order_of_threads) {
        EXPECT_EQ((call<float, memory_space::device>(p).values), first.values);
    }
    order_of_threads = 0;
}

template <class E>
auto rows_of(std::vector<E>& v, index_t width) {
    return selfsame::matrix<memory_space::device>(v.data(), static_cast<index_t>(v.size()) / width, width);
}

TEST(cuda_swav, gradients_may_take_the_place_of_what_they_belong_to) {
    const dense f = random_rows(24, 9, 1), c = random_rows(30, 9, 2);
    std::vector<float> features(f.values.begin(), f.values.end()), prototypes(c.values.begin(), c.values.end()),
        to_features(features.size()), to_prototypes(prototypes.size()), loss(1);
    const auto F = rows_of(features, 9), C = rows_of(prototypes, 9);
    const auto o = objective_of({3, 2, 8, 30, 9});
    const auto run = [&](const auto& a, const auto& b) {
        selfsame::value_and_grad(where::policy(), o, prototype_views{F, C}, on_device(loss), prototype_gradients{a, b});
        where::wait();
    };
    run(rows_of(to_features, 9), rows_of(to_prototypes, 9));
    run(F, C);
    EXPECT_EQ(features, to_features);
    EXPECT_EQ(prototypes, to_prototypes);
}

TEST(cuda_swav, rows_of_zeros_and_of_no_numbers_are_the_hosts) {
    std::vector<float> features(60), prototypes(20, 0.5f), given(60);
    for (std::size_t e = 10; e < 60; ++e) features[e] = e % 7 < 3 ? 1e20f : 1e-25f;
    const auto gradient_of = [&](auto space) {
        constexpr memory_space Space = decltype(space)::value;
        std::vector<float> to(60), loss(1);
        const auto matrix = [](auto& v) {
            return selfsame::matrix<Space>(v.data(), static_cast<index_t>(v.size()) / 10, 10);
        };
        selfsame::value_and_grad(policy<Space>(), objective_of({3, 2, 2, 2, 10}),
                                 prototype_views{matrix(features), matrix(prototypes)},
                                 in<Space>(selfsame::as_tensor<1>(loss)), prototype_gradients{matrix(to), none{}});
        if (Space == memory_space::device) where::wait();
        to.push_back(loss[0]);
        return to;
    };
    const std::integral_constant<memory_space, memory_space::host> host{};
    const std::integral_constant<memory_space, memory_space::device> device{};
    const auto compare = [&] {
        const auto a = gradient_of(host), b = gradient_of(device);
        for (std::size_t e = 0; e < a.size(); ++e) {
            if (std::isnan(a[e])) {
                EXPECT_TRUE(std::isnan(b[e])) << e;
            } else {
                EXPECT_NEAR(b[e], a[e], 1e-5 * (std::fabs(a[e]) + 1e-3)) << e;
            }
        }
    };
    for (std::size_t e = 0; e < 20; ++e) prototypes[e] = static_cast<float>(e % 3) - 0.7f;
    compare();
    features[33] = std::nanf("");
    compare();
    features[33] = std::numeric_limits<float>::infinity();
    compare();
}

TEST(cuda_swav, normalizes_rows_as_the_host) {
    const dense x = random_rows(13, 40, 3);
    for (const layout how : {layout::packed, layout::transposed, layout::upside_down}) {
        stored<float> here(x, how), there(x, how);
        for (stored<float>* s : {&here, &there}) {
            s->view()(2, 0) = 1e30f;
            for (index_t k = 0; k < 40; ++k) s->view()(5, k) = 0;
        }
        selfsame::normalize_rows(thrust::cpp::par, here.view());
        selfsame::normalize_rows(where::policy(), on_device(there.view()));
        where::wait();
        EXPECT_TRUE(there.untouched());
        const auto a = here.get().values, b = there.get().values;
        for (std::size_t e = 0; e < a.size(); ++e) ASSERT_NEAR(b[e], a[e], 1e-7) << e;
    }
}

/// What a call of either kind is refused with.
template <memory_space Space>
std::vector<std::string> refusals() {
    std::vector<float> x(48), g(48), loss(1), two(2);
    const auto rows = [](auto& v, index_t count, index_t width) {
        return selfsame::matrix<Space>(v.data(), count, width);
    };
    const auto values = [](auto& v) { return selfsame::vector<Space>(v.data(), static_cast<index_t>(v.size())); };
    const auto F = rows(x, 8, 4), C = rows(x, 6, 4), G = rows(g, 8, 4);
    const selfsame::swav<> o{.pairing = {.teachers = 2, .students = 4}};
    selfsame::swav<> each = o;
    each.reduction = reduction::per_sample;
    std::vector<std::string> all;
    const auto told = [&](auto&& f) {
        all.push_back(refusal(f));
        if (Space == memory_space::device) where::wait();
    };
    const auto with = policy<Space>();
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
        value_and_grad(with, o, prototype_views{F, C}, selfsame::vector<Space>(g.data(), 1),
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

TEST(cuda_swav, refuses_what_the_host_refuses) {
    const auto host = refusals<memory_space::host>(), device = refusals<memory_space::device>();
    EXPECT_EQ(device, host);
    for (std::size_t k = 0; k < host.size(); ++k) EXPECT_NE(host[k], "") << k;
    std::vector<float> x(48), two(2);
    selfsame::swav<> each{.pairing = {.teachers = 2, .students = 4}, .reduction = reduction::per_sample};
    EXPECT_EQ(refusal([&] {
                  selfsame::backward(where::policy(), each, prototype_views{rows_of(x, 6), rows_of(x, 6)}, two,
                                     prototype_gradients{rows_of(x, 6), none{}});
              }),
              "selfsame: upstream: got a tensor of the host, expected one of the device, or a value");
}

}  // namespace
}  // namespace swav_tests
