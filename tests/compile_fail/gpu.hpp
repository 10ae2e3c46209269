#pragma once

#include <thrust/system/cpp/execution_policy.h>

#include "selfsame/engine/cuda/machine.hpp"

/// \file
/// An execution policy for a device that runs nothing.

struct gpu : thrust::system::cpp::detail::execution_policy<gpu> {};
template <>
inline constexpr selfsame::memory_space selfsame::memory_of<gpu> = selfsame::memory_space::device;
template <>
struct selfsame::device::machine<gpu> {
    static constexpr index_t enough_blocks = 1;
    static constexpr index_t slab_bytes = 128 << 10, slab_columns = 256;
    explicit machine(gpu) {}
    template <class Kernel>
    bool has_room(selfsame::index_t) const {
        return true;
    }
    template <class Kernel>
    void launch(index_t, const Kernel&) const {}
};
