#pragma once

#include "objective/helpers.hpp"

/// \file
/// Problems evaluated by the device's engines: in fibers, or on a GPU where the units that instantiate them are
/// compiled by nvcc (gpu/).

namespace selfsame_tests {

/// In which order the threads of a block run, where a test can choose: forward, backward, or shuffled in two ways.
inline int order_of_threads = 0;
inline constexpr int thread_orders = 4;
/// Among how many blocks work is shared where rows are few, where a test can choose.
inline index_t enough_blocks = 4;
inline index_t blocks_at_once = 4;  // that live at the same time; on a GPU it is as it is
/// How many columns of weights are there at once, where a test can choose.
inline index_t slab_columns = 256;
/// Whether warpgroups multiply, where a test can choose.
inline bool warpgroups = false;

answer evaluate_on_device(const problem& p, which calls = everything);
answer evaluate_doubles_on_device(const problem& p, which calls);
answer evaluate_halves_on_device(const problem& p, which calls);
answer evaluate_bfloats_on_device(const problem& p, which calls);
answer evaluate_bfloat_products_on_device(const problem& p, which calls);
answer evaluate_in_warpgroups(const problem& p, which calls);

}  // namespace selfsame_tests
