#pragma once

#include "selfsame/core/config.hpp"

/// \file
/// Which pairs of a batch of anchors a_i and positives p_i a loss contrasts with (a_i, p_i). The rows of a loss are
/// averaged to one value a sample.

namespace selfsame::inline SELFSAME_ISA {

/// SimCLR: 2N rows, every view an anchor; a row contrasts its partner with the other 2N - 2 views.
struct both_views {
    static constexpr bool one_set = true, two_way = false, own_queue = false;
};

/// N rows: a_i contrasts p_i with the other positives.
struct in_batch {
    static constexpr bool one_set = false, two_way = false, own_queue = false;
};

/// CLIP: N rows as in_batch and N columns, p_i contrasting a_i with the other anchors.
struct in_batch_two_way {
    static constexpr bool one_set = false, two_way = true, own_queue = false;
};

/// MoCo: N rows; a_i contrasts p_i with the M rows of a queue, which is a third input.
struct from_queue {
    static constexpr bool one_set = false, two_way = false, own_queue = true;
};

}  // namespace selfsame::inline SELFSAME_ISA
