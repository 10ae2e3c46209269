#pragma once

#include "selfsame/engine/host/imagewise_output.hpp"
#include "selfsame/engine/host/imagewise_steps.hpp"
#include "selfsame/engine/host/imagewise_warp.hpp"
#include "selfsame/engine/host/imagewise_workspace.hpp"

/// \file
/// Runs the steps of one image. Steps are gathered into passes: a pass takes rows from a source (the image, resized,
/// rearranged or as it is, or a warped or filtered intermediate image), sends each through its row steps while it is in
/// the first-level cache, and stores it, in the intermediate image or as the result. A pass ends where the next step
/// needs more than one row, or to know something of the whole image.

namespace selfsame::inline SELFSAME_ISA::host {

/// T: type of the images' elements; C: number of channels.
template <class T, int C>
class image_runner {
  public:
    explicit image_runner(const image_workspace& w) : w_(w) {}

    const image_workspace& workspace() const { return w_; }

    void run(step* begin, step* end, const image<T>& given, const image_target& out) {
        given_ = given;
        external_ = true;
        shape_ = {C, static_cast<std::int32_t>(given.height), static_cast<std::int32_t>(given.width)};
        bool known = false;
        for (step* at = begin;;) {
            const step* head = nullptr;
            if (at != end && (reads_given(*at) || (!external_ && reads_intermediate(*at)))) head = at++;
            mirror flips;
            if (head == nullptr || head->kind == step_kind::resample) {
                for (; at != end && at->kind == step_kind::mirror; ++at) {
                    flips.horizontal ^= at->flips.horizontal;
                    flips.vertical ^= at->flips.vertical;
                }
            }
            step* const first = at;
            if (known) at->prepare(*at, &statistics_[current_]), ++at;
            bool turns = false;
            for (; at != end && (at->kind == step_kind::mirror || (at->kind == step_kind::rows && !at->measures));
                 ++at) {
                if (at->kind == step_kind::mirror) turns ^= at->flips.vertical;
            }
            const step* const measuring = at != end && at->kind == step_kind::rows ? at : nullptr;
            known = measuring != nullptr;
            if (known) begin_statistics();
            const step_list list{head, first, at, measuring, flips, turns};
            if (external_) {
                pass(given_, list, at == end ? &out : nullptr);
            } else {
                pass(intermediate(), list, at == end ? &out : nullptr);
            }
            if (at == end) return;
        }
    }

  private:
    /// The steps of a pass.
    struct step_list {
        const step *head, *first, *last, *measuring;
        mirror flips;  ///< of a copied or resized source
        bool turns;    ///< whether row steps exchange top and bottom
    };

    static bool reads_given(const step& s) { return s.kind == step_kind::resample || s.kind == step_kind::rearrange; }
    static bool reads_intermediate(const step& s) {
        return s.kind == step_kind::warp || s.kind == step_kind::convolve || s.kind == step_kind::neighbours;
    }
    index_t pitch() const { return row_pitch(shape_.width); }
    index_t plane() const { return shape_.height * pitch() + 16 * row_slack; }
    float* image_row(int which, index_t y) const { return w_.images[which] + y * pitch(); }

    /// The whole of what is read next, as an image.
    image<float> intermediate() const { return {w_.images[which_], shape_.height, shape_.width, pitch(), 1, plane()}; }

    void begin_statistics() {
        current_ = 1 - current_;  // what the last step prepared may refer to the other
        image_statistics& s = statistics_[current_];
        constexpr float most = std::numeric_limits<float>::infinity();
        s.total = 0;
        std::fill(std::begin(s.extrema.low), std::end(s.extrema.low), most);
        std::fill(std::begin(s.extrema.high), std::end(s.extrema.high), -most);
        s.counts = {};
    }

    template <class U>
    void pass(const image<U>& from, const step_list& list, const image_target* out) {
        const step* const head = list.head;
        const image_shape in = shape_;
        const bool filters = head != nullptr && head->kind == step_kind::convolve;
        const bool in_place = !external_ && head == nullptr && !list.turns;
        const int to = external_ || in_place ? which_ : 1 - which_;
        if (head != nullptr) {
            shape_ = head->shape;
            begin(from, *head, list.flips);
        }
        const index_t width = shape_.width, height = shape_.height;
        const auto row_bytes = static_cast<std::size_t>(width) * sizeof(float);
        // A resized image is made from the top of its source, whatever its rows are.
        const bool upwards = head != nullptr && head->kind == step_kind::resample && list.flips.vertical;
        const bool direct = out != nullptr && out->takes_vectors(width) && list.first != list.last &&
                            list.last[-1].kind == step_kind::rows;
        for (index_t k = 0; k < height; ++k) {
            const index_t y = upwards ? height - 1 - k : k, y_out = list.turns ? height - 1 - y : y;
            float* const row = w_.row + (filters ? k % image_limits::strip * C * pitch() : 0);
            const row_planes buffer{row, pitch()};
            row_planes target = buffer;
            if (out == nullptr) {
                target = {image_row(to, y_out), plane()};
            } else if (direct) {
                target = {static_cast<float*>(out->data) + y_out * out->row, out->plane};
            }

            const_row_planes at = buffer;
            if (head == nullptr) {
                at = copied_row(from, {0, 0, in.height, in.width}, list.flips, y, buffer);
            } else {
                at = head_row(from, *head, in, list.flips, k, list.first == list.last ? target : buffer, buffer);
            }

            auto y_now = static_cast<std::int32_t>(y);
            for (const step* s = list.first; s != list.last; ++s) {
                if (s->kind == step_kind::mirror) {
                    if (s->flips.vertical) y_now = shape_.height - 1 - y_now;
                    if (s->flips.horizontal) at = reversed_row(at, buffer);
                } else {
                    const row_planes to_row = s + 1 == list.last ? target : buffer;
                    s->run(*s, at, to_row, shape_.width, y_now, direct && s + 1 == list.last && out->streamed);
                    at = to_row;
                }
            }
            if (list.measuring != nullptr) list.measuring->measure(at, shape_.width, statistics_[current_]);
            if (direct) continue;
            if (out != nullptr) {
                out->put(*out, at, width, y_out, w_.combined);
            } else if (at.data != target.data) {
                for (index_t c = 0; c < C; ++c) std::memcpy(target[c], at[c], row_bytes);
            }
        }
        which_ = to;
        external_ = false;
    }

    /// Makes ready for rows of a head.
    template <class U>
    void begin(const image<U>& from, const step& head, mirror flips) {
        made_ = place_ = 0;
        if (head.fill != nullptr) head.fill(head, fill_);
        if (head.kind == step_kind::convolve) head.weights(head, w_.weights);
        if (head.kind != step_kind::resample) return;
        const window& crop = head.crop;
        same_size_ = crop.height == shape_.height && crop.width == shape_.width;
        if (same_size_) return;
        if (from.channel_stride == 1 && from.column_stride == C) {
            const U* const corner = from.data + crop.top * from.row_stride + crop.left * from.column_stride;
            for (index_t k = -rows_ahead; k < 0; ++k) later_row(corner, from.row_stride, crop, k).fetch_rest();
        }
        const axis_resampling x(crop.width, shape_.width, head.method, head.antialias);
        w_.x.fill(x, crop.width, shape_.width, flips.horizontal);
        double factor = 1;
        if constexpr (is_byte<U>) {
            by_bytes_ =
                from.column_stride == C && from.channel_stride == 1 && w_.bytes.template fill<C>(w_.x, shape_.width);
            if (by_bytes_) factor = 1 / (255.0 * byte_axis::unit);
        }
        const axis_resampling y(crop.height, shape_.height, head.method, head.antialias);
        w_.y.fill(y, crop.height, shape_.height, false, factor);
        fetched_ = 0;
    }

    /// Row k that a head makes; where it is.
    template <class U>
    const_row_planes head_row(const image<U>& from, const step& head, image_shape in, mirror flips, index_t k,
                              row_planes target, row_planes buffer) {
        switch (head.kind) {
            case step_kind::resample:
                if (same_size_) {
                    return copied_row(from, head.crop, flips, flips.vertical ? shape_.height - 1 - k : k, buffer);
                }
                if constexpr (is_byte<U>) {
                    if (by_bytes_) return byte_row(from, head.crop, k, target);
                }
                resized_row(from, head.crop, k, target);
                break;
            case step_kind::rearrange:
                rearranged_row(from, head, in, k, target);
                break;
            default:
                if constexpr (std::is_same_v<U, float>) return intermediate_row(from, head, in, k, target, buffer);
        }
        return target;
    }
    const_row_planes intermediate_row(const image<float>& from, const step& head, image_shape in, index_t k,
                                      row_planes target, row_planes buffer) {
        if (head.kind == step_kind::convolve) {
            if (k % image_limits::strip == 0) filter_strip(from, head.radius, k);
            return buffer;
        }
        if (head.kind == step_kind::warp) {
            warp_row<C>({from.data, from.channel_stride}, from.row_stride, in, head.source, head.method, fill_, k,
                        shape_.width, target);
        } else {
            const auto row = [&](index_t y) {
                return const_row_planes{from.data + y * from.row_stride, from.channel_stride};
            };
            if (k == 0 || k == shape_.height - 1) return row(k);
            const const_row_planes rows[3] = {row(k - 1), row(k), row(k + 1)};
            head.run_neighbours(head, rows, target, shape_.width);
        }
        return target;
    }

    /// A row of a window of the source as it is: where it lies, or converted into the buffer.
    template <class U>
    const_row_planes copied_row(const image<U>& from, const window& crop, mirror flips, index_t y,
                                row_planes buffer) const {
        const index_t row = crop.top + (flips.vertical ? crop.height - 1 - y : y);
        if constexpr (std::is_same_v<U, float>) {
            if (!external_ && !flips.horizontal) {
                return {from.data + row * from.row_stride + crop.left, from.channel_stride};
            }
        }
        copy_run(from, {static_cast<std::int32_t>(row), crop.left, crop.width}, buffer);
        return flips.horizontal ? reversed_row(buffer, buffer) : buffer;
    }

    /// Row y of a rearranged image.
    template <class U>
    void rearranged_row(const image<U>& from, const step& head, image_shape in, index_t y, row_planes out) const {
        for (std::int32_t x = 0; x < shape_.width;) {
            pixel_run run = head.locate(head, in, static_cast<std::int32_t>(y), x);
            run.count = (std::min)(run.count, shape_.width - x);
            const row_planes part{out.data + x, out.plane};
            if (run.row < 0) {
                for (int c = 0; c < C; ++c) std::fill_n(part[c], run.count, fill_[c]);
            } else {
                copy_run(from, run, part);
            }
            x += run.count;
        }
    }

    /// Pixels of a run. May write whole vectors.
    template <class U>
    void copy_run(const image<U>& from, const pixel_run& run, row_planes out) const {
        const U* p = from.data + run.row * from.row_stride + run.column * from.column_stride;
        const index_t step = run.row_step * from.row_stride + run.column_step * from.column_stride;
        if (step == C && from.channel_stride == 1 && C > 1) {
            if constexpr (is_byte<U>) {
                return split_pixels<C>(p, run.count, out);
            } else {
                read_values(p, run.count * index_t{C}, w_.combined);
                return deinterleave<C>(w_.combined, run.count, out);
            }
        }
        for (index_t c = 0; c < C; ++c, p += from.channel_stride) {
            if (step == 1) {
                read_values(p, run.count, out[c]);
                continue;
            }
            for (index_t x = 0; x < run.count; ++x) {
                const auto v = static_cast<float>(p[x * step]);
                out[c][x] = is_byte<U> ? divide_by_255(v) : v;
            }
        }
    }

    /// Row y of the resized crop of interleaved bytes. Rows resized along lie in a ring.
    const_row_planes byte_row(const image<std::uint8_t>& from, const window& crop, index_t y, row_planes out) {
        const std::uint8_t* corner = from.data + crop.top * from.row_stride + crop.left * index_t{C};
        const index_t size = w_.y.taps + 1, begin = w_.y.first[y];
        for (made_ = (std::max)(made_, begin); made_ < begin + w_.y.taps; ++made_) {
            w_.ring_rows[made_] = w_.ring + place_ * C * pitch();
            place_ = place_ + 1 < size ? place_ + 1 : 0;
            // What lies between the rows of an image is read without harm.
            const index_t below = from.row_stride > 0 ? from.height - 1 - crop.top - made_ : 0;
            resize_bytes<C>(corner + made_ * from.row_stride, crop.width,
                            below * from.row_stride + (from.width - crop.left) * C, w_.bytes, shape_.width,
                            {w_.ring_rows[made_], pitch()}, later_row(corner, from.row_stride, crop, made_));
        }
        const float** rows = reinterpret_cast<const float**>(w_.taps);
        for (index_t t = 0; t < w_.y.taps; ++t) rows[t] = w_.ring_rows[begin + t];
        constexpr index_t L = lanes<float>;
        for (index_t c = 0; c < C; ++c) {
            combine_rows(rows, w_.y.weights + y * w_.y.taps, w_.y.taps, (shape_.width + L - 1) / L * L, out[c]);
            for (index_t t = 0; t < w_.y.taps; ++t) rows[t] += pitch();
        }
        return out;
    }

    /// Row y of the resized crop.
    template <class U>
    void resized_row(const image<U>& from, const window& crop, index_t y, row_planes out) {
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
    void resize_combined(index_t width, row_planes out) const {
        if constexpr (C > 1) {
            resize_interleaved<C>(w_.combined, w_.x, width, out);
        } else {
            resize_plane(w_.combined, w_.x, width, out[0]);
        }
    }

    /// The source row that is asked for while row k is worked on.
    static constexpr index_t rows_ahead = 4;
    template <class U>
    fetched_row later_row(const U* corner, index_t row_stride, const window& crop, index_t k) const {
        if (k + rows_ahead >= crop.height) return {};
        const char* p = reinterpret_cast<const char*>(corner + (k + rows_ahead) * row_stride);
        return {p, p + static_cast<index_t>(sizeof(U)) * crop.width * C};
    }
    /// Asks for source rows some time before they are needed.
    template <class U>
    void prefetch(const U* corner, index_t row_stride, const window& crop, index_t y) {
        const index_t wanted = w_.y.first[y] + w_.y.taps;
        for (; fetched_ < wanted; ++fetched_) later_row(corner, row_stride, crop, fetched_).fetch_rest();
    }

    /// Rows of the filtered image from y on, channel by channel, so that what one needs fits into the first-level
    /// cache.
    void filter_strip(const image<float>& from, std::int32_t radius, index_t y) {
        const index_t count = (std::min)(shape_.height - y, image_limits::strip);
        const float** rows = reinterpret_cast<const float**>(w_.taps);
        for (index_t c = 0; c < C; ++c) {
            for (index_t k = 0; k < count + 2 * radius + 1; ++k) {
                const index_t row = reflected(y - radius + k, shape_.height);
                rows[k] = from.data + c * from.channel_stride + row * from.row_stride;
            }
            filter_rows({rows, static_cast<std::int32_t>(count), shape_.width, w_.filtered,
                         filtered_rows::pitch(shape_.width, radius), w_.row + c * pitch(), C * pitch()},
                        w_.weights, radius);
        }
    }

    const_row_planes reversed_row(const_row_planes at, row_planes buffer) const {
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

    image_workspace w_;
    image<T> given_{};
    image_shape shape_{};
    channel_values fill_{0.0f};
    image_statistics statistics_[2];
    int current_ = 0;         // the statistics that are measured, or known
    bool external_ = true;    // the next source is the given image
    bool same_size_ = false;  // a window is copied
    bool by_bytes_ = false;   // it is resized by `byte_axis`
    int which_ = 0;           // the intermediate image that holds the current state
    index_t fetched_ = 0;     // rows asked for
    index_t made_ = 0;        // rows in the ring so far
    index_t place_ = 0;       // of the next one
};

}  // namespace selfsame::inline SELFSAME_ISA::host
