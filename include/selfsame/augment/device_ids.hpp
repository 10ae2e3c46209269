#pragma once

#include "selfsame/augment/pipeline.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/cuda/send.hpp"

namespace selfsame::inline SELFSAME_ISA::augment::detail {

/// A list of samples' numbers in the device's memory.
template <class Policy>
class sent_ids {
  public:
    sent_ids(const context<Policy>& ctx, const sample_ids& ids, index_t count)
        : memory_(ctx.policy, scratch_bytes<std::uint64_t>(ids.is_list() ? count : 0)) {
        if (!ids.is_list()) return;
        data_ = memory_.template take<std::uint64_t>(count);
        device::send<std::uint64_t>(device::machine<Policy>(ctx.policy), data_, count,
                                    [&](index_t n) { return ids[n]; });
    }
    /// Null where the numbers are first, first + 1, ...
    const std::uint64_t* data() const { return data_; }

  private:
    scratch<Policy> memory_;
    std::uint64_t* data_ = nullptr;
};

/// The number of sample n, on a device.
struct device_ids {
    std::uint64_t first;
    const std::uint64_t* list;  // or null

    constexpr std::uint64_t operator[](index_t n) const {
        return list != nullptr ? list[n] : first + static_cast<std::uint64_t>(n);
    }
};
inline device_ids device_ids_of(const sample_ids& ids, const std::uint64_t* list) {
    return {ids.is_list() ? 0 : ids[0], list};
}

}  // namespace selfsame::inline SELFSAME_ISA::augment::detail
