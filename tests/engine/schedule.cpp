#include "selfsame/engine/host/schedule.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "helpers.hpp"

namespace {

using selfsame::context;
using selfsame::index_t;
using selfsame::host::tile_schedule;
using selfsame_tests::sanitized;

using order = std::vector<std::vector<index_t>>;  // tile numbers, for each block of rows, then of columns

/// Runs a schedule; returns what is wrong with it, or in which order each block saw its tiles.
template <class Policy>
std::string run(index_t rows, index_t columns, bool one_set, Policy policy, int threads, order& seen) {
    const tile_schedule schedule(rows, columns, one_set);
    const auto blocks = static_cast<std::size_t>(one_set ? rows : rows + columns);
    std::vector<std::atomic<int>> visits(static_cast<std::size_t>(rows * columns)), busy(blocks);
    for (auto& v : visits) v = 0;
    for (auto& b : busy) b = 0;
    std::vector<std::atomic<int>> numbers(static_cast<std::size_t>(schedule.numbers()));
    for (auto& v : numbers) v = 0;
    std::vector<tile_schedule::ticket> tickets(static_cast<std::size_t>(schedule.tickets()));
    std::atomic<int> shared = 0, outside = 0;
    index_t announced = -1;
    int surprises = 0;
    seen.assign(blocks, {});
    const auto body = [&](const tile_schedule::tile& t, const tile_schedule::tile& next, int) {
        if (t.row_block < 0 || t.row_block >= rows || t.column_block < 0 || t.column_block >= columns || t.number < 0 ||
            t.number >= schedule.numbers()) {
            ++outside;
            return;
        }
        const auto a = static_cast<std::size_t>(t.row_block);
        const auto b = static_cast<std::size_t>(one_set ? t.column_block : rows + t.column_block);
        // Plain vectors behind the flags: the thread sanitizer sees whether the schedule orders their updates too.
        if (busy[a].fetch_add(1, std::memory_order_relaxed) != 0) ++shared;
        if (a != b && busy[b].fetch_add(1, std::memory_order_relaxed) != 0) ++shared;
        ++visits[static_cast<std::size_t>(t.row_block * columns + t.column_block)];
        ++numbers[static_cast<std::size_t>(t.number)];
        seen[a].push_back(t.number);
        if (a != b) seen[b].push_back(t.number);
        busy[a].fetch_sub(1, std::memory_order_relaxed);
        if (a != b) busy[b].fetch_sub(1, std::memory_order_relaxed);
        if (next.row_block < 0 || next.row_block >= rows || next.column_block < 0 || next.column_block >= columns) {
            ++outside;
        }
        if (threads == 0) {  // alone, a worker knows what it will do next
            if (announced >= 0 && t.number != announced) ++surprises;
            announced = next.number == t.number ? -1 : next.number;
        }
    };
    schedule.run(context<Policy>{policy, threads}, tickets.data(), body);
    if (outside != 0) return "a tile outside";
    if (surprises != 0) return "another tile than the one that was said to be next";
    if (shared != 0) return "two tiles that shared a block ran at the same time";
    for (index_t a = 0; a < rows; ++a) {
        for (index_t b = 0; b < columns; ++b) {
            const int expected = one_set && a > b ? 0 : 1;
            if (visits[static_cast<std::size_t>(a * columns + b)] != expected) {
                return "tile " + std::to_string(a) + ", " + std::to_string(b) + " was visited " +
                       std::to_string(visits[static_cast<std::size_t>(a * columns + b)]) + " times";
            }
        }
    }
    for (const auto& v : numbers) {
        if (v > 1) return "a number was used twice";
    }
    return "";
}

std::string check(index_t rows, index_t columns, bool one_set, int threads) {
    order alone, together;
    std::string wrong = run(rows, columns, one_set, thrust::seq, 0, alone);
    if (!wrong.empty()) return "sequential: " + wrong;
    wrong = run(rows, columns, one_set, thrust::omp::par, threads, together);
    if (!wrong.empty()) return wrong;
    return alone == together ? "" : "a block saw its tiles in another order";
}

RC_GTEST_PROP(ScheduleThreads, OneSetVisitsEveryPairOnce, ()) {
    const auto blocks = static_cast<index_t>(*rc::gen::inRange(0, sanitized ? 40 : 150));
    const int threads = *rc::gen::inRange(1, 9);
    RC_ASSERT(check(blocks, blocks, true, threads) == "");
}

RC_GTEST_PROP(ScheduleThreads, TwoSetsVisitEveryPairOnce, ()) {
    const auto rows = static_cast<index_t>(*rc::gen::inRange(0, sanitized ? 40 : 150));
    const auto columns = static_cast<index_t>(*rc::gen::inRange(0, sanitized ? 40 : 150));
    const int threads = *rc::gen::inRange(1, 9);
    RC_ASSERT(check(rows, columns, false, threads) == "");
}

// Blocks are gathered in groups of 1, 2 and 4; the sizes where that changes, and their neighbours.
TEST(ScheduleThreads, AroundTheSizesOfGroups) {
    for (const index_t blocks : {1, 2, 3, 22, 23, 24, 25, 26, 27, 126, 127, 128, 129, 130, 131, 133}) {
        if (sanitized && blocks > 30) continue;
        for (const int threads : {1, 2, 5}) {
            EXPECT_EQ(check(blocks, blocks, true, threads), "") << blocks;
            EXPECT_EQ(check(blocks, blocks, false, threads), "") << blocks;
            EXPECT_EQ(check(blocks, 1, false, threads), "") << blocks;
            EXPECT_EQ(check(1, blocks, false, threads), "") << blocks;
            EXPECT_EQ(check(blocks, 24, false, threads), "") << blocks;
        }
    }
}

TEST(Schedule, NumbersAreNearlyDense) {
    for (const index_t blocks : {4, 16, 23, 40, 100, 127, 200}) {
        EXPECT_LE(tile_schedule(blocks, blocks, true).numbers(), blocks * (blocks + 1) / 2 + 8 * blocks + 64) << blocks;
        EXPECT_LE(tile_schedule(blocks, blocks, false).numbers(), blocks * blocks + 8 * blocks + 64) << blocks;
    }
}

}  // namespace
