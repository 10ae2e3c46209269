#pragma once

#include <limits>
#include <string>

#include "selfsame/engine/host/image_list.hpp"
#include "selfsame/engine/host/imagewise_levels.hpp"
#include "selfsame/engine/host/imagewise_run.hpp"

/// \file
/// The host's imagewise engine: every image of a batch goes through all operations while it is in a core's cache.

namespace selfsame::inline SELFSAME_ISA::host {

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

template <class Op>
void absorb_operation(const Op& op, image_shape in, image_limits& limits) {
    if constexpr (composite_op<Op>) {
        op.each([&](const auto& inner) { absorb_operation(inner, in, limits); });
    } else if constexpr (convolving_op<Op>) {
        limits.reach = (std::max)(limits.reach, index_t{op.reach()});
    } else if constexpr (resampling_op<Op>) {
        const axis_resampling rows(in.height, op.output(in).height, op.method, op.antialias);
        limits.taps = (std::max)(limits.taps, index_t{rows.capacity()});
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

/// Operations that are to make something of every image of a batch, with the parameters that draw(n) gives.
template <class Operations, class Out, class Draw>
struct view_task {
    const Operations& operations;
    Out out;
    Draw draw;
};
template <class Operations, class Out, class Draw>
view_task(const Operations&, Out, Draw) -> view_task<Operations, Out, Draw>;

namespace detail {

template <class... Ops, class Out, class Draw, class T>
void check_task(const view_task<record<Ops...>, Out, Draw>& task, const image_list<T>& images, image_limits& limits) {
    using element = typename Out::element_type;
    static_assert(Out::rank() == 4 && (std::is_same_v<element, float> || std::is_same_v<element, half> ||
                                       std::is_same_v<element, bfloat16> || is_byte<element>),
                  "selfsame: out: a tensor N x channels x height x width of float, half, bfloat16 or std::uint8_t is "
                  "expected");
    static_assert(Out::accessor_type::space == memory_space::host, "selfsame: out: host memory is expected");
    const auto& out = task.out;
    const index_t count = images.count();
    if (index_t{out.extent(0)} != count) fail("out", shape_text(out), joined(count, " images"));
    if (count == 0) return check_operations(task.operations, static_cast<std::int32_t>(out.extent(1)));
    check_operations(task.operations, images.channels());
    check_writable("out", out);

    constexpr bool reads_given = [] {
        bool first = true, result = sizeof...(Ops) > 0;
        ((result = first ? resampling_op<Ops> || rearranging_op<Ops> : result, first = false), ...);
        return result;
    }();
    limits.channels = images.channels();
    for (index_t n = 0; n < count; ++n) {
        image_shape shape = images.shape(n);
        reads_given ? limits.absorb_source(shape) : limits.absorb(shape);
        for_each_operation(task.operations, [&](const auto& op, auto) {
            check_image(op, shape);
            absorb_operation(op, shape, limits);
            limits.absorb(shape = output_shape(op, shape));
        });
        if (shape.channels != out.extent(1) || shape.height != out.extent(2) || shape.width != out.extent(3)) {
            fail("out", shape_text(out),
                 joined(count, " x ", shape.channels, " x ", shape.height, " x ", shape.width,
                        " (what becomes of image ", n, ")"));
        }
    }
}

template <int C, class... Ops, class Out, class Draw, class T>
void run_task(const view_task<record<Ops...>, Out, Draw>& task, const image_list<T>& images, index_t n,
              image_runner<T, C>& runner) {
    using element = typename Out::element_type;
    constexpr std::size_t far_beyond_caches = std::size_t(4) << 20;
    const auto& out = task.out;
    const record<typename Ops::parameters...> parameters = task.draw(n);
    constexpr int most = step_count_v<Ops...>;
    step steps[most > 0 ? most : 1];
    step* end = steps;
    image_shape shape = images.shape(n);
    for_each_operation(task.operations,
                       [&](const auto& op, auto index) { append_steps<C>(end, op, get<index()>(parameters), shape); });
    const image<T> given = images[n];
    const image_target target{out.data_handle() + n * out.stride(0),
                              out.stride(1),
                              out.stride(2),
                              out.stride(3),
                              static_cast<std::size_t>(out.size()) * sizeof(element) >= far_beyond_caches,
                              put_row<element, C>,
                              std::is_same_v<element, float> && out.stride(3) == 1};
    if constexpr (is_byte<T> && is_byte<element>) {
        level_runner<C> levels(given, target, runner.workspace());
        if (levels.takes(steps, end)) return levels.run(steps, end);
    }
    runner.run(steps, end, given, target);
}

}  // namespace detail

/// Runs all tasks on every image while it is in the core's cache.
template <class Policy, class T, class... Tasks>
void imagewise(const context<Policy>& ctx, const image_list<T>& images, const Tasks&... tasks) {
    const index_t count = images.count();
    image_limits limits;
    (detail::check_task(tasks, images, limits), ...);
    if (count == 0) return;
    const auto each = [&]<int C>(std::integral_constant<int, C>) {
        const int threads = static_cast<int>((std::min)(index_t{workers(ctx)}, count));
        const std::size_t bytes = limits.bytes();
        scratch<Policy> memory(ctx.policy, bytes * static_cast<std::size_t>(threads));
        std::uint8_t* base = memory.template take<std::uint8_t>(static_cast<index_t>(bytes) * threads);
        // Some ten thousand values at once, so that small images do not make much ado.
        const index_t values = (index_t{0} + ... + static_cast<index_t>(tasks.out.size())) / count;
        const index_t block = (std::clamp)(index_t{16384} / values, index_t{1}, (count + threads - 1) / threads);
        auto bounded = ctx;
        bounded.threads = threads;
        parallel_for(bounded, (count + block - 1) / block, [&](index_t part, int worker) {
            piece_cursor pieces{base + static_cast<std::size_t>(worker) * bytes};
            image_runner<T, C> runner(image_workspace(limits, pieces));
            for (index_t n = part * block; n < (std::min)(count, (part + 1) * block); ++n) {
                (detail::run_task(tasks, images, n, runner), ...);
            }
        });
    };
    switch (images.channels()) {
        case 1:
            return each(std::integral_constant<int, 1>());
        case 3:
            return each(std::integral_constant<int, 3>());
        default:
            return each(std::integral_constant<int, 4>());
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
