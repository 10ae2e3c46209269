#include "selfsame/energy/replay_buffer.hpp"

#include <gtest/gtest.h>

#include <set>

#include "helpers.hpp"

/// \file
/// The replay buffer: statistics of its draws, and that they replay.

namespace {

using namespace selfsame;
using namespace selfsame_tests;

/// A buffer whose place k holds {k, -k}.
replay_buffer<float> numbered(index_t capacity, double restart) {
    replay_buffer<float> buffer(2, capacity, restart);
    std::vector<index_t> places;
    std::vector<float> states;
    for (index_t k = 0; k < capacity; ++k) {
        places.push_back(k);
        states.insert(states.end(), {static_cast<float>(k), static_cast<float>(-k)});
    }
    buffer.store(places, rows_of(states, 2));
    return buffer;
}

TEST(ReplayBuffer, DefaultsAreJems) {
    const replay_buffer<float> buffer(784);
    EXPECT_EQ(buffer.capacity(), 10000);
    EXPECT_EQ(buffer.restart(), 0.05);
}

TEST(ReplayBuffer, GivesWhatWasStored) {
    const auto buffer = numbered(50, 0);
    std::vector<float> rows(400);
    const replay_draw drawn = buffer.draw({.seed = 1}, rows_of(rows, 2));
    for (std::size_t i = 0; i < 200; ++i) {
        EXPECT_FALSE(drawn.restarted[i]);
        EXPECT_EQ(rows[2 * i], static_cast<float>(drawn.places[i]));
        EXPECT_EQ(rows[2 * i + 1], -rows[2 * i]);
    }
}

// Chi-square, in units of its deviation from its mean.
TEST(ReplayBuffer, ShareOfRestartsAndOfSlots) {
    const index_t n = 100000, capacity = 100;
    const auto buffer = numbered(capacity, 0.05);
    std::vector<float> rows(2 * n);
    const replay_draw drawn = buffer.draw({.seed = 2, .iteration = 7}, rows_of(rows, 2));
    double restarts = 0;
    doubles seen(capacity);
    for (std::size_t i = 0; i < n; ++i) {
        restarts += drawn.restarted[i];
        seen[static_cast<std::size_t>(drawn.places[i])] += 1;
    }
    const double expected = 0.05 * n, deviation = restarts - expected;
    EXPECT_LT(deviation * deviation / expected + deviation * deviation / (n - expected), 10.83);  // 1 in 1000
    double chi_square = 0;
    for (const double s : seen) chi_square += std::pow(s - double(n) / capacity, 2) / (double(n) / capacity);
    EXPECT_NEAR(chi_square, capacity - 1, 4 * std::sqrt(2.0 * (capacity - 1)));
}

TEST(ReplayBuffer, EmptySlotsBeginAnew) {
    replay_buffer<float> buffer(2, 10, 0);
    std::vector<float> rows(200);
    for (const auto r : buffer.draw({}, rows_of(rows, 2)).restarted) EXPECT_TRUE(r);
    for (const float v : rows) EXPECT_TRUE(v >= -1 && v <= 1);
    EXPECT_GT(std::set<float>(rows.begin(), rows.end()).size(), 190u);  // each its own
    buffer = numbered(10, 0);
    buffer.forget(3);
    const replay_draw drawn = buffer.draw({}, rows_of(rows, 2));
    int anew = 0;
    for (std::size_t i = 0; i < 100; ++i) {
        EXPECT_EQ(drawn.restarted[i], drawn.places[i] == 3);
        anew += drawn.restarted[i];
    }
    EXPECT_GT(anew, 0);
    const auto always = numbered(10, 1);
    for (const auto r : always.draw({}, rows_of(rows, 2)).restarted) EXPECT_TRUE(r);
}

TEST(ReplayBuffer, Starts) {
    const replay_buffer<double> buffer(3, 10);
    doubles rows(30000), expected(3);
    buffer.draw({}, rows_of(rows, 3), normal_start{.mean = 2, .sigma = 0.5});
    double mean = 0, square = 0;
    for (const double v : rows) mean += v / 30000, square += (v - 2) * (v - 2) / 30000;
    EXPECT_NEAR(mean, 2, 5 * 0.5 / std::sqrt(30000));
    EXPECT_NEAR(square, 0.25, 5 * 0.25 * std::sqrt(2.0 / 30000));
    buffer.draw({.seed = 4, .iteration = 5, .first = 6}, rows_of(rows, 3), uniform_start{.low = 3, .high = 4});
    random_row(4, 5, 8, random_row::start_op).uniform(expected.data(), 3, 3.0, 4.0);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(rows[6 + k], expected[k]);
    // A user's own.
    buffer.draw({}, rows_of(rows, 3),
                [](const random_row&, double* row, index_t width) { std::fill_n(row, width, 8.0); });
    EXPECT_EQ(rows, doubles(30000, 8.0));
}

TEST(ReplayBuffer, DrawsReplayInAnySplit) {
    const auto buffer = numbered(30, 0.2);
    std::vector<float> whole(80), parts(80);
    const replay_draw all = buffer.draw({.seed = 3, .iteration = 4, .first = 10}, rows_of(whole, 2));
    const replay_draw a = buffer.draw({.seed = 3, .iteration = 4, .first = 10}, matrix(parts.data(), 15, 2));
    const replay_draw b = buffer.draw({.seed = 3, .iteration = 4, .first = 25}, matrix(parts.data() + 30, 25, 2));
    EXPECT_EQ(whole, parts);
    std::vector<index_t> places = a.places;
    places.insert(places.end(), b.places.begin(), b.places.end());
    EXPECT_EQ(places, all.places);
    buffer.draw({.seed = 3, .iteration = 5, .first = 10}, rows_of(parts, 2));
    EXPECT_NE(whole, parts);
    buffer.draw({.seed = 4, .iteration = 4, .first = 10}, rows_of(parts, 2));
    EXPECT_NE(whole, parts);
}

TEST(ReplayBuffer, GoesOnAfterItWasSavedAndRestored) {
    const gaussian energy{{0, 0}, {1, 2}};
    const auto iterate = [&](replay_buffer<float>& buffer, std::uint32_t iteration) {
        std::vector<float> x(32);
        const replay_draw drawn = buffer.draw({.seed = 8, .iteration = iteration}, rows_of(x, 2));
        sample(thrust::seq, langevin::of(0.1), energy, rows_of(x, 2),
               chain_key{.seed = 8, .first = 16 * std::uint64_t{iteration}}, 5);
        buffer.store(drawn.places, rows_of(x, 2));
    };
    replay_buffer<float> through(2, 20, 0.1);
    for (std::uint32_t k = 0; k < 6; ++k) iterate(through, k);
    replay_buffer<float> first(2, 20, 0.1);
    for (std::uint32_t k = 0; k < 3; ++k) iterate(first, k);
    const replay_state<float> saved{first.state().width, first.state().states, first.state().filled};
    replay_buffer<float> second(saved, 0.1);
    for (std::uint32_t k = 3; k < 6; ++k) iterate(second, k);
    EXPECT_EQ(second.state(), through.state());
    EXPECT_NE(second.state(), first.state());
}

TEST(ReplayBuffer, TheLaterOfTwoRowsInASlotStays) {
    replay_buffer<float> buffer(1, 4, 0);
    const std::vector<float> rows{1, 2, 3};
    buffer.store({2, 0, 2}, rows_of(rows, 1));
    EXPECT_EQ(buffer.state().states, (std::vector<float>{2, 0, 3, 0}));
    EXPECT_EQ(buffer.state().filled, (std::vector<std::uint8_t>{1, 0, 1, 0}));
}

TEST(ReplayBuffer, RefusesBadInput) {
    using buffer_type = replay_buffer<float>;
    EXPECT_EQ(refusal([] { buffer_type(0); }), "selfsame: width: got 0, expected >= 1");
    EXPECT_EQ(refusal([] { buffer_type(2, 0); }), "selfsame: capacity: got 0, expected >= 1");
    EXPECT_EQ(refusal([] { buffer_type(2, 10, 1.5); }), "selfsame: restart: got 1.5, expected a probability");
    EXPECT_EQ(refusal([] { buffer_type(2, 10, std::fabs(std::nan(""))); }),
              "selfsame: restart: got nan, expected a probability");
    EXPECT_EQ(refusal([] { buffer_type(replay_state<float>{2, {1, 2, 3}, {1, 0}}); }),
              "selfsame: state.states: got 3, expected capacity x width values");
    buffer_type buffer = numbered(5, 0);
    const auto before = buffer.state();
    std::vector<float> rows(6, 7.0f);
    EXPECT_EQ(refusal([&] { buffer.draw({}, rows_of(rows, 3)); }), "selfsame: rows: got 2 x 3, expected 2 columns");
    EXPECT_EQ(refusal([&] { buffer.store({0, 1}, rows_of(rows, 2)); }),
              "selfsame: places: got 2, expected 3, as many as rows");
    EXPECT_EQ(refusal([&] { buffer.store({0, 1, 5}, rows_of(rows, 2)); }),
              "selfsame: places: got 5, expected at least 0 and less than the capacity, 5");
    EXPECT_EQ(refusal([&] { buffer.forget(-1); }),
              "selfsame: places: got -1, expected at least 0 and less than the capacity, 5");
    EXPECT_EQ(buffer.state(), before);
    EXPECT_EQ(rows, std::vector<float>(6, 7.0f));
}

}  // namespace
