#pragma once

#include <gtest/gtest.h>
#include <thrust/system/omp/execution_policy.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <selfsame/energy/energy.hpp>
#include <vector>

#include "support.hpp"

/// \file
/// Shared by the tests of energies: random numbers, central differences, and energies in closed form.

namespace selfsame_tests {

using selfsame::index_t;
using selfsame::none;
using doubles = std::vector<double>;
inline const auto ctx = thrust::omp::par;

inline doubles uniforms(std::size_t count, double low, double high, std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::uniform_real_distribution<double> any(low, high);
    doubles x(count);
    for (double& v : x) v = any(random);
    return x;
}

template <class To, class From>
std::vector<To> converted(const std::vector<From>& x) {
    std::vector<To> y;
    for (const From& v : x) y.push_back(selfsame::element_cast<To>(v));
    return y;
}

template <class T>
auto rows_of(std::vector<T>& x, index_t width) {
    return selfsame::matrix(x.data(), width == 0 ? 0 : static_cast<index_t>(x.size()) / width, width);
}
template <class T>
auto rows_of(const std::vector<T>& x, index_t width) {
    return selfsame::matrix(x.data(), width == 0 ? 0 : static_cast<index_t>(x.size()) / width, width);
}

/// g is the gradient of loss() with respect to x, to 1e-6 of its largest element.
template <class F>
void expect_gradient(doubles& x, const doubles& g, F&& loss, const char* what) {
    ASSERT_EQ(x.size(), g.size()) << what;
    double largest = 0;
    for (const double v : g) largest = (std::max)(largest, std::fabs(v));
    for (std::size_t k = 0; k < x.size(); ++k) {
        const double kept = x[k], h = 1e-5 * (std::max)(1.0, std::fabs(kept));
        x[k] = kept + h;
        const double above = loss();
        x[k] = kept - h;
        const double below = loss();
        x[k] = kept;
        ASSERT_NEAR((above - below) / (2 * h), g[k], 1e-6 * largest) << what << " " << k;
    }
}

/// E = sum_k (x_k - mean_k)^2 / (2 deviation_k^2), rows apart.
struct gaussian {
    doubles mean, deviation;
    template <class X, class V, class G>
    void operator()(const X& x, const V& values, const G& gradients) const {
        using T = typename V::value_type;
        for (index_t i = 0; i < x.extent(0); ++i) {
            double e = 0;
            for (index_t k = 0; k < x.extent(1); ++k) {
                const auto j = static_cast<std::size_t>(k);
                const double z = (static_cast<double>(x(i, k)) - mean[j]) / deviation[j];
                e += z * z / 2;
                gradients(i, k) = static_cast<T>(z / deviation[j]);
            }
            values(i) = static_cast<T>(e);
        }
    }
};

/// E = 2 (x^2 - 1)^2 in one dimension: two wells.
struct two_wells {
    template <class X, class V, class G>
    void operator()(const X& x, const V& values, const G& gradients) const {
        using T = typename V::value_type;
        for (index_t i = 0; i < x.extent(0); ++i) {
            const auto v = static_cast<double>(x(i, 0));
            values(i) = static_cast<T>(energy(v));
            gradients(i, 0) = static_cast<T>(slope(v));
        }
    }
    static double energy(double x) { return 2 * (x * x - 1) * (x * x - 1); }
    static double slope(double x) { return 8 * x * (x * x - 1); }
};

}  // namespace selfsame_tests
