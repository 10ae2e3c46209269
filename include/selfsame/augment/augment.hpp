#pragma once

#include "selfsame/augment/blur.hpp"
#include "selfsame/augment/color.hpp"
#include "selfsame/augment/geometry.hpp"
#include "selfsame/augment/noise.hpp"
#include "selfsame/augment/normalize.hpp"
#include "selfsame/augment/pipeline.hpp"

/// \file
/// All augmentations.
