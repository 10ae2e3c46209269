#include "augment/goldens.hpp"

#include "augment/images.hpp"

// Every operation beside torchvision v2 in float64, for given parameters.

namespace {

using namespace test_images;

bytes golden_image() {
    bytes in(1, goldens::height, goldens::width, 3);
    std::uint32_t state = 1;
    for (auto& v : in.values) {
        state = state * 1664525u + 1013904223u;
        v = std::uint8_t(state >> 24);
    }
    return in;
}

template <std::size_t N>
double difference(const result& out, const double (&expected)[N]) {
    EXPECT_EQ(N, std::size_t(out.channels * out.height * out.width));
    reference::picture p(out.channels, out.height, out.width);
    p.values.assign(expected, expected + N);
    return out.difference(0, p);
}

/// The difference of an operation's result from a golden, for parameters given as they are drawn.
template <class Op, std::size_t N>
double of(const Op& op, const typename Op::parameters& parameters, const double (&expected)[N]) {
    typename pipeline<Op>::parameters given{};
    get<0>(given) = parameters;
    return difference(run_given(pipeline{op}, golden_image(), {given}), expected);
}

constexpr double tolerance = 1e-6;
constexpr window crop{1, 2, 7, 8};

random_resized_crop resized(std::int32_t h, std::int32_t w, interpolation method, bool antialias) {
    return {.height = h, .width = w, .method = method, .antialias = antialias};
}

TEST(Goldens, ResizedCrop) {
    using enum interpolation;
    EXPECT_LT(of(resized(5, 6, bilinear, true), crop, goldens::smaller), tolerance);
    EXPECT_LT(of(resized(13, 12, bilinear, true), crop, goldens::larger), tolerance);
    EXPECT_LT(of(resized(5, 6, bilinear, false), crop, goldens::smaller_sharp), tolerance);
    EXPECT_LT(of(resized(13, 12, bilinear, false), crop, goldens::larger_sharp), tolerance);
    EXPECT_LT(of(resized(5, 6, bicubic, true), crop, goldens::smaller_cubic), tolerance);
    EXPECT_LT(of(resized(13, 12, bicubic, true), crop, goldens::larger_cubic), tolerance);
    EXPECT_LT(of(resized(5, 6, bicubic, false), crop, goldens::smaller_cubic_sharp), tolerance);
    EXPECT_LT(of(resized(13, 12, bicubic, false), crop, goldens::larger_cubic_sharp), tolerance);
    EXPECT_LT(of(resized(5, 6, nearest, false), crop, goldens::smaller_nearest), tolerance);
    EXPECT_LT(of(resized(13, 12, nearest, false), crop, goldens::larger_nearest), tolerance);
}

TEST(Goldens, Pad) {
    pad op{.left = 1, .top = 2, .right = 3, .fill = 0.25f};
    EXPECT_LT(of(op, {}, goldens::pad_constant), tolerance);
    op.mode = border::edge;
    EXPECT_LT(of(op, {}, goldens::pad_edge), tolerance);
    op.mode = border::reflect;
    EXPECT_LT(of(op, {}, goldens::pad_reflect), tolerance);
    op.mode = border::symmetric;
    EXPECT_LT(of(op, {}, goldens::pad_symmetric), tolerance);
}

TEST(Goldens, CenterCrop) {
    EXPECT_LT(of(center_crop{.height = 4, .width = 6}, {}, goldens::center_crop), tolerance);
    EXPECT_LT(of(center_crop{.height = 12, .width = 5}, {}, goldens::center_crop_beyond), tolerance);
}

TEST(Goldens, Warps) {
    using enum interpolation;
    EXPECT_LT(of(rotation{.fill = 0.25f}, {33.5f}, goldens::rotation), 3e-6);
    EXPECT_LT(of(rotation{.fill = 0.25f, .method = nearest}, {33.5f}, goldens::rotation_nearest), tolerance);
    const affine::parameters a{-21.5f, 2, -1, 1.25f, 12.5f, -7.5f};
    EXPECT_LT(of(affine{.fill = 0.25f}, a, goldens::affine), 3e-6);
    EXPECT_LT(of(affine{.fill = 0.25f, .method = nearest}, a, goldens::affine_nearest), tolerance);
    const perspective::parameters p{{{1, 2}, {9, 0}, {8, 7}, {2, 8}}};
    EXPECT_LT(of(perspective{.fill = 0.25f}, p, goldens::perspective), 3e-6);
    // One place is halfway between two pixels, where torchvision's least squares round either way.
    const perspective::parameters q{{{1, 1}, {10, 0}, {8, 8}, {2, 7}}};
    const result out = run_given(pipeline{perspective{.fill = 0.25f, .method = nearest}}, golden_image(), {{q, {}}});
    int different = 0;
    for (std::size_t k = 0; k < std::size(goldens::perspective_nearest); ++k) {
        different += std::abs(double(out.values[result::guard + k]) - goldens::perspective_nearest[k]) > tolerance;
    }
    EXPECT_LE(different, 3);
}

TEST(Goldens, Colours) {
    EXPECT_LT(of(brightness{1}, {1.25f}, goldens::brightness), tolerance);
    EXPECT_LT(of(contrast{1}, {0.625f}, goldens::contrast), tolerance);
    EXPECT_LT(of(contrast{1}, {1.75f}, goldens::more_contrast), tolerance);
    EXPECT_LT(of(saturation{1}, {1.75f}, goldens::saturation), tolerance);
    EXPECT_LT(of(hue{0.5f}, {0.1875f}, goldens::hue), 2e-6);
    EXPECT_LT(of(hue{0.5f}, {-0.4375f}, goldens::hue_back), 2e-6);
    EXPECT_LT(of(color_jitter{1, 1, 1, 0.5f}, {{2, 1, 0, 3}, {1.25f}, {0.75f}, {1.5f}, {0.125f}}, goldens::jitter),
              3e-6);
    EXPECT_LT(of(grayscale{}, {}, goldens::grayscale), tolerance);
    EXPECT_LT(of(invert{}, {}, goldens::invert), tolerance);
    EXPECT_LT(of(normalize{{0.5f, 0.25f, 0.125f}, {0.25f, 0.5f, 0.75f}}, {}, goldens::normalize), 2e-6);
}

TEST(Goldens, Tones) {
    EXPECT_LT(of(solarize{0.4375f}, {}, goldens::solarize), tolerance);
    EXPECT_LT(of(posterize{3}, {}, goldens::posterize), tolerance);
    EXPECT_LT(of(equalize{}, {}, goldens::equalize), tolerance);
}

TEST(Goldens, Autocontrast) {
    const bytes in = golden_image();
    std::vector<float> values;
    for (const std::uint8_t v : in.values) values.push_back(float(v) / 255 * 0.5f + 0.25f);
    result out(1, 3, in.height, in.width);
    apply(thrust::seq, pipeline{autocontrast{}}, view<const float, 4>(values.data(), {1, in.height, in.width, 3}), 0,
          key{}, out.tensor4());
    EXPECT_LT(difference(out, goldens::autocontrast), tolerance);
}

TEST(Goldens, Neighbourhoods) {
    EXPECT_LT(of(sharpness{}, {0.25f}, goldens::blurred_sharpness), tolerance);
    EXPECT_LT(of(sharpness{}, {1.75f}, goldens::sharpness), tolerance);
    EXPECT_LT(of(gaussian_blur{.kernel = 7}, {1.125f}, goldens::blur), tolerance);
    EXPECT_LT(of(gaussian_blur{.kernel = 7}, {1.125f}, goldens::blur_by_opencv), tolerance);
    EXPECT_LT(of(random_erasing{.value = {0.25f, 0.5f, 0.75f}}, window{2, 3, 4, 5}, goldens::erase), tolerance);
}

TEST(Goldens, Chain) {
    const pipeline p{resized(8, 8, interpolation::bilinear, true),
                     horizontal_flip{},
                     color_jitter{1, 1, 1, 0.5f},
                     grayscale{},
                     gaussian_blur{.kernel = 5},
                     normalize{{0.5f, 0.25f, 0.125f}, {0.25f, 0.5f, 0.75f}}};
    decltype(p)::parameters given{};
    get<0>(given) = crop;
    get<1>(given) = {1};
    get<2>(given) = {{2, 1, 0, 3}, {1.25f}, {0.75f}, {1.5f}, {0.125f}};
    get<4>(given) = {0.75f};
    EXPECT_LT(difference(run_given(p, golden_image(), {given}), goldens::simclr), 1e-5);
}

/// The same in bytes: the largest difference.
template <class Op, std::size_t N>
int of_bytes(const Op& op, const typename Op::parameters& parameters, const std::uint8_t (&expected)[N]) {
    const bytes in = golden_image();
    const pipeline p{op};
    const auto shape = output_shape(op, {3, std::int32_t(in.height), std::int32_t(in.width)});
    typename decltype(p)::parameters given{};
    get<0>(given) = parameters;
    std::vector<std::uint8_t> out(N);
    EXPECT_EQ(N, std::size_t(3 * shape.height * shape.width));
    apply(thrust::seq, p, in.tensor4(), std::vector{given},
          view<std::uint8_t, 4>(out.data(), {1, 3, shape.height, shape.width}));
    int most = 0;
    for (std::size_t k = 0; k < N; ++k) most = std::max(most, std::abs(int(out[k]) - int(expected[k])));
    return most;
}

TEST(Goldens, Bytes) {
    using enum interpolation;
    EXPECT_LE(of_bytes(resized(5, 6, bilinear, true), crop, goldens::smaller_of_bytes), 1);
    EXPECT_LE(of_bytes(resized(13, 12, bilinear, true), crop, goldens::larger_of_bytes), 1);
    EXPECT_LE(of_bytes(rotation{.fill = 64.0f / 255}, {33.5f}, goldens::rotation_of_bytes), 1);
    EXPECT_LE(of_bytes(brightness{}, {1.25f}, goldens::brightness_of_bytes), 1);
    EXPECT_LE(of_bytes(contrast{}, {0.625f}, goldens::contrast_of_bytes), 1);
    EXPECT_LE(of_bytes(saturation{}, {1.75f}, goldens::saturation_of_bytes), 1);
    EXPECT_LE(of_bytes(hue{}, {0.1875f}, goldens::hue_of_bytes), 1);
    EXPECT_LE(of_bytes(grayscale{}, {}, goldens::grayscale_of_bytes), 1);
    EXPECT_EQ(of_bytes(solarize{112.0f / 255}, {}, goldens::solarize_of_bytes), 0);
    // 7/8 of 255 are 223.1, and of 256 are 224.
    EXPECT_LE(of_bytes(posterize{3}, {}, goldens::posterize_of_bytes), 1);
    EXPECT_EQ(of_bytes(equalize{}, {}, goldens::equalize_of_bytes), 0);
    EXPECT_LE(of_bytes(autocontrast{}, {}, goldens::autocontrast_of_bytes), 1);
    EXPECT_LE(of_bytes(sharpness{}, {1.75f}, goldens::sharpness_of_bytes), 1);
    EXPECT_EQ(of_bytes(invert{}, {}, goldens::invert_of_bytes), 0);
    EXPECT_LE(of_bytes(gaussian_blur{.kernel = 7}, {1.125f}, goldens::blur_of_bytes), 1);
}

TEST(Goldens, BytesByPillow) {
    EXPECT_LE(of_bytes(brightness{}, {1.25f}, goldens::brightness_by_pillow), 1);
    EXPECT_LE(of_bytes(contrast{}, {0.625f}, goldens::contrast_by_pillow), 1);
    EXPECT_LE(of_bytes(saturation{}, {1.75f}, goldens::saturation_by_pillow), 1);
    EXPECT_LE(of_bytes(grayscale{}, {}, goldens::grayscale_by_pillow), 1);
    EXPECT_EQ(of_bytes(solarize{112.0f / 255}, {}, goldens::solarize_by_pillow), 0);
    EXPECT_LE(of_bytes(posterize{3}, {}, goldens::posterize_by_pillow), 1);
    EXPECT_EQ(of_bytes(equalize{}, {}, goldens::equalize_by_pillow), 0);
    EXPECT_LE(of_bytes(autocontrast{}, {}, goldens::autocontrast_by_pillow), 1);
    // Pillow rounds the smoothed picture before it takes it from the picture.
    EXPECT_LE(of_bytes(sharpness{}, {1.75f}, goldens::sharpness_by_pillow), 1);
    EXPECT_EQ(of_bytes(invert{}, {}, goldens::invert_by_pillow), 0);
}

}  // namespace
