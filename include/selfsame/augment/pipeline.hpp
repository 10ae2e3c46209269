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

/// \file
/// Pipelines: operations composed at compile time, applied (augment/apply.hpp) to batches of images with parameters
/// drawn for each.
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

    constexpr bool is_list() const { return listed_; }
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

/// A pipeline, and where what it makes goes.
template <class Pipeline, class Out>
struct view_of {
    const Pipeline& pipeline;
    Out out;
};
template <class Pipeline, class Out>
view_of(const Pipeline&, Out) -> view_of<Pipeline, Out>;

/// An N x C x H x W tensor seen as N x H x W x C: for input in that order.
template <class T>
constexpr auto channels_last(T&& x) {
    const auto t = as_tensor<4>(x);
    using element = typename decltype(t)::element_type;
    return view<decltype(t)::accessor_type::space, element, 4>(t.data_handle(),
                                                               {t.extent(0), t.extent(2), t.extent(3), t.extent(1)},
                                                               {t.stride(0), t.stride(2), t.stride(3), t.stride(1)});
}

/// An N x H x W x C tensor seen as N x C x H x W: for output in that order.
template <class T>
constexpr auto channels_first(T&& x) {
    const auto t = as_tensor<4>(x);
    using element = typename decltype(t)::element_type;
    return view<decltype(t)::accessor_type::space, element, 4>(t.data_handle(),
                                                               {t.extent(0), t.extent(3), t.extent(1), t.extent(2)},
                                                               {t.stride(0), t.stride(3), t.stride(1), t.stride(2)});
}

}  // namespace selfsame::inline SELFSAME_ISA::augment
