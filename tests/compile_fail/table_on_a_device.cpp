// expect: an operation .Op of device::on_values. by a table that is not made of counts does not run on a device
#include <selfsame/augment/device_apply.hpp>
#include "gpu.hpp"

struct gamma_table {
    const float* values = nullptr;  // of the host

    struct parameters {};
    struct prepared {
        const float* values;
    };
    void check(std::int32_t) const {}
    constexpr parameters draw(selfsame::random_stream&, selfsame::image_shape) const { return {}; }
    constexpr prepared prepare(const parameters&, selfsame::image_shape) const { return {values}; }
#if defined(CORRECT)
    template <class V, std::size_t C>
    static constexpr void pixel(const prepared&, std::array<V, C>& x) {
        for (V& v : x) v = v * v;
    }
#else
    static constexpr const float* table(const prepared& q, std::int32_t) { return q.values; }
#endif
};

void use(const selfsame::tensor<const float, 4, selfsame::memory_space::device>& images,
         const selfsame::tensor<float, 4, selfsame::memory_space::device>& out) {
    selfsame::augment::apply(gpu(), selfsame::augment::pipeline{gamma_table{}}, images, 0, {}, out);
}
