#pragma once

#include "selfsame/core/config.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// How the losses of samples become the output.
enum class reduction {
    mean,        ///< one value; 0 for an empty batch
    sum,         ///< one value
    per_sample,  ///< one value a sample; backward takes one upstream value a sample
};

}  // namespace selfsame::inline SELFSAME_ISA
