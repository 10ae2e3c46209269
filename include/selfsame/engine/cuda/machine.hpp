#pragma once

#include "selfsame/core/execution.hpp"

/// \file
/// What runs kernels for an execution policy, and the memory that they work in.

namespace selfsame::inline SELFSAME_ISA {

/// What leads a call whose work is done on a device.
template <class C>
concept device_execution = execution<C> && memory_of<decltype(context_of<C>::policy)> == memory_space::device;

namespace device {

/// Specialized with a constructor from the policy, `launch(blocks, kernel)`, which runs a kernel after those before,
/// `has_room<Kernel>(blocks)`, whether so many blocks can live at the same time, and numbers on which bits of results
/// depend:
///
///     enough_blocks  as many as work is shared among where rows are few, times those that a multiprocessor holds
///     slab_bytes     of weights that are there at once, if that is a tile at least
///     slab_columns   of theirs: more would leave too few rows for the second product to be worth reading its operand
template <class Policy>
struct machine;

/// Counts what a `scratch` must hold.
class scratch_count {
  public:
    template <class T>
    T* take(index_t count) {
        bytes_ += scratch_bytes<T>(count);
        return nullptr;
    }
    std::size_t bytes() const { return bytes_; }

  private:
    std::size_t bytes_ = 0;
};

}  // namespace device

}  // namespace selfsame::inline SELFSAME_ISA
