#pragma once

#include "selfsame/augment/autocontrast.hpp"
#include "selfsame/augment/brightness.hpp"
#include "selfsame/augment/color_jitter.hpp"
#include "selfsame/augment/contrast.hpp"
#include "selfsame/augment/equalize.hpp"
#include "selfsame/augment/flip.hpp"
#include "selfsame/augment/gaussian_blur.hpp"
#include "selfsame/augment/gaussian_noise.hpp"
#include "selfsame/augment/grayscale.hpp"
#include "selfsame/augment/hue.hpp"
#include "selfsame/augment/invert.hpp"
#include "selfsame/augment/normalize.hpp"
#include "selfsame/augment/pipeline.hpp"
#include "selfsame/augment/posterize.hpp"
#include "selfsame/augment/random_apply.hpp"
#include "selfsame/augment/random_erasing.hpp"
#include "selfsame/augment/resize.hpp"
#include "selfsame/augment/resized_crop.hpp"
#include "selfsame/augment/rotation.hpp"
#include "selfsame/augment/saturation.hpp"
#include "selfsame/augment/sharpness.hpp"
#include "selfsame/augment/solarize.hpp"

/// \file
/// All augmentations.
