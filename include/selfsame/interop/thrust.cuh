#pragma once

#include <thrust/device_vector.h>

#include "selfsame/core/tensor.hpp"

/// \file
/// `thrust::device_vector` as a tensor of rank 1; `matrix<memory_space::device>(raw_pointer, ...)` makes one of rank 2.

namespace selfsame::inline SELFSAME_ISA {

template <class T, class Allocator>
struct tensor_traits<thrust::device_vector<T, Allocator>> {
    static auto view(thrust::device_vector<T, Allocator>& x) {
        return vector<memory_space::device>(thrust::raw_pointer_cast(x.data()), static_cast<index_t>(x.size()));
    }
    static auto view(const thrust::device_vector<T, Allocator>& x) {
        return vector<memory_space::device>(thrust::raw_pointer_cast(x.data()), static_cast<index_t>(x.size()));
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
