#include "augment/reference.hpp"
#include "images.hpp"

// What the host's engine makes of images, and what they are by definition.

namespace test_images {

std::vector<float> views_on_host(const batch_of_images& b) {
    return make<memory_space::host>(b, thrust::seq, [] {});
}

std::vector<float> two_views_on_host() {
    return make_two_views<memory_space::host>(thrust::seq, [] {});
}

std::vector<float> views_by_reference(const batch_of_images& b) {
    const random_images<std::uint8_t> given(b);
    std::vector<float> values;
    for (std::size_t n = 0; n < given.list.size(); ++n) {
        const auto& one = given.list[n];
        const int h = static_cast<int>(one.height), w = static_cast<int>(one.width);
        const reference::picture shape(b.channels, h, w);
        const auto drawn = draw(independent, {b.channels, h, w}, 100 + n, key_of_tests);
        const auto made = reference::operate(independent, drawn, shape.map([&](int c, int y, int x) {
            return one.data[y * one.row_stride + x * one.column_stride + c * one.channel_stride] / 255.0;
        }));
        values.insert(values.end(), made.values.begin(), made.values.end());
    }
    return values;
}

std::vector<std::uint8_t> parameters_on_host() {
    const shapes_and_samples given;
    std::vector<every_parameter> drawn(given.images.size());
    draw(every_operation, image_batch<std::uint8_t>{given.images, 3}, given.ids, key_of_tests, drawn);
    std::vector<std::uint8_t> bytes(drawn.size() * sizeof(every_parameter));
    std::memcpy(bytes.data(), drawn.data(), bytes.size());
    return bytes;
}

}  // namespace test_images
