#include "selfsame/core/execution.hpp"

#include <gtest/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

#include "support.hpp"

namespace {

using selfsame::context;
using selfsame::index_t;

/// An allocator as Thrust's policies take it, that knows what it handed out and may refuse.
struct counting_allocator {
    using value_type = char;
    std::map<char*, std::size_t> given;
    std::size_t calls = 0, peak = 0, limit = std::size_t(1) << 40;

    char* allocate(std::ptrdiff_t bytes) {
        ++calls;
        if (static_cast<std::size_t>(bytes) > limit) throw std::bad_alloc();
        char* p = static_cast<char*>(::operator new(static_cast<std::size_t>(bytes)));
        given[p] = static_cast<std::size_t>(bytes);
        std::size_t total = 0;
        for (const auto& g : given) total += g.second;
        peak = (std::max)(peak, total);
        return p;
    }
    void deallocate(char* p, std::size_t) {
        ASSERT_EQ(given.erase(p), 1u) << "returned what it never had";
        ::operator delete(p);
    }
};

template <class Context>
void covers_each_index_once(const Context& c, index_t count) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
    for (auto& s : seen) s = 0;
    const int workers = selfsame::workers(c);
    std::vector<std::atomic<int>> inside(static_cast<std::size_t>(workers));
    for (auto& s : inside) s = 0;
    std::atomic<int> bad = 0;
    selfsame::parallel_for(c, count, [&](index_t k, int worker) {
        if (worker < 0 || worker >= workers || k < 0 || k >= count) {
            ++bad;
            return;
        }
        auto& busy = inside[static_cast<std::size_t>(worker)];
        if (busy.fetch_add(1) != 0) ++bad;  // a worker runs one body at a time
        ++seen[static_cast<std::size_t>(k)];
        busy.fetch_sub(1);
    });
    EXPECT_EQ(bad, 0);
    for (auto& s : seen) EXPECT_EQ(s, 1);
}

TEST(ExecutionThreads, ParallelForCoversEachIndexOnce) {
    counting_allocator memory;
    for (const index_t count : {0, 1, 2, 7, 64, 1000}) {
        covers_each_index_once(context{thrust::seq}, count);
        covers_each_index_once(context{thrust::omp::par}, count);
        for (const int threads : {1, 2, 3, 8}) {
            covers_each_index_once(context{thrust::omp::par, threads}, count);
            covers_each_index_once(context{thrust::omp::par(memory), threads}, count);
            covers_each_index_once(context{thrust::seq, threads}, count);
        }
    }
    EXPECT_EQ(memory.calls, 0u);
}

TEST(ExecutionThreads, InsideAParallelRegionOfTheCaller) {
#pragma omp parallel for num_threads(2)
    for (int k = 0; k < 4; ++k) covers_each_index_once(context{thrust::omp::par, 3}, 100);
}

TEST(Execution, NumberOfWorkers) {
    EXPECT_EQ(selfsame::workers(context{thrust::seq}), 1);
    EXPECT_EQ(selfsame::workers(context{thrust::seq, 5}), 1) << "a sequential policy stays sequential";
#if defined(_OPENMP)
    EXPECT_EQ(selfsame::workers(context{thrust::omp::par}), omp_get_max_threads());
    EXPECT_EQ(selfsame::workers(context{thrust::omp::par, 3}), 3);
#endif
    EXPECT_GE(selfsame::workers(context{thrust::omp::par}), 1);
}

TEST(Execution, WhatMayLeadACall) {
    counting_allocator memory;
    static_assert(selfsame::execution<decltype(thrust::seq)>);
    static_assert(selfsame::execution<decltype(thrust::omp::par)>);
    static_assert(selfsame::execution<decltype(thrust::seq(memory))>);
    static_assert(selfsame::execution<decltype(thrust::omp::par(memory))>);
    static_assert(selfsame::execution<decltype(context{thrust::omp::par, 2, 100})>);
    static_assert(!selfsame::execution<int> && !selfsame::execution<std::string>);
    static_assert(!selfsame::execution<counting_allocator>);
    static_assert(std::is_same_v<decltype(selfsame::as_context(thrust::omp::par).policy),
                                 std::remove_const_t<decltype(thrust::omp::par)>>);
    const auto c = selfsame::as_context(context{thrust::seq, 2, 100});
    EXPECT_EQ(c.threads, 2);
    EXPECT_EQ(c.scratch_bytes, 100u);
    EXPECT_EQ(selfsame::as_context(thrust::seq).threads, 0);
}

TEST(Execution, NegativeThreadCountsAreRefused) {
    EXPECT_EQ(selfsame_tests::refusal([] { selfsame::as_context(context{thrust::omp::par, -2}); }),
              "selfsame: threads: got -2, expected >= 0 (0: all)");
}

template <class Policy>
void hands_out_separate_aligned_pieces(const Policy& policy) {
    const std::vector<index_t> sizes = {1, 0, 63, 64, 65, 3, 1000};
    std::size_t total = 0;
    for (const index_t n : sizes) total += selfsame::scratch_bytes<char>(n) + selfsame::scratch_bytes<double>(n);
    selfsame::scratch<Policy> memory(policy, total);
    std::vector<std::pair<std::uintptr_t, std::uintptr_t>> pieces;
    const auto take = [&](auto* p, index_t n) {
        const auto at = reinterpret_cast<std::uintptr_t>(p);
        EXPECT_EQ(at % selfsame::scratch_alignment, 0u);
        for (index_t k = 0; k < n; ++k) p[k] = {};  // all of it is ours, or ASan says
        pieces.emplace_back(at, at + static_cast<std::size_t>(n) * sizeof(*p));
    };
    for (const index_t n : sizes) {
        take(memory.template take<char>(n), n);
        take(memory.template take<double>(n), n);
    }
    for (std::size_t a = 0; a < pieces.size(); ++a) {
        for (std::size_t b = 0; b < a; ++b) {
            EXPECT_TRUE(pieces[a].second <= pieces[b].first || pieces[b].second <= pieces[a].first);
        }
    }
}

TEST(Scratch, PiecesAreAlignedAndApart) {
    counting_allocator memory;
    hands_out_separate_aligned_pieces(thrust::seq);
    hands_out_separate_aligned_pieces(thrust::omp::par);
    hands_out_separate_aligned_pieces(thrust::omp::par(memory));
    hands_out_separate_aligned_pieces(thrust::seq(memory));
    EXPECT_EQ(memory.calls, 2u) << "the policy's allocator serves";
    EXPECT_TRUE(memory.given.empty()) << "and gets everything back";
    EXPECT_GE(memory.peak, 2 * 1000u);
}

TEST(Scratch, BytesAreRoundedUpToTheAlignment) {
    static_assert(selfsame::scratch_bytes<char>(0) == 0 && selfsame::scratch_bytes<char>(1) == 64);
    static_assert(selfsame::scratch_bytes<float>(16) == 64 && selfsame::scratch_bytes<float>(17) == 128);
    static_assert(selfsame::scratch_bytes<double>(index_t(1) << 33) == std::size_t(1) << 36);
}

TEST(Scratch, WhatCannotBeHadIsBadAlloc) {
    counting_allocator memory;
    memory.limit = 1000;
    const auto policy = thrust::omp::par(memory);
    using scratch = selfsame::scratch<std::remove_const_t<decltype(policy)>>;
    EXPECT_THROW(scratch(policy, 5000), std::bad_alloc);
    EXPECT_TRUE(memory.given.empty());
}

}  // namespace
