#pragma once

#include <array>
#include <span>

#include "selfsame/augment/pipeline.hpp"
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

/// out[n] = image n mixed with image n - 1 (the first with the last), by the stream `mix_stream`; weights[n] is the
/// share of image n, and 1 - weights[n] that of the other: for labels. `images` and `out` are float tensors
/// N x channels x height x width that share no memory.
template <execution C, class Op, class Images, class Out>
void mix(const C& ctx, const Op& op, const Images& images, const sample_ids& ids, key k, Out&& out,
         std::span<float> weights) {
    const auto in = as_tensor<4>(images);
    const auto to = as_tensor<4>(out);
    static_assert(std::is_same_v<typename decltype(in)::value_type, float> &&
                      std::is_same_v<typename decltype(to)::element_type, float>,
                  "selfsame: images, out: float tensors are expected");
    op.check();
    detail::check_key(k);
    const index_t count = in.extent(0);
    ids.check(count);
    check_writable("out", to);
    for (std::size_t r = 0; r < 4; ++r) {
        if (in.extent(r) != to.extent(r)) fail("out", shape_text(to), shape_text(in));
    }
    if (static_cast<index_t>(weights.size()) != count) {
        fail("weights", joined(weights.size(), " values"), joined("one for each of ", count, " images"));
    }
    if (in.size() == 0) return;
    const image_shape shape{static_cast<std::int32_t>(in.extent(1)), static_cast<std::int32_t>(in.extent(2)),
                            static_cast<std::int32_t>(in.extent(3))};
    parallel_for(as_context(ctx), count, [&](index_t n, int) {
        random_stream random(k.seed, k.epoch, ids[n], k.view, mix_stream);
        const auto p = op.draw(random, shape);
        weights[static_cast<std::size_t>(n)] = op.weight_of(p, shape);
        const index_t other = n > 0 ? n - 1 : count - 1;
        for (index_t c = 0; c < shape.channels; ++c) {
            for (std::int32_t y = 0; y < shape.height; ++y) {
                const float* a = in.data_handle() + n * in.stride(0) + c * in.stride(1) + y * in.stride(2);
                const float* b = in.data_handle() + other * in.stride(0) + c * in.stride(1) + y * in.stride(2);
                float* o = to.data_handle() + n * to.stride(0) + c * to.stride(1) + y * to.stride(2);
                const auto [first, last] = op.replaced(p, y);
                for (std::int32_t x = 0; x < shape.width; ++x) {
                    const float from = a[x * in.stride(3)], with = b[x * in.stride(3)];
                    o[x * to.stride(3)] = x >= first && x < last ? with : op.mix(p, from, with);
                }
            }
        }
    });
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
