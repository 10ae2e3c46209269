#pragma once

#include "selfsame/core/config.hpp"

/// \file
/// How two embeddings are compared. Each is a product of rows after a transformation that engines apply and
/// differentiate while they pack.

namespace selfsame::inline SELFSAME_ISA {

/// a.b / (max(|a|, eps) max(|b|, eps)): rows are normalized inside, so raw projections go in.
struct cosine {
    static constexpr bool normalizes = true;
    static constexpr double epsilon = 1e-12;
};

/// a.b
struct dot {
    static constexpr bool normalizes = false;
};

}  // namespace selfsame::inline SELFSAME_ISA
