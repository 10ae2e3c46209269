#pragma once

#include "device.hpp"
#if defined(__CUDACC__)
#include "gpu/on_gpu.cuh"
#else
#include "fiber_machine.hpp"
#endif

/// \file
/// `where` is how units that both compilers see evaluate: every thread a fiber, or on a GPU.

namespace selfsame_tests {

#if defined(__CUDACC__)
using where = on_gpu;
#else
template <bool Warpgroups>
struct in_fibers {
    static fibers_of<Warpgroups> policy() {
        const thread_order orders[] = {
            {thread_order::forward}, {thread_order::reverse}, {thread_order::shuffled, 1}, {thread_order::shuffled, 2}};
        fibers_of<Warpgroups> p;
        p.order = orders[order_of_threads];
        p.enough_blocks = enough_blocks;
        p.room = blocks_at_once;
        p.slab_columns = slab_columns;
        return p;
    }
    static auto context(const problem&) { return policy(); }
    template <class Tensor>
    static auto place(Tensor&& x) {
        return on_device(x);
    }
    static void wait() {}
};
using where = in_fibers<false>;
#endif

}  // namespace selfsame_tests
