#pragma once

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/imagewise_steps.hpp"

/// \file
/// Runs the steps of one image. Steps are gathered into passes: a pass takes rows from a source (the image, resized or
/// not, or a warped or filtered intermediate image), sends each through its row steps while it is in the first-level
/// cache, and stores it, in the intermediate image or as the result. A pass ends where the next step needs more than
/// one row, or a mean over the image.

namespace selfsame::inline SELFSAME_ISA::host {

/// Where the result goes; strides in elements.
struct image_target {
    float* data;
    index_t plane, row, column;
};

/// What the working memory of a thread has to hold.
struct image_limits {
    index_t source_height = 1, source_width = 1;  ///< of anything that is read
    index_t height = 1, width = 1, area = 1;      ///< of anything that comes out of a step
    index_t reach = 0;                            ///< of a filter
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
    index_t ring_size() const { return (2 * reach + 1) * channels * row_pitch(width); }
    index_t margin_size() const { return row_pitch(width) + 2 * reach + 16; }
    index_t taps() const { return (std::max)(2 * source_height + 3, 2 * reach + 1); }

    /// Calls f<T>(count) for each piece.
    template <class F>
    void pieces(F&& f) const {
        f.template operator()<float>(image_size());
        f.template operator()<float>(image_size());
        f.template operator()<float>(channels * row_pitch(width));
        f.template operator()<float>(channels * row_pitch(source_width));
        f.template operator()<float>(ring_size());
        f.template operator()<float>(margin_size());
        f.template operator()<float>(reach + 1);
        for (const bool vertical : {false, true}) {
            const index_t in = vertical ? source_height : source_width, out = vertical ? height : width;
            f.template operator()<std::int32_t>(out);
            f.template operator()<float>(axis_table::weight_count(in, out));
        }
        f.template operator()<const void*>(taps());
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
    float* row;       // a row on its way
    float* combined;  // a row of source pixels
    float* ring;      // rows filtered along
    float* margin;    // a row with reflected margins
    float* weights;   // of a filter
    axis_table x, y;
    const void** taps;

    image_workspace(const image_limits& limits, piece_cursor& memory) {
        void* piece[12];
        int n = 0;
        limits.pieces([&]<class T>(index_t count) { piece[n++] = memory.template take<T>(count); });
        const auto values = [&](int k) { return static_cast<float*>(piece[k]); };
        images[0] = values(0);
        images[1] = values(1);
        row = values(2);
        combined = values(3);
        ring = values(4);
        margin = values(5);
        weights = values(6);
        x = {static_cast<std::int32_t*>(piece[7]), values(8), 0};
        y = {static_cast<std::int32_t*>(piece[9]), values(10), 0};
        taps = static_cast<const void**>(piece[11]);
    }
};

/// T: type of the images' elements; C: number of channels.
template <class T, int C>
class image_runner {
  public:
    explicit image_runner(const image_workspace& w) : w_(w) {}

    void run(step* begin, step* end, const image<T>& given, const image_target& out) {
        given_ = given;
        external_ = true;
        shape_ = {C, static_cast<std::int32_t>(given.height), static_cast<std::int32_t>(given.width)};
        bool mean_known = false;
        float mean = 0;
        for (step* at = begin;;) {
            const step* head = nullptr;
            if (at != end && (at->kind == step_kind::resample || (!external_ && is_source(*at)))) head = at++;
            mirror flips;
            if (head == nullptr || head->kind == step_kind::resample) {
                for (; at != end && at->kind == step_kind::mirror; ++at) {
                    flips.horizontal ^= at->flips.horizontal;
                    flips.vertical ^= at->flips.vertical;
                }
            }
            step* const first = at;
            if (mean_known) at->prepare(*at, mean), ++at;
            bool turns = false;
            for (; at != end && (at->kind == step_kind::mirror || (at->kind == step_kind::rows && !at->measures));
                 ++at) {
                if (at->kind == step_kind::mirror) turns ^= at->flips.vertical;
            }
            const step* const measuring = at != end && at->kind == step_kind::rows ? at : nullptr;
            const double total = pass(head, flips, first, at, turns, measuring, at == end ? &out : nullptr);
            if (at == end) return;
            mean_known = measuring != nullptr;
            mean = static_cast<float>(total / (static_cast<double>(shape_.height) * shape_.width));
        }
    }

  private:
    static bool is_source(const step& s) {
        return s.kind == step_kind::resample || s.kind == step_kind::warp || s.kind == step_kind::convolve;
    }
    index_t pitch() const { return row_pitch(shape_.width); }
    index_t plane() const { return shape_.height * pitch() + 16 * row_slack; }
    float* image_row(int which, index_t y) const { return w_.images[which] + y * pitch(); }

    /// The whole of what is read next, as an image.
    image<float> intermediate() const { return {w_.images[which_], shape_.height, shape_.width, pitch(), 1, plane()}; }

    /// One pass; returns the sum of what `measuring` measures.
    double pass(const step* head, mirror flips, const step* first, const step* last, bool turns, const step* measuring,
                const image_target* out) {
        if (external_) return pass_from(given_, head, flips, first, last, turns, measuring, out);
        return pass_from(intermediate(), head, flips, first, last, turns, measuring, out);
    }

    template <class U>
    double pass_from(const image<U>& from, const step* head, mirror flips, const step* first, const step* last,
                     bool turns, const step* measuring, const image_target* out) {
        const image_shape in_shape = shape_;
        const bool filters = head != nullptr && head->kind == step_kind::convolve;
        const bool in_place = !external_ && (head == nullptr || filters) && !turns;
        const int to = external_ || in_place ? which_ : 1 - which_;
        channel_values fill(0.0f);
        if (head != nullptr) {
            shape_ = head->shape;
            if (head->kind == step_kind::resample) {
                w_.x.fill(head->crop.width, shape_.width, flips.horizontal);
                w_.y.fill(head->crop.height, shape_.height, flips.vertical);
                // A flipped image is read from its end, where the processor has to see by itself what comes.
                fetched_ = flips.vertical ? head->crop.height : 0;
            } else if (head->kind == step_kind::warp) {
                head->fill(*head, fill);
            } else {
                head->weights(*head, w_.weights);
                filtered_ = 0;
            }
        }
        const index_t width = shape_.width, height = shape_.height;
        const bool whole = out == nullptr || (out->column == 1 && width % lanes<float> == 0);
        const row_planes buffer{w_.row, pitch()};
        double total = 0;
        for (index_t y = 0; y < height; ++y) {
            const index_t y_out = turns ? height - 1 - y : y;
            row_planes target = buffer;
            if (out == nullptr) {
                target = {image_row(to, y_out), plane()};
            } else if (whole) {
                target = {out->data + y_out * out->row, out->plane};
            }

            const_row_planes at = buffer;
            if (head == nullptr) {
                at = copied_row(from, flips, y, buffer);
            } else if (head->kind == step_kind::resample) {
                resized_row(from, head->crop, y, buffer);
            } else if constexpr (std::is_same_v<U, float>) {
                if (filters) {
                    filtered_row(from, head->radius, y, buffer);
                } else {
                    warp_row<C>({from.data, from.channel_stride}, from.row_stride, in_shape, head->source, fill, y,
                                buffer);
                }
            }

            auto y_now = static_cast<std::int32_t>(y);
            for (const step* s = first; s != last; ++s) {
                if (s->kind == step_kind::mirror) {
                    if (s->flips.vertical) y_now = shape_.height - 1 - y_now;
                    if (s->flips.horizontal) at = reversed_row(at, buffer);
                } else {
                    const row_planes& to_row = s + 1 == last ? target : buffer;
                    s->run(*s, {at, to_row, shape_.width, y_now});
                    at = to_row;
                }
            }
            if (measuring != nullptr) total += measuring->measure(at, shape_.width);
            if (out != nullptr && !whole) {
                put_row(at, *out, y_out);
            } else if (at.data != target.data) {
                for (index_t c = 0; c < C; ++c) {
                    std::memcpy(target[c], at[c], static_cast<std::size_t>(width) * sizeof(float));
                }
            }
        }
        which_ = to;
        external_ = false;
        return total;
    }

    /// A row of the source as it is: where it lies, or converted into the buffer.
    template <class U>
    const_row_planes copied_row(const image<U>& from, mirror flips, index_t y, const row_planes& buffer) const {
        const U* p = from.data + (flips.vertical ? shape_.height - 1 - y : y) * from.row_stride;
        if constexpr (std::is_same_v<U, float>) {
            if (!external_ && !flips.horizontal) return {p, from.channel_stride};
        }
        const index_t step = flips.horizontal ? -from.column_stride : from.column_stride;
        if (flips.horizontal) p += (shape_.width - 1) * from.column_stride;
        for (index_t c = 0; c < C; ++c, p += from.channel_stride) {
            float* o = buffer[c];
            for (index_t x = 0; x < shape_.width; ++x) {
                const auto v = static_cast<float>(p[x * step]);
                o[x] = is_byte<U> ? divide_by_255(v) : v;
            }
        }
        return buffer;
    }

    /// Row y of the resized crop.
    template <class U>
    void resized_row(const image<U>& from, const window& crop, index_t y, const row_planes& out) {
        const U** rows = reinterpret_cast<const U**>(w_.taps);
        const U* corner = from.data + crop.top * from.row_stride + crop.left * from.column_stride;
        const float* weights = w_.y.weights + y * w_.y.taps;
        for (index_t t = 0; t < w_.y.taps; ++t) rows[t] = corner + (w_.y.first[y] + t) * from.row_stride;
        const index_t width = crop.width, out_width = shape_.width;
        if (from.column_stride == 1) {
            for (index_t c = 0; c < C; ++c) {
                combine_rows(rows, weights, w_.y.taps, width, w_.combined);
                resize_plane(w_.combined, w_.x, out_width, out[c]);
                for (index_t t = 0; t < w_.y.taps; ++t) rows[t] += from.channel_stride;
            }
        } else if (from.channel_stride == 1 && from.column_stride == C) {
            if (external_) prefetch(corner, from.row_stride, crop, y);
            combine_rows(rows, weights, w_.y.taps, width * C, w_.combined);
            resize_combined(out_width, out);
        } else {
            combine_strided_rows<U, C>(rows, weights, w_.y.taps, from, width, w_.combined);
            resize_combined(out_width, out);
        }
    }
    void resize_combined(index_t width, const row_planes& out) const {
        if constexpr (C == 3) {
            resize_interleaved(w_.combined, w_.x, width, out);
        } else {
            static_assert(C == 1);
            resize_plane(w_.combined, w_.x, width, out[0]);
        }
    }

    /// Asks for source rows some time before they are needed.
    template <class U>
    void prefetch(const U* corner, index_t row_stride, const window& crop, index_t y) {
        constexpr index_t ahead = 6, line = 64;
        const index_t wanted = (std::min)(index_t{crop.height}, w_.y.first[y] + w_.y.taps + ahead);
        const auto bytes = static_cast<index_t>(sizeof(U)) * crop.width * C;
        for (; fetched_ < wanted; ++fetched_) {
            const char* p = reinterpret_cast<const char*>(corner + fetched_ * row_stride);
            for (index_t b = 0; b < bytes; b += line) __builtin_prefetch(p + b);
        }
    }

    /// Row y of the filtered image. Rows filtered along lie in a ring, until all rows that need them are done.
    void filtered_row(const image<float>& from, std::int32_t radius, index_t y, const row_planes& out) {
        const index_t height = shape_.height, width = shape_.width, size = 2 * radius + 1;
        const auto ring_row = [&](index_t r) { return w_.ring + r % size * C * pitch(); };
        float* middle = w_.margin + radius;
        for (const index_t wanted = (std::min)(height, y + radius + 1); filtered_ < wanted; ++filtered_) {
            for (index_t c = 0; c < C; ++c) {
                const float* p = from.data + c * from.channel_stride + filtered_ * from.row_stride;
                std::memcpy(middle, p, static_cast<std::size_t>(width) * sizeof(float));
                for (index_t k = 1; k <= radius; ++k) {
                    middle[-k] = p[reflected(-k, width)];
                    middle[width - 1 + k] = p[reflected(width - 1 + k, width)];
                }
                filter_along(middle, w_.weights, radius, width, ring_row(filtered_) + c * pitch());
            }
        }
        const float** rows = reinterpret_cast<const float**>(w_.taps);
        for (index_t k = 0; k < size; ++k) rows[k] = ring_row(reflected(y - radius + k, height));
        for (index_t c = 0; c < C; ++c) {
            filter_across(rows, w_.weights, radius, width, out[c]);
            for (index_t k = 0; k < size; ++k) rows[k] += pitch();
        }
    }

    const_row_planes reversed_row(const const_row_planes& at, const row_planes& buffer) const {
        const index_t width = shape_.width;
        for (index_t c = 0; c < C; ++c) {
            if (at.data == buffer.data) {
                std::reverse(buffer[c], buffer[c] + width);
            } else {
                std::reverse_copy(at[c], at[c] + width, buffer[c]);
            }
        }
        return buffer;
    }

    static void put_columns(const float* from, index_t width, float* to, index_t stride) {
        if (stride == 1) {
            std::memcpy(to, from, static_cast<std::size_t>(width) * sizeof(float));
        } else {
            for (index_t x = 0; x < width; ++x) to[x * stride] = from[x];
        }
    }
    void put_row(const const_row_planes& at, const image_target& out, index_t y) const {
        for (index_t c = 0; c < C; ++c) {
            put_columns(at[c], shape_.width, out.data + c * out.plane + y * out.row, out.column);
        }
    }

    image_workspace w_;
    image<T> given_{};
    image_shape shape_{};
    bool external_ = true;  // the next source is the given image
    int which_ = 0;         // the intermediate image that holds the current state
    index_t fetched_ = 0;   // rows asked for
    index_t filtered_ = 0;  // rows in the ring so far
};

}  // namespace selfsame::inline SELFSAME_ISA::host
