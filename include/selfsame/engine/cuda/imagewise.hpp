#pragma once

#include <algorithm>

#include "selfsame/core/execution.hpp"
#include "selfsame/engine/cuda/image_views.hpp"
#include "selfsame/engine/cuda/machine.hpp"
#include "selfsame/engine/image_checks.hpp"

/// \file
/// The device's imagewise engine: for every view of a batch one kernel that draws its parameters, and one that makes
/// it, a block an image. Sizes, numbers of samples and given parameters come with launches; nothing waits.

namespace selfsame::inline SELFSAME_ISA::device {

namespace detail {

template <class Op>
bool moves_pixels(const Op& op) {
    if constexpr (composite_op<Op>) {
        bool any = false;
        op.each([&](const auto& inner) { any = any || moves_pixels(inner); });
        return any;
    } else {
        return !on_values<Op> || needs_statistics<Op>;
    }
}

/// Whether a view may take more than one pass.
template <class... Ops>
bool needs_planes(const record<Ops...>& operations) {
    bool any = false, head = true;
    for_each_operation(operations, [&](const auto& op, auto index) {
        using Op = std::remove_cvref_t<decltype(op)>;
        const bool reads_given = index() == 0 && (resampling_op<Op> || rearranging_op<Op>);
        if (reads_given) {
            head = resampling_op<Op>;
        } else if (!(head && mirroring_op<Op>)) {
            any = any || moves_pixels(op);
            head = false;
        }
    });
    return any;
}

/// What the working memory of a block has to hold.
struct view_limits {
    index_t area = 1;
    index_t source_height = 1, source_width = 1, height = 1, width = 1;  // of resized axes
    index_t reach = 0;
    bool resizes = false, filters = false, counts = false;

    template <class Op>
    void absorb(const Op& op, image_shape in, image_shape out) {
        area = (std::max)(area, index_t{out.height} * out.width);
        if constexpr (composite_op<Op>) {
            op.each([&](const auto& inner) { absorb(inner, in, in); });
        } else if constexpr (convolving_op<Op>) {
            filters = true;
            reach = (std::max)(reach, index_t{op.reach()});
        } else if constexpr (counting_op<Op>) {
            counts = true;
        } else if constexpr (resampling_op<Op>) {
            resizes = true;
            source_height = (std::max)(source_height, index_t{in.height});
            source_width = (std::max)(source_width, index_t{in.width});
            height = (std::max)(height, index_t{out.height});
            width = (std::max)(width, index_t{out.width});
        }
    }

    template <class Memory>
    view_memory take(Memory& memory, index_t blocks, int channels, bool planes) const {
        view_memory m;
        if (planes) {
            m.image = channels * area;
            m.planes = memory.template take<float>(2 * blocks * m.image);
        }
        if (resizes) {
            m.height = height;
            m.width = width;
            m.row_weight_count = axis_weights::weight_count(source_height, height);
            m.column_weight_count = axis_weights::weight_count(source_width, width);
            m.first_rows = memory.template take<std::int32_t>(blocks * height);
            m.first_columns = memory.template take<std::int32_t>(blocks * width);
            m.row_weights = memory.template take<float>(blocks * m.row_weight_count);
            m.column_weights = memory.template take<float>(blocks * m.column_weight_count);
        }
        if (counts) m.counts = memory.template take<channel_counts>(blocks);
        if (filters) {
            m.filter = reach + 1;
            m.filters = memory.template take<float>(blocks * m.filter);
        }
        return m;
    }
};

}  // namespace detail

/// Calls f(machine, places) with the places of images, of which there is one at least.
template <class Policy, class T, class F>
void with_places(const context<Policy>& ctx, const image_list<T>& images, F&& f) {
    const machine<Policy> machine(ctx.policy);
    const image<T> first = images[0];
    image_places<T> places{first.data, place_of(first, first.data), images.step(), nullptr};
    if (!images.is_list()) return f(machine, places);
    const index_t count = images.count(), words = words_for<placed_image>(count);
    scratch<Policy> memory(ctx.policy, scratch_bytes<std::uint64_t>(words));
    auto* const list = memory.template take<std::uint64_t>(words);
    send<placed_image>(machine, list, count, [&](index_t n) { return place_of(images[n], first.data); });
    places.list = reinterpret_cast<const placed_image*>(list);
    f(machine, places);
}

/// What working memory may hold where a context does not say more; one view's is taken in any case.
inline constexpr std::size_t usual_view_bytes = std::size_t(384) << 20;

/// Views of a batch: operations, where results go, and what their parameters are. `parameters.make(images, machine,
/// memory)` is where they are on the device; it is called with a `scratch_count` first, to count what it takes.
template <class Operations, class Out, class Parameters>
struct view_call {
    const Operations& operations;
    Out out;
    Parameters parameters;
};
template <class Operations, class Out, class Parameters>
view_call(const Operations&, Out, Parameters) -> view_call<Operations, Out, Parameters>;

namespace detail {

template <class Policy, class T, class... Ops, class Out, class Parameters>
void make_on(const context<Policy>& ctx, const image_list<T>& images, const image_places<T>& places,
             const view_call<record<Ops...>, Out, Parameters>& call, const view_limits& limits) {
    const machine<Policy> machine(ctx.policy);
    const index_t count = images.count();
    const bool planes = needs_planes(call.operations);
    const auto each = [&]<int C>(std::integral_constant<int, C>) {
        using kernel = make_views<T, typename Out::element_type, C, Ops...>;
        const auto take = [&](auto& memory, index_t blocks) { return limits.take(memory, blocks, C, planes); };
        scratch_count of_block;
        take(of_block, 1);
        const std::size_t most = (std::max)(ctx.scratch_bytes, usual_view_bytes) / (of_block.bytes() + 1);
        constexpr index_t each_multiprocessor = 2;
        const index_t blocks = (std::clamp)(static_cast<index_t>((std::min)(most, std::size_t(1) << 30)), index_t{1},
                                            (std::min)(count, each_multiprocessor * machine.enough_blocks));
        scratch_count all;
        take(all, blocks);
        call.parameters.make(machine, places, images, all);
        scratch<Policy> memory(ctx.policy, all.bytes());
        const view_memory room = take(memory, blocks);
        const auto* const drawn = call.parameters.make(machine, places, images, memory);
        const auto& out = call.out;
        machine.launch(blocks, kernel{call.operations,
                                      drawn,
                                      places,
                                      {out.data_handle(), out.stride(0), out.stride(1), out.stride(2), out.stride(3)},
                                      count,
                                      blocks,
                                      room});
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

}  // namespace detail

/// Makes all views of a batch.
template <class Policy, class T, class... Calls>
void imagewise(const context<Policy>& ctx, const image_list<T>& images, const Calls&... calls) {
    std::array<detail::view_limits, sizeof...(Calls)> limits{};
    std::size_t next = 0;
    const auto check = [&](const auto& call) {
        detail::view_limits& own = limits[next++];
        const bool reads_given = [&]<class... Ops>(const record<Ops...>&) {
            return reads_given_image<Ops...>;
        }(call.operations);
        check_view<memory_space::device>(
            call.operations, call.out, images,
            [&](image_shape given) {
                if (!reads_given) own.area = (std::max)(own.area, index_t{given.height} * given.width);
            },
            [&](const auto& op, image_shape in, image_shape out) { own.absorb(op, in, out); });
    };
    (check(calls), ...);
    if (images.count() == 0) return;
    next = 0;
    with_places(ctx, images, [&](const auto&, const image_places<T>& places) {
        (detail::make_on(ctx, images, places, calls, limits[next++]), ...);
    });
}

}  // namespace selfsame::inline SELFSAME_ISA::device
