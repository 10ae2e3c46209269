#pragma once

#include <cstddef>
#include <type_traits>
#include <typeinfo>

#include "selfsame/engine/cuda/block_context.hpp"
#include "shared_shadow.hpp"

/// \file
/// The block context on the host. It reports a barrier that not all threads reach, an operation of a warp that not all
/// lanes reach, and races in shared memory, each with the kernel's line.

namespace selfsame_tests {

using selfsame::index_t;

class fiber_context {
  public:
    fiber_context(fiber_block& block, shared_memory& memory) : block_(block), memory_(memory) {}

    void enter_block(index_t rank) {
        rank_ = rank;
        memory_.forget();
    }

    int thread() const { return block_.current(); }
    int lane() const { return block_.current() % fiber_block::warp; }
    int warp() const { return block_.current() / fiber_block::warp; }
    index_t block() const { return rank_; }

    void sync(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        const site at{file, line};
        if (!waits::is_deleted(at)) block_.wait_for_block(at);
    }

    template <class T>
    T shuffle_xor(T x, int mask, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        static_assert(std::is_trivially_copyable_v<T>);
        struct registers {
            T given;
            int mask;
            T got;
        } mine{x, mask, x};
        block_.with_warp(
            [](void* const* lanes) {
                for (int l = 0; l < fiber_block::warp; ++l) {
                    auto* to = static_cast<registers*>(lanes[l]);
                    to->got = static_cast<const registers*>(lanes[l ^ to->mask])->given;
                }
            },
            &mine, {file, line});
        return mine.got;
    }

    template <class S>
    S& shared() {
        return *reinterpret_cast<S*>(memory_.data());
    }
    template <class T>
    T read(const T& value, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        memory_.reads(&value, sizeof(T), {file, line});
        return value;
    }
    template <class T>
    void write(T& value, std::type_identity_t<T> x, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        memory_.writes(&value, sizeof(T), {file, line});
        value = x;
    }

  private:
    fiber_block& block_;
    shared_memory& memory_;
    index_t rank_ = 0;
};

static_assert(selfsame::device::block_context<fiber_context>);

/// Runs a kernel, its blocks one after the other.
template <class Kernel>
void run_in_fibers(index_t blocks, const Kernel& kernel, thread_order order = {}) {
    static_assert(std::is_trivially_copyable_v<Kernel>);
    fiber_block block(Kernel::threads);
    shared_memory memory(block, sizeof(typename Kernel::shared));
    fiber_context context(block, memory);
    const auto body = [&] { kernel(context); };
    for (index_t rank = 0; rank < blocks; ++rank) {
        context.enter_block(rank);
        block.run(body, order);
    }
}

}  // namespace selfsame_tests
