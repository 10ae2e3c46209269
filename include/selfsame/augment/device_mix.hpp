#pragma once

#include "selfsame/augment/device_ids.hpp"
#include "selfsame/augment/mask.hpp"
#include "selfsame/augment/mix.hpp"

/// \file
/// Masks and mixtures on a device: the calls of augment/mask.hpp and augment/mix.hpp with device tensors, `weights`
/// among them. The same keys give the same bits as on the host. Nothing waits.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

template <class Mask>
struct draw_masks_kernel : device::thread_each {
    static constexpr const char* name = "draw_masks";
    Mask op;
    key k;
    device_ids ids;
    mask_grid first;
    index_t count, step;

    template <device::block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t n = item(c);
        if (n >= count) return;
        mask_grid grid = first;
        grid.data += n * step;
        draw_mask(op, ids[n], k, grid);
    }
};

template <class Op>
struct draw_mixes : device::thread_each {
    static constexpr const char* name = "draw_mixes";
    Op op;
    key k;
    device_ids ids;
    image_shape shape;
    index_t count;
    typename Op::parameters* drawn;
    device::strided_values<float> weights;

    template <device::block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t n = item(c);
        if (n >= count) return;
        drawn[n] = draw_mix(op, ids[n], k, shape);
        weights[n] = op.weight_of(drawn[n], shape);
    }
};

/// A warp for each row of a channel of an image.
template <class Op>
struct mix_images : device::warp_each {
    static constexpr const char* name = "mix_images";
    Op op;
    const typename Op::parameters* drawn;
    float_images<const float> from;
    float_images<float> to;

    template <device::block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const index_t line = item(c), height = from.shape.height, lines = height * from.shape.channels;
        const index_t n = line / lines;
        if (n >= from.count) return;
        mix_row(op, drawn[n], from, to, n, line % lines / height, static_cast<std::int32_t>(line % height), c.lane(),
                device::warp_size);
    }
};

}  // namespace detail

template <device_execution C, class Mask, class Out>
void draw_masks(const C& ctx, const Mask& op, const sample_ids& ids, key k, Out&& out) {
    const auto masks = as_tensor<3>(out);
    static_assert(decltype(masks)::accessor_type::space == memory_space::device,
                  "selfsame: a host tensor was given to a device execution policy");
    detail::check_masks(op, ids, k, masks);
    const index_t count = masks.extent(0);
    const auto c = as_context(ctx);
    const detail::sent_ids list(c, ids, count);
    using kernel = detail::draw_masks_kernel<Mask>;
    device::machine<std::remove_const_t<decltype(c.policy)>>(c.policy).launch(
        kernel::blocks(count),
        kernel{{}, op, k, detail::device_ids_of(ids, list.data()), detail::grid_of(masks), count, masks.stride(0)});
}

template <device_execution C, class Op, class Images, class Out, class Weights>
void mix(const C& ctx, const Op& op, const Images& images, const sample_ids& ids, key k, Out&& out, Weights&& weights) {
    const auto in = as_tensor<4>(images);
    const auto to = as_tensor<4>(out);
    const auto shares = as_tensor<1>(weights);
    constexpr auto space = memory_space::device;
    static_assert(decltype(in)::accessor_type::space == space && decltype(to)::accessor_type::space == space &&
                      decltype(shares)::accessor_type::space == space,
                  "selfsame: a host tensor was given to a device execution policy");
    detail::check_mix(op, in, ids, k, to, shares);
    if (in.size() == 0) return;
    const auto from = detail::float_images_of<const float>(in);
    const auto made = detail::float_images_of<float>(to);
    const auto c = as_context(ctx);
    using policy = std::remove_const_t<decltype(c.policy)>;
    using parameters = typename Op::parameters;
    const detail::sent_ids list(c, ids, from.count);
    scratch<policy> memory(c.policy, scratch_bytes<parameters>(from.count));
    auto* const drawn = memory.template take<parameters>(from.count);
    const device::machine<policy> machine(c.policy);
    using draw = detail::draw_mixes<Op>;
    machine.launch(draw::blocks(from.count), draw{{},
                                                  op,
                                                  k,
                                                  detail::device_ids_of(ids, list.data()),
                                                  from.shape,
                                                  from.count,
                                                  drawn,
                                                  device::values_of(shares)});
    using mixing = detail::mix_images<Op>;
    machine.launch(mixing::blocks(from.count * from.shape.channels * from.shape.height),
                   mixing{{}, op, drawn, from, made});
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
