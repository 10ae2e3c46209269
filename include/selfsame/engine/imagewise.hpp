#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "selfsame/core/random.hpp"
#include "selfsame/core/tensor.hpp"

/// \file
/// Operations on images: what one has to say. An operation is an aggregate of options with pure functions on values;
/// the engine owns memory, rows and threads, and keeps an image in the core's cache from its first operation to its
/// last.
///
/// Every operation draws its parameters, a plain record, from a random stream, and is one of these kinds:
///
///     resampling    crop(p), output(shape), method, antialias  a window of the image, resized
///     mirroring     flips(p)                                   rows or columns reversed
///     rearranging   output(shape), source(p, shape, y, x), fill  pixels moved, none of them mixed
///     warping       source(p, shape), fill, method             where an output pixel comes from
///     convolving    radius(p), weight(p, k), reach()           a symmetric separable filter, edges reflected
///     neighbouring  prepare(p, shape), neighbours(q, x)        a function of 3 x 3 values, edges as they are
///     pointwise     prepare(p, shape), pixel(q, x)             a function of the channels of one pixel
///     positional    prepare(p, shape), elements(q, x, at)      a function of value and place
///     tabulating    prepare(p, shape), table(q, channel)       256 results, one for each equal part of [0, 1]; or null
///     composite     visit(p, f), each(f), steps, passes        others, in the order in which they are to run
///
/// An operation on values alone, or on values and places, may need to know something of the whole image before:
///
///     measuring     measure(x), prepare(p, shape, mean)        the mean of a function of a pixel
///     ranging       prepare(p, shape, channel_extrema)         least and greatest value of each channel
///     counting      prepare(p, shape, channel_counts&)         histograms, which it may overwrite and refer to

namespace selfsame::inline SELFSAME_ISA {

struct image_shape {
    std::int32_t channels, height, width;
    friend constexpr bool operator==(const image_shape&, const image_shape&) = default;
};

/// A rectangle of an image.
struct window {
    std::int32_t top, left, height, width;
    friend constexpr bool operator==(const window&, const window&) = default;
};

struct mirror {
    bool horizontal = false, vertical = false;
};

/// The source of output pixel (x, y), in pixel coordinates (the centre of the first pixel is 0): both sums divided by
/// z_by_x x + z_by_y y + z_offset.
struct projective_map {
    double x_by_x = 1, x_by_y = 0, x_offset = 0;
    double y_by_x = 0, y_by_y = 1, y_offset = 0;
    double z_by_x = 0, z_by_y = 0, z_offset = 1;

    constexpr bool is_affine() const { return z_by_x == 0 && z_by_y == 0 && z_offset == 1; }
};

/// How values between pixels are found. `nearest` takes the pixel in which a place lies.
enum class interpolation : std::int32_t { nearest, bilinear, bicubic };

/// Pixels that come from a straight line of the source: `count` of them, the k-th from (row + k row_step, column + k
/// column_step). Those of a row below 0 are fill.
struct pixel_run {
    std::int32_t row, column, count;
    std::int32_t row_step = 0, column_step = 1;
};

/// Least and greatest value of each channel.
struct channel_extrema {
    float low[4], high[4];
};

/// How many values of each channel lie in each of 256 equal parts of [0, 1].
struct channel_counts {
    std::uint32_t count[4][256];
    float result[4][256];  ///< room for a table
    /// A value lies in the part whose number is this times the value, rounded down: torchvision's conversion to bytes.
    static constexpr float parts = 255.999f;
};

/// Where elements are that a positional operation gets: at (row, column + k distance) of a channel, k = 0 to 3.
struct element_place {
    static constexpr std::int32_t distance = 16;
    std::int32_t channel, row, column;
};

/// One value for all channels, or one for each.
struct channel_values {
    static constexpr int capacity = 4;
    float value[capacity] = {};
    int count = 0;
    constexpr channel_values(float x) : value{x}, count(1) {}
    constexpr channel_values(std::initializer_list<float> x) {
        for (const float v : x) {
            if (count < capacity) value[count] = v;
            ++count;
        }
    }
    constexpr float operator[](int channel) const { return value[count == 1 ? 0 : channel]; }
};

/// Words and numbers, one after the other, for messages.
template <class... T>
std::string joined(const T&... parts) {
    std::string text;
    const auto append = [&](const auto& part) {
        if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(part)>>) {
            text.append(std::to_string(part));
        } else {
            text.append(std::string_view(part));
        }
    };
    (append(parts), ...);
    return text;
}

/// An image in memory of its own; strides count elements of T.
template <class T>
struct image {
    const T* data;
    index_t height, width;
    index_t row_stride, column_stride, channel_stride;
};

/// An image whose pixels lie one after the other, each with its channels.
template <class T>
constexpr image<T> interleaved(const T* data, index_t height, index_t width, index_t channels) {
    return {data, height, width, width * channels, channels, 1};
}

/// Images of different sizes, with the same number of channels.
template <class T>
struct image_batch {
    std::span<const image<T>> images;
    index_t channels;
};
template <class Images>
image_batch(const Images&, index_t)
    -> image_batch<std::remove_cvref_t<decltype(*std::declval<const Images&>().data()->data)>>;

/// Values of different types in one plain record, in order: drawn parameters, or the operations of a pipeline.
template <class... T>
struct record {};
template <class First, class... Rest>
struct record<First, Rest...> {
    [[no_unique_address]] First first;
    [[no_unique_address]] record<Rest...> rest;
};
// Members without data come first: nvcc 13.0 makes room on the device for those at the end, and the host does not.
template <class First, class... Rest>
    requires(!std::is_empty_v<First> && (std::is_empty_v<Rest> && ...))
struct record<First, Rest...> {
    [[no_unique_address]] record<Rest...> rest;
    [[no_unique_address]] First first;

    constexpr record() = default;
    constexpr record(const First& f, const record<Rest...>& r = {}) : rest(r), first(f) {}
};
template <class First, class... Rest>
constexpr record<First, Rest...> make_record(const First& first, const Rest&... rest) {
    if constexpr (sizeof...(Rest) == 0) {
        return {first, {}};
    } else {
        return {first, make_record(rest...)};
    }
}
constexpr record<> make_record() { return {}; }

/// The value of index Index.
template <std::size_t Index, class First, class... Rest>
constexpr auto& get(record<First, Rest...>& r) {
    if constexpr (Index == 0) {
        return r.first;
    } else {
        return get<Index - 1>(r.rest);
    }
}
template <std::size_t Index, class First, class... Rest>
constexpr const auto& get(const record<First, Rest...>& r) {
    if constexpr (Index == 0) {
        return r.first;
    } else {
        return get<Index - 1>(r.rest);
    }
}

/// What every operation says: its parameters, 4-byte values without gaps, and how they are drawn for an image of some
/// shape; and it refuses its options where they make no sense.
template <class Op>
concept image_op =
    std::is_trivially_copyable_v<typename Op::parameters> && std::is_standard_layout_v<typename Op::parameters> &&
    requires(const Op& op, random_stream& random, image_shape shape, std::int32_t channels) {
        { op.draw(random, shape) } -> std::same_as<typename Op::parameters>;
        op.check(channels);
    };

template <class Op>
using parameters_of = typename Op::parameters;

template <class Op>
concept resampling_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, image_shape shape) {
    { op.crop(p) } -> std::same_as<window>;
    { op.output(shape) } -> std::same_as<image_shape>;
    { op.method } -> std::convertible_to<interpolation>;
    { op.antialias } -> std::convertible_to<bool>;
};
template <class Op>
concept rearranging_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, image_shape shape) {
    { op.output(shape) } -> std::same_as<image_shape>;
    { op.source(p, shape, std::int32_t(), std::int32_t()) } -> std::same_as<pixel_run>;
    { op.fill } -> std::convertible_to<channel_values>;
    { Op::keeps_shape } -> std::convertible_to<bool>;
};
template <class Op>
concept mirroring_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p) {
    { op.flips(p) } -> std::same_as<mirror>;
};
template <class Op>
concept warping_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, image_shape shape) {
    { op.source(p, shape) } -> std::same_as<projective_map>;
    { op.fill } -> std::convertible_to<channel_values>;
    { op.method } -> std::convertible_to<interpolation>;
};
template <class Op>
concept convolving_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p) {
    { op.radius(p) } -> std::same_as<std::int32_t>;
    { op.weight(p, std::int32_t()) } -> std::same_as<double>;
    { op.reach() } -> std::same_as<std::int32_t>;
};
template <class Op>
concept measuring_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, std::array<float, 3> x) {
    { Op::measure(x) } -> std::same_as<float>;
    op.prepare(p, image_shape(), float());
};
template <class Op>
concept ranging_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, channel_extrema extrema) {
    op.prepare(p, image_shape(), extrema);
};
template <class Op>
concept counting_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, channel_counts& counts) {
    op.prepare(p, image_shape(), counts);
};
namespace detail {

// A class and no lambda: nvcc does not take a concept that has a generic one in it.
struct visitor {
    template <class... T>
    constexpr void operator()(const T&...) const {}
};

}  // namespace detail

template <class Op>
concept composite_op = image_op<Op> && requires(const Op& op, const parameters_of<Op>& p, detail::visitor f) {
    op.visit(p, f);
    op.each(f);
};

/// What is measured of an image; only what an operation asks for.
struct image_statistics {
    double total = 0;
    channel_extrema extrema{};
    channel_counts counts{};
};

namespace detail {

template <class Op>
constexpr auto prepare(const Op& op, const typename Op::parameters& p, image_shape shape,
                       [[maybe_unused]] image_statistics* known) {
    if constexpr (measuring_op<Op>) {
        return op.prepare(p, shape,
                          static_cast<float>(known->total / (static_cast<double>(shape.height) * shape.width)));
    } else if constexpr (ranging_op<Op>) {
        return op.prepare(p, shape, known->extrema);
    } else if constexpr (counting_op<Op>) {
        return op.prepare(p, shape, known->counts);
    } else {
        return op.prepare(p, shape);
    }
}
template <class Op>
using prepared_t = decltype(prepare(std::declval<const Op&>(), std::declval<const parameters_of<Op>&>(), image_shape(),
                                    std::declval<image_statistics*>()));

// Evaluated in a constant expression: a member that forgot constexpr fails here, and not silently on a device.
template <class Op, std::size_t C>
constexpr bool evaluates_pixel() {
    std::array<float, C> x{};
    image_statistics known;
    Op::pixel(prepare(Op{}, typename Op::parameters{}, image_shape{C, 1, 1}, &known), x);
    return x[0] == x[0] || true;
}
template <class Op>
constexpr bool evaluates_elements() {
    image_statistics known;
    const auto x = Op::elements(prepare(Op{}, typename Op::parameters{}, image_shape{1, 1, 1}, &known),
                                std::array<float, 4>{}, element_place{0, 0, 0});
    return x[0] == x[0] || true;
}
template <class Op>
constexpr bool evaluates_neighbours() {
    image_statistics known;
    const float x =
        Op::neighbours(prepare(Op{}, typename Op::parameters{}, image_shape{1, 1, 1}, &known), std::array<float, 9>{});
    return x == x || true;
}

}  // namespace detail

template <class Op>
concept pointwise_op = image_op<Op> && requires(detail::prepared_t<Op> q, std::array<float, 3> x) {
    Op::pixel(q, x);
    typename std::bool_constant<detail::evaluates_pixel<Op, 1>()>;
    typename std::bool_constant<detail::evaluates_pixel<Op, 3>()>;
    typename std::bool_constant<detail::evaluates_pixel<Op, 4>()>;
};
template <class Op>
concept neighbouring_op = image_op<Op> && requires(detail::prepared_t<Op> q, std::array<float, 9> x) {
    { Op::neighbours(q, x) } -> std::same_as<float>;
    typename std::bool_constant<detail::evaluates_neighbours<Op>()>;
};
template <class Op>
concept positional_op = image_op<Op> && requires(detail::prepared_t<Op> q, std::array<float, 4> x) {
    { Op::elements(q, x, element_place()) } -> std::same_as<std::array<float, 4>>;
    typename std::bool_constant<detail::evaluates_elements<Op>()>;
};

template <class Op>
concept tabulating_op = image_op<Op> && requires(detail::prepared_t<Op> q) {
    { Op::table(q, std::int32_t()) } -> std::same_as<const float*>;
};

/// Whether an operation needs to know something of the whole image before it runs.
template <class Op>
inline constexpr bool needs_statistics = measuring_op<Op> || ranging_op<Op> || counting_op<Op>;

/// Whether an operation makes the new value of a channel of the old one alone, wherever it lies: one that tabulates, or
/// a pointwise one that says so by its member `by_channel`. Bytes that are to stay bytes are then not converted.
template <class Op>
inline constexpr bool maps_channels = [] {
    if constexpr (requires { Op::by_channel; }) {
        return Op::by_channel;
    } else {
        return tabulating_op<Op>;
    }
}();

/// An operation by elements that overwrites a window with a value of each channel. Where it comes last, bytes that are
/// to stay bytes are not converted either.
template <class Op>
concept erasing_op = positional_op<Op> && requires(detail::prepared_t<Op> q) {
    { q.erased } -> std::convertible_to<window>;
    { q.value[0] } -> std::convertible_to<float>;
};

/// Whether an operation may change the size of an image.
template <class Op>
inline constexpr bool may_resize = [] {
    if constexpr (rearranging_op<Op>) {
        return !Op::keeps_shape;
    } else {
        return resampling_op<Op>;
    }
}();

/// How many operations one stands for at most: those of a composite are counted by its member `steps`.
template <class Op>
inline constexpr int steps_of = [] {
    if constexpr (composite_op<Op>) {
        return Op::steps;
    } else {
        return 1;
    }
}();

/// How often an operation makes the image be gone through once more, at most: those of a composite are counted by its
/// member `passes`. At the beginning of a pipeline, what reads the given image itself costs none.
template <class Op>
inline constexpr int passes_of = [] {
    if constexpr (composite_op<Op>) {
        return Op::passes;
    } else if constexpr (resampling_op<Op> || rearranging_op<Op> || warping_op<Op> || convolving_op<Op>) {
        return 1;
    } else if constexpr (mirroring_op<Op>) {
        return 0;
    } else {
        return needs_statistics<Op> || neighbouring_op<Op> ? 1 : 0;
    }
}();

/// The shape that an operation makes of a shape.
template <class Op>
constexpr image_shape output_shape(const Op& op, image_shape shape) {
    if constexpr (resampling_op<Op> || rearranging_op<Op>) {
        return op.output(shape);
    } else {
        return shape;
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
