#pragma once

#include <tuple>

#include "selfsame/augment/apply.hpp"

/// \file
/// Several views of every image from one read of it: multi-crop.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Makes all views of an image while it is in the core's cache; the rest is as in `apply`. The n-th of `views` is what
/// `apply` makes with n added to the key's view.
template <execution C, class Images, class... Pipelines, class... Outs>
void apply_views(const C& ctx, const Images& images, const sample_ids& ids, key k,
                 const view_of<Pipelines, Outs>&... views) {
    const auto in = image_source<memory_space::host>(images);
    ids.check(in.count());
    detail::check_key({k.seed, k.epoch, k.view + static_cast<std::uint32_t>(sizeof...(views)) - 1});
    std::uint32_t next = k.view;
    const auto task = [&](const auto& v) {
        const key own{k.seed, k.epoch, next++};
        return host::view_task{v.pipeline.operations, as_tensor<4>(v.out),
                               [&in, &ids, &v, own](index_t n) { return draw(v.pipeline, in.shape(n), ids[n], own); }};
    };
    // Braces, so that the tasks are made from left to right.
    std::apply([&](const auto&... tasks) { host::imagewise(as_context(ctx), in, tasks...); },
               std::tuple{task(views)...});
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
