#pragma once

#include "selfsame/energy/device_scores.hpp"
#include "selfsame/engine/cuda/device_context.cuh"

/// \file
/// Scores of logits on a GPU: the calls of energy/scores.hpp with Thrust's CUDA policies and device tensors.
