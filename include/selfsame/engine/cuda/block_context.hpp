#pragma once

#include <concepts>
#include <cstdint>

#include "selfsame/core/tensor.hpp"

/// \file
/// What a kernel sees of the machine. A kernel is a struct that holds its arguments:
///
///     struct doubled {
///         static constexpr int threads = 128;      // of a block
///         struct shared { float x[128]; };         // memory of a block
///         const float* from;
///         float* to;
///         template <block_context C>
///         SELFSAME_DEVICE void operator()(C& c) const;
///     };
///
/// Kernels touch shared memory and other threads through the context alone, and compile with a plain host compiler too:
/// engine/cuda/device_context.cuh maps the context to the hardware, the tests' context runs every thread as a fiber.

// A policy that is no constexpr function must not compile, so kernels call policies from functions of the device.
#if defined(__CUDACC__)
#define SELFSAME_DEVICE __device__
#else
#define SELFSAME_DEVICE
#endif
/// Before a loop whose trip count is constant and whose arrays are to stay in registers.
#if defined(__CUDACC__)
#define SELFSAME_UNROLL_ALL SELFSAME_PRAGMA(unroll)
#define SELFSAME_UNROLL_NONE SELFSAME_PRAGMA(unroll 1)
#else
#define SELFSAME_UNROLL_ALL
#define SELFSAME_UNROLL_NONE
#endif

namespace selfsame::inline SELFSAME_ISA::device {

inline constexpr int warp_size = 32;

/// N neighbours, read and written at once.
template <class T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) neighbours {
    T v[N];
};
template <class T>
using quad = neighbours<T, 4>;

/// to = x, in global memory; nvcc 13.0 may write members one by one.
template <class T, int N>
SELFSAME_DEVICE void write_together(neighbours<T, N>* to, const neighbours<T, N>& x) {
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(x) % 16 == 0) {
        struct words {
            unsigned v[sizeof(x) / 4];
        };
        const auto w = __builtin_bit_cast(words, x);
        SELFSAME_UNROLL_ALL
        for (unsigned k = 0; k < sizeof(x) / 4; k += 4) {
            asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(
                             __cvta_generic_to_global(reinterpret_cast<unsigned*>(to) + k)),
                         "r"(w.v[k]), "r"(w.v[k + 1]), "r"(w.v[k + 2]), "r"(w.v[k + 3])
                         : "memory");
        }
        return;
    }
#endif
    *to = x;
}

/// *from, of global memory.
template <class T, int N>
SELFSAME_DEVICE neighbours<T, N> read_together(const neighbours<T, N>* from) {
#if defined(__CUDA_ARCH__)
    if constexpr (sizeof(*from) % 16 == 0) {
        struct words {
            unsigned v[sizeof(*from) / 4];
        } w;
        SELFSAME_UNROLL_ALL
        for (unsigned k = 0; k < sizeof(*from) / 4; k += 4) {
            asm volatile("ld.global.v4.b32 {%0, %1, %2, %3}, [%4];"
                         : "=r"(w.v[k]), "=r"(w.v[k + 1]), "=r"(w.v[k + 2]), "=r"(w.v[k + 3])
                         : "l"(__cvta_generic_to_global(reinterpret_cast<const unsigned*>(from) + k)));
        }
        return __builtin_bit_cast(neighbours<T, N>, w);
    }
#endif
    return *from;
}

/// Memory of a block that needs none.
struct no_shared {};

template <class C>
concept block_context = requires(C& c, const C& k, float x, float& shared_value) {
    { k.thread() } -> std::same_as<int>;     // in the block
    { k.lane() } -> std::same_as<int>;       // in the warp
    { k.warp() } -> std::same_as<int>;       // in the block
    { k.block() } -> std::same_as<index_t>;  // in the grid
    // Waits for all threads of the block; what they wrote to shared memory can be read after it.
    { c.sync() } -> std::same_as<void>;
    // Keeps the compiler from reading ahead, where registers are scarce.
    { c.keep_order() } -> std::same_as<void>;
    // x of lane ^ mask; all lanes of the warp take part.
    { c.shuffle_xor(x, 1) } -> std::same_as<float>;
    { c.template shared<no_shared>() } -> std::same_as<no_shared&>;
    { c.read(shared_value) } -> std::same_as<float>;
    { c.write(shared_value, x) } -> std::same_as<void>;
};

/// Between blocks: a value and the number of what it is of, seen both or neither.
struct alignas(8) message {
    float value;
    std::uint32_t number;
};

/// What a block sees of others that live at the same time, which those of a `cooperative` kernel do.
template <class C>
concept grid_context = block_context<C> && requires(C& c, message& to, const message& from) {
    { c.tell(to, message{}) } -> std::same_as<void>;
    // What is told so far.
    { c.look(from) } -> std::same_as<message>;
    // What is told under a number, once it is.
    { c.hear(from, 1u) } -> std::same_as<float>;
};
/// Whether a kernel's blocks have to live at the same time.
template <class Kernel>
inline constexpr bool lives_together = [] {
    if constexpr (requires { Kernel::cooperative; }) {
        return static_cast<bool>(Kernel::cooperative);
    } else {
        return false;
    }
}();

/// The sum over the lanes of a warp, the same bits in all of them.
template <block_context C, class T>
SELFSAME_DEVICE T warp_sum(C& c, T x) {
    for (int mask = warp_size / 2; mask > 0; mask /= 2) x = x + c.shuffle_xor(x, mask);
    return x;
}

constexpr index_t blocks_for(index_t count, index_t each) { return (count + each - 1) / each; }

}  // namespace selfsame::inline SELFSAME_ISA::device
