#pragma once

#include <array>
#include <cstddef>
#include <cuda/std/mdspan>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "selfsame/core/error.hpp"
#include "selfsame/core/half.hpp"

/// \file
/// The only tensor inside the library is an mdspan whose layout allows any strides and whose accessor says where the
/// memory is. Foreign types enter through `tensor_traits`, specialized in interop/.

namespace selfsame::inline SELFSAME_ISA {

using index_t = std::ptrdiff_t;

enum class memory_space { host, device };

/// Plain access to elements in a memory space.
template <class T, memory_space Space>
struct accessor {
    using offset_policy = accessor;
    using element_type = T;
    using reference = T&;
    using data_handle_type = T*;
    static constexpr memory_space space = Space;
    constexpr accessor() = default;
    template <class U>
        requires std::is_const_v<T> && std::is_same_v<U, std::remove_const_t<T>>
    constexpr accessor(const accessor<U, Space>&) {}
    constexpr reference access(T* p, std::size_t i) const noexcept { return p[static_cast<index_t>(i)]; }
    constexpr T* offset(T* p, std::size_t i) const noexcept { return p + static_cast<index_t>(i); }
};

/// A layout of signed strides, zero included (cuda::std::layout_stride refuses both). Strides count elements.
struct layout_any {
    template <class Extents>
    class mapping {
      public:
        using extents_type = Extents;
        using index_type = typename Extents::index_type;
        using size_type = typename Extents::size_type;
        using rank_type = typename Extents::rank_type;
        using layout_type = layout_any;

        constexpr mapping() = default;
        constexpr mapping(const Extents& extents, const std::array<index_t, Extents::rank()>& strides)
            : extents_(extents), strides_(strides) {}

        constexpr const Extents& extents() const noexcept { return extents_; }
        constexpr index_type stride(rank_type r) const noexcept { return strides_[r]; }
        constexpr const std::array<index_t, Extents::rank()>& strides() const noexcept { return strides_; }
        template <class... Index>
        constexpr index_type operator()(Index... i) const noexcept {
            index_t offset = 0;
            std::size_t r = 0;
            ((offset += static_cast<index_t>(i) * strides_[r++]), ...);
            return offset;
        }
        constexpr index_type required_span_size() const noexcept {
            index_t last = 0;
            for (std::size_t r = 0; r < Extents::rank(); ++r) {
                if (extents_.extent(r) == 0) return 0;
                last += strides_[r] > 0 ? (extents_.extent(r) - 1) * strides_[r] : 0;
            }
            return last + 1;
        }
        static constexpr bool is_always_unique() noexcept { return false; }
        static constexpr bool is_always_exhaustive() noexcept { return false; }
        static constexpr bool is_always_strided() noexcept { return true; }
        static constexpr bool is_unique() noexcept { return false; }
        static constexpr bool is_exhaustive() noexcept { return false; }
        static constexpr bool is_strided() noexcept { return true; }
        friend constexpr bool operator==(const mapping& a, const mapping& b) {
            return a.extents_ == b.extents_ && a.strides_ == b.strides_;
        }

      private:
        Extents extents_{};
        std::array<index_t, Extents::rank()> strides_{};
    };
};

/// A view of a tensor of rank Rank; does not own.
template <class T, std::size_t Rank, memory_space Space = memory_space::host>
using tensor = cuda::std::mdspan<T, cuda::std::dextents<index_t, Rank>, layout_any, accessor<T, Space>>;

namespace detail {

template <memory_space Space, class T, std::size_t Rank>
constexpr tensor<T, Rank, Space> strided(T* data, const std::array<index_t, Rank>& extents,
                                         const std::array<index_t, Rank>& strides) {
    using extents_type = cuda::std::dextents<index_t, Rank>;
    cuda::std::array<index_t, Rank> e{};
    for (std::size_t r = 0; r < Rank; ++r) e[r] = extents[r];
    return {data, layout_any::mapping<extents_type>(extents_type(e), strides), {}};
}

}  // namespace detail

/// A tensor over raw memory of a space, the host's if none is named; row-major unless strides (in elements) are given:
/// `view<memory_space::device>(pointer, {rows, columns})`.
template <memory_space Space, class T, std::size_t Rank>
constexpr tensor<T, Rank, Space> view(T* data, const std::array<index_t, Rank>& extents,
                                      const std::array<index_t, Rank>& strides) {
    return detail::strided<Space>(data, extents, strides);
}
template <memory_space Space, class T, std::size_t Rank>
constexpr tensor<T, Rank, Space> view(T* data, const std::array<index_t, Rank>& extents) {
    std::array<index_t, Rank> strides{};
    index_t step = 1;
    for (std::size_t r = Rank; r-- > 0;) {
        strides[r] = step;
        step *= extents[r];
    }
    return detail::strided<Space>(data, extents, strides);
}
template <memory_space Space, class T>
constexpr tensor<T, 2, Space> matrix(T* data, index_t rows, index_t columns) {
    return view<Space>(data, std::array<index_t, 2>{rows, columns});
}
template <memory_space Space, class T>
constexpr tensor<T, 1, Space> vector(T* data, index_t size) {
    return view<Space>(data, std::array<index_t, 1>{size});
}
template <class T, std::size_t Rank>
constexpr tensor<T, Rank> view(T* data, const std::array<index_t, Rank>& extents) {
    return view<memory_space::host>(data, extents);
}
template <class T, std::size_t Rank>
constexpr tensor<T, Rank> view(T* data, const std::array<index_t, Rank>& extents,
                               const std::array<index_t, Rank>& strides) {
    return view<memory_space::host>(data, extents, strides);
}
template <class T>
constexpr tensor<T, 2> matrix(T* data, index_t rows, index_t columns) {
    return matrix<memory_space::host>(data, rows, columns);
}
template <class T>
constexpr tensor<T, 1> vector(T* data, index_t size) {
    return vector<memory_space::host>(data, size);
}

/// Stands for an input that is absent, or a gradient that nobody wants.
struct none {};

/// How a foreign type becomes a `tensor`: specialize with `static tensor<...> view(T&)`, where T may be const; or, for
/// a type whose rank is known only at run time, with `template <std::size_t Rank> static tensor<...> view(T&)`, which
/// refuses another rank. Adapters of known frameworks are in selfsame/interop/.
template <class T>
struct tensor_traits {};

template <class T, class E, class L, class A>
struct tensor_traits<cuda::std::mdspan<T, E, L, A>> {
    static constexpr auto view(const cuda::std::mdspan<T, E, L, A>& x) {
        constexpr memory_space space = [] {
            if constexpr (requires { A::space; }) {
                return A::space;
            } else {
                return memory_space::host;
            }
        }();
        std::array<index_t, E::rank()> extents{}, strides{};
        for (std::size_t r = 0; r < E::rank(); ++r) {
            extents[r] = static_cast<index_t>(x.extent(r));
            strides[r] = static_cast<index_t>(x.stride(r));
        }
        return detail::strided<space>(x.data_handle(), extents, strides);
    }
};

template <class T, std::size_t N>
struct tensor_traits<std::span<T, N>> {
    static constexpr auto view(const std::span<T, N>& x) { return vector(x.data(), static_cast<index_t>(x.size())); }
};

template <class T>
struct tensor_traits<std::vector<T>> {
    static constexpr auto view(std::vector<T>& x) { return vector(x.data(), static_cast<index_t>(x.size())); }
    static constexpr auto view(const std::vector<T>& x) { return vector(x.data(), static_cast<index_t>(x.size())); }
};

/// A scalar variable is a tensor of one element.
template <class T>
    requires std::floating_point<T>
struct tensor_traits<T> {
    static constexpr auto view(T& x) { return vector(&x, 1); }
    static constexpr auto view(const T& x) { return vector(&x, 1); }
};

/// Types that `as_tensor` takes.
template <class T, std::size_t Rank>
concept tensor_like = requires(T& x) {
    requires decltype(tensor_traits<std::remove_cv_t<T>>::view(x))::rank() == Rank;
} || requires(T& x) { tensor_traits<std::remove_cv_t<T>>::template view<Rank>(x); };

/// The library's view, of the given rank, of any tensor type that has an adapter.
template <std::size_t Rank, class T>
constexpr auto as_tensor(T&& x) {
    using type = std::remove_reference_t<T>;
    static_assert(tensor_like<type, Rank>,
                  "selfsame: this type is not known as a tensor of this rank; include its adapter from "
                  "selfsame/interop/ or specialize selfsame::tensor_traits for it");
    using traits = tensor_traits<std::remove_cv_t<type>>;
    if constexpr (requires { traits::template view<Rank>(x); }) {
        return traits::template view<Rank>(x);
    } else if constexpr (tensor_like<type, Rank>) {
        return traits::view(x);
    }
}

/// The same for a type that knows its rank.
template <class T>
    requires requires(std::remove_reference_t<T>& x) { tensor_traits<std::remove_cvref_t<T>>::view(x); }
constexpr auto as_tensor(T&& x) {
    return tensor_traits<std::remove_cvref_t<T>>::view(x);
}

template <class T>
inline constexpr bool is_none = std::is_same_v<std::remove_cvref_t<T>, none>;

/// The element type of a tensor-like type, without const.
template <class T, std::size_t Rank>
using element_t = typename decltype(as_tensor<Rank>(std::declval<std::remove_reference_t<T>&>()))::value_type;

/// "2 x 3", for messages.
template <class T, class E, class L, class A>
std::string shape_text(const cuda::std::mdspan<T, E, L, A>& x) {
    std::string text;
    for (std::size_t r = 0; r < E::rank(); ++r) {
        if (r > 0) text += " x ";
        text += std::to_string(x.extent(r));
    }
    return text;
}

/// Refuses a tensor that will be written but whose elements share memory.
template <class T, class E, class L, class A>
void check_writable(std::string_view argument, const cuda::std::mdspan<T, E, L, A>& x) {
    static_assert(!std::is_const_v<T>, "selfsame: an output tensor has const elements");
    for (std::size_t r = 0; r < E::rank(); ++r) {
        if (x.extent(r) > 1 && x.stride(r) == 0) fail(argument, "a stride of 0", "elements that do not overlap");
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
