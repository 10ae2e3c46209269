#pragma once

#include <thrust/execution_policy.h>
#include <thrust/system/cpp/execution_policy.h>
#include <set>
#include <string>
#include <typeinfo>

#include "fiber_context.hpp"
#include "selfsame/engine/cuda/machine.hpp"

/// \file
/// An execution policy that runs the device's engines on the host, every thread of a kernel a fiber. "Device memory" is
/// the host's, tagged.

namespace selfsame_tests {

struct fibers : thrust::system::cpp::detail::execution_policy<fibers> {
    thread_order order{};
    index_t enough_blocks = 4;  // few, so that blocks walk several tiles
};

/// Types of the kernels that were launched.
inline std::set<std::string>& launched() {
    static std::set<std::string> names;
    return names;
}

}  // namespace selfsame_tests

template <>
inline constexpr selfsame::memory_space selfsame::memory_of<selfsame_tests::fibers> = selfsame::memory_space::device;

template <>
struct selfsame::device::machine<selfsame_tests::fibers> {
    explicit machine(const selfsame_tests::fibers& policy) : order(policy.order), enough_blocks(policy.enough_blocks) {}

    template <class Kernel>
    void launch(index_t blocks, const Kernel& kernel) const {
        if (blocks == 0) return;
        selfsame_tests::launched().insert(typeid(Kernel).name());
        selfsame_tests::run_in_fibers(blocks, kernel, order);
    }
    selfsame_tests::thread_order order;
    index_t enough_blocks;
};

namespace selfsame_tests {

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
