#pragma once

#include <algorithm>
#include <cstring>

#include "selfsame/engine/host/byte_rows.hpp"
#include "selfsame/engine/host/imagewise_output.hpp"
#include "selfsame/engine/host/imagewise_steps.hpp"
#include "selfsame/engine/host/imagewise_workspace.hpp"

/// \file
/// Bytes that stay bytes: where an image of bytes goes through operations that only move pixels, or map every channel
/// by itself, to a result of bytes in the same order, the 256 values that there are go through the operations instead
/// of the pixels. What they become is a table, and pixels are looked up in it: the same functions on the same values,
/// so the result is that of the other way, bit for bit.

namespace selfsame::inline SELFSAME_ISA::host {

/// Runs the steps of one image of bytes on its levels; C: number of channels.
template <int C>
class level_runner {
  public:
    level_runner(const image<std::uint8_t>& given, const image_target& out, const image_workspace& w)
        : given_(given), out_(out), w_(w),
          shape_{C, static_cast<std::int32_t>(given.height), static_cast<std::int32_t>(given.width)} {}

    /// Whether steps, source and result are such that it can.
    bool takes(const step* begin, const step* end) const {
        const bool same_order = given_.column_stride == C && out_.column == C &&
                                (C == 1 || (given_.channel_stride == 1 && out_.plane == 1));
        if (!same_order) return false;
        bool mapped = false, late_mirror = false, averaged = false;
        const bool rearranged = begin != end && begin->kind == step_kind::rearrange;
        for (const step* s = begin + rearranged; s != end; ++s) {
            if (s->kind == step_kind::mirror) {
                late_mirror |= mapped;
            } else if (s->kind == step_kind::rows && s->by_channel) {
                mapped = true;
                averaged |= s->measures && s->measure_levels == nullptr;
            } else if (s->kind != step_kind::rows || s->erase == nullptr || s + 1 != end) {
                return false;
            }
        }
        // What fills is no level, and sums are rounded, so that the order of what is averaged is seen.
        return !(rearranged && mapped) && !(averaged && late_mirror);
    }

    void run(step* begin, step* end) {
        if (begin != end && begin->kind == step_kind::rearrange) {
            head_ = begin++;
            shape_ = head_->shape;
            channel_values fill{0.0f};
            head_->fill(*head_, fill);
            for (int c = 0; c < C; ++c) fill_[c] = to_byte(fill[c]);
        }
        std::uint8_t level[levels];
        for (index_t k = 0; k < levels; ++k) level[k] = static_cast<std::uint8_t>(k);
        for (index_t c = 0; c < C; ++c) read_values(level, levels, values_[c]);
        const row_planes values{values_[0], levels};
        for (step* s = begin; s != end; ++s) {
            if (s->kind == step_kind::mirror) {
                flips_.horizontal ^= s->flips.horizontal;
                flips_.vertical ^= s->flips.vertical;
                continue;
            }
            if (s->erase != nullptr) {
                float value[C];
                erased_ = s->erase(*s, value);
                for (index_t c = 0; c < C; ++c) eraser_[c] = to_byte(value[c]);
                continue;
            }
            image_statistics known;
            if (s->measures) {
                if (s->measure_levels == nullptr) {
                    measure_rows(*s, known);
                } else {
                    if (!mapped_ && s->measure_levels == detail::measure_level_extrema) {
                        find_extremes();
                    } else if (!counted_) {
                        count();
                    }
                    s->measure_levels(values, counts_, C, known);
                }
                s->prepare(*s, &known);
            }
            s->run(*s, values, values, levels, 0, false);
            mapped_ = true;
        }
        write();
    }

  private:
    static constexpr std::int32_t levels = level_counts::levels;

    /// Where row y of the source lies, rearranged into `place` if it has to be.
    const std::uint8_t* source_row(index_t y, std::uint8_t* place = nullptr) const {
        const index_t row = flips_.vertical ? shape_.height - 1 - y : y;
        if (head_ == nullptr) return given_.data + row * given_.row_stride;
        rearranged_row(row, place);
        return place;
    }

    /// Counts the least and the greatest level alone.
    void find_extremes() {
        const auto found = extremes<C>(given_.data, given_.height, given_.width, given_.row_stride);
        counts_ = {};
        for (index_t c = 0; c < C; ++c) counts_.count[c][found.low[c]] = counts_.count[c][found.high[c]] = 1;
    }

    /// How often each level occurs. Neighbours are counted apart: one count would wait for the other.
    void count() {
        constexpr index_t sets = 4;
        std::uint32_t count[sets][C][levels] = {};
        for (index_t y = 0; y < given_.height; ++y) {
            const std::uint8_t* const p = given_.data + y * given_.row_stride;
            index_t x = 0;
            for (; x + sets <= given_.width; x += sets) {
                SELFSAME_UNROLL(4)
                for (index_t k = 0; k < sets; ++k) {
                    SELFSAME_UNROLL(4)
                    for (index_t c = 0; c < C; ++c) ++count[k][c][p[(x + k) * C + c]];
                }
            }
            for (; x < given_.width; ++x) {
                for (index_t c = 0; c < C; ++c) ++count[0][c][p[x * C + c]];
            }
        }
        for (index_t c = 0; c < C; ++c) {
            for (index_t l = 0; l < levels; ++l) {
                counts_.count[c][l] = 0;
                for (index_t k = 0; k < sets; ++k) counts_.count[c][l] += count[k][c][l];
            }
        }
        counted_ = true;
    }

    void measure_rows(const step& s, image_statistics& so_far) const {
        const index_t width = given_.width;
        const row_planes row{w_.row, row_pitch(width)};
        for (index_t y = 0; y < given_.height; ++y) {
            const std::uint8_t* const p = source_row(y);
            if (mapped_) {
                for (index_t x = 0; x < width; ++x) {
                    for (index_t c = 0; c < C; ++c) row[c][x] = values_[c][p[x * C + c]];
                }
            } else if constexpr (C == 1) {
                read_values(p, width, row[0]);
            } else {
                split_pixels<C>(p, width, row);
            }
            if (flips_.horizontal) {
                for (index_t c = 0; c < C; ++c) std::reverse(row[c], row[c] + width);
            }
            s.measure(row, static_cast<std::int32_t>(width), so_far);
        }
    }

    static void paint(std::uint8_t* out, index_t count, const std::uint8_t* value) {
        if (std::all_of(value, value + C, [&](std::uint8_t v) { return v == value[0]; })) {
            std::memset(out, value[0], static_cast<std::size_t>(count * C));
            return;
        }
        for (index_t k = 0; k < count; ++k) std::memcpy(out + k * C, value, C);
    }
    void erase_row(index_t y, std::uint8_t* out) const {
        if (y < erased_.top || y >= erased_.top + erased_.height) return;
        const std::int32_t begin = (std::max)(erased_.left, 0);
        const std::int32_t end = (std::min)(erased_.left + erased_.width, shape_.width);
        if (begin < end) paint(out + begin * C, end - begin, eraser_);
    }

    void rearranged_row(index_t y, std::uint8_t* out) const {
        const image_shape in{C, static_cast<std::int32_t>(given_.height), static_cast<std::int32_t>(given_.width)};
        for (std::int32_t x = 0; x < shape_.width;) {
            pixel_run run = head_->locate(*head_, in, static_cast<std::int32_t>(y), x);
            run.count = (std::min)(run.count, shape_.width - x);
            std::uint8_t* const to = out + x * C;
            x += run.count;
            if (run.row < 0) {
                paint(to, run.count, fill_);
                continue;
            }
            const std::uint8_t* const p = given_.data + run.row * given_.row_stride + run.column * C;
            const index_t step = run.row_step * given_.row_stride + run.column_step * C;
            if (step == C) {
                std::memcpy(to, p, static_cast<std::size_t>(run.count * C));
            } else {
                // Four bytes are copied faster than three; a pixel after it is there to be read, and written later.
                index_t k = 0;
                if (C == 3 && run.column_step == 0 && run.column + 1 < given_.width) {
                    for (; k + 1 < run.count; ++k) std::memcpy(to + k * C, p + k * step, 4);
                }
                for (; k < run.count; ++k) std::memcpy(to + k * C, p + k * step, C);
            }
        }
    }

    void write() const {
        const index_t width = shape_.width;
        byte_tables<C> tables;
        bool alike = true;
        for (index_t c = 0; c < C; ++c) {
            for (index_t k = 0; k < levels; k += lanes<float>) {
                store_bytes(tables.of[c] + k, load<batch<float>>(values_[c] + k));
            }
            alike &= std::memcmp(tables.of[c], tables.of[0], sizeof(tables.of[0])) == 0;
        }
        std::uint8_t* const room = reinterpret_cast<std::uint8_t*>(w_.combined);
        for (index_t y = 0; y < shape_.height; ++y) {
            std::uint8_t* const to = static_cast<std::uint8_t*>(out_.data) + y * out_.row;
            const std::uint8_t* from = source_row(y, flips_.horizontal ? room : to);
            if (flips_.horizontal) {
                if (from == to) {  // a result in the place of its source
                    from = static_cast<std::uint8_t*>(std::memcpy(room, from, static_cast<std::size_t>(width * C)));
                }
                reverse_pixels<C>(from, width, to);
                from = to;
            }
            if (!mapped_) {
                if (from != to) std::memcpy(to, from, static_cast<std::size_t>(width * C));
            } else if (C == 1 || alike) {
                map_bytes(from, width * C, tables.of[0], to);
            } else if constexpr (C > 1) {
                map_pixels<C>(from, width, tables, to);
            }
            erase_row(y, to);
        }
    }

    const image<std::uint8_t>& given_;
    const image_target& out_;
    const image_workspace& w_;
    image_shape shape_;  ///< of the result
    const step* head_ = nullptr;
    std::uint8_t fill_[C], eraser_[C];
    window erased_{0, 0, 0, 0};
    mirror flips_;
    bool mapped_ = false, counted_ = false;
    float values_[C][levels];  // what the levels are after the steps so far
    level_counts counts_;
};

}  // namespace selfsame::inline SELFSAME_ISA::host
