#pragma once

#include <type_traits>

#if __has_include(<xtensor/core/xexpression.hpp>)
#include <xtensor/core/xexpression.hpp>
#else
#include <xtensor/xexpression.hpp>
#endif

#include "selfsame/core/tensor.hpp"

/// \file
/// xtensor containers and strided views as tensors, without a copy: xtensor, xarray, xtensor_fixed, adaptors, and views
/// that have data() and strides(). Expressions that are not evaluated have no memory: evaluate them first.

namespace selfsame::inline SELFSAME_ISA {

namespace detail {

template <class X>
concept xtensor_in_memory = std::is_base_of_v<xt::xexpression<X>, X> && requires(X& x) {
    x.data();
    x.shape();
    x.strides();
    x.data_offset();
};

}  // namespace detail

template <class X>
    requires detail::xtensor_in_memory<X>
struct tensor_traits<X> {
    template <std::size_t Rank, class Y>
    static auto view(Y& x) {
        if (x.dimension() != Rank) {
            fail("tensor", static_cast<index_t>(x.dimension()), std::to_string(Rank) + " dimensions");
        }
        std::array<index_t, Rank> extents{}, strides{};
        for (std::size_t r = 0; r < Rank; ++r) {
            extents[r] = static_cast<index_t>(x.shape()[r]);
            strides[r] = static_cast<index_t>(x.strides()[r]);
        }
        return selfsame::view(x.data() + x.data_offset(), extents, strides);
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
