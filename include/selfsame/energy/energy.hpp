#pragma once

/// \file
/// Scores of logits, losses of energies and of scores, and samplers.

#include "selfsame/energy/annealed.hpp"
#include "selfsame/energy/contrast.hpp"
#include "selfsame/energy/likelihood.hpp"
#include "selfsame/energy/margin.hpp"
#include "selfsame/energy/noise_contrastive.hpp"
#include "selfsame/energy/replay_buffer.hpp"
#include "selfsame/energy/sampler.hpp"
#include "selfsame/energy/score_matching.hpp"
#include "selfsame/energy/scores.hpp"
