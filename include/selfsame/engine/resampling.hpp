#pragma once

#include <cstdint>

#include "selfsame/core/math.hpp"
#include "selfsame/engine/imagewise.hpp"

/// \file
/// Resizing along one axis: which source samples an output is made of, and with which weights.

namespace selfsame::inline SELFSAME_ISA {

/// Resizing along one axis as torchvision does it. With antialias the kernel (a triangle; Keys' cubic with a = -1/2) is
/// widened where the image shrinks and cut off at the edges. Without, the kernel keeps its width (the cubic has
/// a = -3/4) and the edges are repeated.
class axis_resampling {
  public:
    constexpr axis_resampling(std::int32_t in, std::int32_t out, interpolation method, bool antialias)
        : in_(in), out_(out), method_(method), antialias_(antialias), scale_(static_cast<double>(in) / out),
          width_(antialias && scale_ > 1 ? scale_ : 1),
          support_(method == interpolation::bicubic ? 2 * width_ : width_) {}

    /// No output has more source samples than this.
    constexpr std::int32_t capacity() const {
        if (method_ == interpolation::nearest) return 1;
        const auto n = static_cast<std::int32_t>(2 * support_);
        return n < 2 * support_ ? n + 1 : n;
    }

    /// The source samples of output i are those in [first, last); there is at least one.
    constexpr std::int32_t first(std::int32_t i) const {
        if (method_ == interpolation::nearest) return nearest(i);
        const auto x = static_cast<std::int32_t>(centre(i) - support_ + 0.5);
        return x > 0 ? x : 0;
    }
    constexpr std::int32_t last(std::int32_t i) const {
        if (method_ == interpolation::nearest) return nearest(i) + 1;
        const auto x = static_cast<std::int32_t>(centre(i) + support_ + 0.5);
        return x < in_ ? x : in_;
    }
    /// The weight of sample x in output i, before the weights of i are divided by their sum.
    constexpr double weight(std::int32_t i, std::int32_t x) const {
        if (method_ == interpolation::nearest) return x == nearest(i) ? 1 : 0;
        const double d = (x + 0.5 - centre(i)) / width_;
        if (is_triangle()) {
            const double w = 1 - (d < 0 ? -d : d);
            return w > 0 ? w : 0;
        }
        double w = cubic(d);
        if (!antialias_) {  // edges repeated: two samples beyond each at most
            if (x == 0) w += cubic(d - 1) + cubic(d - 2);
            if (x == in_ - 1) w += cubic(d + 1) + cubic(d + 2);
        }
        return w;
    }

    /// A sample's distance from the centre of output i in widths of the kernel, and the distance between samples: steps
    /// from the place of the first lose nothing in float.
    constexpr float distance(std::int32_t i, std::int32_t x) const {
        return static_cast<float>((x + 0.5 - centre(i)) / width_);
    }
    constexpr float step() const { return static_cast<float>(1 / width_); }
    constexpr bool is_triangle() const { return method_ == interpolation::bilinear; }

  private:
    constexpr double centre(std::int32_t i) const { return (i + 0.5) * scale_; }
    constexpr std::int32_t nearest(std::int32_t i) const {
        return static_cast<std::int32_t>(static_cast<std::int64_t>(i) * in_ / out_);
    }
    constexpr double cubic(double d) const {
        const double a = antialias_ ? -0.5 : -0.75, t = d < 0 ? -d : d;
        if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
        if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
        return 0;
    }

    std::int32_t in_, out_;
    interpolation method_;
    bool antialias_;
    double scale_, width_, support_;
};

}  // namespace selfsame::inline SELFSAME_ISA
