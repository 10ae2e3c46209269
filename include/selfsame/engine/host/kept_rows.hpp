#pragma once

#include <array>
#include <bit>
#include <type_traits>

#include "selfsame/core/simd.hpp"
#include "selfsame/core/tensor.hpp"

/// \file
/// What an objective keeps of a row between the passes, one array for each of its members.

namespace selfsame::inline SELFSAME_ISA::host {

/// Values that a row keeps for the backward pass, one array for each member of Objective::row.
template <class T, class Objective>
struct kept_rows {
    using row = typename Objective::template row<T>;
    static constexpr int fields = std::is_empty_v<row> ? 0 : static_cast<int>(sizeof(row) / sizeof(T));
    T* data = nullptr;
    index_t stride = 0;

    SELFSAME_INLINE row at(index_t i) const {
        return gather<T>([&](int f) { return data[f * stride + i]; });
    }
    SELFSAME_INLINE auto across(index_t i) const {
        return gather<batch<T>>([&](int f) { return load<batch<T>>(data + f * stride + i); });
    }
    SELFSAME_INLINE auto spread(index_t i) const {
        return gather<batch<T>>([&](int f) { return batch<T>(data[f * stride + i]); });
    }
    void put(index_t i, row r) const {
        if constexpr (fields > 0) {
            const auto v = std::bit_cast<std::array<T, fields>>(r);
            for (int f = 0; f < fields; ++f) data[f * stride + i] = v[static_cast<std::size_t>(f)];
        }
    }

  private:
    template <class V, class F>
    SELFSAME_INLINE static auto gather(F&& f) {
        using result = typename Objective::template row<V>;
        if constexpr (fields == 0) {
            return result{};
        } else {
            struct members {
                V v[fields];
            } m;
            for (int k = 0; k < fields; ++k) m.v[k] = f(k);
            return std::bit_cast<result>(m);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::host
