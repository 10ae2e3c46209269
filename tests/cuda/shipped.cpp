#include "shipped.hpp"

#include <gtest/gtest.h>

#include <thrust/system/cpp/execution_policy.h>
#include <cmath>
#include <random>
#include <vector>

#include "fiber_machine.hpp"
#include "selfsame/cluster/device_sinkhorn.hpp"
#include "selfsame/energy/device_losses.hpp"
#include "selfsame/energy/device_scores.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"
#include "selfsame/objective/device_soft_cross_entropy.hpp"
#include "selfsame/objective/device_swav.hpp"

// Every kernel that is compiled for GPUs, run in fibers beside the host's engine.

namespace {

using namespace selfsame_tests;

constexpr index_t anchors = 70, width = 24, queue = 130;

template <class E>
struct memory {
    std::vector<E> given_anchors, given_positives, given_queue, to_anchors, to_positives, to_queue;
    std::vector<float> loss, losses, upstream, temperature;
    std::vector<typename selfsame::compute<E>::type> saved;
    std::vector<int> labels;

    memory() {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        const auto draw = [&](auto& v, index_t count) {
            for (index_t e = 0; e < count; ++e) v.push_back(selfsame::element_cast<E>(normal(random)));
        };
        draw(given_anchors, anchors * width);
        draw(given_positives, anchors * width);
        draw(given_queue, queue * width);
        to_anchors.resize(given_anchors.size());
        to_positives.resize(given_positives.size());
        to_queue.resize(given_queue.size());
        loss.resize(1);
        losses.resize(anchors);
        for (index_t i = 0; i < anchors; ++i) upstream.push_back(normal(random));
        temperature.resize(1);
        saved.resize(5 * anchors);
        for (index_t i = 0; i < anchors; ++i) labels.push_back(static_cast<int>(7 * i % width));
    }

    template <selfsame::memory_space Space>
    shipped_tensors<E, Space> tensors() {
        const auto rows = [](auto& v) {
            return selfsame::matrix<Space>(v.data(), static_cast<index_t>(v.size()) / width, width);
        };
        const auto values = [](auto& v) { return selfsame::vector<Space>(v.data(), static_cast<index_t>(v.size())); };
        return {rows(std::as_const(given_anchors)),
                rows(std::as_const(given_positives)),
                rows(std::as_const(given_queue)),
                rows(to_anchors),
                rows(to_positives),
                rows(to_queue),
                values(loss),
                values(losses),
                values(upstream),
                values(temperature),
                values(saved),
                values(std::as_const(labels))};
    }

    std::vector<double> results() const {
        std::vector<double> all;
        for (const auto* v : {&to_anchors, &to_positives, &to_queue}) {
            for (const E& e : *v) all.push_back(selfsame::element_cast<double>(e));
        }
        for (const auto* v : {&loss, &losses, &temperature}) all.insert(all.end(), v->begin(), v->end());
        return all;
    }
};

struct results_of_call {
    std::string name;
    std::vector<double> floats, doubles, bfloats, halves;
};

template <selfsame::memory_space Space, class Policy>
std::vector<results_of_call> call_all(const Policy& policy) {
    memory<float> f;
    memory<double> d;
    memory<selfsame::bfloat16> b;
    memory<selfsame::half> h;
    std::vector<results_of_call> all;
    call_everything(policy, f.template tensors<Space>(), d.template tensors<Space>(), b.template tensors<Space>(),
                    h.template tensors<Space>(), [&](const char* name) {
                        all.push_back({name, f.results(), d.results(), b.results(), h.results()});
                    });
    return all;
}

double relative_distance(const std::vector<double>& a, const std::vector<double>& b) {
    double off = 0, size = 0;
    for (std::size_t e = 0; e < a.size(); ++e) {
        off += (a[e] - b[e]) * (a[e] - b[e]);
        size += b[e] * b[e];
    }
    return size > 0 ? std::sqrt(off / size) : off;
}

TEST(cuda_shipped, agrees_with_the_host) {
    const auto host = call_all<selfsame::memory_space::host>(thrust::cpp::par);
    const auto device = call_all<selfsame::memory_space::device>(fibers{});
    ASSERT_EQ(host.size(), device.size());
    for (std::size_t k = 0; k < host.size(); ++k) {
        // Floats are rounded before tensor cores multiply, here and there at different lengths of the row.
        const bool rounded = host[k].name == "MoCo of floats in tensor cores";
        EXPECT_LT(relative_distance(device[k].floats, host[k].floats), rounded ? 1e-3 : 2e-6) << host[k].name;
        EXPECT_LT(relative_distance(device[k].doubles, host[k].doubles), 2e-7) << host[k].name;
        EXPECT_LT(relative_distance(device[k].bfloats, host[k].bfloats), 1e-3) << host[k].name;
        EXPECT_LT(relative_distance(device[k].halves, host[k].halves), 1e-4) << host[k].name;
    }
}

}  // namespace
