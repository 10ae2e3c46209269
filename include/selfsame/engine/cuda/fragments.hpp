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
        // 16 bytes from global to shared memory, both aligned; zeros if not `there`. A wait is for all copies of the
        // thread but those of the last so many commits; then it can read them, and others after the next sync.
        { c.copy_async(to, from, true) } -> std::same_as<void>;
        { c.copy_commit() } -> std::same_as<void>;
        { c.template copy_wait<0>() } -> std::same_as<void>;
        // Four 8 x 8 matrices of 16-bit elements, lane l giving the address of row l % 8 of matrix l / 8; a thread gets
        // row l / 4, columns 2 (l % 4) and the next of each, of its transpose if wanted.
        { c.template load_matrices<false>(a, from) } -> std::same_as<void>;
        { c.template load_matrices<true>(a, from) } -> std::same_as<void>;
        // x += A B.
        { c.template multiply<U>(x, a, b, b) } -> std::same_as<void>;
        // Two values, rounded to nearest even.
        { c.template pack<U>(v, v) } -> std::same_as<word>;
        // Whether there are the following.
        { C::warpgroups } -> std::convertible_to<bool>;
        // sync, after which products of warpgroups see what threads copied.
        { c.sync_for_warpgroups() } -> std::same_as<void>;
    };

/// What a context offers where a warpgroup, four warps, multiplies matrices that lie in shared memory as `unit_layout`
/// says. Products are begun, issued, and committed together; until a wait, which is for all but the last so many
/// commits, neither x nor what is multiplied may be touched.
template <class C, class U>
concept warpgroup_context = matrix_context<C, U> && requires(C& c, const U* from, float (&x)[2][64]) {
    { c.multiply_begin() } -> std::same_as<void>;
    // x = A B, or, if it `adds`, x += A B, 16 deep. A is 64 lines from `from`, of which 16 elements from there on are
    // used. B is columns as lines likewise, or, transposed, 16 lines of 64 columns each, with 64 lines between those of
    // the first columns and the next. Thread l of warp w has rows 16 w + l / 4 and 8 more, columns 8 f + 2 (l % 4) and
    // the next.
    { c.template multiply_warpgroup<U, false>(x, from, from, true) } -> std::same_as<void>;
    { c.template multiply_warpgroup<U, true>(x, from, from, true) } -> std::same_as<void>;
    { c.multiply_commit() } -> std::same_as<void>;
    { c.template multiply_wait<0>(x) } -> std::same_as<void>;
};

}  // namespace selfsame::inline SELFSAME_ISA::device
