#pragma once

#include <cstdint>

#include "selfsame/core/half.hpp"
#include "selfsame/engine/cuda/block_context.hpp"

/// \file
/// Where the elements of a warp's matrices lie in its registers: PTX ISA, "Matrix Fragments for mma.m16n8k16" of 16-bit
/// types, the same from sm_80 on. A is 16 x 16, B 16 x 8, the accumulators C 16 x 8; a register of A or B holds two
/// neighbours along the depth, the lower half the first.

namespace selfsame::inline SELFSAME_ISA::device {

using word = std::uint32_t;

namespace fragment {

constexpr int a_row(int lane, int r) { return lane / 4 + 8 * (r % 2); }
constexpr int a_depth(int lane, int r, int half) { return 2 * (lane % 4) + half + 8 * (r / 2); }
constexpr int b_depth(int lane, int r, int half) { return 2 * (lane % 4) + half + 8 * r; }
constexpr int b_column(int lane) { return lane / 4; }
constexpr int c_row(int lane, int e) { return lane / 4 + 8 * (e / 2); }
constexpr int c_column(int lane, int e) { return 2 * (lane % 4) + e % 2; }

}  // namespace fragment

/// What a context offers that multiplies matrices of U, and copies to shared memory while it does other things.
template <class C, class U>
concept matrix_context =
    block_context<C> && requires(C& c, U* to, const U* from, float (&x)[4], word (&a)[4], word b, float v) {
        // 16 bytes from global to shared memory, both aligned; zeros if not `there`. They can be read after the wait of
        // the thread that copied, and by others after the next sync.
        { c.copy_async(to, from, true) } -> std::same_as<void>;
        { c.copy_commit() } -> std::same_as<void>;
        { c.copy_wait() } -> std::same_as<void>;
        // Four 8 x 8 matrices of 16-bit elements, lane l giving the address of row l % 8 of matrix l / 8; a thread gets
        // row l / 4, columns 2 (l % 4) and the next of each, of its transpose if wanted.
        { c.template load_matrices<false>(a, from) } -> std::same_as<void>;
        { c.template load_matrices<true>(a, from) } -> std::same_as<void>;
        // x += A B.
        { c.template multiply<U>(x, a, b, b) } -> std::same_as<void>;
        // Two values, rounded to nearest even.
        { c.template pack<U>(v, v) } -> std::same_as<word>;
    };

}  // namespace selfsame::inline SELFSAME_ISA::device
