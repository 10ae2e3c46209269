#pragma once

#include "selfsame/augment/device_apply.hpp"
#include "selfsame/augment/device_mix.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// Augmentations on a GPU: with this header `apply`, `apply_views`, `draw`, `draw_masks` and `mix` take Thrust's CUDA
/// policies and device tensors, the first three also an `image_batch` of images in the device's memory.
