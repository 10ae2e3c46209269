#pragma once

#include <cstdint>

#include "selfsame/engine/cuda/row_kernels.hpp"
#include "selfsame/engine/image_list.hpp"
#include "selfsame/engine/pixels.hpp"

/// \file
/// Where images lie that a kernel reads and writes, and how what the host knows of them comes to the device.

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

/// An image of a batch: where its first element is, from a first one, and its strides, in elements.
struct placed_image {
    index_t offset = 0, row = 0, column = 0, channel = 0;
    std::int32_t height = 0, width = 0;
};

/// The images of a batch: all alike, or listed.
template <class T>
struct image_places {
    const T* data = nullptr;
    placed_image like;
    index_t step = 0;
    const placed_image* list = nullptr;

    constexpr placed_image operator[](index_t n) const {
        if (list != nullptr) return list[n];
        placed_image one = like;
        one.offset = n * step;
        return one;
    }
};

template <class T>
placed_image place_of(const image<T>& x, const T* first) {
    // In bytes, since images may be anywhere.
    const auto distance = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(x.data)) -
                          static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(first));
    return {distance / static_cast<std::int64_t>(sizeof(T)),
            x.row_stride,
            x.column_stride,
            x.channel_stride,
            static_cast<std::int32_t>(x.height),
            static_cast<std::int32_t>(x.width)};
}

/// Where results go; strides in elements.
template <class Out>
struct view_target {
    Out* data;
    index_t image, plane, row, column;
};

/// Pixels to be read; bytes are raw.
template <class T>
struct pixel_source {
    const T* data;
    index_t row, column, channel;

    constexpr const T* at(index_t y, index_t x) const { return data + y * row + x * column; }
    constexpr float raw(const T* pixel, int c) const { return static_cast<float>(pixel[c * channel]); }
    static constexpr float value(float raw) {
        if constexpr (is_byte<T>) {
            return divide_by_255(raw);
        } else {
            return raw;
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
