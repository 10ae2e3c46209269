#pragma once

#include "selfsame/augment/pipeline.hpp"
#include "selfsame/augment/rectangle.hpp"
#include "selfsame/core/execution.hpp"

/// \file
/// Masks of patches: MAE, iBOT, DINOv2.

namespace selfsame::inline SELFSAME_ISA::augment {

/// A grid of patches; 1 where one is masked.
struct mask_grid {
    std::uint8_t* data;
    std::int32_t height, width;
    index_t row, column;  ///< strides

    constexpr std::uint8_t& at(std::int32_t y, std::int32_t x) const { return data[y * row + x * column]; }
    constexpr std::int32_t count(const window& w) const {
        std::int32_t n = 0;
        for (std::int32_t y = w.top; y < w.top + w.height; ++y) {
            for (std::int32_t x = w.left; x < w.left + w.width; ++x) n += at(y, x);
        }
        return n;
    }
    constexpr void set(const window& w, std::uint8_t value) const {
        for (std::int32_t y = w.top; y < w.top + w.height; ++y) {
            for (std::int32_t x = w.left; x < w.left + w.width; ++x) at(y, x) = value;
        }
    }
};

/// All but int(L (1 - ratio)) of the L patches, each set of them as likely: MAE's.
struct random_mask {
    float ratio = 0.75f;

    void check() const {
        if (!(ratio >= 0 && ratio <= 1)) fail("random_mask.ratio", ratio, "0 to 1");
    }
    constexpr void draw(random_stream& random, const mask_grid& mask) const {
        const std::int32_t patches = mask.height * mask.width;
        std::int32_t kept = static_cast<std::int32_t>(static_cast<double>(patches) * (1 - static_cast<double>(ratio)));
        // Each patch is kept with the share of what is still to be kept.
        for (std::int32_t k = 0; k < patches; ++k) {
            const bool keeps = random.below(static_cast<std::uint32_t>(patches - k)) < static_cast<std::uint32_t>(kept);
            kept -= keeps;
            mask.at(k / mask.width, k % mask.width) = !keeps;
        }
    }
};

/// Rectangles of random area and aspect ratio until a random share of the patches is masked, or nothing more fits: the
/// masks of iBOT and DINOv2. As there, fewer patches than wanted may come out, and no more.
struct block_mask {
    float probability = 1.0f;      ///< of an image to be masked at all
    range ratio{0.3f, 0.3f};       ///< share of patches
    std::int32_t least = 0;        ///< area of a rectangle; 0: (min(height, width) / 3)^2, iBOT's
    float most = 1.0f;             ///< share of patches that a rectangle may have
    range aspect{0.3f, 1 / 0.3f};  ///< height / width

    void check() const {
        detail::check_probability("block_mask.probability", probability);
        detail::check_range("block_mask.ratio", ratio, 0, 1, "0 <= low <= high <= 1");
        if (least < 0) fail("block_mask.least", least, ">= 0");
        if (!(most > 0 && most <= 1)) fail("block_mask.most", most, "a share above 0, at most 1");
        detail::check_positive("block_mask.aspect", aspect);
    }
    constexpr void draw(random_stream& random, const mask_grid& mask) const {
        mask.set({0, 0, mask.height, mask.width}, 0);
        if (!random.chance(probability)) return;
        const std::int32_t patches = mask.height * mask.width;
        const double wanted = static_cast<double>(random.uniform(ratio.low, ratio.high)) * patches;
        const std::int32_t side = (mask.height < mask.width ? mask.height : mask.width) / 3;
        const double low = least > 0 ? least : side * side;
        for (double count = 0; count < wanted;) {
            const double rest = wanted - count, largest = static_cast<double>(most) * patches;
            const std::int32_t added = add(random, mask, low, rest < largest ? rest : largest);
            if (added == 0) break;
            count += added;
        }
    }

  private:
    constexpr std::int32_t add(random_stream& random, const mask_grid& mask, double low, double high) const {
        for (int attempt = 0; attempt < 10; ++attempt) {
            const double area = exact::fma(static_cast<double>(random.uniform()), high - low, low);
            const auto [w, h] = detail::draw_sides(random, area > 0 ? area : 0, {1, 1}, aspect);
            if (h < 1 || h >= mask.height || w < 1 || w >= mask.width) continue;
            const std::int32_t top = detail::up_to(random, mask.height - h);
            const window block{top, detail::up_to(random, mask.width - w), h, w};
            const std::int32_t added = h * w - mask.count(block);
            if (added <= 0 || added > high) continue;
            mask.set(block, 1);
            return added;
        }
        return 0;
    }
};

namespace detail {

template <class Mask, class Out>
void check_masks(const Mask& op, const sample_ids& ids, key k, const Out& masks) {
    static_assert(std::is_same_v<typename Out::element_type, std::uint8_t>,
                  "selfsame: out: a tensor N x height x width of std::uint8_t is expected");
    op.check();
    check_key(k);
    ids.check(masks.extent(0));
    check_writable("out", masks);
    if (masks.extent(1) > 4096 || masks.extent(2) > 4096) fail("out", shape_text(masks), "sides of 4096 at most");
}

template <class Out>
mask_grid grid_of(const Out& masks) {
    return {masks.data_handle(), static_cast<std::int32_t>(masks.extent(1)), static_cast<std::int32_t>(masks.extent(2)),
            masks.stride(1), masks.stride(2)};
}

/// The mask of sample `id` in its grid.
template <class Mask>
constexpr void draw_mask(const Mask& op, std::uint64_t id, key k, const mask_grid& grid) {
    random_stream random(k.seed, k.epoch, id, k.view, mask_stream);
    op.draw(random, grid);
}

}  // namespace detail

/// Draws a mask for each sample into `out`, N x height x width of std::uint8_t, by the stream `mask_stream`.
template <execution C, class Mask, class Out>
void draw_masks(const C& ctx, const Mask& op, const sample_ids& ids, key k, Out&& out) {
    const auto masks = as_tensor<3>(out);
    static_assert(decltype(masks)::accessor_type::space == memory_space::host,
                  "selfsame: a device tensor was given to a host execution policy");
    detail::check_masks(op, ids, k, masks);
    const mask_grid first = detail::grid_of(masks);
    parallel_for(as_context(ctx), masks.extent(0), [&](index_t n, int) {
        mask_grid grid = first;
        grid.data += n * masks.stride(0);
        detail::draw_mask(op, ids[n], k, grid);
    });
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
