#pragma once

#include "fiber_machine.hpp"
#include "objective/evaluate.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"

namespace selfsame_tests {

/// On the device's engine, every thread a fiber; `order_of_threads` says in which order.
inline thread_order order_of_threads{};
/// Among how many blocks work is shared where rows are few.
inline index_t enough_blocks = 4;

struct in_fibers {
    static fibers context(const problem&) {
        fibers policy;
        policy.order = order_of_threads;
        policy.enough_blocks = enough_blocks;
        return policy;
    }
    template <class Tensor>
    static auto place(Tensor&& x) {
        return on_device(x);
    }
};

answer evaluate_in_fibers(const problem& p, which calls = everything);
answer evaluate_doubles_in_fibers(const problem& p, which calls);
answer evaluate_halves_in_fibers(const problem& p, which calls);
answer evaluate_bfloats_in_fibers(const problem& p, which calls);
answer evaluate_bfloat_products_in_fibers(const problem& p, which calls);

}  // namespace selfsame_tests
