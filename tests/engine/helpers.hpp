#pragma once

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "support.hpp"

/// \file
/// A dense float64 walk over pairs for any objective, given as plain functions: what the engine must reproduce.

namespace selfsame_tests {

using matrix = std::vector<std::vector<double>>;

inline matrix random_matrix(std::size_t rows, std::size_t width, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    matrix m(rows, std::vector<double>(width));
    for (auto& row : m) {
        for (double& v : row) v = normal(random);
    }
    return m;
}
template <class T>
std::vector<T> flat(const matrix& m) {
    std::vector<T> v;
    for (const auto& row : m) {
        for (const double x : row) v.push_back(static_cast<T>(x));
    }
    return v;
}
template <class T>
matrix rounded(const matrix& m) {
    matrix r = m;
    for (auto& row : r) {
        for (double& x : row) x = static_cast<double>(static_cast<T>(x));
    }
    return r;
}

/// One row's loss and its slopes: from the logits of its negatives and of its positive.
struct row_result {
    double loss;
    std::vector<double> negatives;
    double positive;
};
using row_function = std::function<row_result(const std::vector<double>& negatives, double positive)>;

enum class who { both_views, in_batch, two_way };

struct dense_result {
    std::vector<double> losses;
    double mean = 0;
    matrix anchors, positives;  ///< gradients of the mean
    double scale = 0;           ///< d mean / d logit scale
};

inline dense_result dense_pairs(who against, bool normalize, double scale, double bias, const row_function& row,
                                const matrix& anchors, const matrix& positives) {
    const std::size_t n = anchors.size(), width = n > 0 ? anchors[0].size() : 0;
    matrix x = anchors;
    x.insert(x.end(), positives.begin(), positives.end());
    std::vector<double> norm(2 * n, 1);
    for (std::size_t i = 0; i < 2 * n && normalize; ++i) {
        double s = 0;
        for (const double v : x[i]) s += v * v;
        norm[i] = std::sqrt(s);
        for (double& v : x[i]) v /= norm[i];
    }
    const auto inner = [&](std::size_t i, std::size_t j) {
        double s = 0;
        for (std::size_t k = 0; k < width; ++k) s += x[i][k] * x[j][k];
        return s;
    };
    dense_result result;
    result.losses.assign(n, 0);
    matrix g(2 * n, std::vector<double>(width, 0));
    const auto visit = [&](std::size_t anchor, std::size_t positive, std::size_t first, std::size_t last,
                           double share) {
        std::vector<std::size_t> who;
        std::vector<double> logits;
        for (std::size_t j = first; j < last; ++j) {
            if (j == anchor || j == positive) continue;
            who.push_back(j);
            logits.push_back(scale * inner(anchor, j) + bias);
        }
        who.push_back(positive);
        const row_result r = row(logits, scale * inner(anchor, positive) + bias);
        result.losses[anchor % n] += share * r.loss;
        for (std::size_t e = 0; e < who.size(); ++e) {
            const double w = share / static_cast<double>(n) * (e < logits.size() ? r.negatives[e] : r.positive);
            result.scale += w * inner(anchor, who[e]);
            for (std::size_t k = 0; k < width; ++k) {
                g[anchor][k] += w * scale * x[who[e]][k];
                g[who[e]][k] += w * scale * x[anchor][k];
            }
        }
    };
    for (std::size_t i = 0; i < n; ++i) {
        if (against == who::both_views) {
            visit(i, n + i, 0, 2 * n, 0.5);
            visit(n + i, i, 0, 2 * n, 0.5);
        } else if (against == who::in_batch) {
            visit(i, n + i, n, 2 * n, 1);
        } else {
            visit(i, n + i, n, 2 * n, 0.5);
            visit(n + i, i, 0, n, 0.5);
        }
    }
    for (const double l : result.losses) result.mean += l / static_cast<double>(n);
    for (std::size_t i = 0; i < 2 * n && normalize; ++i) {
        double along = 0;
        for (std::size_t k = 0; k < width; ++k) along += g[i][k] * x[i][k];
        for (std::size_t k = 0; k < width; ++k) g[i][k] = (g[i][k] - along * x[i][k]) / norm[i];
    }
    const auto half = g.begin() + static_cast<std::ptrdiff_t>(n);
    result.anchors.assign(g.begin(), half);
    result.positives.assign(half, g.end());
    return result;
}

template <class T>
double relative_distance(const std::vector<T>& got, const matrix& expected) {
    double off = 0, size = 0;
    std::size_t e = 0;
    for (const auto& row : expected) {
        for (const double v : row) {
            off += (static_cast<double>(got[e]) - v) * (static_cast<double>(got[e]) - v);
            size += v * v;
            ++e;
        }
    }
    return std::sqrt(off / size);
}

}  // namespace selfsame_tests
