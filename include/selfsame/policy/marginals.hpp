#pragma once

#include <cmath>

#include "selfsame/core/tensor.hpp"

/// \file
/// How much of the samples each prototype is to get. A policy gives one weight >= 0 for each prototype; only their
/// ratios matter.

namespace selfsame::inline SELFSAME_ISA::marginals {

/// The same for all (SwAV).
struct uniform {
    void check(index_t) const {}
    constexpr double operator()(index_t) const { return 1; }
};

/// 1 / i^p for prototype i = 1, 2, ...: a few large clusters and many small ones (SEER, Goyal et al. 2021).
struct power_law {
    double p = 1;

    void check(index_t) const {
        if (!(p >= 0 && p <= 16)) fail("marginals.p", p, ">= 0 and <= 16");
    }
    double operator()(index_t k) const { return std::pow(static_cast<double>(k + 1), -p); }
};

/// The elements of a vector of K weights; a prototype of weight 0 gets nothing.
template <class Weights>
struct given {
    Weights weights;

    void check(index_t prototypes) const {
        const auto w = as_tensor<1>(weights);
        if (w.extent(0) != prototypes) {
            fail("marginals.weights", std::string_view(shape_text(w)), std::to_string(prototypes) + " values");
        }
        if constexpr (space == memory_space::host) check_values(prototypes);
    }
    double operator()(index_t k) const {
        static_assert(space == memory_space::host,
                      "selfsame: marginals::given: a device tensor was given to a host execution policy");
        return element_cast<double>(as_tensor<1>(weights)(k));
    }

  private:
    static constexpr memory_space space = decltype(as_tensor<1>(std::declval<const Weights&>()))::accessor_type::space;

    void check_values(index_t prototypes) const {
        double total = 0;
        for (index_t k = 0; k < prototypes; ++k) {
            const double v = (*this)(k);
            if (!(v >= 0 && v < INFINITY)) fail("marginals.weights", v, "finite weights >= 0");
            total += v;
        }
        if (prototypes > 0 && !(total > 0 && total < INFINITY)) fail("marginals.weights", total, "a sum > 0");
    }
};
template <class W>
given(W) -> given<W>;

}  // namespace selfsame::inline SELFSAME_ISA::marginals
