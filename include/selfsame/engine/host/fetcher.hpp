#pragma once

#include <algorithm>
#include <cstddef>

#include "selfsame/core/config.hpp"

/// \file
/// Blocks that will be wanted next, brought into the second-level cache while there is work on others.

namespace selfsame::inline SELFSAME_ISA::host {

class fetcher {
  public:
    void add(const void* begin, std::size_t bytes) {
        const char* at = static_cast<const char*>(begin);
        ranges_[count_++] = {at, at + bytes};
        bytes_ += bytes;
    }
    /// After all are added: they are fetched in so many steps.
    void spread(std::size_t steps) { bytes_in_step_ = (bytes_ / line + steps - 1) / steps * line; }
    SELFSAME_INLINE void step() {
        if (current_ == count_) return;
        range& r = ranges_[current_];
        const std::size_t bytes = (std::min)(bytes_in_step_, static_cast<std::size_t>(r.end - r.begin));
        for (std::size_t b = 0; b < bytes; b += line) __builtin_prefetch(r.begin + b, 0, 2);
        r.begin += bytes;
        if (r.begin == r.end) ++current_;
    }

  private:
    static constexpr std::size_t line = 64;
    struct range {
        const char* begin;
        const char* end;
    };
    range ranges_[3];
    int count_ = 0, current_ = 0;
    std::size_t bytes_ = 0, bytes_in_step_ = 0;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
