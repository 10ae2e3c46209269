#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "objective/helpers.hpp"

/// \file
/// Sinkhorn as the public definition of SwAV has it, in long double, whose exponent holds exp(x / epsilon) for any
/// epsilon of the tests.

namespace selfsame_tests {

struct transport {
    double epsilon = 0.05;
    int iterations = 3;
    std::vector<double> marginals{};  ///< empty: uniform
    std::vector<bool> mask{};         ///< empty: all samples count
};

inline dense sinkhorn_reference(const dense& scores, const transport& how) {
    const std::size_t samples = scores.rows, prototypes = scores.width;
    std::vector<std::size_t> counted;
    for (std::size_t b = 0; b < samples; ++b) {
        if (how.mask.empty() || how.mask[b]) counted.push_back(b);
    }
    std::vector<long double> share(prototypes, 1.0L);
    for (std::size_t k = 0; k < how.marginals.size(); ++k) share[k] = how.marginals[k];
    long double all = 0;
    for (const long double c : share) all += c;
    for (long double& c : share) c /= all;

    std::vector<std::vector<long double>> q(samples, std::vector<long double>(prototypes, 0.0L));
    for (const std::size_t b : counted) {
        for (std::size_t k = 0; k < prototypes; ++k) {
            q[b][k] = std::exp(static_cast<long double>(scores.row(b)[k]) / static_cast<long double>(how.epsilon));
        }
    }
    const auto size = static_cast<long double>(counted.size());
    for (int iteration = 0; iteration < how.iterations; ++iteration) {
        for (std::size_t k = 0; k < prototypes; ++k) {
            long double sum = 0;
            for (const std::size_t b : counted) sum += q[b][k];
            for (const std::size_t b : counted) q[b][k] = sum == 0 ? 0 : q[b][k] / sum * share[k];
        }
        for (const std::size_t b : counted) {
            long double sum = 0;
            for (std::size_t k = 0; k < prototypes; ++k) sum += q[b][k];
            for (std::size_t k = 0; k < prototypes; ++k) q[b][k] = sum == 0 ? 0 : q[b][k] / sum / size;
        }
    }
    dense codes(samples, prototypes);
    for (const std::size_t b : counted) {
        for (std::size_t k = 0; k < prototypes; ++k) codes.row(b)[k] = static_cast<double>(q[b][k] * size);
    }
    return codes;
}

/// sum_k |(sum_b codes_bk) / B - c_k| over the samples that count.
inline double marginal_error(const dense& codes, const transport& how) {
    double counted = 0, all = 0, error = 0;
    for (std::size_t b = 0; b < codes.rows; ++b) counted += how.mask.empty() || how.mask[b];
    for (const double c : how.marginals) all += c;
    for (std::size_t k = 0; k < codes.width; ++k) {
        double sum = 0;
        for (std::size_t b = 0; b < codes.rows; ++b) sum += codes.row(b)[k];
        const double wanted = how.marginals.empty() ? 1 / static_cast<double>(codes.width) : how.marginals[k] / all;
        error += std::fabs(sum / counted - wanted);
    }
    return error;
}

/// Similarities of unit vectors with prototypes, some samples alike: between -1 and 1 times `size`.
inline dense random_scores(std::size_t samples, std::size_t prototypes, std::uint64_t seed, double size = 1) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> any(-size, size);
    dense scores(samples, prototypes);
    for (double& v : scores.values) v = any(random);
    for (std::size_t b = 5; b < samples; b += 7) {
        for (std::size_t k = 0; k < prototypes; ++k)
            scores.row(b)[k] = 0.9 * scores.row(b - 5)[k] + 0.1 * scores.row(b)[k];
    }
    return scores;
}

/// The largest |got - expected|, where a value of NaN counts as infinite; with `relative`, of that over expected +
/// 1e-3.
inline double largest_difference(const dense& got, const dense& expected, bool relative = false) {
    if (got.rows != expected.rows || got.width != expected.width) return INFINITY;
    double largest = 0;
    for (std::size_t e = 0; e < got.values.size(); ++e) {
        const double off = std::fabs(got.values[e] - expected.values[e]) / (relative ? expected.values[e] + 1e-3 : 1);
        if (!(off <= largest)) largest = std::isnan(off) ? INFINITY : off;
    }
    return largest;
}

}  // namespace selfsame_tests
