#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <selfsame/augment/augment.hpp>
#include <vector>

/// \file
/// Every operation once more, in double precision, written from its definition one pixel at a time.

namespace reference {

namespace augment = selfsame::augment;

/// Values of an image, channel by channel.
struct picture {
    int channels = 0, height = 0, width = 0;
    std::vector<double> values;

    picture(int c, int h, int w) : channels(c), height(h), width(w), values(static_cast<std::size_t>(c * h * w)) {}
    double& at(int c, int y, int x) { return values[static_cast<std::size_t>((c * height + y) * width + x)]; }
    double at(int c, int y, int x) const { return values[static_cast<std::size_t>((c * height + y) * width + x)]; }

    /// A picture of the same shape with f(c, y, x) in it.
    template <class F>
    picture map(F&& f) const {
        picture out(channels, height, width);
        for (int c = 0; c < channels; ++c) {
            for (int y = 0; y < height; ++y) {
                for (int x = 0; x < width; ++x) out.at(c, y, x) = f(c, y, x);
            }
        }
        return out;
    }
};

/// One axis of a resized crop, from torchvision's definition of antialiasing: lists of (source, weight).
inline std::vector<std::vector<std::pair<int, double>>> triangle_taps(int in, int out) {
    const double scale = double(in) / out, support = std::max(scale, 1.0);
    std::vector<std::vector<std::pair<int, double>>> taps;
    for (int i = 0; i < out; ++i) {
        const double centre = scale * (i + 0.5);
        const int begin = std::max(int(centre - support + 0.5), 0), end = std::min(int(centre + support + 0.5), in);
        std::vector<std::pair<int, double>> t;
        double total = 0;
        for (int x = begin; x < end; ++x) {
            const double w = std::max(0.0, 1 - std::abs((x - centre + 0.5) / support));
            t.emplace_back(x, w);
            total += w;
        }
        for (auto& [x, w] : t) w /= total;
        taps.push_back(t);
    }
    return taps;
}

inline picture resized_crop(const picture& in, const selfsame::window& crop, int height, int width) {
    const auto rows = triangle_taps(crop.height, height), columns = triangle_taps(crop.width, width);
    picture out(in.channels, height, width);
    return out.map([&](int c, int y, int x) {
        double sum = 0;
        for (const auto& [sy, wy] : rows[static_cast<std::size_t>(y)]) {
            for (const auto& [sx, wx] : columns[static_cast<std::size_t>(x)]) {
                sum += wy * wx * in.at(c, crop.top + sy, crop.left + sx);
            }
        }
        return sum;
    });
}

inline picture operate(const augment::random_resized_crop& op, const selfsame::window& p, const picture& in) {
    return resized_crop(in, p, op.height, op.width);
}
inline picture operate(const augment::resize& op, const selfsame::window&, const picture& in) {
    return resized_crop(in, {0, 0, in.height, in.width}, op.height, op.width);
}

inline picture operate(const augment::horizontal_flip&, augment::horizontal_flip::parameters p, const picture& in) {
    return in.map([&](int c, int y, int x) { return in.at(c, y, p.flipped ? in.width - 1 - x : x); });
}
inline picture operate(const augment::vertical_flip&, augment::vertical_flip::parameters p, const picture& in) {
    return in.map([&](int c, int y, int x) { return in.at(c, p.flipped ? in.height - 1 - y : y, x); });
}

// Sampled as grid_sample does it, padded with zeros, a plane of ones beside the image.
inline picture operate(const augment::rotation& op, augment::rotation::parameters p, const picture& in) {
    const double angle = double(p.degrees) * std::acos(-1.0) / 180;
    return in.map([&](int c, int y, int x) {
        const double dx = x + 0.5 - in.width / 2.0, dy = y + 0.5 - in.height / 2.0;
        const double sx = std::cos(angle) * dx - std::sin(angle) * dy + in.width / 2.0 - 0.5;
        const double sy = std::sin(angle) * dx + std::cos(angle) * dy + in.height / 2.0 - 0.5;
        double value = 0, mask = 0;
        for (int j = int(std::floor(sy)); j <= int(std::floor(sy)) + 1; ++j) {
            for (int i = int(std::floor(sx)); i <= int(std::floor(sx)) + 1; ++i) {
                if (i < 0 || j < 0 || i >= in.width || j >= in.height) continue;
                const double w = (1 - std::abs(sx - i)) * (1 - std::abs(sy - j));
                value += w * in.at(c, j, i);
                mask += w;
            }
        }
        const double fill = double(op.fill[c]);
        return (value - fill) * mask + fill;
    });
}

inline double clamped(double x) { return std::clamp(x, 0.0, 1.0); }

inline picture operate(const augment::brightness&, augment::brightness::parameters p, const picture& in) {
    return in.map([&](int c, int y, int x) { return clamped(double(p.factor) * in.at(c, y, x)); });
}

inline picture operate(const augment::contrast&, augment::contrast::parameters p, const picture& in) {
    double mean = 0;
    for (int y = 0; y < in.height; ++y) {
        for (int x = 0; x < in.width; ++x) {
            mean += in.channels == 1 ? in.at(0, y, x)
                                     : 0.2989 * in.at(0, y, x) + 0.587 * in.at(1, y, x) + 0.114 * in.at(2, y, x);
        }
    }
    mean /= in.height * in.width;
    const double f = double(p.factor);
    return in.map([&](int c, int y, int x) { return clamped(f * in.at(c, y, x) + (1 - f) * mean); });
}

/// The index that i is reflected to, step by step.
inline int reflect(int i, int n) {
    while (i < 0 || i >= n) {
        if (n == 1) return 0;
        i = i < 0 ? -i : 2 * (n - 1) - i;
    }
    return i;
}

inline picture operate(const augment::gaussian_blur& op, augment::gaussian_blur::parameters p, const picture& in) {
    const int r = op.kernel / 2;
    std::vector<double> w;
    double total = 0;
    for (int k = -r; k <= r; ++k) total += w.emplace_back(std::exp(-0.5 * std::pow(k / double(p.sigma), 2)));
    return in.map([&](int c, int y, int x) {
        double sum = 0;
        for (int j = -r; j <= r; ++j) {
            for (int i = -r; i <= r; ++i) {
                sum += w[std::size_t(j + r)] * w[std::size_t(i + r)] / total / total *
                       in.at(c, reflect(y + j, in.height), reflect(x + i, in.width));
            }
        }
        return sum;
    });
}

// Column x of a row belongs to the block of random numbers named by x with its bits 4 and 5 cleared, and takes the
// number that those two bits say: (r cos, r sin) of the first two words, then of the others.
inline picture operate(const augment::gaussian_noise& op, augment::gaussian_noise::parameters p, const picture& in) {
    return in.map([&](int c, int y, int x) {
        const auto word =
            selfsame::philox({std::uint32_t(x & ~48), std::uint32_t(y), std::uint32_t(c), 0u}, {p.key[0], p.key[1]});
        const int which = x >> 4 & 3;
        const std::uint32_t a = word[which < 2 ? 0 : 2], b = word[which < 2 ? 1 : 3];
        const double radius = std::sqrt(-2 * std::log((double(a >> 9) + 0.5) / 8388608));
        const double quarter = std::acos(-1.0) / 2;
        const double angle = quarter * (double(b >> 30) + (double(b & 0x3fffffffu) / 1073741824 - 0.5));
        const double z = radius * (which % 2 == 0 ? std::cos(angle) : std::sin(angle));
        const double v = in.at(c, y, x) + double(op.mean) + double(op.sigma) * z;
        return op.clip ? clamped(v) : v;
    });
}

inline picture operate(const augment::random_erasing& op, const selfsame::window& p, const picture& in) {
    return in.map([&](int c, int y, int x) {
        const bool erased = y >= p.top && y < p.top + p.height && x >= p.left && x < p.left + p.width;
        return erased ? double(op.value[c]) : in.at(c, y, x);
    });
}

inline picture operate(const augment::normalize& op, augment::normalize::parameters, const picture& in) {
    return in.map([&](int c, int y, int x) { return (in.at(c, y, x) - double(op.mean[c])) / double(op.deviation[c]); });
}

template <class Op>
picture operate(const augment::random_apply<Op>& op, const typename augment::random_apply<Op>::parameters& p,
                const picture& in) {
    return p.applied ? operate(op.operation, p.operation, in) : in;
}

/// All operations of a pipeline.
template <class... Ops>
picture operate(const augment::pipeline<Ops...>& p, const typename augment::pipeline<Ops...>::parameters& drawn,
                picture image) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((image = operate(selfsame::get<I>(p.operations), selfsame::get<I>(drawn), image)), ...);
    }(std::index_sequence_for<Ops...>());
    return image;
}

}  // namespace reference
