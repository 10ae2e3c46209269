#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "reference.hpp"
#include "selfsame/objective/info_nce.hpp"
#include "support.hpp"

/// \file
/// Shared by the tests of objectives: problems with memory layouts, and one function that gives a problem to the
/// library whatever its types are. The library's templates are instantiated once, in evaluate_*.cpp.

namespace selfsame_tests {

using selfsame::bfloat16;
using selfsame::half;
using selfsame::index_t;

/// How a matrix lies in memory. The last two make all rows, or all elements, one and the same: only for inputs.
enum class layout { packed, padded, transposed, upside_down, mirrored, spread, repeated, constant };
inline constexpr int output_layouts = 6, input_layouts = 8;

/// A matrix in some layout, in memory whose other elements must stay as they are.
template <class T>
class stored {
  public:
    stored(std::size_t rows, std::size_t width, layout how = layout::packed)
        : rows_(static_cast<index_t>(rows)), width_(static_cast<index_t>(width)) {
        const index_t r = rows_, w = width_;
        const std::array<index_t, 2> strides[] = {{w, 1},  {w + 3, 1},     {1, r + 1}, {-(w + 1), 1},
                                                  {w, -1}, {3 * w + 2, 3}, {0, 1},     {0, 0}};
        strides_ = strides[static_cast<int>(how)];
        index_t low = 0, high = 0;
        for (const index_t reach : {(r - 1) * strides_[0], (w - 1) * strides_[1]}) {
            if (r > 0 && w > 0) (reach < 0 ? low : high) += reach;
        }
        memory_.assign(static_cast<std::size_t>(high - low + 1 + 2 * guard), blank());
        origin_ = guard - low;
    }
    stored(const dense& values, layout how) : stored(values.rows, values.width, how) { set(values); }

    selfsame::tensor<T, 2> view() { return selfsame::view(memory_.data() + origin_, shape(), strides_); }
    selfsame::tensor<const T, 2> view() const {
        return selfsame::view(static_cast<const T*>(memory_.data()) + origin_, shape(), strides_);
    }
    void set(const dense& values) {
        for (std::size_t i = 0; i < values.rows; ++i) {
            for (std::size_t k = 0; k < values.width; ++k) at(i, k) = selfsame::element_cast<T>(values.row(i)[k]);
        }
    }
    dense get() const {
        dense values(static_cast<std::size_t>(rows_), static_cast<std::size_t>(width_));
        for (std::size_t i = 0; i < values.rows; ++i) {
            for (std::size_t k = 0; k < values.width; ++k) {
                values.row(i)[k] = selfsame::element_cast<double>(const_cast<stored*>(this)->at(i, k));
            }
        }
        return values;
    }
    /// Whether what lies beside and between the elements is as it was.
    bool untouched() const {
        std::vector<bool> ours(memory_.size(), false);
        for (index_t i = 0; i < rows_; ++i) {
            for (index_t k = 0; k < width_; ++k)
                ours[static_cast<std::size_t>(origin_ + i * strides_[0] + k * strides_[1])] = true;
        }
        for (std::size_t e = 0; e < memory_.size(); ++e) {
            if (!ours[e] && !(memory_[e] == blank())) return false;
        }
        return true;
    }

  private:
    static constexpr index_t guard = 5;
    static T blank() { return selfsame::element_cast<T>(-77.0); }
    std::array<index_t, 2> shape() const { return {rows_, width_}; }
    T& at(std::size_t i, std::size_t k) {
        return memory_[static_cast<std::size_t>(origin_ + static_cast<index_t>(i) * strides_[0] +
                                                static_cast<index_t>(k) * strides_[1])];
    }

    index_t rows_, width_, origin_ = 0;
    std::array<index_t, 2> strides_{};
    std::vector<T> memory_;
};

enum class elements { floats, doubles, halves, bfloats, mixed_to_float, mixed_to_double };

struct problem {
    contrast against = contrast::both_views;
    bool normalize = true;
    bool bfloat_products = false;
    double temperature = 0.1;
    total how = total::mean;
    dense anchors, positives, queue;
    std::vector<double> upstream = {1.0};
    elements types = elements::floats;
    layout in[3] = {layout::packed, layout::packed, layout::packed};
    layout out[3] = {layout::packed, layout::packed, layout::packed};
    int threads = 1;
    std::size_t scratch_bytes = 0;
};

/// What one way of calling the library gives.
struct outcome {
    std::vector<double> loss{};
    dense anchors{}, positives{}, queue{};
    double temperature = 0;
    bool stayed_inside = true;  ///< nothing beside the outputs was written
};

struct answer {
    problem rounded;       ///< with embeddings as their types and layouts made them
    outcome apart;         ///< forward and backward with the problem's upstream
    outcome apart_of_one;  ///< the same with upstream 1
    outcome fused;         ///< value_and_grad
};

enum which { apart = 1, fused = 2, everything = 3 };

/// Gives the problem to the library.
answer evaluate(const problem& p, which calls = everything);
answer evaluate_floats(const problem& p, which calls);
answer evaluate_doubles(const problem& p, which calls);
answer evaluate_halves(const problem& p, which calls);
answer evaluate_bfloats(const problem& p, which calls);
answer evaluate_mixed(const problem& p, which calls);
answer evaluate_bfloat_products(const problem& p, which calls);

inline answer evaluate(const problem& p, which calls) {
    if (p.bfloat_products) return evaluate_bfloat_products(p, calls);
    switch (p.types) {
        case elements::floats:
            return evaluate_floats(p, calls);
        case elements::doubles:
            return evaluate_doubles(p, calls);
        case elements::halves:
            return evaluate_halves(p, calls);
        case elements::bfloats:
            return evaluate_bfloats(p, calls);
        default:
            return evaluate_mixed(p, calls);
    }
}

inline reference_result reference(const problem& p, bool gradients = true) {
    return reference(p.against, p.normalize, p.temperature, p.how, p.anchors, p.positives, p.queue, p.upstream,
                     gradients);
}

/// Values of about unit size; positives lie near their anchors by `likeness` (1: the same).
inline problem random_problem(contrast against, std::size_t n, std::size_t width, std::size_t m, std::uint64_t seed,
                              double likeness = 0.5) {
    std::mt19937_64 random(seed);
    std::normal_distribution<double> normal;
    problem p;
    p.against = against;
    p.anchors = dense(n, width);
    p.positives = dense(n, width);
    p.queue = dense(against == contrast::queue ? m : 0, width);
    for (double& v : p.anchors.values) v = normal(random);
    for (double& v : p.queue.values) v = normal(random);
    for (std::size_t e = 0; e < p.positives.values.size(); ++e) {
        p.positives.values[e] = likeness * p.anchors.values[e] + (1 - likeness) * normal(random);
    }
    return p;
}

inline double frobenius(const dense& a) {
    double s = 0;
    for (const double v : a.values) s += v * v;
    return std::sqrt(s);
}
inline double distance(const dense& a, const dense& b) {
    if (a.rows != b.rows || a.width != b.width) return std::numeric_limits<double>::infinity();
    double s = 0;
    for (std::size_t e = 0; e < a.values.size(); ++e) s += (a.values[e] - b.values[e]) * (a.values[e] - b.values[e]);
    return std::sqrt(s);
}

/// Equal to the bit, NaN included.
inline bool same(const std::vector<double>& a, const std::vector<double>& b) {
    if (a.size() != b.size()) return false;
    for (std::size_t e = 0; e < a.size(); ++e) {
        if (!(a[e] == b[e] || (std::isnan(a[e]) && std::isnan(b[e])))) return false;
    }
    return true;
}
inline bool same(const outcome& a, const outcome& b) {
    return same(a.loss, b.loss) && same(a.anchors.values, b.anchors.values) &&
           same(a.positives.values, b.positives.values) && same(a.queue.values, b.queue.values) &&
           same(std::vector<double>{a.temperature}, std::vector<double>{b.temperature});
}

/// How close a result has to be: `loss` relative to max(1, |loss|), `gradient` relative in the Frobenius norm, and
/// `rounding` relative to the gradient that there would be if nothing cancelled.
struct closeness {
    double loss = 1e-6, gradient = 2e-5, rounding = 0;
};

/// Empty, or what is wrong with a result.
inline std::string complaints(const outcome& got, const reference_result& expected, total how, closeness c) {
    std::ostringstream text;
    const std::vector<double> losses = how == total::per_sample ? expected.losses : std::vector<double>{expected.loss};
    if (got.loss.size() != losses.size()) text << "loss has " << got.loss.size() << " values; ";
    for (std::size_t i = 0; i < got.loss.size() && i < losses.size(); ++i) {
        const double off = std::fabs(got.loss[i] - losses[i]) / (std::max)(1.0, std::fabs(losses[i]));
        if (!(off <= c.loss)) {
            text << "loss " << i << " is " << got.loss[i] << ", expected " << losses[i] << ", off by " << off << "; ";
            break;
        }
    }
    const auto matrix = [&](const char* name, const dense& g, const dense& e, double scale) {
        const double off = distance(g, e), size = frobenius(e);
        if (!(off <= c.gradient * size + c.rounding * scale + 1e-30)) {
            text << "gradient of " << name << " is off by " << off << ", relative " << off / size << ", to its terms "
                 << off / scale << "; ";
        }
    };
    matrix("anchors", got.anchors, expected.anchors, expected.anchors_scale);
    matrix("positives", got.positives, expected.positives, expected.positives_scale);
    matrix("queue", got.queue, expected.queue, expected.queue_scale);
    const double off = std::fabs(got.temperature - expected.temperature);
    if (!(off <= c.gradient * std::fabs(expected.temperature) +
                     (std::max)(c.rounding, c.gradient) * expected.temperature_scale + 1e-30)) {
        text << "gradient of temperature is " << got.temperature << ", expected " << expected.temperature
             << ", relative to its terms " << off / expected.temperature_scale << "; ";
    }
    if (!got.stayed_inside) text << "wrote beside an output; ";
    return text.str();
}

inline std::string describe(const problem& p) {
    static constexpr const char* contrast_names[] = {"both_views", "in_batch", "two_way", "queue"};
    static constexpr const char* types[] = {"float", "double", "half", "bfloat16", "mixed to float", "mixed to double"};
    std::ostringstream text;
    text << contrast_names[static_cast<int>(p.against)] << (p.normalize ? " cosine " : " dot ")
         << types[static_cast<int>(p.types)] << (p.bfloat_products ? " bfloat16 products" : "") << " N "
         << p.anchors.rows << " D " << p.anchors.width << " M " << p.queue.rows << " T " << p.temperature
         << " reduction " << static_cast<int>(p.how) << " layouts";
    for (const layout l : p.in) text << ' ' << static_cast<int>(l);
    text << " to";
    for (const layout l : p.out) text << ' ' << static_cast<int>(l);
    text << " threads " << p.threads << " scratch " << p.scratch_bytes << ": ";
    return text.str();
}

}  // namespace selfsame_tests
