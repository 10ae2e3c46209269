#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <vector>

#include "support.hpp"

/// \file
/// Shared by the tests of core: arguments to try, and errors in units of the last place.

namespace selfsame_tests {

/// |got - expected| over the spacing of T near expected (at least that of the smallest normal number).
template <class T>
double units_off(T got, long double expected) {
    if (std::isnan(expected)) return std::isnan(got) ? 0 : std::numeric_limits<double>::infinity();
    if (std::isinf(expected) || std::isinf(static_cast<long double>(got))) {
        return static_cast<long double>(got) == static_cast<long double>(static_cast<T>(expected))
                   ? 0
                   : std::numeric_limits<double>::infinity();
    }
    const long double magnitude = (std::max)(std::fabs(expected), (long double)(std::numeric_limits<T>::min)());
    const long double spacing = std::ldexp(1.0L, std::ilogb(magnitude) - std::numeric_limits<T>::digits + 1);
    return static_cast<double>(std::fabs(static_cast<long double>(got) - expected) / spacing);
}

/// Uniform values of [low, high], their magnitudes spread over decades too, and what is in `also`.
template <class T>
std::vector<T> arguments(T low, T high, std::vector<T> also = {}) {
    std::mt19937_64 random(20240607);
    const int count = sanitized ? 4000 : 100000;
    std::uniform_real_distribution<double> any{static_cast<double>(low), static_cast<double>(high)}, unit(0, 1);
    std::vector<T> x = also;
    for (int k = 0; k < count; ++k) x.push_back(static_cast<T>(any(random)));
    for (int k = 0; k < count; ++k) {
        const double scale = std::pow(2.0, -60 * unit(random));
        x.push_back(static_cast<T>(scale * static_cast<double>(k % 2 == 0 ? low : high)));
    }
    return x;
}

}  // namespace selfsame_tests
