#pragma once

#include "selfsame/energy/device_sampler.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// Samplers on a GPU: the calls of energy/sampler.hpp and energy/annealed.hpp with Thrust's CUDA policies and device
/// tensors.
