#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "selfsame/engine/cuda/row_kernels.hpp"

/// \file
/// How what the host knows comes to the device.

namespace selfsame::inline SELFSAME_ISA::device {

/// Words that come with the launch itself: nothing waits for a copy, and a captured graph holds them.
struct write_words : thread_each {
    static constexpr const char* name = "write_words";
    static constexpr int capacity = 500;
    std::uint64_t* to;
    index_t count;
    std::uint64_t words[capacity];

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t i = item(c);
        if (i < count) to[i] = words[i];
    }
};

/// Room for values that begin and end at words.
template <class T>
constexpr index_t words_for(index_t count) {
    return blocks_for(count * static_cast<index_t>(sizeof(T)), 8);
}

/// Values of the host, written to words of the device; value(i) is the i-th.
template <class T, class Machine, class F>
void send(const Machine& machine, std::uint64_t* to, index_t count, F&& value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0 && sizeof(T) <= 8 * write_words::capacity);
    // A whole number of words at once.
    constexpr index_t each = 8 * write_words::capacity / static_cast<index_t>(sizeof(T)) / 2 * 2;
    static_assert(each > 0, "selfsame: an operation's parameters have to be at most 2000 bytes");
    for (index_t i = 0; i < count; i += each) {
        const index_t n = count - i < each ? count - i : each;
        write_words kernel{};
        kernel.to = to + words_for<T>(i);
        kernel.count = words_for<T>(n);
        for (index_t k = 0; k < n; ++k) {
            const T x = value(i + k);
            std::memcpy(reinterpret_cast<unsigned char*>(kernel.words) + static_cast<std::size_t>(k) * sizeof(T), &x,
                        sizeof(T));
        }
        machine.launch(write_words::blocks(kernel.count), kernel);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::device
