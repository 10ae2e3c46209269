#pragma once

#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/ThrustAllocator.h>

#include "selfsame/engine/cuda/device_context.cuh"
#include "selfsame/interop/torch.hpp"

/// \file
/// LibTorch tensors on a GPU: `torch_view<T, Rank, memory_space::device>` shows their memory, and `torch_gpu()` leads
/// any call, `differentiable` of interop/torch.hpp too.

namespace selfsame::inline SELFSAME_ISA {

/// On PyTorch's current stream, in memory of its caching allocator, without waiting.
inline auto torch_gpu() {
    static at::cuda::ThrustAllocator allocator;  // it has no state
    return thrust::cuda::par_nosync(allocator).on(at::cuda::getCurrentCUDAStream().stream());
}

}  // namespace selfsame::inline SELFSAME_ISA
