#pragma once

#include <thrust/system/omp/execution_policy.h>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <selfsame/engine/pairwise.hpp>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "suite.hpp"

/// \file
/// Cases of objectives over pairs of embeddings.

namespace benchmarks {

using selfsame::index_t;

/// Sizes and ways of a case.
struct pair_case {
    index_t n;
    index_t d = 128;
    int threads = 1;
    index_t queue = 0;
    std::size_t scratch_mib = 0;
    bool once = false;
};

enum class call { value, value_and_grad };

/// The name of a case: SUBJECT_value/N:512/D:128/threads:1, with what is special about it at its end.
inline std::string name_of(const std::string& subject, call what, const pair_case& c, const std::string& special = "") {
    std::string name = subject + (what == call::value ? "_value" : "_value_and_grad") + "/N:" + std::to_string(c.n);
    if (c.queue > 0) name += "/K:" + std::to_string(c.queue);
    name += "/D:" + std::to_string(c.d) + "/threads:" + std::to_string(c.threads) + special;
    if (c.scratch_mib > 0) name += "/scratch:" + std::to_string(c.scratch_mib);
    return name;
}

/// Keeps what is given back, as allocators of frameworks do: a new piece of 100 MB is a page fault for each of its
/// pages.
class pool {
  public:
    using value_type = char;

    char* allocate(std::size_t bytes) {
        auto& free = free_[bytes];
        if (free.empty()) {
            void* p = std::malloc(bytes);
            if (p == nullptr) throw std::bad_alloc();
            return static_cast<char*>(p);
        }
        char* p = free.back();
        free.pop_back();
        return p;
    }
    void deallocate(char* p, std::size_t bytes) { free_[bytes].push_back(p); }

    pool() = default;
    pool(const pool&) = delete;
    pool& operator=(const pool&) = delete;
    ~pool() {
        for (const auto& [bytes, pieces] : free_) {
            for (char* p : pieces) std::free(p);
        }
    }

  private:
    std::unordered_map<std::size_t, std::vector<char*>> free_;
};

/// N x D projections of two views: independent but for what a pair has in common.
template <class E>
struct embeddings {
    std::vector<E> anchors, positives, queue, d_anchors, d_positives;

    explicit embeddings(const pair_case& c) {
        const auto size = static_cast<std::size_t>(c.n * c.d);
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        anchors.reserve(size);
        positives.reserve(size);
        for (std::size_t k = 0; k < size; ++k) {
            const float common = normal(random);
            anchors.push_back(E(common + 0.5f * normal(random)));
            positives.push_back(E(common + 0.5f * normal(random)));
        }
        for (index_t k = 0; k < c.queue * c.d; ++k) queue.push_back(E(normal(random)));
        d_anchors.resize(size);
        d_positives.resize(size);
    }
};

template <class E, class Objective>
std::function<void()> prepare_pairs(call what, const Objective& objective, const pair_case& c) {
    struct arguments : embeddings<E> {
        using embeddings<E>::embeddings;
        pool memory;
        float loss = 0;
    };
    const auto a = std::make_shared<arguments>(c);
    const auto run = [=](const auto& policy) {
        using selfsame::matrix;
        const selfsame::context ctx{policy, c.threads, c.scratch_mib << 20};
        const auto anchors = matrix(std::as_const(a->anchors).data(), c.n, c.d);
        const auto positives = matrix(std::as_const(a->positives).data(), c.n, c.d);
        const selfsame::pair_gradients gradients{matrix(a->d_anchors.data(), c.n, c.d),
                                                 matrix(a->d_positives.data(), c.n, c.d)};
        const auto with = [&](const auto& inputs) {
            if (what == call::value) {
                a->loss = selfsame::forward(ctx, objective, inputs);
            } else {
                a->loss = selfsame::value_and_grad(ctx, objective, inputs, gradients);
            }
        };
        if constexpr (Objective::negatives::own_queue) {
            with(selfsame::pairs{anchors, positives, matrix(std::as_const(a->queue).data(), c.queue, c.d)});
        } else {
            with(selfsame::pairs{anchors, positives});
        }
    };
    // A policy with an allocator is another type, compiled only for what is measured with one.
    if constexpr (std::is_same_v<E, float> &&
                  std::is_same_v<selfsame::precision_of<Objective>, selfsame::full_precision>) {
        if (c.scratch_mib > 0) return [=] { run(thrust::omp::par(a->memory)); };
    }
    return [=] { run(thrust::omp::par); };
}

/// Multiplications and additions of products, two for each pair and dimension: those of the similarities, and with
/// gradients those again plus the products for `sides` gradients.
inline double pair_flop(call what, double pairs, index_t d, int sides) {
    return (what == call::value ? 2.0 : 4.0 + 2.0 * sides) * pairs * double(d);
}

template <class E = float, class Objective>
void add_pairs(const std::string& subject, call what, const Objective& objective, const pair_case& c,
               const std::string& special = "") {
    constexpr bool rounds = !std::is_same_v<selfsame::precision_of<Objective>, selfsame::full_precision>;
    using negatives = typename Objective::negatives;
    const double n = double(c.n);
    const double pairs = negatives::one_set ? 2 * n * n : negatives::own_queue ? n * double(c.queue) : n * n;
    add_case(name_of(subject, what, c, special),
             {.amount = pair_flop(what, pairs, c.d, negatives::own_queue ? 1 : 2),
              .bound = rounds ? bfloat16_fma : float_fma,
              .threads = c.threads,
              .once = c.once},
             [=] { return prepare_pairs<E>(what, objective, c); });
}

}  // namespace benchmarks
