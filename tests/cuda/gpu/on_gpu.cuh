#pragma once

#include <stdexcept>
#include <string>

#include "../device.hpp"
#include "../placed.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// On a GPU. It reads and writes the memory of the host, all of which is pinned in this program (pinned_memory.cpp).

namespace selfsame_tests {

struct on_gpu {
    static auto policy() { return thrust::cuda::par_nosync; }
    static auto context(const problem&) { return policy(); }
    template <class Tensor>
    static auto place(Tensor&& x) {
        return on_device(x);
    }
    static void wait() {
        const cudaError_t error = cudaDeviceSynchronize();
        if (error != cudaSuccess) throw std::runtime_error(std::string("the GPU: ") + cudaGetErrorString(error));
    }
};

}  // namespace selfsame_tests
