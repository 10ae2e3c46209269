#pragma once

#include "selfsame/augment/device_apply.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// Augmentations on a GPU: with this header `apply`, `apply_views` and `draw` take Thrust's CUDA policies and device
/// tensors, or an `image_batch` of images in the device's memory.
