#pragma once

#include "selfsame/engine/cuda/device_context.cuh"
#include "selfsame/engine/cuda/pairwise.hpp"

/// \file
/// Objectives over pairs on a GPU: with this header, `forward`, `backward` and `value_and_grad` take
/// `thrust::cuda::par_nosync(allocator).on(stream)` and the like with tensors of device memory. The loss stays there,
/// in a tensor that is given for it; upstream is such a tensor, or a value. Nothing waits for the stream. Products of
/// bfloat16 want a GPU of sm_90 or newer, and are fastest on sm_90 where the unit is compiled for sm_90a.
