#pragma once

#include <thrust/execution_policy.h>
#include <thrust/system/cpp/execution_policy.h>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>
#include <typeinfo>

#include "fiber_context.hpp"
#include "placed.hpp"
#include "selfsame/engine/cuda/machine.hpp"

/// \file
/// An execution policy that runs the device's engines on the host, every thread of a kernel a fiber. "Device memory" is
/// the host's, tagged.

namespace selfsame_tests {

template <bool Warpgroups>
struct fibers_of : thrust::system::cpp::detail::execution_policy<fibers_of<Warpgroups>> {
    thread_order order{};
    // Few, so that blocks walk several tiles, and weights come in several slabs.
    index_t enough_blocks = 4;
    index_t slab_bytes = 128 << 10, slab_columns = 256;
    index_t room = 4;  // for blocks that live at the same time
};
using fibers = fibers_of<false>;

/// Scratch memory begins as what an earlier call may have left there: first messages, of 0.
template <class T, bool W>
thrust::pair<T*, std::ptrdiff_t> get_temporary_buffer(fibers_of<W>&, std::ptrdiff_t count) {
    const auto bytes = static_cast<std::size_t>(count) * sizeof(T);
    auto* const words = static_cast<std::uint64_t*>(std::malloc(bytes + sizeof(std::uint64_t)));
    std::fill_n(words, bytes / sizeof(std::uint64_t) + 1, std::uint64_t(1) << 32);
    return {reinterpret_cast<T*>(words), count};
}
template <bool W, class Pointer>
void return_temporary_buffer(fibers_of<W>&, Pointer p, std::ptrdiff_t) {
    std::free(thrust::raw_pointer_cast(p));
}

/// Types of the kernels that were launched.
inline std::set<std::string>& launched() {
    static std::set<std::string> names;
    return names;
}

}  // namespace selfsame_tests

template <bool W>
inline constexpr selfsame::memory_space selfsame::memory_of<selfsame_tests::fibers_of<W>> =
    selfsame::memory_space::device;

template <bool W>
struct selfsame::device::machine<selfsame_tests::fibers_of<W>> {
    explicit machine(const selfsame_tests::fibers_of<W>& policy)
        : order(policy.order), enough_blocks(policy.enough_blocks), slab_bytes(policy.slab_bytes),
          slab_columns(policy.slab_columns), room(policy.room) {}

    template <class Kernel>
    void launch(index_t blocks, const Kernel& kernel) const {
        if (blocks == 0) return;
        selfsame_tests::launched().insert(typeid(Kernel).name());
        selfsame_tests::run_in_fibers<W>(blocks, kernel, order);
    }
    template <class Kernel>
    bool has_room(index_t blocks) const {
        return blocks <= room;
    }
    selfsame_tests::thread_order order;
    index_t enough_blocks, slab_bytes, slab_columns, room;
};
