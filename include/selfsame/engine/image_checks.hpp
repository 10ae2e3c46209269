#pragma once

#include <string>

#include "selfsame/engine/image_list.hpp"
#include "selfsame/engine/pixels.hpp"

/// \file
/// What a call of an imagewise engine refuses, on any machine.

namespace selfsame::inline SELFSAME_ISA {

/// Calls f(op, index) for each operation.
template <class... Ops, class F>
void for_each_operation(const record<Ops...>& operations, F&& f) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (f(get<Index>(operations), std::integral_constant<std::size_t, Index>()), ...);
    }(std::index_sequence_for<Ops...>());
}

template <class... Ops>
void check_operations(const record<Ops...>& operations, std::int32_t channels) {
    for_each_operation(operations, [&](const auto& op, auto) { op.check(channels); });
}

namespace detail {

template <class Op>
void check_drawn(const Op& op, const typename Op::parameters& p, image_shape shape) {
    if constexpr (composite_op<Op>) {
        if constexpr (requires { op.check_drawn(p, shape); }) op.check_drawn(p, shape);
        op.visit(p, [&](const auto& inner, const auto& q) { check_drawn(inner, q, shape); });
    } else if constexpr (requires { op.check_drawn(p, shape); }) {  // an operation's own conditions
        op.check_drawn(p, shape);
    } else if constexpr (resampling_op<Op>) {
        const window w = op.crop(p);
        const bool inside = w.height >= 1 && w.width >= 1 && w.top >= 0 && w.left >= 0 && w.height <= shape.height &&
                            w.width <= shape.width && w.top <= shape.height - w.height &&
                            w.left <= shape.width - w.width;
        if (!inside) {
            fail("parameters: crop", joined(w.height, " x ", w.width, " at (", w.top, ", ", w.left, ")"),
                 joined("a window of the image, ", shape.height, " x ", shape.width));
        }
    }
}

/// Refuses an image that an operation cannot take.
template <class Op>
void check_image(const Op& op, image_shape shape) {
    if constexpr (composite_op<Op>) {
        op.each([&](const auto& inner) { check_image(inner, shape); });
    } else if constexpr (requires { op.check_shape(shape); }) {
        op.check_shape(shape);
    }
}

}  // namespace detail

/// Refuses parameters that were not drawn for an image of this shape.
template <class... Ops>
void check_parameters(const record<Ops...>& operations, const record<typename Ops::parameters...>& p,
                      image_shape shape) {
    for_each_operation(operations, [&](const auto& op, auto index) {
        detail::check_drawn(op, get<index()>(p), shape);
        shape = output_shape(op, shape);
    });
}

/// Whether the first operation reads the given image itself.
template <class... Ops>
inline constexpr bool reads_given_image = [] {
    bool first = true, result = sizeof...(Ops) > 0;
    ((result = first ? resampling_op<Ops> || rearranging_op<Ops> : result, first = false), ...);
    return result;
}();

/// Refuses operations, images or a result that do not fit. Calls begin(shape) for each image, and then
/// step(op, shape before, shape after) for each operation.
template <memory_space Space, class... Ops, class Out, class T, class Begin, class Step>
void check_view(const record<Ops...>& operations, const Out& out, const image_list<T>& images, Begin&& begin,
                Step&& step) {
    using element = typename Out::element_type;
    static_assert(Out::rank() == 4 && (std::is_same_v<element, float> || std::is_same_v<element, half> ||
                                       std::is_same_v<element, bfloat16> || is_byte<element>),
                  "selfsame: out: a tensor N x channels x height x width of float, half, bfloat16 or std::uint8_t is "
                  "expected");
    static_assert(Space == memory_space::device || Out::accessor_type::space == memory_space::host,
                  "selfsame: out: host memory is expected");
    static_assert(Space == memory_space::host || Out::accessor_type::space == memory_space::device,
                  "selfsame: out: device memory is expected");
    const index_t count = images.count();
    if (index_t{out.extent(0)} != count) fail("out", shape_text(out), joined(count, " images"));
    if (count == 0) return check_operations(operations, static_cast<std::int32_t>(out.extent(1)));
    check_operations(operations, images.channels());
    check_writable("out", out);
    for (index_t n = 0; n < count; ++n) {
        image_shape shape = images.shape(n);
        begin(shape);
        for_each_operation(operations, [&](const auto& op, auto) {
            detail::check_image(op, shape);
            const image_shape made = output_shape(op, shape);
            step(op, shape, made);
            shape = made;
        });
        if (shape.channels != out.extent(1) || shape.height != out.extent(2) || shape.width != out.extent(3)) {
            fail("out", shape_text(out),
                 joined(count, " x ", shape.channels, " x ", shape.height, " x ", shape.width,
                        " (what becomes of image ", n, ")"));
        }
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
