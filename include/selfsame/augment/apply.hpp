#pragma once

#include <span>

#include "selfsame/augment/pipeline.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/imagewise.hpp"

/// \file
/// Pipelines applied to batches of images.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Draws the parameters of every image of a batch: what `apply` with the same arguments uses.
template <class Images, class... Ops>
void draw(const pipeline<Ops...>& p, const Images& images, const sample_ids& ids, key k,
          std::span<typename pipeline<Ops...>::parameters> drawn) {
    const auto in = image_source<memory_space::host>(images);
    ids.check(in.count());
    detail::check_key(k);
    check_operations(p.operations, in.channels());
    if (static_cast<index_t>(drawn.size()) != in.count()) {
        fail("parameters", joined(drawn.size(), " records"), joined("one for each of ", in.count(), " images"));
    }
    for (index_t n = 0; n < in.count(); ++n) drawn[static_cast<std::size_t>(n)] = draw(p, in.shape(n), ids[n], k);
}

/// Augments a batch: `images` are a tensor N x height x width x channels of std::uint8_t (0 to 255 are taken as 0 to 1)
/// or float, of any strides, or an `image_batch` of images of different sizes; 1, 3 or 4 channels. `out` is a tensor
/// N x channels x height x width of float, half, bfloat16 or std::uint8_t (0 to 1 become 0 to 255), of any strides.
/// Nothing is written where an argument is refused.
template <execution C, class Images, class Out, class... Ops>
void apply(const C& ctx, const pipeline<Ops...>& p, const Images& images, const sample_ids& ids, key k, Out&& out) {
    const auto in = image_source<memory_space::host>(images);
    ids.check(in.count());
    detail::check_key(k);
    host::imagewise(as_context(ctx), in, host::view_task{p.operations, as_tensor<4>(out), [&](index_t n) {
                                                             return draw(p, in.shape(n), ids[n], k);
                                                         }});
}

/// The same with given parameters, one record an image. Those of a crop must lie inside their image.
template <execution C, class Images, class Out, class... Ops>
void apply(const C& ctx, const pipeline<Ops...>& p, const Images& images,
           std::type_identity_t<std::span<const typename pipeline<Ops...>::parameters>> given, Out&& out) {
    const auto in = image_source<memory_space::host>(images);
    if (static_cast<index_t>(given.size()) != in.count()) {
        fail("parameters", joined(given.size(), " records"), joined("one for each of ", in.count(), " images"));
    }
    for (index_t n = 0; n < in.count(); ++n)
        check_parameters(p.operations, given[static_cast<std::size_t>(n)], in.shape(n));
    host::imagewise(as_context(ctx), in, host::view_task{p.operations, as_tensor<4>(out), [&](index_t n) {
                                                             return given[static_cast<std::size_t>(n)];
                                                         }});
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
