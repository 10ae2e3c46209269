#pragma once

#include "selfsame/energy/device_sampler.hpp"

/// \file
/// An energy whose every operation is in one order on the host and on the device, as a user would write it: a call that
/// launches a kernel.

namespace selfsame_tests {

/// E(x) = sum_k (k + 1) x_k^2 / 2; not finite where x_0 is outside of (-limit, limit).
template <class T>
struct bowl {
    T limit = std::numeric_limits<T>::infinity();

    constexpr T at(const T* x, T* gradient, selfsame::index_t width) const {
        T value = T(0);
        for (selfsame::index_t k = 0; k < width; ++k) {
            gradient[k] = T(k + 1) * x[k];
            value = selfsame::exact::fma(gradient[k], x[k], value);
        }
        const bool inside = width == 0 || (x[0] < limit && -limit < x[0]);
        return inside ? value / 2 : std::numeric_limits<T>::quiet_NaN();
    }
};

template <class T>
struct bowl_kernel : selfsame::device::thread_each {
    static constexpr const char* name = "bowl";
    bowl<T> energy;
    const T* x;
    selfsame::index_t count, width;
    T *value, *gradient;

    template <selfsame::device::block_context C>
    SELFSAME_DEVICE void operator()(C& c) const {
        const selfsame::index_t i = item(c);
        if (i < count) value[i] = energy.at(x + i * width, gradient + i * width, width);
    }
};

/// `bowl` as a call of a policy's memory.
template <class Policy, class T>
struct bowl_of {
    Policy policy;
    bowl<T> energy{};

    template <class X, class V, class G>
    void operator()(const X& x, const V& values, const G& gradients) const {
        if constexpr (selfsame::memory_of<Policy> == selfsame::memory_space::device) {
            using kernel = bowl_kernel<T>;
            selfsame::device::machine<Policy>(policy).launch(kernel::blocks(x.extent(0)),
                                                             kernel{{},
                                                                    energy,
                                                                    x.data_handle(),
                                                                    x.extent(0),
                                                                    x.extent(1),
                                                                    values.data_handle(),
                                                                    gradients.data_handle()});
        } else {
            for (selfsame::index_t i = 0; i < x.extent(0); ++i) {
                const selfsame::index_t at = i * x.extent(1);
                values(i) = energy.at(x.data_handle() + at, gradients.data_handle() + at, x.extent(1));
            }
        }
    }
};

}  // namespace selfsame_tests
