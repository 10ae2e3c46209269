#pragma once

#include "selfsame/engine/host/imagewise_levels.hpp"
#include "selfsame/engine/host/imagewise_run.hpp"
#include "selfsame/engine/image_checks.hpp"

/// \file
/// The host's imagewise engine: every image of a batch goes through all operations while it is in a core's cache.

namespace selfsame::inline SELFSAME_ISA::host {

namespace detail {

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
    constexpr bool reads_given = reads_given_image<Ops...>;
    limits.channels = images.channels();
    check_view<memory_space::host>(
        task.operations, task.out, images,
        [&](image_shape given) { reads_given ? limits.absorb_source(given) : limits.absorb(given); },
        [&](const auto& op, image_shape in, image_shape out) {
            absorb_operation(op, in, limits);
            limits.absorb(out);
        });
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
