#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>
#include <stdexcept>
#include <string>

#include "augment/images.hpp"
#include "support.hpp"

// Batches: their order, their threads, their strides, and what is refused.

namespace {

using namespace test_images;
using selfsame_tests::refusal;

constexpr pipeline usual{random_resized_crop{.height = 20, .width = 23, .scale = {0.3f, 1}},
                         horizontal_flip{},
                         random_apply{0.5f, brightness{0.4f}},
                         random_apply{0.5f, contrast{0.4f}},
                         random_apply{0.5f, rotation{}},
                         random_apply{0.5f, gaussian_blur{.kernel = 5}},
                         random_apply{0.5f, gaussian_noise{}},
                         random_erasing{},
                         normalize{{0.5f}, {0.25f}}};

TEST(Batch, SameViewInAnyBatchOnAnyNumberOfThreads) {
    for (const int channels : {1, 3}) {
        const bytes in(37, 31, 29, channels);
        const auto all = run(usual, in, {.seed = 4}, 1000);
        for (const int threads : {1, 2, 3, 5, 8, 64}) {
            result out(37, channels, 20, 23);
            apply(context{thrust::omp::par, threads}, usual, in.tensor4(), 1000, key{.seed = 4}, out.tensor4());
            EXPECT_EQ(out.values, all.values) << threads << " threads";
        }
        for (int n = 0; n < in.count; ++n) {
            bytes one(1, 31, 29, channels);
            const auto size = std::ptrdiff_t(one.values.size());
            std::copy_n(in.values.begin() + n * size, size, one.values.begin());
            const auto out = run(usual, one, {.seed = 4}, std::uint64_t(1000 + n));
            for (int c = 0; c < channels; ++c) {
                for (int y = 0; y < 20; ++y) {
                    for (int x = 0; x < 23; ++x) ASSERT_EQ(out.at(0, c, y, x), all.at(n, c, y, x)) << "alone";
                }
            }
        }
    }
}

TEST(Batch, SameViewInAnyOrder) {
    const bytes in(11, 31, 29, 3);
    const auto straight = run(usual, in, {.seed = 4}, 50);
    std::vector<std::uint64_t> ids;
    std::vector<image<std::uint8_t>> images;
    const int order[] = {3, 1, 10, 0, 2, 9, 4, 8, 5, 7, 6};
    for (const int n : order) {
        ids.push_back(std::uint64_t(50 + n));
        images.push_back(interleaved(in.values.data() + n * 31 * 29 * 3, 31, 29, 3));
    }
    result out(11, 3, 20, 23);
    apply(thrust::seq, usual, image_batch{images, 3}, ids, key{.seed = 4}, out.tensor4());
    for (int k = 0; k < 11; ++k) {
        for (int c = 0; c < 3; ++c) EXPECT_EQ(out.at(k, c, 11, 13), straight.at(order[k], c, 11, 13));
    }
}

TEST(Batch, ImagesOfDifferentSizes) {
    EXPECT_TRUE(rc::check("every image as if alone", [] {
        const int channels = *rc::gen::element(1, 3), count = *rc::gen::inRange(0, 6);
        std::vector<bytes> sources;
        std::vector<image<std::uint8_t>> images;
        for (int n = 0; n < count; ++n) {
            sources.emplace_back(1, *rc::gen::inRange(1, 60), *rc::gen::inRange(1, 60), channels, unsigned(n));
        }
        for (const auto& s : sources) images.push_back(interleaved(s.values.data(), s.height, s.width, channels));
        result out(count, channels, 20, 23);
        apply(thrust::omp::par, usual, image_batch{images, channels}, 7, key{.seed = 2}, out.tensor4());
        RC_ASSERT(out.guards_untouched());
        for (int n = 0; n < count; ++n) {
            const auto alone = run(usual, sources[std::size_t(n)], {.seed = 2}, std::uint64_t(7 + n));
            for (int c = 0; c < channels; ++c) {
                for (int y = 0; y < 20; ++y) {
                    for (int x = 0; x < 23; ++x) RC_ASSERT(out.at(n, c, y, x) == alone.at(0, c, y, x));
                }
            }
        }
    }));
}

/// The same pixels in other places: strides of images, rows, columns and channels.
template <class T>
struct scattered {
    std::vector<T> values;
    tensor<const T, 4> view4;

    scattered(const bytes& in, std::array<index_t, 4> strides) {
        const std::array<index_t, 4> extents{in.count, in.height, in.width, in.channels};
        index_t low = 0, high = 0;
        for (std::size_t r = 0; r < 4; ++r) (strides[r] < 0 ? low : high) += (extents[r] - 1) * strides[r];
        values.resize(std::size_t(high - low + 1));
        T* origin = values.data() - low;
        for (int n = 0; n < in.count; ++n) {
            for (int y = 0; y < in.height; ++y) {
                for (int x = 0; x < in.width; ++x) {
                    for (int c = 0; c < in.channels; ++c) {
                        const auto v = in.at(n, y, x, c);
                        T& to = origin[n * strides[0] + y * strides[1] + x * strides[2] + c * strides[3]];
                        if constexpr (std::is_same_v<T, float>) {
                            to = float(v) / 255;
                        } else {
                            to = v;
                        }
                    }
                }
            }
        }
        view4 = view<const T>(origin, extents, strides);
    }
};

template <class T, class... Ops>
void expect_same(const pipeline<Ops...>& p, const bytes& in, std::array<index_t, 4> strides) {
    const auto expected = run(p, in, {.seed = 9}, 0);
    const scattered<T> other(in, strides);
    result out(expected.count, expected.channels, expected.height, expected.width);
    apply(thrust::seq, p, other.view4, 0, key{.seed = 9}, out.tensor4());
    EXPECT_TRUE(out.guards_untouched());
    for (std::size_t k = 0; k < out.values.size(); ++k) ASSERT_NEAR(out.values[k], expected.values[k], 2e-6);
}

template <class T>
void expect_same_for_strides() {
    for (const int c : {1, 3}) {
        const bytes in(3, 21, 35, c);
        const index_t row = 35 * c, image = 21 * row;
        const auto pipelines = [&](std::array<index_t, 4> strides) {
            expect_same<T>(pipeline{random_resized_crop{.height = 16, .width = 19}, horizontal_flip{}}, in, strides);
            expect_same<T>(pipeline{vertical_flip{}, horizontal_flip{}, normalize{}}, in, strides);
            expect_same<T>(pipeline{gaussian_blur{.kernel = 5}, resize{.height = 12, .width = 40}}, in, strides);
        };
        pipelines({image, row, c, 1});                   // as it comes
        pipelines({21 * (row + 7) + 5, row + 7, c, 1});  // with gaps between rows
        pipelines({-image, -row, -c, 1});                // upside down, right to left
        pipelines({image, row, c, -1});                  // BGR
        pipelines({image * 2, row * 2, c + 1, 1});       // four channels of which one is left out
        pipelines({image, 35, 1, 35 * 21});              // planes
        pipelines({image, c, 21 * c, 1});                // transposed
    }
}
TEST(Strides, OfBytes) { expect_same_for_strides<std::uint8_t>(); }
TEST(Strides, OfFloats) { expect_same_for_strides<float>(); }

TEST(Strides, ChannelsLastAndFirst) {
    const bytes in(2, 9, 11, 3);
    const scattered<float> planes(in, {9 * 11 * 3, 11, 1, 99});
    const auto nchw = view<const float, 4>(planes.values.data(), {2, 3, 9, 11});
    const pipeline p{random_resized_crop{.height = 7, .width = 5}};
    const auto expected = run(p, in);
    std::vector<float> nhwc(2 * 7 * 5 * 3);
    apply(thrust::seq, p, channels_last(nchw), 0, key{.seed = 1},
          channels_first(view<float, 4>(nhwc.data(), {2, 7, 5, 3})));
    for (int n = 0; n < 2; ++n) {
        for (int c = 0; c < 3; ++c) {
            for (int y = 0; y < 7; ++y) {
                for (int x = 0; x < 5; ++x) {
                    EXPECT_NEAR(nhwc[std::size_t(((n * 7 + y) * 5 + x) * 3 + c)], expected.at(n, c, y, x), 1e-6);
                }
            }
        }
    }
}

TEST(Strides, OfTheOutput) {
    const bytes in(2, 33, 40, 3);
    for (const int width : {32, 17}) {
        const pipeline p{random_resized_crop{.height = 9, .width = width},
                         vertical_flip{},
                         contrast{0.5f},
                         vertical_flip{1},
                         gaussian_blur{.kernel = 3},
                         normalize{{0.5f}, {0.5f}}};
        const auto expected = run(p, in);
        const index_t w = width;
        for (const auto& s : {std::array<index_t, 4>{27 * (w + 3), 9 * (w + 3), w + 3, 1},
                              {27 * w, -9 * w, -w, 1},
                              {27 * w, 1, w * 3, 3},
                              {27 * w, 9 * w, w, -1}}) {
            std::vector<float> values(20000, untouched);
            float* origin = values.data() + 10000;
            apply(thrust::seq, p, in.tensor4(), 0, key{.seed = 1}, view<float, 4>(origin, {2, 3, 9, w}, s));
            std::size_t written = 0;
            for (const float v : values) written += v != untouched;
            EXPECT_EQ(written, std::size_t(2 * 3 * 9 * width));
            for (int n = 0; n < 2; ++n) {
                for (int c = 0; c < 3; ++c) {
                    for (int y = 0; y < 9; ++y) {
                        for (int x = 0; x < width; ++x) {
                            ASSERT_EQ(origin[n * s[0] + c * s[1] + y * s[2] + x * s[3]], expected.at(n, c, y, x));
                        }
                    }
                }
            }
        }
    }
}

TEST(Given, ParametersReadOutAndGivenBackGiveTheSameView) {
    const bytes in(9, 31, 29, 3);
    std::vector<decltype(usual)::parameters> drawn(9);
    draw(usual, in.tensor4(), 3, {.seed = 8, .epoch = 1, .view = 2}, drawn);
    EXPECT_EQ(run_given(usual, in, drawn).values, run(usual, in, {.seed = 8, .epoch = 1, .view = 2}, 3).values);
    std::swap(drawn[0], drawn[1]);
    EXPECT_NE(run_given(usual, in, drawn).values, run(usual, in, {.seed = 8, .epoch = 1, .view = 2}, 3).values);
}

TEST(Batch, WithoutImages) {
    std::vector<float> none;
    const std::vector<std::uint64_t> ids;
    std::vector<image<std::uint8_t>> images;
    const auto out = view<float, 4>(none.data(), {0, 3, 20, 23});
    apply(thrust::omp::par, usual, view<const std::uint8_t, 4>(nullptr, {0, 9, 9, 3}), ids, key{}, out);
    apply(thrust::omp::par, usual, view<const std::uint8_t, 4>(nullptr, {0, 0, 0, 0}), 0, key{}, out);
    apply(thrust::omp::par, usual, image_batch{images, 3}, 0, key{}, out);
}

TEST(Batch, NaNStaysNaN) {
    const float x[4] = {0.5f, std::nanf(""), 0.25f, 0.125f};
    float y[4] = {};
    apply(thrust::seq, pipeline{normalize{{0.5f}, {0.5f}}}, view(x, std::array<index_t, 4>{1, 2, 2, 1}), 0, key{},
          view(y, std::array<index_t, 4>{1, 1, 2, 2}));
    EXPECT_TRUE(y[1] != y[1]);
    EXPECT_EQ(y[0], 0);
    apply(thrust::seq, pipeline{brightness{0.5f}}, view(x, std::array<index_t, 4>{1, 2, 2, 1}), 0, key{},
          view(y, std::array<index_t, 4>{1, 1, 2, 2}));
    EXPECT_TRUE(y[1] != y[1]);
}

template <class... Ops>
std::string refused(const pipeline<Ops...>& p, int channels = 3) {
    const bytes in(1, 8, 8, channels);
    std::vector<float> out(1000, untouched);
    const std::string text = refusal(
        [&] { apply(thrust::seq, p, in.tensor4(), 0, key{}, view<float, 4>(out.data(), {1, channels, 8, 8})); });
    if (!text.empty()) {
        EXPECT_TRUE(std::all_of(out.begin(), out.end(), [](float v) { return v == untouched; }))
            << "written in spite of it";
    }
    return text;
}

using testing::HasSubstr;

TEST(Refused, Options) {
    using crop = random_resized_crop;
    EXPECT_EQ(refused(pipeline{crop{.height = 8, .width = 8}}), "");
    EXPECT_EQ(refused(pipeline{crop{.height = 0, .width = 8}}),
              "selfsame: random_resized_crop.height: got 0, expected >= 1");
    EXPECT_EQ(refused(pipeline{crop{.height = 8, .width = -1}}),
              "selfsame: random_resized_crop.width: got -1, expected >= 1");
    EXPECT_EQ(refused(pipeline{crop{.height = 8, .width = 8, .scale = {0.5f, 0.25f}}}),
              "selfsame: random_resized_crop.scale: got {0.500000, 0.250000}, expected 0 < low <= high <= 1");
    const float nan = std::nanf(""), infinite = std::numeric_limits<float>::infinity();
    EXPECT_THAT(refused(pipeline{crop{.height = 8, .width = 8, .scale = {0, 1}}}), HasSubstr("crop.scale: got {0"));
    EXPECT_THAT(refused(pipeline{crop{.height = 8, .width = 8, .scale = {0.1f, 1.5f}}}), HasSubstr("crop.scale"));
    EXPECT_THAT(refused(pipeline{crop{.height = 8, .width = 8, .scale = {nan, 1}}}), HasSubstr("crop.scale"));
    EXPECT_THAT(refused(pipeline{crop{.height = 8, .width = 8, .ratio = {0, 1}}}), HasSubstr("crop.ratio"));
    EXPECT_THAT(refused(pipeline{crop{.height = 8, .width = 8, .ratio = {1, infinite}}}), HasSubstr("crop.ratio"));
    EXPECT_THAT(refused(pipeline{resize{.height = 8, .width = 0}}), HasSubstr("resize.width: got 0"));
    EXPECT_THAT(refused(pipeline{horizontal_flip{1.5f}}), HasSubstr("horizontal_flip.probability: got 1.5, expected"));
    EXPECT_THAT(refused(pipeline{vertical_flip{nan}}), HasSubstr("vertical_flip.probability"));
    EXPECT_THAT(refused(pipeline{random_apply{-0.1f, brightness{}}}), HasSubstr("random_apply.probability"));
    EXPECT_THAT(refused(pipeline{random_apply{0.5f, brightness{-1}}}),
                HasSubstr("brightness.strength: got -1, expected >= 0"));
    EXPECT_THAT(refused(pipeline{contrast{infinite}}), HasSubstr("contrast.strength"));
    EXPECT_THAT(refused(pipeline{rotation{.degrees = {10, -10}}}), HasSubstr("rotation.degrees"));
    EXPECT_THAT(refused(pipeline{rotation{.fill = {1, 2}}}),
                HasSubstr("rotation.fill: got 2 values, expected 1 value"));
    EXPECT_THAT(refused(pipeline{gaussian_blur{.kernel = 4}}),
                HasSubstr("gaussian_blur.kernel: got 4, expected an odd"));
    EXPECT_THAT(refused(pipeline{gaussian_blur{.sigma = {0, 1}}}), HasSubstr("gaussian_blur.sigma"));
    EXPECT_THAT(refused(pipeline{gaussian_noise{.sigma = -1}}), HasSubstr("gaussian_noise.sigma"));
    EXPECT_THAT(refused(pipeline{gaussian_noise{.mean = nan}}), HasSubstr("gaussian_noise.mean"));
    EXPECT_THAT(refused(pipeline{random_erasing{.probability = 2}}), HasSubstr("random_erasing.probability"));
    EXPECT_THAT(refused(pipeline{random_erasing{.scale = {0.5f, 2}}}), HasSubstr("random_erasing.scale"));
    EXPECT_THAT(refused(pipeline{random_erasing{.ratio = {-1, 1}}}), HasSubstr("random_erasing.ratio"));
    EXPECT_THAT(refused(pipeline{random_erasing{.value = {1, 2, 3}}}, 1),
                HasSubstr("random_erasing.value: got 3 values"));
    EXPECT_THAT(refused(pipeline{normalize{{0.5f}, {0.0f}}}), HasSubstr("normalize.deviation: got 0, expected > 0"));
    EXPECT_THAT(refused(pipeline{normalize{{0.5f, 0.5f}, {1.0f}}}), HasSubstr("normalize.mean: got 2 values"));
    EXPECT_THAT(refused(pipeline{normalize{{1, 2, 3, 4, 5}, {1.0f}}}), HasSubstr("normalize.mean: got 5 values"));
    EXPECT_THAT(refused(pipeline{normalize{{nan}, {1.0f}}}), HasSubstr("normalize.mean"));
}

TEST(Refused, Tensors) {
    const bytes in(2, 8, 9, 3);
    std::vector<float> values(2 * 3 * 8 * 9 * 2);
    const auto out = view<float, 4>(values.data(), {2, 3, 8, 9});
    const pipeline p{horizontal_flip{}};
    const auto attempt = [&](const auto& images, const sample_ids& ids, key k, const auto& to) {
        return refusal([&] { apply(thrust::seq, p, images, ids, k, to); });
    };
    EXPECT_EQ(attempt(in.tensor4(), 0, key{}, out), "");
    EXPECT_EQ(attempt(in.tensor4(), 0, key{.view = 256}, out),
              "selfsame: key.view: got 256, expected a view below 256");
    EXPECT_EQ(attempt(in.tensor4(), std::vector<std::uint64_t>(3), key{}, out),
              "selfsame: sample_ids: got 3 ids, expected one for each of 2 images");
    EXPECT_EQ(attempt(in.tensor4(), 0, key{}, view<float, 4>(values.data(), {3, 3, 8, 9})),
              "selfsame: out: got 3 x 3 x 8 x 9, expected 2 images");
    EXPECT_EQ(attempt(in.tensor4(), 0, key{}, view<float, 4>(values.data(), {2, 3, 9, 8})),
              "selfsame: out: got 2 x 3 x 9 x 8, expected 2 x 3 x 8 x 9 (what becomes of image 0)");
    EXPECT_THAT(attempt(in.tensor4(), 0, key{}, view<float, 4>(values.data(), {2, 1, 8, 9})),
                HasSubstr("2 x 3 x 8 x 9"));
    EXPECT_EQ(attempt(in.tensor4(), 0, key{}, view<float, 4>(values.data(), {2, 3, 8, 9}, {0, 72, 9, 1})),
              "selfsame: out: got a stride of 0, expected elements that do not overlap");
    EXPECT_EQ(attempt(view<const std::uint8_t, 4>(in.values.data(), {2, 8, 9, 2}), 0, key{}, out),
              "selfsame: images: channels: got 2, expected 1, 3 or 4");
    EXPECT_EQ(attempt(view<const std::uint8_t, 4>(in.values.data(), {2, 0, 9, 3}), 0, key{}, out),
              "selfsame: images: got 0 x 9, expected height and width from 1 to 16777216");
    EXPECT_EQ(attempt(view<const std::uint8_t, 4>(nullptr, {2, 8, 9, 3}), 0, key{}, out),
              "selfsame: images: got a null pointer, expected pixels");
    std::vector<image<std::uint8_t>> images{interleaved(in.values.data(), 8, 9, 3),
                                            interleaved(in.values.data(), 8, 0, 3)};
    EXPECT_EQ(attempt(image_batch{images, 3}, 0, key{}, out),
              "selfsame: images[1]: got 8 x 0, expected height and width from 1 to 16777216");
    images[1] = interleaved(in.values.data(), 9, 8, 3);
    EXPECT_EQ(attempt(image_batch{images, 3}, 0, key{}, out),
              "selfsame: out: got 2 x 3 x 8 x 9, expected 2 x 3 x 9 x 8 (what becomes of image 1)");
    EXPECT_THAT(refusal([&] { apply(context{thrust::seq, -1}, p, in.tensor4(), 0, key{}, out); }),
                HasSubstr("threads: got -1"));
}

TEST(Refused, GivenParameters) {
    const bytes in(1, 8, 9, 3);
    std::vector<float> values(3 * 8 * 9);
    const auto out = view<float, 4>(values.data(), {1, 3, 8, 9});
    const pipeline p{horizontal_flip{}, random_resized_crop{.height = 8, .width = 9},
                     random_apply{0.5f, gaussian_blur{}}};
    auto good = draw(p, {3, 8, 9}, 0, {});
    const auto attempt = [&](window w, float sigma) {
        get<1>(good) = w;
        get<2>(good) = {1, {sigma}};
        const std::vector given{good};
        return refusal([&] { apply(thrust::seq, p, in.tensor4(), given, out); });
    };
    EXPECT_EQ(attempt({1, 1, 7, 8}, 1), "");
    EXPECT_EQ(attempt({1, 1, 8, 8}, 1),
              "selfsame: parameters: crop: got 8 x 8 at (1, 1), expected a window of the image, 8 x 9");
    EXPECT_THAT(attempt({0, -1, 8, 8}, 1), HasSubstr("at (0, -1)"));
    EXPECT_THAT(attempt({0, 0, 0, 8}, 1), HasSubstr("0 x 8"));
    EXPECT_THAT(attempt({2147483647, 0, 8, 8}, 1), HasSubstr("at (2147483647, 0)"));
    EXPECT_EQ(attempt({0, 0, 8, 8}, 0), "selfsame: parameters: gaussian_blur.sigma: got 0, expected > 0");
    const std::vector<decltype(p)::parameters> two(2, good);
    EXPECT_EQ(refusal([&] { apply(thrust::seq, p, in.tensor4(), two, out); }),
              "selfsame: parameters: got 2 records, expected one for each of 1 images");
    std::vector<decltype(p)::parameters> few(2);
    EXPECT_THAT(refusal([&] { draw(p, in.tensor4(), 0, key{}, few); }), HasSubstr("parameters: got 2 records"));
}

}  // namespace
