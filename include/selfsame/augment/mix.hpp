#pragma once

#include <array>

#include "selfsame/augment/pipeline.hpp"
#include "selfsame/core/aliasing.hpp"
#include "selfsame/core/execution.hpp"

/// \file
/// MixUp and CutMix: each image of a batch together with the one before it.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

/// Gamma(a, 1), a > 0 (Marsaglia and Tsang 2000).
constexpr double draw_gamma(random_stream& random, double a) {
    const auto log_unit = [&] { return exact::log((static_cast<double>(random.bits()) + 0.5) * 0x1p-32); };
    double boost = 1;
    if (a < 1) {
        const double e = log_unit() / a;
        boost = e > -690 ? exact::exp(e) : 0;
        a += 1;
    }
    const double d = a - 1.0 / 3, c = 1 / (3 * math::sqrt(d));
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const auto x = static_cast<double>(random.normal());
        const double t = exact::fma(c, x, 1.0);
        if (!(t > 0)) continue;
        const double v = t * t * t, half = 0.5 * x;
        if (log_unit() < exact::fma(half, x, exact::fma(d, exact::log(v), exact::fma(-d, v, d))))
            return boost * (d * v);
    }
    return boost * d;
}

/// Beta(a, a).
constexpr float draw_beta(random_stream& random, float a) {
    const double x = draw_gamma(random, static_cast<double>(a)), y = draw_gamma(random, static_cast<double>(a));
    if (!(x + y > 0)) return random.chance(0.5f) ? 1.0f : 0.0f;
    return static_cast<float>(x / (x + y));
}

inline void check_alpha(std::string_view name, float alpha) {
    if (!(alpha > 0 && finite(alpha))) fail(name, alpha, "> 0");
}

}  // namespace detail

/// x becomes w x + (1 - w) y, with w from Beta(alpha, alpha) for each image (Zhang et al. 2018).
struct mixup {
    float alpha = 1;

    struct parameters {
        float weight;
    };
    void check() const { detail::check_alpha("mixup.alpha", alpha); }
    constexpr parameters draw(random_stream& random, image_shape) const { return {detail::draw_beta(random, alpha)}; }
    constexpr float weight_of(const parameters& p, image_shape) const { return p.weight; }
    /// Pixels [first, second) of row y come from the other image.
    constexpr std::array<std::int32_t, 2> replaced(const parameters&, std::int32_t) const { return {0, 0}; }
    constexpr float mix(const parameters& p, float x, float y) const { return exact::fma(p.weight, x - y, y); }
};

/// A rectangle of the other image is put into x: its area is a share 1 - w of the image, w from Beta(alpha, alpha), its
/// centre uniform; the weight that counts is that of what lies inside (Yun et al. 2019).
struct cutmix {
    float alpha = 1;

    using parameters = window;  ///< inside the image, perhaps empty
    void check() const { detail::check_alpha("cutmix.alpha", alpha); }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        const double share = 0.5 * math::sqrt(1 - static_cast<double>(detail::draw_beta(random, alpha)));
        const auto span = [&](std::int32_t n) {
            const auto centre = static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(n)));
            const auto half = static_cast<std::int32_t>(share * n);
            const std::int32_t low = centre - half > 0 ? centre - half : 0,
                               high = centre + half < n ? centre + half : n;
            return std::array<std::int32_t, 2>{low, high - low};
        };
        const auto [top, height] = span(image.height);
        const auto [left, width] = span(image.width);
        return {top, left, height, width};
    }
    constexpr float weight_of(const parameters& p, image_shape image) const {
        return 1 - static_cast<float>(static_cast<double>(p.height) * p.width /
                                      (static_cast<double>(image.height) * image.width));
    }
    constexpr std::array<std::int32_t, 2> replaced(const parameters& p, std::int32_t y) const {
        const bool inside = y >= p.top && y < p.top + p.height;
        return {inside ? p.left : 0, inside ? p.left + p.width : 0};
    }
    constexpr float mix(const parameters&, float x, float) const { return x; }
};

namespace detail {

/// Where float images lie, and what a mixture makes of a row of two of them.
template <class T>
struct float_images {
    T* data = nullptr;
    image_shape shape{};
    index_t count = 0, image = 0, channel = 0, row = 0, step = 0;

    constexpr T* at(index_t n, index_t c, std::int32_t y) const { return data + n * image + c * channel + y * row; }
    constexpr index_t other(index_t n) const { return n > 0 ? n - 1 : count - 1; }
};
template <class T, class Tensor>
float_images<T> float_images_of(const Tensor& x) {
    return {x.data_handle(),
            {static_cast<std::int32_t>(x.extent(1)), static_cast<std::int32_t>(x.extent(2)),
             static_cast<std::int32_t>(x.extent(3))},
            x.extent(0),
            x.stride(0),
            x.stride(1),
            x.stride(2),
            x.stride(3)};
}

template <class Op>
constexpr typename Op::parameters draw_mix(const Op& op, std::uint64_t id, key k, image_shape shape) {
    random_stream random(k.seed, k.epoch, id, k.view, mix_stream);
    return op.draw(random, shape);
}

/// Columns first, first + step, ... of row y of a channel of image n.
template <class Op>
constexpr void mix_row(const Op& op, const typename Op::parameters& p, const float_images<const float>& from,
                       const float_images<float>& to, index_t n, index_t c, std::int32_t y, std::int32_t first,
                       std::int32_t step) {
    const float *a = from.at(n, c, y), *b = from.at(from.other(n), c, y);
    float* const o = to.at(n, c, y);
    const auto [begin, end] = op.replaced(p, y);
    for (std::int32_t x = first; x < from.shape.width; x += step) {
        const float mine = a[x * from.step], theirs = b[x * from.step];
        o[x * to.step] = x >= begin && x < end ? theirs : op.mix(p, mine, theirs);
    }
}

template <class Op, class In, class To, class Weights>
void check_mix(const Op& op, const In& in, const sample_ids& ids, key k, const To& to, const Weights& weights) {
    static_assert(std::is_same_v<typename In::value_type, float> && std::is_same_v<typename To::element_type, float>,
                  "selfsame: images, out: float tensors are expected");
    op.check();
    check_key(k);
    const index_t count = in.extent(0);
    ids.check(count);
    for (std::size_t r = 0; r < 4; ++r) {
        if (in.extent(r) != to.extent(r)) fail("out", shape_text(to), shape_text(in));
    }
    if (weights.extent(0) != count) {
        fail("weights", joined(weights.extent(0), " values"), joined("one for each of ", count, " images"));
    }
    aliasing_rules rules;
    rules.input("images", in);
    rules.output("out", to);
    rules.output("weights", weights);
}

}  // namespace detail

/// out[n] = image n mixed with image n - 1 (the first with the last), by the stream `mix_stream`; weights[n] is the
/// share of image n, and 1 - weights[n] that of the other: for labels. `images` and `out` are float tensors
/// N x channels x height x width that share no memory, `weights` N floats.
template <execution C, class Op, class Images, class Out, class Weights>
void mix(const C& ctx, const Op& op, const Images& images, const sample_ids& ids, key k, Out&& out, Weights&& weights) {
    const auto in = as_tensor<4>(images);
    const auto to = as_tensor<4>(out);
    const auto shares = as_tensor<1>(weights);
    static_assert(decltype(in)::accessor_type::space == memory_space::host &&
                      decltype(to)::accessor_type::space == memory_space::host &&
                      decltype(shares)::accessor_type::space == memory_space::host,
                  "selfsame: a device tensor was given to a host execution policy");
    detail::check_mix(op, in, ids, k, to, shares);
    if (in.size() == 0) return;
    const auto from = detail::float_images_of<const float>(in);
    const auto made = detail::float_images_of<float>(to);
    parallel_for(as_context(ctx), from.count, [&](index_t n, int) {
        const auto p = detail::draw_mix(op, ids[n], k, from.shape);
        shares(n) = op.weight_of(p, from.shape);
        for (index_t c = 0; c < from.shape.channels; ++c) {
            for (std::int32_t y = 0; y < from.shape.height; ++y) {
                detail::mix_row(op, p, from, made, n, c, y, 0, 1);
            }
        }
    });
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
