#pragma once

#include <thrust/system/omp/execution_policy.h>

#include <type_traits>

#include "reference.hpp"
#include "selfsame/cluster/sinkhorn.hpp"
#include "support.hpp"

/// \file
/// Calls of `assign` whatever the types and the memory are.

namespace selfsame_tests {

struct assignment {
    dense codes;
    selfsame::sinkhorn_report report;
    bool stayed_inside = true;  ///< nothing beside the codes was written, and the scores are as they were
};

template <class From, class To>
assignment assign(int threads, const auto& options, const dense& scores, const std::vector<bool>& mask = {},
                  layout in = layout::packed, layout out = layout::packed) {
    const selfsame::context ctx{thrust::omp::par, threads};
    stored<From> x(scores, in);
    const dense before = x.get();
    stored<To> q(scores.rows, scores.width, out);
    assignment result;
    if (mask.empty()) {
        result.report = selfsame::assign(ctx, options, std::as_const(x).view(), q.view());
    } else {
        const std::vector<unsigned char> values(mask.begin(), mask.end());
        result.report = selfsame::assign(ctx, options, std::as_const(x).view(), q.view(), values);
    }
    result.codes = q.get();
    result.stayed_inside = q.untouched() && x.untouched() && same(x.get().values, before.values);
    return result;
}

/// On one thread.
template <class T>
assignment assign(const auto& options, const dense& scores, const std::vector<bool>& mask = {}) {
    return assign<T, T>(1, options, scores, mask);
}

/// Scores as a type holds them.
template <class T>
dense rounded(dense scores) {
    for (double& v : scores.values) v = selfsame::element_cast<double>(selfsame::element_cast<T>(v));
    return scores;
}

inline double largest(const dense& scores) {
    double m = 0;
    for (const double v : scores.values) m = (std::max)(m, std::fabs(v));
    return m;
}

/// How far a code may be off, relative to it: the rounding of x / epsilon in the computation, and that of the code.
template <class From, class To>
double allowance(const dense& scores, double epsilon) {
    constexpr bool wide = std::is_same_v<From, double> || std::is_same_v<To, double>;
    const double computed = (wide ? 0x1p-52 : 0x1p-23) * (4 * largest(scores) / epsilon + 16);
    const double stored = std::is_same_v<To, half>       ? 0x1p-11
                          : std::is_same_v<To, bfloat16> ? 0x1p-8
                          : std::is_same_v<To, float>    ? 0x1p-24
                                                         : 0;
    return computed + stored;
}

}  // namespace selfsame_tests
