#include "fiber_context.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

// Kernels that are wrong in one way each, and what the fiber context says of them.

namespace {

using namespace selfsame_tests;
using selfsame::device::block_context;
using ::testing::HasSubstr;

const thread_order orders[] = {
    {thread_order::forward}, {thread_order::reverse}, {thread_order::shuffled, 1}, {thread_order::shuffled, 2}};

template <class Kernel>
std::string complaint(const Kernel& kernel, thread_order order = {}) {
    try {
        run_in_fibers(1, kernel, order);
    } catch (const kernel_error& e) {
        return e.what();
    }
    return "none";
}

struct words {
    int v[64];
};

// Thread i writes word i and reads that of its mirror image.
struct mirror {
    static constexpr int threads = 64;
    using shared = words;
    int* result;
    bool waits = true;
    template <block_context C>
    void operator()(C& c) const {
        auto& s = c.template shared<shared>();
        c.write(s.v[c.thread()], c.thread() + 100 * static_cast<int>(c.block()));
        if (waits) c.sync();
        result[64 * c.block() + c.thread()] = c.read(s.v[63 - c.thread()]);
    }
};

TEST(fiber_context, runs_every_thread_of_every_block) {
    for (const auto& order : orders) {
        std::array<int, 192> result{};
        run_in_fibers(3, mirror{result.data()}, order);
        for (int i = 0; i < 192; ++i) ASSERT_EQ(result[static_cast<std::size_t>(i)], 63 - i % 64 + 100 * (i / 64));
    }
}

TEST(fiber_context, finds_a_missing_sync_in_any_order) {
    std::array<int, 64> result{};
    for (const auto& order : orders) {
        EXPECT_THAT(complaint(mirror{result.data(), false}, order), HasSubstr("at fiber_context.cpp:"));
    }
}

struct read_before_overwritten {
    static constexpr int threads = 64;
    using shared = words;
    int* result;
    template <block_context C>
    void operator()(C& c) const {
        auto& s = c.template shared<shared>();
        c.write(s.v[c.thread()], 1);
        c.sync();
        result[c.thread()] = c.read(s.v[63 - c.thread()]);
        c.write(s.v[c.thread()], 2);
    }
};

TEST(fiber_context, finds_a_write_that_a_reader_may_see_too_early) {
    std::array<int, 64> result{};
    for (const auto& order : orders) {
        EXPECT_THAT(complaint(read_before_overwritten{result.data()}, order), HasSubstr("since the last sync"));
    }
}

struct reads_nothing {
    static constexpr int threads = 32;
    using shared = words;
    float* result;
    template <block_context C>
    void operator()(C& c) const {
        result[c.thread()] = static_cast<float>(c.read(c.template shared<shared>().v[c.thread()]));
    }
};

TEST(fiber_context, finds_words_that_nobody_wrote) {
    std::array<float, 32> result{};
    EXPECT_THAT(complaint(reads_nothing{result.data()}), HasSubstr("reads what nobody wrote"));
}

struct outside {
    static constexpr int threads = 32;
    using shared = words;
    template <block_context C>
    void operator()(C& c) const {
        c.write(c.template shared<shared>().v[c.thread() + 33], 0);
    }
};

TEST(fiber_context, finds_accesses_outside_of_shared_memory) {
    EXPECT_THAT(complaint(outside{}), HasSubstr("outside of shared memory"));
}

struct partial_barrier {
    static constexpr int threads = 64;
    using shared = selfsame::device::no_shared;
    bool another = false;
    template <block_context C>
    void operator()(C& c) const {
        if (c.thread() != 40) {
            c.sync();
        } else if (another) {
            c.sync();
        }
    }
};

TEST(fiber_context, names_the_barrier_that_not_all_threads_reach) {
    EXPECT_THAT(complaint(partial_barrier{}), HasSubstr("thread 40 has returned"));
    const std::string text = complaint(partial_barrier{true});
    EXPECT_THAT(text, HasSubstr("a barrier that not all threads reach"));
    EXPECT_THAT(text, HasSubstr("thread 40 is at fiber_context.cpp:"));
}

struct shuffled {
    static constexpr int threads = 64;
    using shared = selfsame::device::no_shared;
    double* result;
    int missing = -1;
    template <block_context C>
    void operator()(C& c) const {
        if (c.thread() == missing) return;
        result[c.thread()] = c.shuffle_xor(double(c.thread()), 5);
    }
};

TEST(fiber_context, shuffles_within_a_warp) {
    std::array<double, 64> result{};
    for (const auto& order : orders) {
        run_in_fibers(1, shuffled{result.data()}, order);
        for (int i = 0; i < 64; ++i) ASSERT_EQ(result[static_cast<std::size_t>(i)], (i ^ 5));
    }
    EXPECT_THAT(complaint(shuffled{result.data(), 33}), HasSubstr("thread 33 has returned"));
}

struct half_a_warp {
    static constexpr int threads = 16;
    using shared = selfsame::device::no_shared;
    template <block_context C>
    void operator()(C& c) const {
        c.shuffle_xor(1, 1);
    }
};

TEST(fiber_context, wants_whole_warps_for_a_shuffle) {
    EXPECT_THAT(complaint(half_a_warp{}), HasSubstr("thread 16 does not exist"));
}

// Every block tells the next one its number, in a ring, and the last one what it heard.
struct ring {
    static constexpr int threads = 64;
    static constexpr bool cooperative = true;
    using shared = words;
    selfsame::device::message* told;
    float* result;
    index_t blocks, silent = -1;
    template <selfsame::device::grid_context C>
    void operator()(C& c) const {
        auto& s = c.template shared<shared>();
        c.write(s.v[c.thread()], static_cast<int>(c.block()));
        c.sync();
        const index_t to = (c.block() + 1) % blocks;
        if (c.thread() == 40 && c.block() != silent) {
            c.tell(told[to], {static_cast<float>(c.read(s.v[3])), 7u});
        }
        const float heard = c.warp() == 0 ? c.hear(told[c.block()], 7u) : -1.0f;
        result[64 * c.block() + c.thread()] = heard + c.shuffle_xor(heard, 1);
        c.sync();
    }
};

TEST(fiber_context, lets_blocks_wait_for_each_other) {
    for (const auto& order : orders) {
        std::array<selfsame::device::message, 3> told{};
        std::array<float, 192> result{};
        run_in_fibers(3, ring{told.data(), result.data(), 3}, order);
        for (int i = 0; i < 192; ++i) {
            const int before = (i / 64 + 2) % 3;
            ASSERT_EQ(result[static_cast<std::size_t>(i)], i % 64 < 32 ? 2.0f * static_cast<float>(before) : -2.0f);
        }
    }
}

TEST(fiber_context, finds_blocks_that_wait_in_vain) {
    for (const auto& order : orders) {
        std::array<selfsame::device::message, 3> told{};
        std::array<float, 192> result{};
        std::string what = "none";
        try {
            run_in_fibers(3, ring{told.data(), result.data(), 3, 1}, order);
        } catch (const kernel_error& e) {
            what = e.what();
        }
        EXPECT_THAT(what, HasSubstr("wait for what nobody tells: thread"));
    }
}

TEST(fiber_context, deletes_a_wait_on_demand) {
    std::array<int, 64> result{};
    waits::seen.clear();
    run_in_fibers(1, mirror{result.data()});
    ASSERT_EQ(waits::seen.size(), 1u);
    waits::deleted = waits::seen[0];
    EXPECT_NE(complaint(mirror{result.data()}), "none");
    waits::deleted = {};
    EXPECT_EQ(complaint(mirror{result.data()}), "none");
}

}  // namespace
