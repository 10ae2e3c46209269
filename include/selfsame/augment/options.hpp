#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "selfsame/core/error.hpp"
#include "selfsame/core/math.hpp"
#include "selfsame/engine/imagewise.hpp"

/// \file
/// What options of operations are made of, and how they are checked.

namespace selfsame::inline SELFSAME_ISA::augment {

/// From low to high.
struct range {
    float low, high;
};

namespace detail {

constexpr bool finite(float x) { return x - x == 0; }

inline std::string text(range r) { return joined("{", r.low, ", ", r.high, "}"); }

/// Refuses a range that is not low <= high within [least, most].
inline void check_range(std::string_view name, range r, float least, float most, std::string_view expected) {
    if (!(finite(r.low) && finite(r.high) && least <= r.low && r.low <= r.high && r.high <= most)) {
        fail(name, text(r), expected);
    }
}
/// Refuses a range that is not 0 < low <= high.
inline void check_positive(std::string_view name, range r) {
    check_range(name, r, (std::numeric_limits<float>::min)(), (std::numeric_limits<float>::max)(), "0 < low <= high");
}
inline void check_probability(std::string_view name, float p) {
    if (!(p >= 0 && p <= 1)) fail(name, p, "a probability from 0 to 1");
}
inline void check_warp_method(std::string_view name, interpolation method) {
    if (method != interpolation::nearest && method != interpolation::bilinear) {
        fail(name, static_cast<std::int32_t>(method), "nearest or bilinear");
    }
}
inline void check_values(std::string_view name, const channel_values& v, std::int32_t channels) {
    if (v.count != 1 && v.count != channels) {
        fail(name, joined(v.count, " values"),
             joined("1 value, or as many as the image has channels (", channels, ")"));
    }
    for (int c = 0; c < v.count; ++c) {
        if (!finite(v[c])) fail(name, v[c], "finite values");
    }
}

}  // namespace detail

}  // namespace selfsame::inline SELFSAME_ISA::augment
