#pragma once

#include <tuple>

#include "selfsame/augment/device_ids.hpp"
#include "selfsame/augment/pipeline.hpp"
#include "selfsame/engine/cuda/imagewise.hpp"

/// \file
/// Pipelines on a device: the calls of augment/apply.hpp and augment/views.hpp with device tensors, or an `image_batch`
/// whose images are in the device's memory. The same keys give the same parameters as on the host, bit for bit. Nothing
/// waits; what the host's memory holds (lists of images, samples and parameters) is read before a call returns.

namespace selfsame::inline SELFSAME_ISA::augment {

namespace detail {

/// Parameters drawn by the device.
template <class... Ops>
struct device_draw {
    using parameters = typename pipeline<Ops...>::parameters;
    pipeline<Ops...> operations;
    key k;
    device_ids ids;

    constexpr parameters operator()(index_t n, image_shape shape) const { return draw(operations, shape, ids[n], k); }
};

template <class... Ops>
struct drawn_parameters {
    const pipeline<Ops...>& p;
    const sample_ids& ids;
    key k;

    template <class Machine, class T, class Memory>
    auto* make(const Machine& machine, const device::image_places<T>& places, const image_list<T>& images,
               Memory& memory) const {
        using parameters = typename pipeline<Ops...>::parameters;
        const index_t count = images.count();
        auto* const drawn =
            reinterpret_cast<parameters*>(memory.template take<std::uint64_t>(device::words_for<parameters>(count)));
        auto* const list = ids.is_list() ? memory.template take<std::uint64_t>(count) : nullptr;
        if constexpr (!std::is_same_v<Memory, device::scratch_count>) {
            if (ids.is_list()) device::send<std::uint64_t>(machine, list, count, [&](index_t n) { return ids[n]; });
            launch(machine, places, images, list, drawn);
        }
        return drawn;
    }
    template <class Machine, class T>
    void launch(const Machine& machine, const device::image_places<T>& places, const image_list<T>& images,
                const std::uint64_t* list, typename pipeline<Ops...>::parameters* drawn) const {
        const index_t count = images.count();
        using kernel = device::draw_views<device_draw<Ops...>, T>;
        machine.launch(kernel::blocks(count),
                       kernel{{}, {p, k, device_ids_of(ids, list)}, places, images.channels(), count, drawn});
    }
};
template <class... Ops>
drawn_parameters(const pipeline<Ops...>&, const sample_ids&, key) -> drawn_parameters<Ops...>;

template <class Parameters>
struct given_parameters {
    std::span<const Parameters> given;

    template <class Machine, class T, class Memory>
    const Parameters* make(const Machine& machine, const device::image_places<T>&, const image_list<T>& images,
                           Memory& memory) const {
        const index_t count = images.count();
        auto* const words = memory.template take<std::uint64_t>(device::words_for<Parameters>(count));
        if constexpr (!std::is_same_v<Memory, device::scratch_count>) {
            device::send<Parameters>(machine, words, count,
                                     [&](index_t n) { return given[static_cast<std::size_t>(n)]; });
        }
        return reinterpret_cast<const Parameters*>(words);
    }
};

}  // namespace detail

/// Draws the parameters of every image of a batch, for whoever wants to see them: `drawn` is a tensor of as many
/// records of the pipeline's parameters, one after the other in the device's memory.
template <device_execution C, class Images, class Drawn, class... Ops>
void draw(const C& ctx, const pipeline<Ops...>& p, const Images& images, const sample_ids& ids, key k, Drawn&& drawn) {
    const auto in = image_source<memory_space::device>(images);
    const auto records = as_tensor<1>(drawn);
    static_assert(std::is_same_v<typename decltype(records)::element_type, typename pipeline<Ops...>::parameters>,
                  "selfsame: drawn: the pipeline's parameters are expected");
    static_assert(decltype(records)::accessor_type::space == memory_space::device,
                  "selfsame: drawn: device memory is expected");
    ids.check(in.count());
    detail::check_key(k);
    check_operations(p.operations, in.channels());
    const index_t count = in.count();
    if (records.extent(0) != count || (count > 1 && records.stride(0) != 1)) {
        fail("drawn", joined(records.extent(0), " records, ", records.stride(0), " apart"),
             joined("one for each of ", count, " images, one after the other"));
    }
    if (count == 0) return;
    const auto context = as_context(ctx);
    const detail::sent_ids list(context, ids, count);
    device::with_places(context, in, [&](const auto& machine, const auto& places) {
        detail::drawn_parameters{p, ids, k}.launch(machine, places, in, list.data(), records.data_handle());
    });
}

/// Augments a batch of a device's memory: see augment/apply.hpp.
template <device_execution C, class Images, class Out, class... Ops>
void apply(const C& ctx, const pipeline<Ops...>& p, const Images& images, const sample_ids& ids, key k, Out&& out) {
    const auto in = image_source<memory_space::device>(images);
    ids.check(in.count());
    detail::check_key(k);
    device::imagewise(as_context(ctx), in,
                      device::view_call{p.operations, as_tensor<4>(out), detail::drawn_parameters{p, ids, k}});
}

/// The same with given parameters, one record an image, in the host's memory.
template <device_execution C, class Images, class Out, class... Ops>
void apply(const C& ctx, const pipeline<Ops...>& p, const Images& images,
           std::type_identity_t<std::span<const typename pipeline<Ops...>::parameters>> given, Out&& out) {
    const auto in = image_source<memory_space::device>(images);
    if (static_cast<index_t>(given.size()) != in.count()) {
        fail("parameters", joined(given.size(), " records"), joined("one for each of ", in.count(), " images"));
    }
    for (index_t n = 0; n < in.count(); ++n)
        check_parameters(p.operations, given[static_cast<std::size_t>(n)], in.shape(n));
    using parameters = typename pipeline<Ops...>::parameters;
    device::imagewise(as_context(ctx), in,
                      device::view_call{p.operations, as_tensor<4>(out), detail::given_parameters<parameters>{given}});
}

/// Several views of every image, as in augment/views.hpp.
template <device_execution C, class Images, class... Pipelines, class... Outs>
void apply_views(const C& ctx, const Images& images, const sample_ids& ids, key k,
                 const view_of<Pipelines, Outs>&... views) {
    const auto in = image_source<memory_space::device>(images);
    ids.check(in.count());
    detail::check_key({k.seed, k.epoch, k.view + static_cast<std::uint32_t>(sizeof...(views)) - 1});
    std::uint32_t next = k.view;
    const auto call = [&](const auto& v) {
        const key own{k.seed, k.epoch, next++};
        return device::view_call{v.pipeline.operations, as_tensor<4>(v.out),
                                 detail::drawn_parameters{v.pipeline, ids, own}};
    };
    // Braces, so that the calls are made from left to right.
    std::apply([&](const auto&... calls) { device::imagewise(as_context(ctx), in, calls...); },
               std::tuple{call(views)...});
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
