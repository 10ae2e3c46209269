#pragma once

#include "selfsame/core/execution.hpp"

/// \file
/// What runs kernels for an execution policy, and the memory that they work in.

namespace selfsame::inline SELFSAME_ISA::device {

/// Specialized with a constructor from the policy, `launch(blocks, kernel)`, which runs a kernel after those before,
/// and `enough_blocks`, as many as work is shared among where rows are few; bits of results depend on it.
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

}  // namespace selfsame::inline SELFSAME_ISA::device
