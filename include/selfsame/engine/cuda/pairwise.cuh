#pragma once

#include "selfsame/engine/cuda/device_context.cuh"
#include "selfsame/engine/cuda/pairwise.hpp"

/// \file
/// Objectives over pairs on a GPU: with this header, `forward`, `backward` and `value_and_grad` take
/// `thrust::cuda::par_nosync(allocator).on(stream)` and the like with tensors of device memory. The loss stays there,
/// in a tensor that is given for it; upstream is such a tensor, or a value. Nothing waits for the stream. The kernels
/// have been executed on the host, thread by thread, and never yet on a GPU.
