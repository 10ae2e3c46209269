#pragma once

#include "selfsame/engine/cuda/device_context.cuh"
#include "selfsame/objective/device_swav.hpp"

/// \file
/// SwAV on a GPU: the calls of objective/swav.hpp with Thrust's CUDA policies and device tensors.
