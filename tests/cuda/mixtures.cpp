#include <gtest/gtest.h>

#include <thrust/execution_policy.h>
#include <numeric>
#include <vector>

#include "selfsame/augment/device_mix.hpp"
#include "support.hpp"
#include "where.hpp"

// Masks and mixtures on the device: the bits of the host's.

namespace {

using namespace selfsame_tests;
using namespace selfsame::augment;
using selfsame::memory_space;
using selfsame::view;

constexpr key key_of_tests{.seed = 8, .epoch = 2, .view = 1};
const std::vector<std::uint64_t> listed = {4, 900, std::uint64_t(1) << 40, 5, 3};

template <class Mask>
void expect_masks_of_the_host(const Mask& op, const sample_ids& ids, index_t height, index_t width) {
    constexpr index_t count = 5;
    // Grids in a larger one, by columns.
    const std::array<index_t, 3> shape{count, height, width}, strides{height * width + 3, 1, height};
    std::vector<std::uint8_t> device(static_cast<std::size_t>(count * strides[0]), 7), host = device;
    draw_masks(where::policy(), op, ids, key_of_tests, view<memory_space::device>(device.data(), shape, strides));
    where::wait();
    draw_masks(thrust::seq, op, ids, key_of_tests, view<memory_space::host>(host.data(), shape, strides));
    EXPECT_EQ(device, host) << height << " x " << width;
}

TEST(cuda_mixtures, masks_are_those_of_the_host) {
    for (const auto& [height, width] : {std::pair<index_t, index_t>{1, 1}, {7, 7}, {5, 14}}) {
        expect_masks_of_the_host(random_mask{0.6f}, 11, height, width);
        expect_masks_of_the_host(block_mask{.ratio = {0.2f, 0.6f}}, listed, height, width);
    }
}

template <class Op>
void expect_mixes_of_the_host(const Op& op, const sample_ids& ids, index_t count, index_t height, index_t width) {
    const std::array<index_t, 4> shape{count, 2, height, width}, interleaved{2 * height * width, 1, 2 * width, 2},
        planar{2 * height * width, height * width, width, 1};
    std::vector<float> in(static_cast<std::size_t>(count * 2 * height * width)), device(in.size()), host(in.size());
    std::iota(in.begin(), in.end(), 0.25f);
    std::vector<float> device_weights(static_cast<std::size_t>(count)), host_weights = device_weights;
    mix(where::policy(), op, view<memory_space::device>(in.data(), shape, interleaved), ids, key_of_tests,
        view<memory_space::device>(device.data(), shape, planar), on_device(device_weights));
    where::wait();
    mix(thrust::seq, op, view<memory_space::host>(in.data(), shape, interleaved), ids, key_of_tests,
        view<memory_space::host>(host.data(), shape, planar), host_weights);
    EXPECT_EQ(device, host) << count << " images of " << height << " x " << width;
    EXPECT_EQ(device_weights, host_weights);
}

TEST(cuda_mixtures, mixed_images_are_those_of_the_host) {
    for (const auto& [count, height, width] : {std::array<index_t, 3>{1, 1, 1}, {5, 3, 40}, {5, 12, 7}}) {
        order_of_threads = static_cast<int>(width) % thread_orders;
        expect_mixes_of_the_host(mixup{0.7f}, 3, count, height, width);
        expect_mixes_of_the_host(cutmix{2}, 3, count, height, width);
    }
    order_of_threads = 0;
    expect_mixes_of_the_host(cutmix{}, listed, 5, 9, 6);
}

TEST(cuda_mixtures, refuse_what_the_host_refuses) {
    std::vector<float> images(24), weights(1);
    const auto x = view<memory_space::device>(images.data(), std::array<index_t, 4>{2, 1, 3, 4});
    EXPECT_EQ(refusal([&] { mix(where::policy(), mixup{}, x, 0, key{}, x, on_device(weights)); }),
              "selfsame: weights: got 1 values, expected one for each of 2 images");
    weights.resize(2);
    EXPECT_EQ(refusal([&] { mix(where::policy(), mixup{}, x, 0, key{}, x, on_device(weights)); }),
              "selfsame: out: got the memory of the images, expected memory of its own");
    std::vector<std::uint8_t> masks(12);
    EXPECT_EQ(refusal([&] {
                  draw_masks(where::policy(), random_mask{2}, 0, key{},
                             view<memory_space::device>(masks.data(), std::array<index_t, 3>{1, 3, 4}));
              }),
              "selfsame: random_mask.ratio: got 2, expected 0 to 1");
}

}  // namespace
