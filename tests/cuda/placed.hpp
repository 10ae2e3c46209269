#pragma once

#include <array>
#include <vector>

#include "selfsame/core/tensor.hpp"

/// \file
/// Memory of the host that a device uses too.

namespace selfsame_tests {

using selfsame::index_t;

/// The same memory, as if it were a device's.
template <class T, class E, class L, class A>
auto on_device(const cuda::std::mdspan<T, E, L, A>& x) {
    std::array<index_t, E::rank()> extents{}, strides{};
    for (std::size_t r = 0; r < E::rank(); ++r) {
        extents[r] = x.extent(r);
        strides[r] = x.stride(r);
    }
    return selfsame::view<selfsame::memory_space::device>(x.data_handle(), extents, strides);
}
template <class T>
auto on_device(std::vector<T>& x) {
    return on_device(selfsame::as_tensor<1>(x));
}
template <class T>
auto on_device(const std::vector<T>& x) {
    return on_device(selfsame::as_tensor<1>(x));
}

}  // namespace selfsame_tests
