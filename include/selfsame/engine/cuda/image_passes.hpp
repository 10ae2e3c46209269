#pragma once

#include <array>
#include <limits>

#include "selfsame/engine/cuda/image_sampling.hpp"

/// \file
/// Steps of a view and passes over it, as the threads of a block know them.

namespace selfsame::inline SELFSAME_ISA::device {

/// Operations whose pixels depend on pixels at the same place alone.
template <class Op>
inline constexpr bool on_values = [] {
    if constexpr (resampling_op<Op> || mirroring_op<Op> || rearranging_op<Op> || warping_op<Op> || convolving_op<Op>) {
        return false;
    } else if constexpr (neighbouring_op<Op>) {
        static_assert(!needs_statistics<Op>,
                      "selfsame: an operation (Op of device::on_values) on neighbours that needs to know something of "
                      "the whole image does not run on a device");
        return false;
    } else {
        static_assert(counting_op<Op> || !tabulating_op<Op>,
                      "selfsame: an operation (Op of device::on_values) by a table that is not made of counts does not "
                      "run on a device");
        static_assert(pointwise_op<Op> || positional_op<Op> || tabulating_op<Op>,
                      "selfsame: an operation (Op of device::on_values) on images is of none of the kinds in "
                      "engine/imagewise.hpp, or one of its functions is not constexpr");
        return true;
    }
}();

/// Whether what an operation prepares is known before the image is.
template <class Op>
inline constexpr bool prepares_early = [] {
    if constexpr (resampling_op<Op> || mirroring_op<Op> || rearranging_op<Op> || warping_op<Op> || convolving_op<Op>) {
        return false;
    } else {
        return !needs_statistics<Op>;
    }
}();

template <class Op>
using prepared_of = selfsame::detail::prepared_t<Op>;

enum class step_kind : int { resample, mirror, rearrange, warp, convolve, neighbours, values };

/// What a thread has to know of a step to see where a pass ends.
struct step_code {
    int bits;

    static constexpr step_code of(step_kind kind, bool measures, mirror flips) {
        return {static_cast<int>(kind) | measures << 3 | flips.horizontal << 4 | flips.vertical << 5};
    }
    /// Of the pipeline's first operation, which may read the given image itself.
    constexpr step_code of_first() const { return {bits | 64}; }
    constexpr step_kind kind() const { return static_cast<step_kind>(bits & 7); }
    constexpr bool measures() const { return (bits & 8) != 0; }
    constexpr mirror flips() const { return {(bits & 16) != 0, (bits & 32) != 0}; }
    constexpr bool moves_nothing() const { return kind() == step_kind::mirror && (bits & 48) == 0; }
    /// Whether it begins a pass over the given image, or over an intermediate one.
    constexpr bool heads(bool external) const {
        if (kind() == step_kind::mirror || kind() == step_kind::values) return false;
        return !external || ((kind() == step_kind::resample || kind() == step_kind::rearrange) && (bits & 64) != 0);
    }
};
template <class Op>
constexpr step_code code_of(const Op& op, const typename Op::parameters& p) {
    if constexpr (resampling_op<Op>) {
        return step_code::of(step_kind::resample, false, {});
    } else if constexpr (mirroring_op<Op>) {
        return step_code::of(step_kind::mirror, false, op.flips(p));
    } else if constexpr (rearranging_op<Op>) {
        return step_code::of(step_kind::rearrange, false, {});
    } else if constexpr (warping_op<Op>) {
        return step_code::of(step_kind::warp, false, {});
    } else if constexpr (convolving_op<Op>) {
        return step_code::of(step_kind::convolve, false, {});
    } else if constexpr (!on_values<Op>) {
        return step_code::of(step_kind::neighbours, false, {});
    } else {
        return step_code::of(step_kind::values, needs_statistics<Op>, {});
    }
}

/// The steps of a view, in shared memory.
template <int Most>
struct step_list {
    int count;
    int code[Most];
    struct alignas(16) room {
        unsigned char bytes[96];
    } rooms[Most];

    /// The compiler reads rooms ahead of knowing whether something was prepared there.
    template <block_context C>
    SELFSAME_DEVICE void clear(C& c, int threads) {
        constexpr int words = sizeof(room) / 4;
        for (int k = c.thread(); k < Most * words; k += threads) {
            c.write(*reinterpret_cast<std::uint32_t*>(rooms[k / words].bytes + 4 * (k % words)), 0u);
        }
    }
    /// What a step's operation has prepared.
    template <class Prepared>
    SELFSAME_DEVICE Prepared& prepared(int k) {
        static_assert(
            sizeof(Prepared) <= sizeof(room) && alignof(Prepared) <= 16 && std::is_trivially_copyable_v<Prepared>,
            "selfsame: what an operation prepares has to be plain and at most 96 bytes");
        return *reinterpret_cast<Prepared*>(rooms[k].bytes);
    }
};

/// Calls f(op, parameters, number, is_first) for what an operation consists of.
template <class F, bool First>
struct step_visitor {
    F& f;
    int& number;

    template <class Op>
    SELFSAME_DEVICE void operator()(const Op& op, const typename Op::parameters& p) const {
        if constexpr (composite_op<Op>) {
            op.visit(p, step_visitor<F, false>{f, number});
        } else {
            f(op, p, number, std::bool_constant<First>());
            ++number;
        }
    }
};

/// A pass over a view: the same in all threads of the block.
struct image_pass {
    int head = -1, first = 0, last = 0, measuring = -1;  // steps; below 0: none
    mirror flips{};                                      // of a copied or resized source
    image_shape in{}, out{};
    bool external = true;  // the source is the given image
    bool known = false;    // what the first step wants to know of the image
    bool is_final = false;
    bool filters = false;
    int which = 0;  // the intermediate image that holds the current state
    resized_window resized{};

    /// Takes steps from `at` on; returns the first of the next pass.
    template <class Code>
    SELFSAME_DEVICE int begin(int at, int end, Code&& code) {
        head = measuring = -1;
        flips = {};
        filters = false;
        bool flips_source = true;
        if (at < end) {
            const step_code c = code(at);
            if (c.heads(external)) {
                flips_source = c.kind() == step_kind::resample;
                filters = c.kind() == step_kind::convolve;
                head = at++;
            }
        }
        for (; flips_source && at < end; ++at) {
            const step_code c = code(at);
            if (c.kind() != step_kind::mirror) break;
            flips.horizontal = flips.horizontal != c.flips().horizontal;
            flips.vertical = flips.vertical != c.flips().vertical;
        }
        first = at;
        if (known) ++at;
        for (; at < end; ++at) {
            const step_code c = code(at);
            if (!c.moves_nothing() && (c.kind() != step_kind::values || c.measures())) break;
        }
        last = at;
        if (at < end && code(at).kind() == step_kind::values) measuring = at;
        is_final = at == end;
        return at;
    }
    SELFSAME_DEVICE void end() {
        which = target();
        external = false;
        known = measuring >= 0;
    }

    /// The intermediate image that is read, and the one that is written.
    SELFSAME_DEVICE int source() const { return filters ? 1 - which : which; }
    SELFSAME_DEVICE int target() const {
        const bool in_place = head < 0 && !flips.horizontal && !flips.vertical;
        return external || in_place || filters ? which : 1 - which;
    }
};

/// The part of [0, 1] in which a value lies; NaN lies in the first.
constexpr int part_of(float x) {
    return static_cast<int>((math::min)((math::max)(x * channel_counts::parts, 0.0f), 255.0f));
}

/// A value in global memory to which only the operation has a pointer.
SELFSAME_DEVICE inline float read_global(const float* p) {
#if defined(__CUDA_ARCH__)
    float x;
    asm volatile("ld.global.f32 %0, [%1];" : "=f"(x) : "l"(__cvta_generic_to_global(p)) : "memory");
    return x;
#else
    return *p;
#endif
}

/// What is found of an image: by a thread, and of all together.
template <int C>
struct image_findings {
    double total = 0;
    float low[C], high[C];

    SELFSAME_DEVICE image_findings() {
        SELFSAME_UNROLL_ALL
        for (int c = 0; c < C; ++c) {
            low[c] = std::numeric_limits<float>::infinity();
            high[c] = -std::numeric_limits<float>::infinity();
        }
    }

    /// Pixels as many columns apart as operations by place want them, of those that are `left` before the row's end.
    template <class Op>
    SELFSAME_DEVICE void absorb(const std::array<float, C> (&x)[4], std::int32_t left) {
        float some = 0;
        SELFSAME_UNROLL_ALL
        for (int k = 0; k < 4; ++k) {
            if (k * element_place::distance >= left) break;
            if constexpr (measuring_op<Op>) some += Op::measure(x[k]);
            if constexpr (ranging_op<Op>) {
                SELFSAME_UNROLL_ALL
                for (std::size_t c = 0; c < C; ++c) {
                    low[c] = x[k][c] < low[c] ? x[k][c] : low[c];
                    high[c] = x[k][c] > high[c] ? x[k][c] : high[c];
                }
            }
        }
        total += static_cast<double>(some);
    }
    SELFSAME_DEVICE void merge(const image_findings& other) {
        total += other.total;
        SELFSAME_UNROLL_ALL
        for (int c = 0; c < C; ++c) {
            low[c] = other.low[c] < low[c] ? other.low[c] : low[c];
            high[c] = other.high[c] > high[c] ? other.high[c] : high[c];
        }
    }
    template <class Op>
    SELFSAME_DEVICE prepared_of<Op> prepare(const Op& op, const typename Op::parameters& p, image_shape shape) const {
        if constexpr (measuring_op<Op>) {
            const double pixels = static_cast<double>(shape.height) * shape.width;
            return op.prepare(p, shape, static_cast<float>(total / pixels));
        } else {
            static_assert(ranging_op<Op>);
            channel_extrema extrema{};
            SELFSAME_UNROLL_ALL
            for (int c = 0; c < C; ++c) {
                extrema.low[c] = low[c];
                extrema.high[c] = high[c];
            }
            return op.prepare(p, shape, extrema);
        }
    }
};

/// Working memory of blocks, each with its own part.
struct view_memory {
    float* planes = nullptr;  // two images a block
    index_t image = 0;        // values of one
    std::int32_t *first_rows = nullptr, *first_columns = nullptr;
    channel_counts* counts = nullptr;
    float *row_weights = nullptr, *column_weights = nullptr, *filters = nullptr;
    index_t height = 0, width = 0, row_weight_count = 0, column_weight_count = 0, filter = 0;

    constexpr float* plane(index_t block, int which) const { return planes + (2 * block + which) * image; }
    constexpr axis_weights rows(index_t block) const {
        return {first_rows + block * height, row_weights + block * row_weight_count};
    }
    constexpr axis_weights columns(index_t block) const {
        return {first_columns + block * width, column_weights + block * column_weight_count};
    }
    constexpr float* filter_of(index_t block) const { return filters + block * filter; }
};

}  // namespace selfsame::inline SELFSAME_ISA::device
