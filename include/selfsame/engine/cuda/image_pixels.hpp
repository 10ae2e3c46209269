#pragma once

#include "selfsame/engine/cuda/image_passes.hpp"

/// \file
/// Operations on the four pixels of a row that a thread has in registers, each some columns right of the one before.

namespace selfsame::inline SELFSAME_ISA::device {

/// One after the other: together they would want more registers than there are.
template <int C, class F>
SELFSAME_DEVICE void each_pixel(std::array<float, C> (&x)[4], F&& make) {
    SELFSAME_UNROLL_NONE
    for (int k = 0; k < 4; ++k) {
        const std::array<float, C> pixel = make(k);
        SELFSAME_UNROLL_ALL
        for (int j = 0; j < 4; ++j) {
            if (j == k) x[j] = pixel;
        }
    }
}

/// Each read from the operation itself: a copy would be indexed in memory.
template <int C, class Op>
SELFSAME_DEVICE std::array<float, C> fill_of(const Op& op) {
    std::array<float, C> values{};
    SELFSAME_UNROLL_ALL
    for (std::size_t channel = 0; channel < C; ++channel) {
        if constexpr (std::is_convertible_v<decltype(Op::fill), float>) {
            values[channel] = op.fill;
        } else {
            values[channel] = op.fill[static_cast<int>(channel)];
        }
    }
    return values;
}

/// What an operation on values makes of the pixels from (y, first) on.
template <class Op, int C>
SELFSAME_DEVICE void run_values(const prepared_of<Op>& q, std::int32_t y, std::int32_t first,
                                std::array<float, C> (&x)[4]) {
    if constexpr (positional_op<Op>) {
        SELFSAME_UNROLL_ALL
        for (std::size_t channel = 0; channel < C; ++channel) {
            const auto made = Op::elements(q, {x[0][channel], x[1][channel], x[2][channel], x[3][channel]},
                                           {static_cast<std::int32_t>(channel), y, first});
            SELFSAME_UNROLL_ALL
            for (std::size_t k = 0; k < 4; ++k) x[k][channel] = made[k];
        }
    } else if constexpr (tabulating_op<Op>) {
        SELFSAME_UNROLL_ALL
        for (std::size_t channel = 0; channel < C; ++channel) {
            const float* const table = Op::table(q, static_cast<std::int32_t>(channel));
            if (table == nullptr) continue;
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < 4; ++k) x[k][channel] = read_global(table + part_of(x[k][channel]));
        }
    } else {
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < 4; ++k) Op::pixel(q, x[k]);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::device
