#include "images.hpp"

#include <gtest/gtest.h>

#include "selfsame/augment/device_apply.hpp"
#include "where.hpp"

// The device's imagewise engine beside the host's and beside definitions in double precision.

namespace test_images {

namespace tests = selfsame_tests;
using tests::where;

std::vector<float> views_on_device(const batch_of_images& b) {
    return make<memory_space::device>(b, where::policy(), where::wait);
}

namespace {

TEST(cuda_images, parameters_have_the_bits_of_the_host) {
    const shapes_and_samples given;
    const std::vector<std::uint8_t> expected = parameters_on_host();
    std::vector<std::uint8_t> bytes(expected.size(), 0xab);
    draw(where::policy(), every_operation, image_batch<std::uint8_t>{given.images, 3}, given.ids, key_of_tests,
         vector<memory_space::device>(reinterpret_cast<every_parameter*>(bytes.data()),
                                      static_cast<index_t>(given.images.size())));
    where::wait();
    for (std::size_t k = 0; k < bytes.size(); ++k) {
        ASSERT_EQ(bytes[k], expected[k]) << "byte " << k % sizeof(every_parameter) << " of view "
                                         << k / sizeof(every_parameter);
    }
}

/// A batch in every form that images and results have.
void expect_the_hosts(batch_of_images b, double most) {
    for (const int channels : {1, 3, 4}) {
        for (const bool other : {false, true}) {
            b.channels = channels;
            b.planar = b.interleaved = other;
            ++b.seed;
            tests::order_of_threads = static_cast<int>(b.seed) % tests::thread_orders;
            EXPECT_LE(distance(views_on_device(b), views_on_host(b)), most)
                << channels << " channels, planar " << other;
        }
    }
    tests::order_of_threads = 0;
}

// The host's crop of interleaved bytes has weights of 15 bits.
constexpr double short_weights = 1e-4, rounding = 2e-6;

TEST(cuda_images, of_bytes_are_the_hosts) {
    expect_the_hosts({.what = work::light_bytes, .ragged = true}, short_weights);
}

TEST(cuda_images, of_bytes_as_bytes_are_the_hosts_but_for_one) {
    expect_the_hosts({.what = work::light_bytes_to_bytes}, 1);
}

TEST(cuda_images, of_floats_in_bfloat16_are_the_hosts) {
    expect_the_hosts({.what = work::light_floats, .ragged = true}, 0x1p-7);  // values below 2
}

TEST(cuda_images, of_recipes_are_the_hosts) {
    const batch_of_images b{.what = work::recipe, .count = 8, .planar = true};
    EXPECT_LE(distance(views_on_device(b), views_on_host(b)), 5 * rounding);  // deviations of 0.22
}

TEST(cuda_images, with_warps_neighbours_and_statistics_are_the_hosts) {
    expect_the_hosts({.what = work::geometry, .count = 4}, rounding);
}

TEST(cuda_images, with_moved_pixels_are_the_hosts) { expect_the_hosts({.what = work::moves, .count = 8}, rounding); }

TEST(cuda_images, are_what_their_definitions_say) {
    for (const bool ragged : {false, true}) {
        const batch_of_images b{.what = work::independent, .count = 6, .ragged = ragged, .seed = 3};
        EXPECT_LE(distance(views_on_device(b), views_by_reference(b)), 3 * rounding);
    }
}

TEST(cuda_images, are_the_same_in_any_order_of_threads_and_number_of_blocks) {
    const batch_of_images b{.what = work::recipe, .count = 5};
    const auto first = views_on_device(b);
    tests::order_of_threads = 3;
    tests::enough_blocks = 1;
    EXPECT_EQ(views_on_device(b), first);
    tests::order_of_threads = 0;
    tests::enough_blocks = 4;
}

TEST(cuda_images, of_one_pixel_and_of_many) {
    for (const auto& [height, width] : {std::pair{1, 1}, {1, 200}, {130, 1}, {2, 3}}) {
        batch_of_images b{.what = work::recipe, .count = 2, .height = height, .width = width, .planar = true};
        EXPECT_LE(distance(views_on_device(b), views_on_host(b)), 5 * rounding) << height << " x " << width;
        b.what = work::geometry;
        EXPECT_LE(distance(views_on_device(b), views_on_host(b)), rounding) << height << " x " << width;
    }
}

TEST(cuda_images, of_several_views_are_the_hosts) {
    const auto views = make_two_views<memory_space::device>(where::policy(), where::wait);
    EXPECT_LE(distance(views, two_views_on_host()), short_weights);
}

TEST(cuda_images, are_made_with_given_parameters) {
    const batch_of_images b{.count = 3};
    const random_images<std::uint8_t> given(b);
    std::vector<decltype(light)::parameters> drawn;
    for (index_t n = 0; n < b.count; ++n) {
        drawn.push_back(
            draw(light, {b.channels, b.height, b.width}, 100 + static_cast<std::uint64_t>(n), key_of_tests));
    }
    std::vector<float> made(static_cast<std::size_t>(b.count * b.channels * light_crop.height * light_crop.width));
    const std::array<index_t, 4> extents{b.count, b.channels, light_crop.height, light_crop.width};
    with_images<memory_space::device>(b, given, [&](const auto& images) {
        apply(where::policy(), light, images, drawn, view<memory_space::device>(made.data(), extents));
        where::wait();
        EXPECT_EQ(made, views_on_device(b));
    });
}

template <class F>
std::string refused(F&& f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "";
}

TEST(cuda_images, refuse_what_does_not_fit) {
    std::vector<std::uint8_t> pixels(2 * 8 * 8 * 3);
    std::vector<float> made(2 * 3 * 21 * 77);
    const auto images = view<memory_space::device>(pixels.data(), std::array<index_t, 4>{2, 8, 8, 3});
    const auto to = [&](index_t n, index_t h) {
        return view<memory_space::device>(made.data(), std::array<index_t, 4>{n, 3, h, 77});
    };
    const auto policy = where::policy();
    EXPECT_EQ(refused([&] { apply(policy, light, images, 0, key{}, to(2, 20)); }),
              "selfsame: out: got 2 x 3 x 20 x 77, expected 2 x 3 x 21 x 77 (what becomes of image 0)");
    EXPECT_EQ(refused([&] { apply(policy, light, images, 0, key{.view = 256}, to(2, 21)); }),
              "selfsame: key.view: got 256, expected a view below 256");
    EXPECT_EQ(refused([&] { apply(policy, light, images, std::vector<std::uint64_t>(1), key{}, to(2, 21)); }),
              "selfsame: sample_ids: got 1 ids, expected one for each of 2 images");
    const std::vector<decltype(light)::parameters> outside(2, decltype(light)::parameters{{0, 0, 9, 9}, {}});
    EXPECT_EQ(refused([&] { apply(policy, light, images, outside, to(2, 21)); }),
              "selfsame: parameters: crop: got 9 x 9 at (0, 0), expected a window of the image, 8 x 8");
    apply(policy, light, view<memory_space::device>(pixels.data(), std::array<index_t, 4>{0, 8, 8, 3}), 0, key{},
          to(0, 21));
}

}  // namespace

}  // namespace test_images
