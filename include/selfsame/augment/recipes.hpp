#pragma once

#include "selfsame/augment/color_jitter.hpp"
#include "selfsame/augment/flip.hpp"
#include "selfsame/augment/gaussian_blur.hpp"
#include "selfsame/augment/grayscale.hpp"
#include "selfsame/augment/mask.hpp"
#include "selfsame/augment/normalize.hpp"
#include "selfsame/augment/patch_shuffle.hpp"
#include "selfsame/augment/pipeline.hpp"
#include "selfsame/augment/quarter_turns.hpp"
#include "selfsame/augment/random_apply.hpp"
#include "selfsame/augment/resized_crop.hpp"
#include "selfsame/augment/solarize.hpp"

/// \file
/// Pipelines of published methods, at 224 pixels, with ImageNet's mean and deviation. Copy one to change it.

namespace selfsame::inline SELFSAME_ISA::augment::recipes {

inline constexpr normalize imagenet{{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}};

namespace detail {

constexpr random_resized_crop crop(std::int32_t size, float low, float high,
                                   interpolation method = interpolation::bilinear) {
    return {.height = size, .width = size, .scale = {low, high}, .method = method};
}
/// What most methods do, `then` included, before normalization.
template <image_op... Ops>
constexpr auto distorted(const random_resized_crop& crop, const color_jitter& jitter, float blurred,
                         const Ops&... then) {
    return pipeline{crop,
                    horizontal_flip{},
                    random_apply{0.8f, jitter},
                    random_apply{0.2f, grayscale{}},
                    random_apply{blurred, gaussian_blur{.kernel = 23}},
                    then...,
                    imagenet};
}
constexpr auto solarized(const random_resized_crop& crop, const color_jitter& jitter, float blurred, float solar) {
    return distorted(crop, jitter, blurred, random_apply{solar, solarize{}});
}

}  // namespace detail

/// SimCLR (Chen et al. 2020), both views.
inline constexpr auto simclr = detail::distorted(detail::crop(224, 0.08f, 1), {0.8f, 0.8f, 0.8f, 0.2f}, 0.5f);

/// MoCo v2 (Chen et al. 2020), both views.
inline constexpr auto moco_v2 = detail::distorted(detail::crop(224, 0.2f, 1), {0.4f, 0.4f, 0.4f, 0.1f}, 0.5f);

/// BYOL (Grill et al. 2020): the first view is always blurred, the second rarely, and sometimes solarized.
inline constexpr auto byol_first =
    detail::solarized(detail::crop(224, 0.08f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 1.0f, 0.0f);
inline constexpr auto byol_second =
    detail::solarized(detail::crop(224, 0.08f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 0.1f, 0.2f);

/// SwAV (Caron et al. 2020): two global views and six local ones.
inline constexpr auto swav_global = detail::distorted(detail::crop(224, 0.14f, 1), {0.8f, 0.8f, 0.8f, 0.2f}, 0.5f);
inline constexpr auto swav_local = detail::distorted(detail::crop(96, 0.05f, 0.14f), {0.8f, 0.8f, 0.8f, 0.2f}, 0.5f);

/// DINO (Caron et al. 2021): two global views, which differ, and eight local ones.
inline constexpr auto dino_first =
    detail::solarized(detail::crop(224, 0.4f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 1.0f, 0.0f);
inline constexpr auto dino_second =
    detail::solarized(detail::crop(224, 0.4f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 0.1f, 0.2f);
inline constexpr auto dino_local =
    detail::distorted(detail::crop(96, 0.05f, 0.4f, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 0.5f);

/// DINOv2 (Oquab et al. 2023): DINO's with other crops, local ones of 98, and masks of patches for global views. The
/// probabilities of blurring are DINO's, as documented there.
inline constexpr auto dino_v2_first =
    detail::solarized(detail::crop(224, 0.32f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 1.0f, 0.0f);
inline constexpr auto dino_v2_second =
    detail::solarized(detail::crop(224, 0.32f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 0.1f, 0.2f);
inline constexpr auto dino_v2_local =
    detail::distorted(detail::crop(98, 0.05f, 0.32f, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 0.5f);
inline constexpr block_mask dino_v2_mask{.probability = 0.5f, .ratio = {0.1f, 0.5f}, .least = 4, .most = 0.5f};

/// iBOT (Zhou et al. 2022): DINO's with larger crops, and masks of patches.
inline constexpr auto ibot_first =
    detail::solarized(detail::crop(224, 0.14f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 1.0f, 0.0f);
inline constexpr auto ibot_second =
    detail::solarized(detail::crop(224, 0.14f, 1, interpolation::bicubic), {0.4f, 0.4f, 0.2f, 0.1f}, 0.1f, 0.2f);
inline constexpr auto ibot_local = dino_local;
inline constexpr block_mask ibot_mask{.probability = 0.5f, .ratio = {0.1f, 0.5f}};

/// MAE (He et al. 2022).
inline constexpr pipeline mae{detail::crop(224, 0.2f, 1, interpolation::bicubic), horizontal_flip{}, imagenet};
inline constexpr random_mask mae_mask{.ratio = 0.75f};

/// PIRL's jigsaw (Misra and van der Maaten 2020): 3 x 3 patches of 64, one image of 192.
inline constexpr pipeline pirl{detail::crop(255, 0.6f, 1),
                               horizontal_flip{},
                               random_apply{0.8f, color_jitter{0.8f, 0.8f, 0.8f, 0.2f}},
                               random_apply{0.2f, grayscale{}},
                               patch_shuffle{.rows = 3, .columns = 3, .height = 64, .width = 64},
                               imagenet};

/// RotNet (Gidaris et al. 2018): the last operation's parameters are the label.
inline constexpr pipeline rotnet{detail::crop(224, 0.08f, 1), horizontal_flip{}, imagenet, quarter_turns{}};

}  // namespace selfsame::inline SELFSAME_ISA::augment::recipes
