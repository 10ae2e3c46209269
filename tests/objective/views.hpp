#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "selfsame/objective/soft_cross_entropy.hpp"

/// \file
/// Views of samples and their soft cross-entropy by its definition, in double.

namespace soft_cross_entropy_tests {

using selfsame::index_t;
using doubles = std::vector<double>;

/// What is compared, in double: T teachers' and S students' views of B samples with K columns.
struct problem {
    index_t teachers, students, samples, columns;
    bool others;  // a view is not compared with its own target
    double target_temperature, temperature;
    doubles teacher, student, center, weights;
};

inline doubles softmax(const double* z, index_t n, double temperature) {
    doubles p(static_cast<std::size_t>(n));
    double top = -std::numeric_limits<double>::infinity(), sum = 0;
    for (index_t k = 0; k < n; ++k) top = (std::max)(top, z[k] / temperature);
    for (index_t k = 0; k < n; ++k) sum += p[static_cast<std::size_t>(k)] = std::exp(z[k] / temperature - top);
    for (double& v : p) v /= sum;
    return p;
}

/// The loss of every sample, before weights, and of all: the weighted mean.
inline double reference(const problem& p, doubles* each = nullptr) {
    double total = 0, weights = 0;
    if (each != nullptr) each->clear();
    for (index_t b = 0; b < p.samples; ++b) {
        double loss = 0;
        int pairs = 0;
        for (index_t t = 0; t < p.teachers; ++t) {
            doubles z(p.teacher.begin() + (t * p.samples + b) * p.columns,
                      p.teacher.begin() + (t * p.samples + b + 1) * p.columns);
            for (std::size_t k = 0; k < p.center.size(); ++k) z[k] -= p.center[k];
            const doubles q = p.target_temperature > 0 ? softmax(z.data(), p.columns, p.target_temperature) : z;
            for (index_t s = 0; s < p.students; ++s) {
                if (p.others && s == t) continue;
                ++pairs;
                const double* x = p.student.data() + (s * p.samples + b) * p.columns;
                double top = x[0], sum = 0;
                for (index_t k = 0; k < p.columns; ++k) top = (std::max)(top, x[k]);
                for (index_t k = 0; k < p.columns; ++k) sum += std::exp((x[k] - top) / p.temperature);
                for (index_t k = 0; k < p.columns; ++k) {
                    loss -= q[static_cast<std::size_t>(k)] * ((x[k] - top) / p.temperature - std::log(sum));
                }
            }
        }
        const double w = p.weights.empty() ? 1 : p.weights[static_cast<std::size_t>(b)];
        if (each != nullptr) each->push_back(w * loss / pairs);
        total += w * loss / pairs;
        weights += w;
    }
    return total / weights;
}

/// The gradient of sum_b upstream_b loss_b of the students' logits, loss_b before its weight.
inline doubles reference_gradient(const problem& p, const doubles& upstream) {
    doubles gradient(p.student.size());
    for (index_t b = 0; b < p.samples; ++b) {
        int pairs = 0;
        for (index_t t = 0; t < p.teachers; ++t) {
            doubles q(p.teacher.begin() + (t * p.samples + b) * p.columns,
                      p.teacher.begin() + (t * p.samples + b + 1) * p.columns);
            for (std::size_t k = 0; k < p.center.size(); ++k) q[k] -= p.center[k];
            if (p.target_temperature > 0) q = softmax(q.data(), p.columns, p.target_temperature);
            double mass = 0;
            for (const double v : q) mass += v;
            for (index_t s = 0; s < p.students; ++s) {
                if (p.others && s == t) continue;
                ++pairs;
                const index_t at = (s * p.samples + b) * p.columns;
                const doubles probabilities = softmax(p.student.data() + at, p.columns, p.temperature);
                for (index_t k = 0; k < p.columns; ++k) {
                    const auto column = static_cast<std::size_t>(k);
                    gradient[static_cast<std::size_t>(at + k)] += mass * probabilities[column] - q[column];
                }
            }
        }
        const double factor = upstream[static_cast<std::size_t>(b)] / (pairs * p.temperature);
        for (index_t s = 0; s < p.students; ++s) {
            for (index_t k = 0; k < p.columns; ++k) {
                gradient[static_cast<std::size_t>((s * p.samples + b) * p.columns + k)] *= factor;
            }
        }
    }
    return gradient;
}

inline problem random_problem(index_t teachers, index_t students, index_t samples, index_t columns, bool center,
                              bool weights, unsigned seed) {
    problem p{teachers, students, samples, columns, true, 0.1, 0.2, {}, {}, {}, {}};
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    // Values that half and bfloat16 hold exactly.
    const auto fill = [&](doubles& x, index_t n, double scale) {
        for (index_t k = 0; k < n; ++k) x.push_back(std::round(scale * normal(random) * 64) / 64);
    };
    fill(p.teacher, teachers * samples * columns, 0.4);
    fill(p.student, students * samples * columns, 0.7);
    if (center) fill(p.center, columns, 0.2);
    if (weights) {
        for (index_t b = 0; b < samples; ++b) p.weights.push_back(0.25 + static_cast<double>(random() % 8) / 8);
    }
    return p;
}

template <class E>
std::vector<E> as(const doubles& x) {
    std::vector<E> y;
    for (const double v : x) y.push_back(selfsame::element_cast<E>(v));
    return y;
}

}  // namespace soft_cross_entropy_tests
