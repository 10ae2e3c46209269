#pragma once

#include "selfsame/energy/device_losses.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// Losses of energies on a GPU: the calls of energy/margin.hpp, likelihood.hpp, noise_contrastive.hpp and contrast.hpp
/// with Thrust's CUDA policies and device tensors.
