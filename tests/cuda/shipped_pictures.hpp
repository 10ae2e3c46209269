#pragma once

#include <cstring>
#include <random>

#include "shipped_images.hpp"

/// \file
/// Memory for the calls of shipped_images.hpp.

namespace selfsame_tests {

struct pictures {
    std::vector<std::uint8_t> bytes, masks;
    std::vector<float> floats, of_bytes, weights;
    std::vector<selfsame::bfloat16> of_floats;
    std::vector<decltype(shipped_recipe)::parameters> drawn;

    pictures() : masks(2 * 7 * 9), of_bytes(4 * 2 * 11 * 20), weights(2), of_floats(4 * 2 * 12 * 18), drawn(2) {
        std::mt19937 random(4);
        for (int k = 0; k < 900; ++k) bytes.push_back(static_cast<std::uint8_t>(random()));
        for (int k = 0; k < 4 * 2 * 9 * 14; ++k) floats.push_back(static_cast<float>(random() % 256) / 255.0f);
    }
    shipped_pictures of_calls() { return {bytes, floats, of_bytes, of_floats, drawn, masks, weights}; }

    std::vector<float> as_floats() const {
        std::vector<float> values;
        for (const auto x : of_floats) values.push_back(static_cast<float>(x));
        return values;
    }
    /// What was drawn, as words of memory.
    std::span<const std::uint32_t> drawn_span() const {
        return {reinterpret_cast<const std::uint32_t*>(drawn.data()), drawn.size() * sizeof(drawn[0]) / 4};
    }
    std::vector<std::uint32_t> drawn_words() const {
        std::vector<std::uint32_t> words(drawn.size() * sizeof(drawn[0]) / 4);
        std::memcpy(words.data(), drawn.data(), 4 * words.size());
        return words;
    }
};

}  // namespace selfsame_tests
