#pragma once

#include "selfsame/cluster/device_sinkhorn.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// Assignment of samples to prototypes on a GPU: `assign` with Thrust's CUDA policies and device tensors.
