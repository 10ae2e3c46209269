#include "selfsame/objective/swav.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "support.hpp"

namespace swav_tests {

using selfsame::index_t;
using selfsame::matrix;
using selfsame::none;
using selfsame::prototype_gradients;
using selfsame::prototype_views;
using selfsame_tests::refusal;
using doubles = std::vector<double>;

struct problem {
    index_t views, assigned, samples, prototypes, width, queued;
    doubles features, centers, queue;
    double epsilon = 0.05, temperature = 0.1;
};

doubles normal_values(index_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    doubles x;
    for (index_t k = 0; k < n; ++k) x.push_back(std::round(256 * normal(random)) / 256);
    return x;
}

problem random_problem(index_t views, index_t assigned, index_t samples, index_t prototypes, index_t width,
                       index_t queued, unsigned seed) {
    problem p{views,
              assigned,
              samples,
              prototypes,
              width,
              queued,
              normal_values(views * samples * width, seed),
              normal_values(prototypes * width, seed + 1),
              normal_values(assigned * queued * width, seed + 2)};
    selfsame::normalize_rows(thrust::seq, matrix(p.centers.data(), prototypes, width));
    for (double& c : p.centers) c = std::round(4096 * c) / 4096;  // what float holds too
    return p;
}

double score(const problem& p, const double* feature, index_t k) {
    double norm = 0, dot = 0;
    for (index_t d = 0; d < p.width; ++d) {
        norm += feature[d] * feature[d];
        dot += feature[d] * p.centers[static_cast<std::size_t>(k * p.width + d)];
    }
    return norm > 0 ? dot / std::sqrt(norm) : 0;
}

/// Codes of the assigned views, as SwAV's definition makes them.
doubles codes_of(const problem& p) {
    doubles codes;
    for (index_t a = 0; a < p.assigned; ++a) {
        const index_t rows = p.samples + p.queued;
        doubles q;
        for (index_t r = 0; r < rows; ++r) {
            const double* f = r < p.samples
                                  ? &p.features[static_cast<std::size_t>((a * p.samples + r) * p.width)]
                                  : &p.queue[static_cast<std::size_t>((a * p.queued + r - p.samples) * p.width)];
            for (index_t k = 0; k < p.prototypes; ++k) q.push_back(std::exp(score(p, f, k) / p.epsilon));
        }
        const auto at = [&](index_t r, index_t k) -> double& {
            return q[static_cast<std::size_t>(r * p.prototypes + k)];
        };
        for (int i = 0; i < 3; ++i) {
            for (index_t k = 0; k < p.prototypes; ++k) {
                double sum = 0;
                for (index_t r = 0; r < rows; ++r) sum += at(r, k);
                for (index_t r = 0; r < rows; ++r) at(r, k) /= sum * double(p.prototypes);
            }
            for (index_t r = 0; r < rows; ++r) {
                double sum = 0;
                for (index_t k = 0; k < p.prototypes; ++k) sum += at(r, k);
                for (index_t k = 0; k < p.prototypes; ++k) at(r, k) /= sum * double(rows);
            }
        }
        for (index_t r = 0; r < p.samples; ++r) {
            for (index_t k = 0; k < p.prototypes; ++k) codes.push_back(at(r, k) * double(rows));
        }
    }
    return codes;
}

double loss_of(const problem& p, const doubles& codes, index_t b) {
    double loss = 0;
    int pairs = 0;
    for (index_t s = 0; s < p.views; ++s) {
        doubles x;
        double sum = 0;
        for (index_t k = 0; k < p.prototypes; ++k) {
            x.push_back(score(p, &p.features[static_cast<std::size_t>((s * p.samples + b) * p.width)], k) /
                        p.temperature);
            sum += std::exp(x.back());
        }
        for (index_t a = 0; a < p.assigned; ++a) {
            if (a == s) continue;
            ++pairs;
            for (index_t k = 0; k < p.prototypes; ++k) {
                loss -= codes[static_cast<std::size_t>((a * p.samples + b) * p.prototypes + k)] *
                        (x[static_cast<std::size_t>(k)] - std::log(sum));
            }
        }
    }
    return loss / pairs;
}

double mean_loss(const problem& p, const doubles& codes) {
    double total = 0;
    for (index_t b = 0; b < p.samples; ++b) total += loss_of(p, codes, b);
    return total / double(p.samples);
}

selfsame::swav<> objective_of(const problem& p) {
    return {.assignment = {.epsilon = p.epsilon},
            .pairing = {.teachers = static_cast<int>(p.assigned), .students = static_cast<int>(p.views)},
            .temperature = p.temperature};
}

template <class E>
struct outcome {
    double loss;
    std::vector<E> features, prototypes;
};

template <class E>
std::vector<E> as(const doubles& x) {
    return std::vector<E>(x.begin(), x.end());
}

template <class E>
outcome<E> run(const problem& p, int threads = 1) {
    const std::vector<E> f = as<E>(p.features), c = as<E>(p.centers), q = as<E>(p.queue);
    outcome<E> out{0, std::vector<E>(f.size()), std::vector<E>(c.size())};
    const auto F = matrix(f.data(), p.views * p.samples, p.width), C = matrix(c.data(), p.prototypes, p.width);
    const prototype_gradients g{matrix(out.features.data(), p.views * p.samples, p.width),
                                matrix(out.prototypes.data(), p.prototypes, p.width)};
    const selfsame::context ctx{thrust::omp::par, threads};
    if (p.queued > 0) {
        out.loss = double(selfsame::value_and_grad(
            ctx, objective_of(p), prototype_views{F, C, matrix(q.data(), p.assigned * p.queued, p.width)}, g));
    } else {
        out.loss = double(selfsame::value_and_grad(ctx, objective_of(p), prototype_views{F, C}, g));
    }
    return out;
}

TEST(SwAV, LossIsTheDefinition) {
    EXPECT_TRUE(rc::check([] {
        const auto assigned = *rc::gen::inRange<index_t>(1, 3), views = *rc::gen::inRange<index_t>(2, 6);
        const problem p =
            random_problem(views, assigned, *rc::gen::inRange<index_t>(1, 60), *rc::gen::inRange<index_t>(1, 150),
                           *rc::gen::inRange<index_t>(1, 40), *rc::gen::inRange<index_t>(0, 30),
                           static_cast<unsigned>(*rc::gen::inRange(0, 999)));
        const double expected = mean_loss(p, codes_of(p));
        const int threads = *rc::gen::inRange(1, 4);
        RC_ASSERT(std::fabs(run<double>(p, threads).loss - expected) <= 1e-10 * (1 + expected));
        RC_ASSERT(std::fabs(run<float>(p, threads).loss - expected) <= 3e-6 * (1 + expected));
    }));
}

TEST(SwAV, GradientsAreFiniteDifferencesWithTheCodesHeld) {
    for (const index_t samples : {1, 7, 40}) {
        problem p = random_problem(4, 2, samples, 70, 9, samples == 7 ? 5 : 0, static_cast<unsigned>(samples));
        const doubles codes = codes_of(p);
        const outcome<double> got = run<double>(p);
        const auto check = [&](doubles& x, const doubles& gradient) {
            double largest = 0;
            for (const double g : gradient) largest = (std::max)(largest, std::fabs(g));
            for (std::size_t e = 0; e < x.size(); e += 11) {
                const double h = 1e-6, before = x[e];
                x[e] = before + h;
                const double up = mean_loss(p, codes);
                x[e] = before - h;
                const double down = mean_loss(p, codes);
                x[e] = before;
                ASSERT_NEAR(gradient[e], (up - down) / (2 * h), 1e-6 * largest + 1e-9) << e;
            }
        };
        check(p.features, got.features);
        check(p.centers, got.prototypes);
    }
}

TEST(SwAV, NumberOfThreadsChangesNoBit) {
    const problem p = random_problem(5, 2, 130, 200, 17, 0, 5);
    const outcome<float> first = run<float>(p, 1);
    for (const int threads : {2, 3, 8}) {
        const outcome<float> again = run<float>(p, threads);
        EXPECT_EQ(first.loss, again.loss);
        EXPECT_EQ(first.features, again.features);
        EXPECT_EQ(first.prototypes, again.prototypes);
    }
}

TEST(SwAV, FrozenPrototypesUpstreamAndSamples) {
    const problem p = random_problem(3, 2, 20, 30, 8, 0, 6);
    const outcome<double> whole = run<double>(p);
    const auto F = matrix(p.features.data(), 60, 8), C = matrix(p.centers.data(), 30, 8);
    doubles features(p.features.size());
    selfsame::backward(thrust::seq, objective_of(p), prototype_views{F, C}, -3.0,
                       prototype_gradients{matrix(features.data(), 60, 8), none{}});
    for (std::size_t e = 0; e < features.size(); ++e) ASSERT_NEAR(features[e], -3 * whole.features[e], 1e-14);
    selfsame::swav<> each = objective_of(p);
    each.reduction = selfsame::reduction::per_sample;
    doubles losses(20);
    selfsame::forward(thrust::seq, each, prototype_views{F, C}, losses);
    const doubles codes = codes_of(p);
    for (index_t b = 0; b < 20; ++b) EXPECT_NEAR(losses[static_cast<std::size_t>(b)], loss_of(p, codes, b), 1e-11);
}

TEST(SwAV, EmptyBatchIsZero) {
    const problem p = random_problem(3, 2, 0, 5, 4, 0, 7);
    const outcome<float> got = run<float>(p);
    EXPECT_EQ(got.loss, 0);
    EXPECT_EQ(got.prototypes, std::vector<float>(20));
}

TEST(SwAV, NormalizeRows) {
    std::vector<float> x = {3, 4, 0, 0, 1e20f, 0};
    selfsame::normalize_rows(thrust::seq, matrix(x.data(), 3, 2));
    EXPECT_EQ(x, (std::vector<float>{0.6f, 0.8f, 0, 0, 1, 0}));
}

TEST(SwAV, RefusesWhatDoesNotFit) {
    doubles x(48), g(48);
    const auto F = matrix(x.data(), 8, 4);
    const selfsame::swav<> o{.pairing = {.teachers = 2, .students = 4}};
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, o, prototype_views{matrix(x.data(), 7, 4), F}); }),
              "selfsame: features: got 7 x 4, expected 4 views of each sample, view after view");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, o, prototype_views{F, matrix(x.data(), 4, 5)}); }),
              "selfsame: prototypes: got 4 x 5, expected at least one, of the width of features");
    EXPECT_EQ(refusal([&] {
                  selfsame::value_and_grad(thrust::seq, o, prototype_views{F, F},
                                           prototype_gradients{matrix(g.data(), 4, 4), none{}});
              }),
              "selfsame: gradient of features: got 4 x 4, expected the shape of its input");
    EXPECT_EQ(refusal([&] {
                  selfsame::forward(thrust::seq, selfsame::swav<>{.assignment = {.epsilon = 0}, .pairing = o.pairing},
                                    prototype_views{F, F});
              }),
              "selfsame: epsilon: got 0, expected > 0");
    const selfsame::swav<> more_codes{.pairing = {.teachers = 4, .students = 2}};
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, more_codes, prototype_views{F, F}); }),
              "selfsame: pairing.teachers: got 4, expected at most pairing.students: views have the codes");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, o, prototype_views{F, F}); }), "");
}

}  // namespace swav_tests
