#pragma once

#include <cstddef>
#include <limits>
#include <new>

#include "selfsame/engine/host/imagewise_rows.hpp"

/// \file
/// What is to be done to one image, as a list of steps: the bridge from a pipeline's types to loops over rows that
/// know none of them. One call a row and operation costs nothing measurable, and nothing is instantiated for
/// combinations of operations.

namespace selfsame::inline SELFSAME_ISA::host {

enum class step_kind { resample, mirror, rearrange, warp, convolve, neighbours, rows };

/// How often each byte occurs in each channel of an image.
struct level_counts {
    static constexpr std::int32_t levels = 256;
    std::uint32_t count[4][levels];
};

struct step {
    step_kind kind;
    bool measures;      ///< rows: something of the whole image is wanted before
    bool by_channel;    ///< rows: value by value, whatever its place and the other channels
    image_shape shape;  ///< what comes out
    window crop;
    interpolation method;
    bool antialias;
    mirror flips;
    projective_map source;
    std::int32_t radius;
    const void* operation;
    const void* parameters;
    void (*fill)(const step&, channel_values& values);
    pixel_run (*locate)(const step&, image_shape in, std::int32_t y, std::int32_t x);
    void (*weights)(const step&, float* w);
    void (*prepare)(step&, image_statistics* known);
    void (*measure)(const_row_planes row, std::int32_t width, image_statistics& so_far);
    /// The same from what values the levels of bytes are, and how often they occur; or null.
    void (*measure_levels)(const_row_planes values, const level_counts& occur, int channels, image_statistics& known);
    /// A row on its way through an operation; `in` may be `out`, in whole vectors. Streamed: past the caches, where
    /// `out` is aligned.
    void (*run)(const step&, const_row_planes in, row_planes out, std::int32_t width, std::int32_t y, bool streamed);
    /// The window that becomes of a value, and that value for each channel; or null.
    window (*erase)(const step&, float* value);
    void (*run_neighbours)(const step&, const const_row_planes (&rows)[3], row_planes out, std::int32_t width);
    alignas(16) std::byte prepared[96];
};

namespace detail {

template <class Op>
const Op& operation_of(const step& s) {
    return *static_cast<const Op*>(s.operation);
}
template <class Op>
const typename Op::parameters& parameters_at(const step& s) {
    return *static_cast<const typename Op::parameters*>(s.parameters);
}
template <class Op>
const auto& prepared_at(const step& s) {
    return *std::launder(reinterpret_cast<const selfsame::detail::prepared_t<Op>*>(s.prepared));
}

template <class Op>
void prepare_step(step& s, image_statistics* known) {
    using prepared = selfsame::detail::prepared_t<Op>;
    static_assert(
        sizeof(prepared) <= sizeof(s.prepared) && alignof(prepared) <= 16 && std::is_trivially_copyable_v<prepared>,
        "selfsame: what an operation prepares has to be plain and at most 96 bytes");
    ::new (s.prepared) prepared(selfsame::detail::prepare(operation_of<Op>(s), parameters_at<Op>(s), s.shape, known));
}

template <class Op, int C, bool Streamed>
void run_pixels_to(const step& s, const_row_planes in, row_planes out, index_t width) {
    using V = batch<float>;
    const auto q = prepared_at<Op>(s);
    for (index_t i = 0; i < width; i += lanes<float>) {
        std::array<V, C> x;
        for (index_t c = 0; c < C; ++c) x[static_cast<std::size_t>(c)] = load<V>(in[c] + i);
        Op::pixel(q, x);
        for (index_t c = 0; c < C; ++c) {
            float* const to = out[c] + i;
            if constexpr (Streamed) {
                stream(static_cast<float*>(__builtin_assume_aligned(to, sizeof(V))), x[static_cast<std::size_t>(c)]);
            } else {
                store(to, x[static_cast<std::size_t>(c)]);
            }
        }
    }
}
template <class Op, int C>
void run_pixels(const step& s, const_row_planes in, row_planes out, std::int32_t width, std::int32_t, bool streamed) {
    streamed ? run_pixels_to<Op, C, true>(s, in, out, width) : run_pixels_to<Op, C, false>(s, in, out, width);
}

template <class Op, int C>
void measure_pixels(const_row_planes row, std::int32_t width, image_statistics& so_far) {
    using V = batch<float>;
    constexpr index_t L = lanes<float>;
    const auto at = [&]<class U>(index_t i, U (*get)(const float*)) {
        std::array<U, C> x;
        for (index_t c = 0; c < C; ++c) x[static_cast<std::size_t>(c)] = get(row[c] + i);
        return Op::measure(x);
    };
    const auto vector_at = [&](index_t i) { return at(i, +[](const float* p) { return load<V>(p); }); };
    V even(0.0f), odd(0.0f);  // two sums, since one would wait for itself
    index_t i = 0;
    for (; i + 2 * L <= width; i += 2 * L) {
        even += vector_at(i);
        odd += vector_at(i + L);
    }
    if (i + L <= width) even += vector_at(i), i += L;
    float rest = 0;
    for (; i < width; ++i) rest += at(i, +[](const float* p) { return *p; });
    so_far.total += static_cast<double>(sum(even + odd) + rest);
}

template <int C>
void measure_extrema(const_row_planes row, std::int32_t width, image_statistics& so_far) {
    using V = batch<float>;
    constexpr std::int32_t L = lanes<float>;
    for (int c = 0; c < C; ++c) {
        float low = so_far.extrema.low[c], high = so_far.extrema.high[c];
        const auto absorb = [&](float x) {
            low = x < low ? x : low;
            high = x > high ? x : high;
        };
        V least(row[c][0]), most(row[c][0]);
        std::int32_t i = 0;
        for (; i + L <= width; i += L) {
            const V x = load<V>(row[c] + i);
            least = (math::min)(x, least);
            most = (math::max)(x, most);
        }
        for (; i < width; ++i) absorb(row[c][i]);
        for (std::int32_t l = 0; l < L; ++l) absorb(least[l]), absorb(most[l]);
        so_far.extrema.low[c] = low;
        so_far.extrema.high[c] = high;
    }
}

/// The parts of [0, 1] in which values lie.
struct value_parts {
    std::int32_t number[lanes<float>];
    SELFSAME_INLINE explicit value_parts(const float* x) {
        using V = batch<float>;
        // The greater of NaN and 0 is 0, in this order.
        const V y = (math::min)((math::max)(load<V>(x) * V(channel_counts::parts), V(0.0f)), V(255.0f));
        const auto i = __builtin_convertvector(y.v, batch<std::int32_t>::native);
        std::memcpy(number, &i, sizeof(i));
    }
};

template <int C>
void measure_counts(const_row_planes row, std::int32_t width, image_statistics& so_far) {
    constexpr std::int32_t L = lanes<float>;
    for (int c = 0; c < C; ++c) {
        std::uint32_t* const count = so_far.counts.count[c];
        std::int32_t i = 0;
        for (; i + L <= width; i += L) {
            const value_parts parts(row[c] + i);
            for (const std::int32_t k : parts.number) ++count[k];
        }
        const value_parts parts(row[c] + i);
        for (std::int32_t l = 0; l < width - i; ++l) ++count[parts.number[l]];
    }
}

inline void measure_level_extrema(const_row_planes values, const level_counts& occur, int channels,
                                  image_statistics& known) {
    constexpr float most = std::numeric_limits<float>::infinity();
    for (int c = 0; c < channels; ++c) {
        float low = most, high = -most;
        for (std::int32_t k = 0; k < level_counts::levels; ++k) {
            if (occur.count[c][k] == 0) continue;
            const float x = values[c][k];
            low = x < low ? x : low;
            high = x > high ? x : high;
        }
        known.extrema.low[c] = low;
        known.extrema.high[c] = high;
    }
}

inline void measure_level_counts(const_row_planes values, const level_counts& occur, int channels,
                                 image_statistics& known) {
    constexpr std::int32_t L = lanes<float>;
    for (int c = 0; c < channels; ++c) {
        for (std::int32_t i = 0; i < level_counts::levels; i += L) {
            const value_parts parts(values[c] + i);
            for (std::int32_t l = 0; l < L; ++l) known.counts.count[c][parts.number[l]] += occur.count[c][i + l];
        }
    }
}

template <class Op, int C>
void run_table(const step& s, const_row_planes in, row_planes out, std::int32_t width, std::int32_t, bool) {
    constexpr std::int32_t L = lanes<float>;
    const auto q = prepared_at<Op>(s);
    for (std::int32_t c = 0; c < C; ++c) {
        const float* const table = Op::table(q, c);
        for (std::int32_t i = 0; i < width; i += L) {
            if (table == nullptr) {
                store(out[c] + i, load<batch<float>>(in[c] + i));
                continue;
            }
            const value_parts parts(in[c] + i);
            for (std::int32_t l = 0; l < L; ++l) out[c][i + l] = table[parts.number[l]];
        }
    }
}

template <class Op, int C>
void run_neighbours(const step& s, const const_row_planes (&rows)[3], row_planes to, std::int32_t width) {
    using V = batch<float>;
    const auto q = prepared_at<Op>(s);
    for (index_t c = 0; c < C; ++c) {
        const float* x[3] = {rows[0][c], rows[1][c], rows[2][c]};
        float* out = to[c];
        for (index_t i = 1; i + 1 < width; i += lanes<float>) {
            const auto at = [&](int row, index_t k) { return load<V>(x[row] + i + k); };
            store(out + i, Op::neighbours(q, std::array<V, 9>{at(0, -1), at(0, 0), at(0, 1), at(1, -1), at(1, 0),
                                                              at(1, 1), at(2, -1), at(2, 0), at(2, 1)}));
        }
        out[0] = x[1][0];
        if (width > 1) out[width - 1] = x[1][width - 1];
    }
}

template <class Op, int C>
void run_elements(const step& s, const_row_planes in, row_planes out, std::int32_t width, std::int32_t row, bool) {
    constexpr std::int32_t D = element_place::distance;
    const auto q = prepared_at<Op>(s);
    for (std::int32_t c = 0; c < C; ++c) {
        for (std::int32_t begin = 0; begin < width; begin += 4 * D) {
            const std::int32_t n = (std::min)(4 * D, width - begin);
            float x[4 * D] = {};
            std::memcpy(x, in[c] + begin, static_cast<std::size_t>(n) * sizeof(float));
            for (std::int32_t l = 0; l < D; ++l) {
                const auto y = Op::elements(q, {x[l], x[l + D], x[l + 2 * D], x[l + 3 * D]}, {c, row, begin + l});
                x[l] = y[0];
                x[l + D] = y[1];
                x[l + 2 * D] = y[2];
                x[l + 3 * D] = y[3];
            }
            std::memcpy(out[c] + begin, x, static_cast<std::size_t>(n) * sizeof(float));
        }
    }
}

}  // namespace detail

/// Appends what an operation does with the given parameters, and moves `shape` to what comes out. The step refers to
/// both arguments.
template <int C, class Op>
void append_steps(step*& next, const Op& op, const typename Op::parameters& p, image_shape& shape) {
    if constexpr (composite_op<Op>) {
        op.visit(p, [&](const auto& inner, const auto& q) { append_steps<C>(next, inner, q, shape); });
    } else {
        step& s = *next++;
        s.operation = &op;
        s.parameters = &p;
        s.shape = shape = output_shape(op, shape);
        s.measures = false;
        s.fill = nullptr;
        if constexpr (resampling_op<Op>) {
            s.kind = step_kind::resample;
            s.crop = op.crop(p);
            s.method = op.method;
            s.antialias = op.antialias;
        } else if constexpr (mirroring_op<Op>) {
            s.kind = step_kind::mirror;
            s.flips = op.flips(p);
            if (!s.flips.horizontal && !s.flips.vertical) --next;
        } else if constexpr (rearranging_op<Op>) {
            s.kind = step_kind::rearrange;
            s.locate = [](const step& t, image_shape in, std::int32_t y, std::int32_t x) {
                return detail::operation_of<Op>(t).source(detail::parameters_at<Op>(t), in, y, x);
            };
            s.fill = [](const step& t, channel_values& values) { values = detail::operation_of<Op>(t).fill; };
        } else if constexpr (warping_op<Op>) {
            s.kind = step_kind::warp;
            s.source = op.source(p, shape);
            s.method = op.method;
            s.fill = [](const step& t, channel_values& values) { values = detail::operation_of<Op>(t).fill; };
        } else if constexpr (convolving_op<Op>) {
            s.kind = step_kind::convolve;
            s.radius = op.radius(p);
            s.weights = [](const step& t, float* w) {
                const auto weight = [&](std::int32_t k) {
                    return detail::operation_of<Op>(t).weight(detail::parameters_at<Op>(t), k);
                };
                double total = weight(0);
                for (std::int32_t k = 1; k <= t.radius; ++k) total += 2 * weight(k);
                for (std::int32_t k = 0; k <= t.radius; ++k) w[k] = static_cast<float>(weight(k) / total);
            };
        } else {
            static_assert(pointwise_op<Op> || positional_op<Op> || neighbouring_op<Op> || tabulating_op<Op>,
                          "selfsame: an operation on images is of none of the kinds in engine/imagewise.hpp, or one of "
                          "its functions is not constexpr");
            s.kind = step_kind::rows;
            s.prepare = detail::prepare_step<Op>;
            s.by_channel = maps_channels<Op>;
            s.measure_levels = nullptr;
            s.erase = nullptr;
            if constexpr (measuring_op<Op>) {
                s.measure = detail::measure_pixels<Op, C>;
            } else if constexpr (ranging_op<Op>) {
                s.measure = detail::measure_extrema<C>;
                s.measure_levels = detail::measure_level_extrema;
            } else if constexpr (counting_op<Op>) {
                s.measure = detail::measure_counts<C>;
                s.measure_levels = detail::measure_level_counts;
            }
            s.measures = needs_statistics<Op>;
            if constexpr (neighbouring_op<Op>) {
                s.kind = step_kind::neighbours;
                s.run_neighbours = detail::run_neighbours<Op, C>;
            } else if constexpr (tabulating_op<Op>) {
                s.run = detail::run_table<Op, C>;
            } else if constexpr (positional_op<Op>) {
                s.run = detail::run_elements<Op, C>;
                if constexpr (erasing_op<Op>) {
                    s.erase = [](const step& t, float* value) {
                        const auto& q = detail::prepared_at<Op>(t);
                        for (int c = 0; c < C; ++c) value[c] = q.value[c];
                        return q.erased;
                    };
                }
            } else {
                s.run = detail::run_pixels<Op, C>;
            }
            if (!s.measures) s.prepare(s, nullptr);
        }
    }
}

/// Steps that a pipeline takes at most.
template <class... Ops>
inline constexpr int step_count_v = (0 + ... + steps_of<Ops>);

}  // namespace selfsame::inline SELFSAME_ISA::host
