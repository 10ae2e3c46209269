#pragma once

#include <string>

#include "selfsame/engine/imagewise.hpp"

/// \file
/// The images of a batch, whatever the caller has them in.

namespace selfsame::inline SELFSAME_ISA {

/// The images of a batch: those of a tensor N x H x W x C, or each by itself.
template <class T>
class image_list {
  public:
    explicit image_list(const image_batch<T>& batch)
        : list_(batch.images), count_(static_cast<index_t>(batch.images.size())), channels_(batch.channels) {
        check();
    }
    explicit image_list(const tensor<const T, 4>& t)
        : first_{t.data_handle(), t.extent(1), t.extent(2), t.stride(1), t.stride(2), t.stride(3)},
          stride_(t.stride(0)), count_(t.extent(0)), channels_(t.extent(3)) {
        check();
    }

    index_t count() const { return count_; }
    std::int32_t channels() const { return static_cast<std::int32_t>(channels_); }
    image<T> operator[](index_t n) const {
        if (list_.data() != nullptr) return list_[static_cast<std::size_t>(n)];
        image<T> one = first_;
        one.data += n * stride_;
        return one;
    }
    /// Whether each is by itself; else elements from one to the next.
    bool is_list() const { return list_.data() != nullptr; }
    index_t step() const { return stride_; }
    image_shape shape(index_t n) const {
        const image<T> one = (*this)[n];
        return {channels(), static_cast<std::int32_t>(one.height), static_cast<std::int32_t>(one.width)};
    }

  private:
    void check() const {
        if (count_ == 0) return;
        if (channels_ != 1 && channels_ != 3 && channels_ != 4) fail("images: channels", channels_, "1, 3 or 4");
        constexpr index_t most = 1 << 24;
        const bool same = list_.data() == nullptr;
        for (index_t n = 0; n < (same ? 1 : count_); ++n) {
            const image<T> one = (*this)[n];
            if (one.data != nullptr && one.height >= 1 && one.height <= most && one.width >= 1 && one.width <= most)
                continue;
            const std::string name = same ? joined("images") : joined("images[", n, "]");
            if (one.data == nullptr) fail(name, "a null pointer", "pixels");
            fail(name, joined(one.height, " x ", one.width), joined("height and width from 1 to ", most));
        }
    }

    std::span<const image<T>> list_;
    image<T> first_{};
    index_t stride_ = 0, count_, channels_;
};

/// The images of a batch in memory of a space; of those of an `image_batch` nothing says where they are.
template <memory_space Space, class T>
image_list<T> image_source(const image_batch<T>& batch) {
    return image_list<T>(batch);
}
template <memory_space Space, class Images>
auto image_source(const Images& images) {
    const auto t = as_tensor<4>(images);
    using tensor_type = std::remove_cvref_t<decltype(t)>;
    using T = typename tensor_type::value_type;
    static_assert(tensor_type::rank() == 4, "selfsame: images: a tensor N x height x width x channels is expected");
    static_assert(std::is_same_v<T, std::uint8_t> || std::is_same_v<T, float>,
                  "selfsame: images: elements of std::uint8_t or float are expected");
    constexpr memory_space space = tensor_type::accessor_type::space;
    static_assert(Space == memory_space::device || space == memory_space::host,
                  "selfsame: images: host memory is expected");
    static_assert(Space == memory_space::host || space == memory_space::device,
                  "selfsame: images: device memory is expected");
    return image_list<T>(tensor<const T, 4>(t.data_handle(), t.mapping(), {}));
}

}  // namespace selfsame::inline SELFSAME_ISA
