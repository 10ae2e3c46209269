#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "selfsame/energy/random_row.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// Names the draws from a buffer: row i of a batch is sample first + i of an iteration.
struct replay_key {
    std::uint64_t seed = 0;
    std::uint32_t iteration = 0;
    std::uint64_t first = 0;
};

/// Chains begin uniformly in a box; JEM's is [-1, 1].
struct uniform_start {
    double low = -1;
    double high = 1;

    template <class T>
    void operator()(const random_row& random, T* row, index_t width) const {
        random.uniform(row, width, static_cast<T>(low), static_cast<T>(high));
    }
};

/// Chains begin at mean + sigma n.
struct normal_start {
    double mean = 0;
    double sigma = 1;

    template <class T>
    void operator()(const random_row& random, T* row, index_t width) const {
        random.normal(row, width);
        for (index_t k = 0; k < width; ++k) row[k] = exact::fma(static_cast<T>(sigma), row[k], static_cast<T>(mean));
    }
};

/// All that a buffer holds, to be saved and given back.
template <class T>
struct replay_state {
    index_t width = 0;
    std::vector<T> states;             ///< capacity x width
    std::vector<std::uint8_t> filled;  ///< whether a place holds a state
    friend bool operator==(const replay_state&, const replay_state&) = default;
};

/// What a draw gave: the place of each row, and whether the row began anew.
struct replay_draw {
    std::vector<index_t> places;
    std::vector<std::uint8_t> restarted;
};

/// Persistent chains for contrastive divergence (Tieleman 2008; Du & Mordatch 2019): states of chains that go on from
/// where an earlier iteration left them, and with a small probability begin anew. Defaults are JEM's.
template <class T = float>
class replay_buffer {
  public:
    explicit replay_buffer(index_t width, index_t capacity = 10000, double restart = 0.05)
        : replay_buffer({width, sized(width, capacity), std::vector<std::uint8_t>(static_cast<std::size_t>(capacity))},
                        restart) {}

    /// As it was when `state()` was saved.
    explicit replay_buffer(replay_state<T> state, double restart = 0.05) : state_(std::move(state)), restart_(restart) {
        if (state_.width < 1) fail("width", state_.width, ">= 1");
        if (state_.width > random_row::capacity) fail("width", state_.width, "at most 2^26");
        if (state_.filled.empty()) fail("capacity", index_t(0), ">= 1");
        if (capacity() > (index_t(1) << 32) - 1) fail("capacity", capacity(), "less than 2^32");
        if (state_.states.size() != state_.filled.size() * static_cast<std::size_t>(state_.width)) {
            fail("state.states", state_.states.size(), "capacity x width values");
        }
        if (!(restart >= 0 && restart <= 1)) fail("restart", restart, "a probability");
    }

    index_t width() const { return state_.width; }
    index_t capacity() const { return static_cast<index_t>(state_.filled.size()); }
    double restart() const { return restart_; }
    const replay_state<T>& state() const { return state_; }

    /// Fills each row of `rows`, N x width, with the state of a place drawn uniformly, or with `start(random, row,
    /// width)` where the place is empty and with the probability of a restart. Places are drawn with replacement. A
    /// function of key, contents and the row's number: batches may be split anywhere.
    template <class Rows, class Start = uniform_start>
    replay_draw draw(const replay_key& key, Rows&& rows, const Start& start = {}) const {
        const auto x = checked(rows);
        check_writable("rows", x);
        replay_draw drawn;
        std::vector<T> fresh(static_cast<std::size_t>(width()));
        for (index_t i = 0; i < x.extent(0); ++i) {
            const std::uint64_t sample = key.first + static_cast<std::uint64_t>(i);
            random_stream random(key.seed, key.iteration, sample, 0, random_row::choice_op);
            const auto place = static_cast<index_t>(random.below(static_cast<std::uint32_t>(capacity())));
            const bool anew = random.chance(static_cast<float>(restart_)) || state_.filled[at(place)] == 0;
            const T* from = state_.states.data() + place * width();
            if (anew) {
                start(random_row(key.seed, key.iteration, sample, random_row::start_op), fresh.data(), width());
                from = fresh.data();
            }
            for (index_t k = 0; k < width(); ++k) x(i, k) = element_cast<typename decltype(x)::value_type>(from[k]);
            drawn.places.push_back(place);
            drawn.restarted.push_back(anew);
        }
        return drawn;
    }

    /// Puts the states of rows in their places; where two have one place, the later stays.
    template <class Rows>
    void store(const std::vector<index_t>& places, const Rows& rows) {
        const auto x = checked(rows);
        if (static_cast<index_t>(places.size()) != x.extent(0)) {
            fail("places", places.size(), std::to_string(x.extent(0)) + ", as many as rows");
        }
        for (const index_t place : places) check_place(place);
        for (index_t i = 0; i < x.extent(0); ++i) {
            const index_t place = places[at(i)];
            for (index_t k = 0; k < width(); ++k) state_.states[at(place * width() + k)] = element_cast<T>(x(i, k));
            state_.filled[at(place)] = 1;
        }
    }

    /// Empties a place: whoever draws it begins anew. For chains that diverged.
    void forget(index_t place) {
        check_place(place);
        state_.filled[at(place)] = 0;
    }

  private:
    static std::size_t at(index_t k) { return static_cast<std::size_t>(k); }

    static std::vector<T> sized(index_t width, index_t capacity) {
        if (width < 1) fail("width", width, ">= 1");
        if (capacity < 1) fail("capacity", capacity, ">= 1");
        return std::vector<T>(at(width * capacity));
    }
    template <class Rows>
    auto checked(Rows&& rows) const {
        const auto x = as_tensor<2>(rows);
        if (x.extent(1) != width()) {
            fail("rows", std::string_view(shape_text(x)), std::to_string(width()) + " columns");
        }
        return x;
    }
    void check_place(index_t place) const {
        if (place < 0 || place >= capacity()) {
            fail("places", place, "at least 0 and less than the capacity, " + std::to_string(capacity()));
        }
    }

    replay_state<T> state_;
    double restart_;
};

}  // namespace selfsame::inline SELFSAME_ISA
