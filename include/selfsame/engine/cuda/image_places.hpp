#pragma once

#include <cstdint>

#include "selfsame/engine/cuda/send.hpp"
#include "selfsame/engine/image_list.hpp"
#include "selfsame/engine/pixels.hpp"

/// \file
/// Where images lie that a kernel reads and writes.

namespace selfsame::inline SELFSAME_ISA::device {

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
