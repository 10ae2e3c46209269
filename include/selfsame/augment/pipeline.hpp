#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "selfsame/augment/options.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/engine/host/imagewise.hpp"

/// \file
/// Pipelines: operations composed at compile time, applied to batches of images with parameters drawn for each.
///
///     const pipeline p{random_resized_crop{.height = 28, .width = 28}, horizontal_flip{},
///                      random_apply{0.8f, brightness{0.4f}}, normalize{{0.28f}, {0.35f}}};
///     apply(thrust::omp::par, p, images, first_sample, key{.seed = 1, .epoch = 3, .view = 0}, out);
///
/// The same key and sample give the same view, bit for bit, in any batch, on any number of threads, in any order.

namespace selfsame::inline SELFSAME_ISA::augment {

/// What names the random numbers of a batch; together with the sample's number and the place of an operation in its
/// pipeline it names a stream of them.
struct key {
    std::uint64_t seed = 0;
    std::uint32_t epoch = 0;
    std::uint32_t view = 0;  ///< below 256
};

/// The numbers of a batch's samples: consecutive from a first one, or a list.
class sample_ids {
  public:
    constexpr sample_ids(std::uint64_t first) : first_(first) {}
    template <class Range>
        requires std::convertible_to<const Range&, std::span<const std::uint64_t>>
    constexpr sample_ids(const Range& ids) : list_(ids), listed_(true) {}

    constexpr std::uint64_t operator[](index_t n) const {
        return listed_ ? list_[static_cast<std::size_t>(n)] : first_ + static_cast<std::uint64_t>(n);
    }
    void check(index_t images) const {
        if (listed_ && static_cast<index_t>(list_.size()) != images) {
            fail("sample_ids", joined(list_.size(), " ids"), joined("one for each of ", images, " images"));
        }
    }

  private:
    std::uint64_t first_ = 0;
    std::span<const std::uint64_t> list_;
    bool listed_ = false;
};

/// Streams of random numbers with the numbers of operations that no pipeline has: of mixed images, and of masks.
inline constexpr std::uint32_t mix_stream = 254, mask_stream = 255;

/// Operations that run one after the other; at most 254. A value: copy it, keep it, make it a constant.
template <image_op... Ops>
struct pipeline {
    static_assert(sizeof...(Ops) <= mix_stream, "selfsame: a pipeline has more than 254 operations");
    record<Ops...> operations;

    /// What is drawn for an image, in the order of the operations.
    using parameters = record<typename Ops::parameters...>;

    /// Number of operations.
    static constexpr std::size_t size = sizeof...(Ops);

    /// How often an image is gone through, at most: fused operations share a pass.
    static constexpr int passes = [] {
        int count = 1;
        bool first = true;
        ((count += first && (resampling_op<Ops> || rearranging_op<Ops>) ? 0 : passes_of<Ops>, first = false), ...);
        return count;
    }();

    constexpr pipeline(const Ops&... ops) : operations(make_record(ops...)) {}
};

/// The parameters of one sample.
template <class... Ops>
constexpr typename pipeline<Ops...>::parameters draw(const pipeline<Ops...>& p, image_shape image, std::uint64_t sample,
                                                     key k) {
    typename pipeline<Ops...>::parameters drawn{};
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (
            [&] {
                random_stream random(k.seed, k.epoch, sample, k.view, static_cast<std::uint32_t>(Index));
                const auto& op = get<Index>(p.operations);
                get<Index>(drawn) = op.draw(random, image);
                image = output_shape(op, image);
            }(),
            ...);
    }(std::index_sequence_for<Ops...>());
    return drawn;
}

namespace detail {

inline void check_key(key k) {
    if (k.view > 255) fail("key.view", static_cast<std::int64_t>(k.view), "a view below 256");
}

}  // namespace detail

/// Draws the parameters of every image of a batch: what `apply` with the same arguments uses.
template <class Images, class... Ops>
void draw(const pipeline<Ops...>& p, const Images& images, const sample_ids& ids, key k,
          std::span<typename pipeline<Ops...>::parameters> drawn) {
    const auto in = host::image_source(images);
    ids.check(in.count());
    detail::check_key(k);
    host::check_operations(p.operations, in.channels());
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
    const auto in = host::image_source(images);
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
    const auto in = host::image_source(images);
    if (static_cast<index_t>(given.size()) != in.count()) {
        fail("parameters", joined(given.size(), " records"), joined("one for each of ", in.count(), " images"));
    }
    for (index_t n = 0; n < in.count(); ++n)
        host::check_parameters(p.operations, given[static_cast<std::size_t>(n)], in.shape(n));
    host::imagewise(as_context(ctx), in, host::view_task{p.operations, as_tensor<4>(out), [&](index_t n) {
                                                             return given[static_cast<std::size_t>(n)];
                                                         }});
}

/// An N x C x H x W tensor seen as N x H x W x C: for input in that order.
template <class T>
constexpr auto channels_last(T&& x) {
    const auto t = as_tensor<4>(x);
    using element = typename decltype(t)::element_type;
    return view<element, 4>(t.data_handle(), {t.extent(0), t.extent(2), t.extent(3), t.extent(1)},
                            {t.stride(0), t.stride(2), t.stride(3), t.stride(1)});
}

/// An N x H x W x C tensor seen as N x C x H x W: for output in that order.
template <class T>
constexpr auto channels_first(T&& x) {
    const auto t = as_tensor<4>(x);
    using element = typename decltype(t)::element_type;
    return view<element, 4>(t.data_handle(), {t.extent(0), t.extent(3), t.extent(1), t.extent(2)},
                            {t.stride(0), t.stride(3), t.stride(1), t.stride(2)});
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
