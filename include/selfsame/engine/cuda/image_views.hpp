#pragma once

#include <limits>
#include <new>

#include "selfsame/engine/cuda/image_pixels.hpp"

/// \file
/// The kernel of the device's imagewise engine: a block makes one view after another. Steps are gathered into passes as
/// on the host: a pass takes pixels from the image or from an intermediate one, sends each through the operations on
/// values while it is in registers, and stores it, in an intermediate image or as the result. A pass ends where the
/// next operation reads more than one pixel, or has to know something of the whole image.

namespace selfsame::inline SELFSAME_ISA::device {

/// Draws the parameters of every view: draw(n, shape) by its own functions.
template <class Draw, class T>
struct draw_views : thread_each {
    static constexpr const char* name = "draw_views";
    using parameters = typename Draw::parameters;

    Draw draw;
    image_places<T> from;
    std::int32_t channels;
    index_t count;
    parameters* drawn;

    template <block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t n = item(c);
        if (n >= count) return;
        const placed_image one = from[n];
        ::new (drawn + n) parameters(draw(n, image_shape{channels, one.height, one.width}));
    }
};

/// T: elements of the images, Out: of the result; C: channels.
template <class T, class Out, int C, class... Ops>
struct make_views {
    static constexpr const char* name = "make_views";
    static constexpr int threads = 256;
    static constexpr int resident = 2;  // blocks of a multiprocessor: one works while the other waits
    using parameters = record<typename Ops::parameters...>;
    using found = image_findings<C>;
    struct shared {
        step_list<(1 + ... + steps_of<Ops>)> steps;
        found of_warp[threads / warp_size];
    };

    record<Ops...> operations;
    const parameters* drawn;
    image_places<T> from;
    view_target<Out> to;
    index_t count, blocks;  // views, and what they are shared among
    view_memory memory;

    template <block_context K>
    SELFSAME_DEVICE void operator()(K& c) const {
        c.template shared<shared>().steps.clear(c, threads);
        c.sync();
        for (index_t n = c.block(); n < count; n += blocks) {
            if (c.thread() == 0) plan(c, n);
            c.sync();
            make(c, n);
        }
    }

  private:
    using pixels = std::array<float, C>[4];
    static constexpr std::int32_t distance = element_place::distance;

    /// Calls f(op, parameters, number, is_first) for each step of view n.
    template <class F>
    SELFSAME_DEVICE void each_step(index_t n, F&& f) const {
        const parameters& p = drawn[n];
        int number = 0;
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            (step_visitor<F, Index == 0>{f, number}(get<Index>(operations), get<Index>(p)), ...);
        }(std::index_sequence_for<Ops...>());
    }

    /// What each step is, and what its operation prepares, by one thread.
    template <block_context K>
    SELFSAME_DEVICE void plan(K& c, index_t n) const {
        auto& s = c.template shared<shared>().steps;
        const placed_image given = from[n];
        image_shape shape{C, given.height, given.width};
        int count_of_steps = 0;
        each_step(n, [&](const auto& op, const auto& p, int k, auto is_first) {
            using Op = std::remove_cvref_t<decltype(op)>;
            shape = output_shape(op, shape);
            const step_code code = code_of(op, p);
            c.write(s.code[k], is_first ? code.of_first().bits : code.bits);
            if constexpr (warping_op<Op>) {
                c.write(s.template prepared<projective_map>(k), op.source(p, shape));
            } else if constexpr (convolving_op<Op>) {
                c.write(s.template prepared<std::int32_t>(k), op.radius(p));
            } else if constexpr (prepares_early<Op>) {
                c.write(s.template prepared<prepared_of<Op>>(k), op.prepare(p, shape));
            }
            count_of_steps = k + 1;
        });
        c.write(s.count, count_of_steps);
    }

    template <block_context K>
    SELFSAME_DEVICE void make(K& c, index_t n) const {
        auto& s = c.template shared<shared>().steps;
        const int end = c.read(s.count);
        const placed_image given = from[n];
        image_pass pass;
        pass.out = {C, given.height, given.width};
        for (int at = 0;;) {
            pass.in = pass.out;
            at = pass.begin(at, end, [&](int k) { return step_code{c.read(s.code[k])}; });
            prepare_head(c, n, pass);
            clear_counts(c, n, pass);
            found mine;
            walk(c, n, given, pass, mine);
            c.sync();
            if (pass.is_final) return;
            if (pass.measuring >= 0) finish_measuring(c, n, pass, mine);
            pass.end();
        }
    }

    /// What the head of a pass needs: the shape that it makes, tables, and lines filtered across.
    template <block_context K>
    SELFSAME_DEVICE void prepare_head(K& c, index_t n, image_pass& pass) const {
        if (pass.head < 0) return;
        auto& s = c.template shared<shared>().steps;
        bool waits = false;
        std::int32_t radius = -1;
        each_step(n, [&](const auto& op, const auto& p, int k, auto) {
            using Op = std::remove_cvref_t<decltype(op)>;
            if (k != pass.head) return;
            pass.out = output_shape(op, pass.in);
            if constexpr (resampling_op<Op>) {
                resized_window& r = pass.resized;
                r.crop = op.crop(p);
                r.copied = r.crop.height == pass.out.height && r.crop.width == pass.out.width;
                if (r.copied) return;
                const axis_resampling x(r.crop.width, pass.out.width, op.method, op.antialias);
                const axis_resampling y(r.crop.height, pass.out.height, op.method, op.antialias);
                r.x = memory.columns(c.block());
                r.y = memory.rows(c.block());
                r.x_taps = axis_weights::taps(x, r.crop.width);
                r.y_taps = axis_weights::taps(y, r.crop.height);
                r.x.fill(x, r.crop.width, pass.out.width, c.thread(), threads);
                r.y.fill(y, r.crop.height, pass.out.height, c.thread(), threads);
                waits = true;
            } else if constexpr (convolving_op<Op>) {
                radius = c.read(s.template prepared<std::int32_t>(k));
                double total = op.weight(p, 0);
                for (std::int32_t j = 1; j <= radius; ++j) total += 2 * op.weight(p, j);
                float* const w = memory.filter_of(c.block());
                for (std::int32_t j = c.thread(); j <= radius; j += threads) {
                    w[j] = static_cast<float>(op.weight(p, j) / total);
                }
                waits = true;
            }
        });
        if (waits) c.sync();
        if (radius >= 0) {
            filter_across(c, pass.in, radius, plane(c, pass.which), plane(c, 1 - pass.which));
            c.sync();
        }
    }

    /// Where the pass counts values.
    template <block_context K>
    SELFSAME_DEVICE void clear_counts(K& c, index_t n, const image_pass& pass) const {
        if (pass.measuring < 0) return;
        each_step(n, [&](const auto& op, const auto&, int k, auto) {
            if constexpr (counting_op<std::remove_cvref_t<decltype(op)>>) {
                if (k != pass.measuring) return;
                auto& counts = memory.counts[c.block()].count;
                for (int i = c.thread(); i < 4 * 256; i += threads) counts[i / 256][i % 256] = 0;
                c.sync();
            }
        });
    }

    template <block_context K>
    SELFSAME_DEVICE void filter_across(K& c, image_shape shape, std::int32_t radius, const float* source,
                                       float* result) const {
        const float* const w = memory.filter_of(c.block());
        const index_t area = index_t{shape.height} * shape.width;
        for (index_t i = c.thread(); i < area; i += threads) {
            const auto y = static_cast<std::int32_t>(i / shape.width), x = static_cast<std::int32_t>(i % shape.width);
            const float* line[C];
            std::int32_t at[C];
            float s[C];
            SELFSAME_UNROLL_ALL
            for (int channel = 0; channel < C; ++channel) {
                line[channel] = source + channel * area + x;
                at[channel] = y;
            }
            filter(line, at, shape.width, shape.height, w, radius, s);
            SELFSAME_UNROLL_ALL
            for (int channel = 0; channel < C; ++channel) result[channel * area + i] = s[channel];
        }
    }

    /// All pixels of a pass. A thread takes four of a row at once, as far apart as operations by place want them.
    template <block_context K>
    SELFSAME_DEVICE void walk(K& c, index_t n, const placed_image& given, const image_pass& pass, found& mine) const {
        const std::int32_t width = pass.out.width, height = pass.out.height;
        const std::int32_t of_row = (width + 4 * distance - 1) / (4 * distance) * distance;
        const std::int32_t rows = threads / of_row, rest = threads % of_row;
        std::int32_t y = c.thread() / of_row, place = c.thread() % of_row;
        while (y < height) {
            const std::int32_t first = place / distance * (4 * distance) + place % distance;
            pixels x{};
            if (first < width) {
                step_pixels(c, n, given, pass, y, first, x, mine);
                put(c, n, pass, y, first, x);
            }
            y += rows;
            place += rest;
            if (place >= of_row) {
                place -= of_row;
                ++y;
            }
        }
    }

    template <block_context K>
    SELFSAME_DEVICE void step_pixels(K& c, index_t n, const placed_image& given, const image_pass& pass, std::int32_t y,
                                     std::int32_t first, pixels& x, found& mine) const {
        auto& s = c.template shared<shared>().steps;
        std::int32_t column[4];
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < 4; ++k) {
            const std::int32_t at = column_of(pass, first, k);
            column[k] = pass.flips.horizontal ? pass.out.width - 1 - at : at;
        }
        const std::int32_t row = pass.flips.vertical ? pass.out.height - 1 - y : y;
        if (pass.head < 0) {
            const resized_window whole{.crop = {0, 0, pass.in.height, pass.in.width}, .copied = true};
            if (pass.external) {
                whole.template sample<C>(source_of(given), row, column, x);
            } else {
                whole.template sample<C>(plane_source(c, pass), row, column, x);
            }
        }
        each_step(n, [&](const auto& op, const auto& p, int k, auto is_first) {
            using Op = std::remove_cvref_t<decltype(op)>;
            if constexpr (on_values<Op>) {
                if (k >= pass.first && k < pass.last) {
                    run_values<Op, C>(c.read(s.template prepared<prepared_of<Op>>(k)), y, first, x);
                } else if (needs_statistics<Op> && k == pass.measuring) {
                    const std::int32_t left = pass.out.width - first;
                    if constexpr (counting_op<Op>) {
                        count_parts(c, x, left);
                    } else {
                        mine.template absorb<Op>(x, left);
                    }
                }
            } else if constexpr (!mirroring_op<Op>) {
                if (k != pass.head) return;
                if constexpr (is_first && (resampling_op<Op> || rearranging_op<Op>)) {
                    fetch(c, op, p, source_of(given), pass, row, first, column, x);
                } else {
                    fetch(c, op, p, plane_source(c, pass), pass, row, first, column, x);
                }
            }
        });
    }

    /// Pixels that the head of a pass makes.
    template <block_context K, class Op, class U>
    SELFSAME_DEVICE void fetch(K& c, const Op& op, const typename Op::parameters& p, const pixel_source<U>& source,
                               const image_pass& pass, std::int32_t row, std::int32_t first,
                               const std::int32_t (&columns)[4], pixels& x) const {
        auto& s = c.template shared<shared>().steps;
        if constexpr (resampling_op<Op>) {
            pass.resized.template sample<C>(source, row, columns, x);
        } else if constexpr (rearranging_op<Op>) {
            const std::array<float, C> fill = fill_of<C>(op);
            each_pixel<C>(x, [&](int k) {
                const pixel_run run = op.source(p, pass.in, row, column_of(pass, first, k));
                const U* const at = source.at(run.row < 0 ? 0 : run.row, run.row < 0 ? 0 : run.column);
                std::array<float, C> pixel{};
                SELFSAME_UNROLL_ALL
                for (std::size_t channel = 0; channel < C; ++channel) {
                    const float value = source.value(source.raw(at, static_cast<int>(channel)));
                    pixel[channel] = run.row < 0 ? fill[channel] : value;
                }
                return pixel;
            });
        } else if constexpr (warping_op<Op>) {
            const auto map = c.read(s.template prepared<projective_map>(pass.head));
            const std::array<float, C> fill = fill_of<C>(op);
            each_pixel<C>(x, [&](int k) {
                return warped<C>(source, pass.in, map, op.method, fill, row, column_of(pass, first, k));
            });
        } else if constexpr (convolving_op<Op>) {
            const auto radius = c.read(s.template prepared<std::int32_t>(pass.head));
            const float* const w = memory.filter_of(c.block());
            SELFSAME_UNROLL_ALL
            for (std::size_t channel = 0; channel < C; ++channel) {
                const float* const row_of = source.at(row, 0) + static_cast<index_t>(channel) * source.channel;
                const float* const line[4] = {row_of, row_of, row_of, row_of};
                float made[4];
                filter(line, columns, 1, pass.in.width, w, radius, made);
                SELFSAME_UNROLL_ALL
                for (int k = 0; k < 4; ++k) x[k][channel] = made[k];
            }
        } else {
            static_assert(neighbouring_op<Op>);
            const auto q = c.read(s.template prepared<prepared_of<Op>>(pass.head));
            each_pixel<C>(x, [&](int k) {
                const std::int32_t column = column_of(pass, first, k);
                const bool edge = row == 0 || row == pass.in.height - 1 || column == 0 || column == pass.in.width - 1;
                std::array<float, C> pixel{};
                SELFSAME_UNROLL_ALL
                for (std::size_t channel = 0; channel < C; ++channel) {
                    const float* const at = source.at(row, column) + static_cast<index_t>(channel) * source.channel;
                    pixel[channel] = *at;
                    if (edge) continue;
                    const auto beside = [&](index_t dy, index_t dx) { return at[dy * source.row + dx]; };
                    pixel[channel] = Op::neighbours(
                        q, std::array<float, 9>{beside(-1, -1), beside(-1, 0), beside(-1, 1), beside(0, -1), *at,
                                                beside(0, 1), beside(1, -1), beside(1, 0), beside(1, 1)});
                }
                return pixel;
            });
        }
    }

    /// Pixels beyond the row's end are taken from its last, and dropped.
    SELFSAME_DEVICE static std::int32_t column_of(const image_pass& pass, std::int32_t first, int k) {
        const std::int32_t last = pass.out.width - 1, at = first + k * distance;
        return at < last ? at : last;
    }
    /// Counts the values of pixels, of those that are `left` before the row's end.
    template <block_context K>
    SELFSAME_DEVICE void count_parts(K& c, const pixels& x, std::int32_t left) const {
        auto& counts = memory.counts[c.block()].count;
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < 4; ++k) {
            if (k * distance >= left) break;
            SELFSAME_UNROLL_ALL
            for (std::size_t channel = 0; channel < C; ++channel) {
                c.add_to(counts[channel][part_of(x[k][channel])], 1u);
            }
        }
    }

    template <block_context K>
    SELFSAME_DEVICE void put(K& c, index_t n, const image_pass& pass, std::int32_t y, std::int32_t first,
                             const pixels& x) const {
        if (pass.is_final) {
            Out* const line = to.data + n * to.image + y * to.row;
            SELFSAME_UNROLL_ALL
            for (int k = 0; k < 4; ++k) {
                const std::int32_t column = first + k * distance;
                if (column >= pass.out.width) break;
                SELFSAME_UNROLL_ALL
                for (std::size_t channel = 0; channel < C; ++channel) {
                    line[column * to.column + static_cast<index_t>(channel) * to.plane] = to_output<Out>(x[k][channel]);
                }
            }
            return;
        }
        const index_t area = index_t{pass.out.height} * pass.out.width;
        float* const line = plane(c, pass.target()) + index_t{y} * pass.out.width;
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < 4; ++k) {
            const std::int32_t column = first + k * distance;
            if (column >= pass.out.width) break;
            SELFSAME_UNROLL_ALL
            for (std::size_t channel = 0; channel < C; ++channel) {
                line[static_cast<index_t>(channel) * area + column] = x[k][channel];
            }
        }
    }

    /// From what every thread found of the image to what the operation prepares of it.
    template <block_context K>
    SELFSAME_DEVICE void finish_measuring(K& c, index_t n, const image_pass& pass, found& mine) const {
        auto& s = c.template shared<shared>();
        for (int mask = 1; mask < warp_size; mask *= 2) mine.merge(c.shuffle_xor(mine, mask));
        if (c.lane() == 0) c.write(s.of_warp[c.warp()], mine);
        c.sync();
        if (c.thread() == 0) {
            for (int w = 1; w < threads / warp_size; ++w) mine.merge(c.read(s.of_warp[w]));
            each_step(n, [&](const auto& op, const auto& p, int k, auto) {
                using Op = std::remove_cvref_t<decltype(op)>;
                if constexpr (on_values<Op> && needs_statistics<Op>) {
                    if (k != pass.measuring) return;
                    const image_shape shape{C, pass.out.height, pass.out.width};
                    auto& room = s.steps.template prepared<prepared_of<Op>>(k);
                    if constexpr (counting_op<Op>) {
                        c.write(room, op.prepare(p, shape, memory.counts[c.block()]));
                    } else {
                        c.write(room, mine.template prepare<Op>(op, p, shape));
                    }
                }
            });
        }
        c.sync();
    }

    template <block_context K>
    SELFSAME_DEVICE float* plane(const K& c, int which) const {
        return memory.plane(c.block(), which);
    }
    SELFSAME_DEVICE pixel_source<T> source_of(const placed_image& given) const {
        return {from.data + given.offset, given.row, given.column, given.channel};
    }
    template <block_context K>
    SELFSAME_DEVICE pixel_source<float> plane_source(const K& c, const image_pass& pass) const {
        return {plane(c, pass.source()), pass.in.width, 1, index_t{pass.in.height} * pass.in.width};
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
