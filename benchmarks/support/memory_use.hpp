#pragma once

#include <cstddef>
#include <functional>

/// \file
/// Memory that a call needs for itself: what it takes of malloc and operator new, and how much the process grows.

namespace benchmarks {

struct memory_use {
    std::ptrdiff_t allocated = 0;  ///< most bytes allocated at a time, beyond those that were there before
    std::ptrdiff_t resident = 0;   ///< growth of the peak resident set; 0 where the system does not tell
};

/// Runs the call and observes it. All threads count, so nothing else may run.
memory_use observe_memory(const std::function<void()>& call);

}  // namespace benchmarks
