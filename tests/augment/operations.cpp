#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "augment/images.hpp"

// Every operation against the reference, and what has to hold whatever the parameters are.

namespace {

using namespace test_images;

int size(int most) { return *rc::gen::inRange(1, most + 1); }
int channels() { return *rc::gen::element(1, 3); }
unsigned seed() { return *rc::gen::arbitrary<unsigned>(); }

template <class MakePipeline>
bool agrees(const char* what, MakePipeline&& make, double within = 2e-6) {
    return rc::check(what, [&] {
        const bytes in(2, size(40), size(70), channels(), seed());
        const auto p = make();
        const double d = difference_from_reference(p, in, {.seed = seed()});
        RC_LOG() << in.height << " x " << in.width << " x " << in.channels << ": " << d;
        RC_ASSERT(d < within);
    });
}

TEST(Reference, Nothing) {
    EXPECT_TRUE(agrees("an empty pipeline", [] { return pipeline{}; }, 1e-7));
}
TEST(Reference, RandomResizedCrop) {
    EXPECT_TRUE(agrees("random_resized_crop",
                       [] { return pipeline{random_resized_crop{.height = size(50), .width = size(50)}}; }));
    EXPECT_TRUE(agrees("all kinds of limits", [] {
        return pipeline{
            random_resized_crop{.height = size(9), .width = size(90), .scale = {0.001f, 1}, .ratio = {0.1f, 10}}};
    }));
}
TEST(Reference, Resize) {
    EXPECT_TRUE(agrees("resize", [] { return pipeline{resize{.height = size(90), .width = size(90)}}; }));
}
TEST(Reference, Flips) {
    EXPECT_TRUE(agrees("horizontal_flip", [] { return pipeline{horizontal_flip{}}; }, 1e-7));
    EXPECT_TRUE(agrees("vertical_flip", [] { return pipeline{vertical_flip{}}; }, 1e-7));
}
TEST(Reference, Rotation) {
    EXPECT_TRUE(agrees("rotation", [] { return pipeline{rotation{.degrees = {-400, 400}, .fill = 0.25f}}; }));
    EXPECT_TRUE(agrees("small angles", [] { return pipeline{rotation{.degrees = {-1, 1}}}; }));
}
TEST(Reference, Brightness) {
    EXPECT_TRUE(agrees("brightness", [] { return pipeline{brightness{0.9f}}; }));
}
TEST(Reference, Contrast) {
    EXPECT_TRUE(agrees("contrast", [] { return pipeline{contrast{0.9f}}; }));
}
TEST(Reference, GaussianBlur) {
    EXPECT_TRUE(agrees("gaussian_blur", [] { return pipeline{gaussian_blur{.kernel = 2 * size(12) - 1}}; }));
    EXPECT_TRUE(agrees("wide", [] { return pipeline{gaussian_blur{.kernel = 2 * size(12) - 1, .sigma = {5, 50}}}; }));
}
TEST(Reference, GaussianNoise) {
    EXPECT_TRUE(agrees("gaussian_noise", [] { return pipeline{gaussian_noise{.mean = 0.1f, .sigma = 0.5f}}; }));
    EXPECT_TRUE(agrees("not clipped", [] { return pipeline{gaussian_noise{.sigma = 0.5f, .clip = false}}; }));
}
TEST(Reference, RandomErasing) {
    EXPECT_TRUE(agrees("random_erasing", [] { return pipeline{random_erasing{.probability = 0.9f, .value = 0.3f}}; }));
}
TEST(Reference, Normalize) {
    EXPECT_TRUE(agrees("normalize", [] { return pipeline{normalize{{0.4f}, {0.3f}}}; }));
    const bytes in(2, 5, 7, 3);
    EXPECT_LT(difference_from_reference(pipeline{normalize{{0.4f, 0.5f, 0.6f}, {0.3f, 0.2f, 0.1f}}}, in), 2e-6);
}

// Which operations run is drawn, so that all ways to divide them into passes occur.
TEST(Reference, Chains) {
    EXPECT_TRUE(agrees(
        "of everything",
        [] {
            return pipeline{random_resized_crop{.height = size(40), .width = size(40)},
                            horizontal_flip{},
                            random_apply{0.7f, brightness{0.4f}},
                            random_apply{0.5f, contrast{0.4f}},
                            vertical_flip{},
                            random_apply{0.5f, gaussian_blur{.kernel = 7}},
                            random_apply{0.5f, contrast{0.4f}},
                            random_apply{0.5f, rotation{}},
                            random_apply{0.5f, random_erasing{.value = 0.5f}},
                            random_apply{0.5f, vertical_flip{}},
                            normalize{{0.4f}, {0.5f}}};
        },
        1e-5));
    EXPECT_TRUE(agrees(
        "without a crop",
        [] {
            return pipeline{random_apply{0.5f, contrast{0.4f}},   vertical_flip{},
                            random_apply{0.5f, gaussian_noise{}}, random_apply{0.5f, horizontal_flip{}},
                            random_apply{0.5f, contrast{0.4f}},   random_apply{0.5f, vertical_flip{1}},
                            random_apply{0.5f, gaussian_noise{}}, random_apply{0.5f, gaussian_blur{.kernel = 5}},
                            random_apply{0.5f, vertical_flip{1}}};
        },
        1e-5));
    EXPECT_TRUE(agrees(
        "a crop in the middle",
        [] {
            return pipeline{random_apply{0.5f, rotation{{-90, 90}}},
                            vertical_flip{},
                            random_apply{0.5f, gaussian_blur{.kernel = 5}},
                            random_resized_crop{.height = size(20), .width = size(20)},
                            vertical_flip{},
                            horizontal_flip{},
                            random_apply{0.5f, random_erasing{}},
                            resize{.height = size(30), .width = size(30)},
                            random_apply{0.5f, gaussian_blur{.kernel = 9}},
                            vertical_flip{}};
        },
        1e-5));
}

// What follows holds for every image.

TEST(Properties, CropOfTheWholeIsTheImage) {
    EXPECT_TRUE(rc::check("same size, to the bit", [] {
        const bytes in(1, size(40), size(60), channels(), seed());
        const auto out = run_given(pipeline{random_resized_crop{.height = in.height, .width = in.width}}, in,
                                   {{{0, 0, in.height, in.width}, {}}});
        const auto same = run(pipeline{}, in);
        RC_ASSERT(out.values == same.values);
    }));
}

TEST(Properties, BytesAreDividedBy255) {
    bytes in(1, 1, 256, 1);
    for (int k = 0; k < 256; ++k) in.values[std::size_t(k)] = std::uint8_t(k);
    const auto copied = run(pipeline{}, in), resized = run(pipeline{resize{.height = 1, .width = 256}}, in);
    EXPECT_EQ(resized.values, copied.values);
    for (int k = 0; k < 256; ++k) {
#if defined(__FMA__)
        EXPECT_EQ(copied.at(0, 0, 0, k), static_cast<float>(k) / 255.0f);
#else
        EXPECT_NEAR(copied.at(0, 0, 0, k), static_cast<float>(k) / 255.0f, 6.1e-8);
#endif
    }
    EXPECT_EQ(copied.at(0, 0, 0, 0), 0.0f);
    EXPECT_EQ(copied.at(0, 0, 0, 255), 1.0f);
}

TEST(Properties, FlippedTwiceIsTheImage) {
    EXPECT_TRUE(rc::check("both directions", [] {
        const bytes in(1, size(30), size(60), channels(), seed());
        const auto same = run(pipeline{}, in);
        RC_ASSERT(run(pipeline{horizontal_flip{1}, horizontal_flip{1}}, in).values == same.values);
        RC_ASSERT(run(pipeline{vertical_flip{1}, vertical_flip{1}}, in).values == same.values);
        RC_ASSERT(run(pipeline{vertical_flip{1}, brightness{0}, vertical_flip{1}}, in).values == same.values);
        RC_ASSERT(run(pipeline{brightness{0}, horizontal_flip{1}, brightness{0}, horizontal_flip{1}}, in).values ==
                  same.values);
        RC_ASSERT(
            run(pipeline{brightness{0}, contrast{0}, vertical_flip{1}, contrast{0}, vertical_flip{1}}, in).values ==
            same.values);
    }));
}

TEST(Properties, FlipAndCropCommuteWhereTheCropIsTheWhole) {
    const bytes in(1, 31, 45, 3);
    const resize to{.height = 20, .width = 20};
    const auto a = run(pipeline{horizontal_flip{1}, to}, in), b = run(pipeline{to, horizontal_flip{1}}, in);
    for (int x = 0; x < 20; ++x) EXPECT_NEAR(a.at(0, 1, 3, x), b.at(0, 1, 3, x), 1e-6);
}

TEST(Properties, FactorOneAndProbabilityZeroChangeNothing) {
    const bytes in(2, 13, 37, 3);
    const auto same = run(pipeline{}, in);
    EXPECT_EQ(run(pipeline{brightness{0}}, in).values, same.values);
    EXPECT_EQ(run(pipeline{contrast{0}}, in).values, same.values);
    EXPECT_EQ(run(pipeline{random_apply{0, brightness{5}}, random_erasing{0}, horizontal_flip{0}}, in).values,
              same.values);
    EXPECT_EQ(run(pipeline{gaussian_noise{.sigma = 0}}, in).values, same.values);
    EXPECT_EQ(run(pipeline{gaussian_blur{.kernel = 1}}, in).values, same.values);
    EXPECT_EQ(run(pipeline{normalize{}}, in).values, same.values);
}

TEST(Properties, RotatedByNothingOrAllTheWayIsTheImage) {
    EXPECT_TRUE(rc::check("multiples of 360 degrees, to the bit", [] {
        const bytes in(1, size(30), size(60), channels(), seed());
        const float turns = 360.0f * static_cast<float>(*rc::gen::inRange(-3, 4));
        const auto out = run(pipeline{rotation{.degrees = {turns, turns}, .fill = 1}}, in);
        RC_ASSERT(out.values == run(pipeline{}, in).values);
    }));
}

TEST(Properties, RotatedByQuartersOfASquare) {
    const bytes in(1, 9, 9, 3);
    const auto out = run(pipeline{rotation{.degrees = {90, 90}}}, in), same = run(pipeline{}, in);
    for (int y = 0; y < 9; ++y) {
        for (int x = 0; x < 9; ++x) EXPECT_EQ(out.at(0, 2, y, x), same.at(0, 2, x, 8 - y)) << "counter-clockwise";
    }
    const rotation quarter{.degrees = {90, 90}}, back{.degrees = {-180, -180}};
    EXPECT_EQ(run(pipeline{quarter, quarter, quarter, quarter}, in).values, same.values);
    EXPECT_EQ(run(pipeline{quarter, back, quarter}, in).values, same.values);
}

TEST(Properties, BlurOfAConstantIsTheConstant) {
    EXPECT_TRUE(rc::check("edges too", [] {
        bytes in(1, size(30), size(60), channels());
        std::fill(in.values.begin(), in.values.end(), std::uint8_t(77));
        const auto out =
            run(pipeline{gaussian_blur{.kernel = 2 * size(20) + 1, .sigma = {0.5f, 9}}}, in, {.seed = seed()});
        const reference::picture shape(in.channels, in.height, in.width);
        RC_ASSERT(out.difference(0, shape.map([](int, int, int) { return 77 / 255.0; })) < 5e-7);
    }));
}

TEST(Properties, RandomErasingErasesARectangleAndNothingElse) {
    const bytes in(64, 20, 30, 3);
    const auto same = run(pipeline{}, in),
               out = run(pipeline{random_erasing{.probability = 1, .value = {2, 3, 4}}}, in);
    for (int n = 0; n < in.count; ++n) {
        int erased = 0;
        for (int y = 0; y < in.height; ++y) {
            for (int x = 0; x < in.width; ++x) {
                const bool gone = out.at(n, 0, y, x) == 2;
                erased += gone;
                for (int c = 0; c < 3; ++c) {
                    EXPECT_EQ(out.at(n, c, y, x), gone ? float(c + 2) : same.at(n, c, y, x));
                }
            }
        }
        const auto w =
            get<0>(draw(pipeline{random_erasing{.probability = 1}}, {3, 20, 30}, std::uint64_t(n), {.seed = 1}));
        EXPECT_EQ(erased, w.height * w.width);
    }
}

TEST(Properties, OnePixel) {
    bytes in(1, 1, 1, 1);
    in.values = {51};
    const pipeline p{random_resized_crop{.height = 3, .width = 5}, rotation{.degrees = {0, 0}},
                     gaussian_blur{.kernel = 23}, contrast{0.9f}};
    const auto out = run(p, in);
    for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 5; ++x) EXPECT_NEAR(out.at(0, 0, y, x), 0.2f, 1e-6);
    }
    EXPECT_EQ(run(pipeline{random_erasing{1}}, in).at(0, 0, 0, 0), run(pipeline{}, in).at(0, 0, 0, 0));
}

}  // namespace
