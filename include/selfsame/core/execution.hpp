#pragma once

#include <thrust/detail/temporary_buffer.h>
#include <thrust/execution_policy.h>
#include <thrust/system/omp/execution_policy.h>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "selfsame/core/error.hpp"
#include "selfsame/core/tensor.hpp"

/// \file
/// The leading argument of every call: a Thrust execution policy (system, stream, allocator of scratch memory), or a
/// `context` that adds a thread count and a scratch budget to one.

namespace selfsame::inline SELFSAME_ISA {

/// A Thrust execution policy and what it cannot say.
template <class Policy>
struct context {
    Policy policy;
    int threads = 0;                ///< at most this many; 0: what the system offers
    std::size_t scratch_bytes = 0;  ///< memory beyond O(N) that an engine may use to go faster
};
template <class Policy>
context(Policy) -> context<Policy>;
template <class Policy>
context(Policy, int) -> context<Policy>;
template <class Policy>
context(Policy, int, std::size_t) -> context<Policy>;

namespace detail {
template <class T>
inline constexpr bool is_context = false;
template <class P>
inline constexpr bool is_context<context<P>> = true;
}  // namespace detail

/// Any Thrust execution policy: seq, omp::par, tbb::par, with or without an allocator.
template <class P>
concept thrust_policy =
    std::is_base_of_v<thrust::execution_policy<std::remove_cvref_t<P>>, std::remove_cvref_t<P>> ||
    std::is_base_of_v<thrust::detail::execution_policy_base<std::remove_cvref_t<P>>, std::remove_cvref_t<P>>;

/// What may lead a call.
template <class C>
concept execution = thrust_policy<C> || detail::is_context<std::remove_cvref_t<C>>;

template <class C>
    requires execution<C>
auto as_context(const C& c) {
    if constexpr (detail::is_context<C>) {
        if (c.threads < 0) fail("threads", c.threads, ">= 0 (0: all)");
        return c;
    } else {
        return context<C>{c};
    }
}

template <class C>
using context_of = decltype(as_context(std::declval<const C&>()));

/// The memory that a policy's system works on.
template <class Policy>
inline constexpr memory_space memory_of = memory_space::host;

namespace detail {
/// Refuses a tensor of another space.
template <memory_space Space, class X>
constexpr void check_space() {
    static_assert(Space == memory_space::device || X::accessor_type::space == memory_space::host,
                  "selfsame: a device tensor was given to a host execution policy");
    static_assert(Space == memory_space::host || X::accessor_type::space == memory_space::device,
                  "selfsame: a host tensor was given to a device execution policy");
}

/// Refuses to return a loss that is not computed when the call returns.
template <class Context>
constexpr void check_returns_loss() {
    static_assert(memory_of<decltype(Context::policy)> == memory_space::host,
                  "selfsame: the loss stays on the device: give a tensor of one element for it");
}
}  // namespace detail

/// How loops run on a Thrust system. The primary serves sequential policies; interop/tbb.hpp adds TBB's.
template <class Policy>
struct executor {
    static_assert(!std::is_base_of_v<thrust::tbb::execution_policy<Policy>, Policy>,
                  "selfsame: for thrust::tbb::par include selfsame/interop/tbb.hpp");
    static int workers(int) { return 1; }
    template <class Body>
    static void run(index_t count, int, Body&& body) {
        for (index_t k = 0; k < count; ++k) body(k, 0);
    }
};

template <class Policy>
    requires std::is_base_of_v<thrust::omp::execution_policy<Policy>, Policy>
struct executor<Policy> {
    static int workers(int threads) {
#if defined(_OPENMP)
        return threads > 0 ? threads : omp_get_max_threads();
#else
        return static_cast<void>(threads), 1;
#endif
    }
    template <class Body>
    static void run(index_t count, [[maybe_unused]] int threads, Body&& body) {
#if defined(_OPENMP)
        if (threads > 1 && count > 1) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
            for (index_t k = 0; k < count; ++k) body(k, omp_get_thread_num());
            return;
        }
#endif
        for (index_t k = 0; k < count; ++k) body(k, 0);
    }
};

/// The number of workers that `parallel_for` may use.
template <class P>
int workers(const context<P>& c) {
    return (std::max)(1, executor<P>::workers(c.threads));
}

/// body(k, worker) for k in [0, count), in any order; a worker runs one body at a time.
template <class P, class Body>
void parallel_for(const context<P>& c, index_t count, Body&& body) {
    executor<P>::run(count, workers(c), body);
}

/// Pieces of scratch memory begin at multiples of this many bytes.
inline constexpr std::size_t scratch_alignment = 64;

/// What `count` values of T take of a `scratch`.
template <class T>
constexpr std::size_t scratch_bytes(index_t count) {
    return (static_cast<std::size_t>(count) * sizeof(T) + scratch_alignment - 1) / scratch_alignment *
           scratch_alignment;
}

namespace detail {
/// Large scratch is written from end to end, mostly once a call: with small pages their faults take up to a fifth of
/// it.
inline void prefer_huge_pages([[maybe_unused]] std::uint8_t* memory, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr std::size_t page = 4096, huge = std::size_t(2) << 20;
    if (bytes < 2 * huge) return;
    const auto begin = reinterpret_cast<std::uintptr_t>(memory) / page * page + page;
    const auto end = (reinterpret_cast<std::uintptr_t>(memory) + bytes) / page * page;
    static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE));  // a wish; it may fail
#endif
}
}  // namespace detail

/// Scratch memory from the policy's allocator, handed out in aligned pieces; not initialized.
template <class Policy>
class scratch {
  public:
    scratch(const Policy& policy, std::size_t bytes)
        : policy_(policy),
          buffer_(thrust::get_temporary_buffer<std::uint8_t>(policy, static_cast<index_t>(bytes + scratch_alignment))) {
        if (static_cast<std::size_t>(buffer_.second) < bytes + scratch_alignment) {
            thrust::return_temporary_buffer(policy_, buffer_.first, buffer_.second);
            throw std::bad_alloc();
        }
        if constexpr (memory_of<Policy> == memory_space::host) {
            detail::prefer_huge_pages(thrust::raw_pointer_cast(buffer_.first), bytes);
        }
        const auto address = reinterpret_cast<std::uintptr_t>(thrust::raw_pointer_cast(buffer_.first));
        next_ =
            reinterpret_cast<std::uint8_t*>((address + scratch_alignment - 1) / scratch_alignment * scratch_alignment);
    }
    ~scratch() { thrust::return_temporary_buffer(policy_, buffer_.first, buffer_.second); }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;

    template <class T>
    T* take(index_t count) {
        T* piece = reinterpret_cast<T*>(next_);
        next_ += selfsame::scratch_bytes<T>(count);
        return piece;
    }

  private:
    Policy policy_;
    decltype(thrust::get_temporary_buffer<std::uint8_t>(std::declval<Policy&>(), index_t())) buffer_;
    std::uint8_t* next_;
};

}  // namespace selfsame::inline SELFSAME_ISA
