#pragma once

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <thrust/system/tbb/execution_policy.h>

#include "selfsame/core/execution.hpp"

/// \file
/// Loops on TBB for thrust::tbb::par.

namespace selfsame::inline SELFSAME_ISA {

template <class Policy>
    requires std::is_base_of_v<thrust::tbb::execution_policy<Policy>, Policy>
struct executor<Policy> {
    static int workers(int threads) { return threads > 0 ? threads : oneapi::tbb::this_task_arena::max_concurrency(); }
    template <class Body>
    static void run(index_t count, int threads, Body&& body) {
        // An arena of its own, so that thread numbers stay below `threads`.
        oneapi::tbb::task_arena arena(threads);
        arena.execute([&] {
            oneapi::tbb::parallel_for(
                index_t{0}, count, [&](index_t k) { body(k, oneapi::tbb::this_task_arena::current_thread_index()); },
                oneapi::tbb::simple_partitioner());
        });
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
