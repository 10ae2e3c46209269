#pragma once

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/imagewise_bytes.hpp"
#include "selfsame/engine/host/imagewise_filter.hpp"

/// \file
/// Working memory of a thread: whatever the images of a batch need at most, taken once.

namespace selfsame::inline SELFSAME_ISA::host {

/// What the working memory of a thread has to hold.
struct image_limits {
    /// Rows that a filter makes at once.
    static constexpr index_t strip = 8;

    index_t source_height = 1, source_width = 1;  ///< of anything that is read
    index_t height = 1, width = 1, area = 1;      ///< of anything that comes out of a step
    index_t reach = 0;                            ///< of a filter
    index_t taps = 1;                             ///< rows that one row of a resized image is made of
    index_t channels = 1;

    void absorb_source(image_shape s) {
        source_height = (std::max)(source_height, index_t{s.height});
        source_width = (std::max)(source_width, index_t{s.width});
    }
    void absorb(image_shape s) {
        absorb_source(s);
        height = (std::max)(height, index_t{s.height});
        width = (std::max)(width, index_t{s.width});
        area = (std::max)(area, s.height * row_pitch(s.width));
    }
    // Planes a multiple of 4096 bytes apart would fall on each other in the first-level cache.
    index_t image_size() const { return channels * (area + 16 * row_slack); }

    /// Calls f<T>(count) for each piece.
    template <class F>
    void pieces(F&& f) const {
        const index_t row = channels * row_pitch(width);
        f.template operator()<float>(image_size());
        f.template operator()<float>(image_size());
        f.template operator()<float>(strip * row);
        f.template operator()<float>(channels * row_pitch((std::max)(source_width, width)));
        f.template operator()<float>((taps + 1) * row);
        f.template operator()<float>(strip * filtered_rows::pitch(width, reach));
        f.template operator()<float>(reach + 1);
        for (const bool vertical : {false, true}) {
            const index_t in = vertical ? source_height : source_width, out = vertical ? height : width;
            f.template operator()<std::int32_t>(out);
            f.template operator()<float>(axis_table::weight_count(in, out));
        }
        f.template operator()<const void*>((std::max)(taps, strip + 2 * reach + 1));
        f.template operator()<float*>(source_height);
        byte_axis::pieces(channels * source_width, width, f);
    }
    std::size_t bytes() const {
        std::size_t total = 0;
        pieces([&]<class T>(index_t count) { total += scratch_bytes<T>(count); });
        return total;
    }
};

/// Hands out pieces of a thread's part of the scratch memory.
struct piece_cursor {
    std::uint8_t* next;
    template <class T>
    T* take(index_t count) {
        T* piece = reinterpret_cast<T*>(next);
        next += scratch_bytes<T>(count);
        return piece;
    }
};

/// Working memory of a thread.
struct image_workspace {
    float* images[2];
    float* row;       // rows on their way
    float* combined;  // a row of pixels, interleaved
    float* ring;      // rows resized along
    float* filtered;  // rows filtered across, with reflected margins
    float* weights;   // of a filter
    axis_table x, y;
    const void** taps;
    float** ring_rows;  // by number of the source row
    byte_axis bytes;

    image_workspace(const image_limits& limits, piece_cursor& memory) {
        void* piece[17];
        int n = 0;
        limits.pieces([&]<class T>(index_t count) { piece[n++] = memory.template take<T>(count); });
        const auto values = [&](int k) { return static_cast<float*>(piece[k]); };
        images[0] = values(0);
        images[1] = values(1);
        row = values(2);
        combined = values(3);
        ring = values(4);
        filtered = values(5);
        weights = values(6);
        x = {static_cast<std::int32_t*>(piece[7]), values(8), 0};
        y = {static_cast<std::int32_t*>(piece[9]), values(10), 0};
        taps = static_cast<const void**>(piece[11]);
        ring_rows = static_cast<float**>(piece[12]);
        bytes = byte_axis(piece + 13);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::host
