#pragma once

#include "selfsame/engine/cuda/device_context.cuh"
#include "selfsame/objective/device_soft_cross_entropy.hpp"

/// \file
/// Cross-entropy with soft targets on a GPU: the calls of objective/soft_cross_entropy.hpp with Thrust's CUDA policies
/// and device tensors.
