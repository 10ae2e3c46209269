#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <selfsame/augment/augment.hpp>
#include <vector>

// What is drawn: its distribution, its bits, and its place in memory.

namespace {

using namespace selfsame;
using namespace selfsame::augment;

/// The largest distance of the sample's distribution from `cumulative`, in units in which 1.95 is passed by one
/// sample in a thousand.
template <class F>
double kolmogorov(std::vector<double> x, F&& cumulative) {
    std::sort(x.begin(), x.end());
    const double n = double(x.size());
    double d = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
        const double c = cumulative(x[k]);
        d = std::max({d, std::abs(c - double(k) / n), std::abs(c - double(k + 1) / n)});
    }
    return d * std::sqrt(n);
}

auto uniform(double low, double high) {
    return [=](double x) { return std::clamp((x - low) / (high - low), 0.0, 1.0); };
}

constexpr double limit = 1.95;
constexpr int samples = 20000;

/// value(parameters) of many samples of an operation.
template <class Op, class F>
std::vector<double> drawn(const Op& op, image_shape shape, F&& value) {
    const pipeline p{op};
    std::vector<double> v;
    for (int n = 0; n < samples; ++n) v.push_back(double(value(get<0>(draw(p, shape, std::uint64_t(n), {.seed = 5})))));
    return v;
}

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
    double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
    for (std::size_t k = 0; k < a.size(); ++k) ma += a[k] / double(a.size()), mb += b[k] / double(b.size());
    for (std::size_t k = 0; k < a.size(); ++k) {
        ab += (a[k] - ma) * (b[k] - mb);
        aa += (a[k] - ma) * (a[k] - ma);
        bb += (b[k] - mb) * (b[k] - mb);
    }
    return ab / std::sqrt(aa * bb);
}

TEST(Distribution, CropAreaRatioAndPlace) {
    // Large, and never rejected, so that what is seen is what is drawn.
    const image_shape shape{3, 20000, 20000};
    const random_resized_crop op{.height = 1, .width = 1, .scale = {0.08f, 0.7f}};
    const double area = 4e8;
    const auto areas = drawn(op, shape, [&](window w) { return double(w.height) * w.width / area; });
    const auto ratios = drawn(op, shape, [](window w) { return std::log(double(w.width) / w.height); });
    const auto tops = drawn(op, shape, [&](window w) { return (w.top + 0.5) / (shape.height - w.height + 1); });
    const auto lefts = drawn(op, shape, [&](window w) { return (w.left + 0.5) / (shape.width - w.width + 1); });
    EXPECT_LT(kolmogorov(areas, uniform(0.08, 0.7)), limit);
    EXPECT_LT(kolmogorov(ratios, uniform(std::log(0.75), std::log(4.0 / 3))), limit);
    EXPECT_LT(kolmogorov(tops, uniform(0, 1)), limit);
    EXPECT_LT(kolmogorov(lefts, uniform(0, 1)), limit);
    const double independent = 3.5 / std::sqrt(double(samples));
    EXPECT_LT(std::abs(correlation(areas, ratios)), independent);
    EXPECT_LT(std::abs(correlation(areas, tops)), independent);
    EXPECT_LT(std::abs(correlation(tops, lefts)), independent);
    EXPECT_LT(std::abs(correlation(ratios, lefts)), independent);
}

TEST(Distribution, CropPlacesOfASmallImage) {
    // A crop of 2 x 2 in 5 x 5: 16 places, equally likely; chi-square with 15 degrees of freedom.
    const random_resized_crop op{.height = 1, .width = 1, .scale = {0.16f, 0.16f}, .ratio = {1, 1}};
    const auto places = drawn(op, {1, 5, 5}, [](window w) {
        EXPECT_EQ(w.height, 2);
        EXPECT_EQ(w.width, 2);
        return w.top * 4 + w.left;
    });
    double chi_square = 0;
    for (int place = 0; place < 16; ++place) {
        const double expected = samples / 16.0;
        const auto found = double(std::count(places.begin(), places.end(), double(place)));
        chi_square += (found - expected) * (found - expected) / expected;
    }
    EXPECT_LT(chi_square, 37.7);  // passed by one sample in a thousand
}

TEST(Distribution, CropsLieInTheImage) {
    for (const image_shape s : {image_shape{1, 1, 1}, {1, 1, 50}, {1, 50, 1}, {3, 7, 11}, {3, 375, 500}}) {
        const random_resized_crop op{.height = 1, .width = 1, .scale = {0.001f, 1}, .ratio = {0.05f, 20}};
        drawn(op, s, [&](window w) {
            EXPECT_TRUE(w.height >= 1 && w.width >= 1 && w.top >= 0 && w.left >= 0 && w.top + w.height <= s.height &&
                        w.left + w.width <= s.width);
            return 0;
        });
    }
}

window crop_of(image_shape s, range scale, range ratio, std::uint64_t sample = 0) {
    return get<0>(
        draw(pipeline{random_resized_crop{.height = 1, .width = 1, .scale = scale, .ratio = ratio}}, s, sample, {}));
}

TEST(Distribution, CropFallsBackToTheCentre) {
    EXPECT_EQ(crop_of({1, 1, 100}, {0.08f, 1}, {0.75f, 1.25f}), (window{0, 49, 1, 1})) << "too wide";
    EXPECT_EQ(crop_of({1, 100, 1}, {0.08f, 1}, {0.75f, 1.25f}), (window{49, 0, 1, 1})) << "too high";
    EXPECT_EQ(crop_of({1, 10, 10}, {1, 1}, {2, 2}), (window{2, 0, 5, 10}));
    EXPECT_EQ(crop_of({1, 10, 10}, {1, 1}, {0.5f, 0.5f}), (window{0, 2, 10, 5}));
    EXPECT_EQ(crop_of({1, 9, 30}, {1, 1}, {1, 2}), (window{0, 6, 9, 18}));
    EXPECT_EQ(crop_of({1, 1, 1}, {1, 1}, {3, 4}), (window{0, 0, 1, 1})) << "never empty";
    EXPECT_EQ(crop_of({1, 1, 1}, {1, 1}, {0.1f, 0.2f}), (window{0, 0, 1, 1})) << "never empty";
    // The image's own ratio is allowed, but rarely drawn: its whole.
    int whole = 0;
    for (std::uint64_t n = 0; n < 100; ++n)
        whole += crop_of({1, 100, 100}, {1, 1}, {0.1f, 10}, n) == window{0, 0, 100, 100};
    EXPECT_GT(whole, 80);
}

TEST(Distribution, Factors) {
    const image_shape s{1, 4, 4};
    const auto factor = [](const auto& p) { return p.factor; };
    EXPECT_LT(kolmogorov(drawn(brightness{0.4f}, s, factor), uniform(0.6, 1.4)), limit);
    EXPECT_LT(kolmogorov(drawn(brightness{2.0f}, s, factor), uniform(0, 3)), limit);
    EXPECT_LT(kolmogorov(drawn(contrast{0.4f}, s, factor), uniform(0.6, 1.4)), limit);
    EXPECT_LT(kolmogorov(drawn(rotation{.degrees = {-30, 60}}, s, [](auto p) { return p.degrees; }), uniform(-30, 60)),
              limit);
    EXPECT_LT(kolmogorov(drawn(gaussian_blur{}, s, [](auto p) { return p.sigma; }), uniform(0.1, 2)), limit);
}

TEST(Distribution, ColorJitter) {
    const image_shape s{3, 4, 4};
    const color_jitter op{0.8f, 0.4f, 1.5f, 0.2f};
    // All 24 orders are equally likely; chi-square with 23 degrees of freedom.
    const auto orders = drawn(op, s, [](const color_jitter::parameters& p) {
        return ((p.order[0] * 4 + p.order[1]) * 4 + p.order[2]) * 4 + p.order[3];
    });
    std::map<double, int> count;
    for (const double o : orders) ++count[o];
    EXPECT_EQ(count.size(), 24u);
    double chi_square = 0;
    for (const auto& [order, n] : count) chi_square += (n - samples / 24.0) * (n - samples / 24.0) / (samples / 24.0);
    EXPECT_LT(chi_square, 49.7);  // passed by one sample in a thousand
    using p = const color_jitter::parameters&;
    const auto bright = drawn(op, s, [](p q) { return q.of_brightness.factor; });
    const auto turned = drawn(op, s, [](p q) { return q.of_hue.shift; });
    EXPECT_LT(kolmogorov(bright, uniform(0.2, 1.8)), limit);
    EXPECT_LT(kolmogorov(drawn(op, s, [](p q) { return q.of_contrast.factor; }), uniform(0.6, 1.4)), limit);
    EXPECT_LT(kolmogorov(drawn(op, s, [](p q) { return q.of_saturation.factor; }), uniform(0, 2.5)), limit);
    EXPECT_LT(kolmogorov(turned, uniform(-0.2, 0.2)), limit);
    EXPECT_LT(std::abs(correlation(bright, turned)), 3.5 / std::sqrt(double(samples)));
    EXPECT_LT(std::abs(correlation(orders, bright)), 3.5 / std::sqrt(double(samples)));
}

TEST(Distribution, Geometry) {
    const image_shape s{3, 200, 300};
    const affine op{.degrees = {-30, 60}, .translate_x = {-0.1f, 0.1f}, .scale = {0.5f, 2}, .shear_y = {-5, 5}};
    EXPECT_LT(kolmogorov(drawn(op, s, [](const affine::parameters& p) { return p.degrees; }), uniform(-30, 60)), limit);
    EXPECT_LT(kolmogorov(drawn(op, s, [](const affine::parameters& p) { return p.scale; }), uniform(0.5, 2)), limit);
    EXPECT_LT(kolmogorov(drawn(op, s, [](const affine::parameters& p) { return p.shear_y; }), uniform(-5, 5)), limit);
    const auto moved = drawn(op, s, [](const affine::parameters& p) { return p.translate_x; });
    EXPECT_EQ(*std::min_element(moved.begin(), moved.end()), -30);
    EXPECT_EQ(*std::max_element(moved.begin(), moved.end()), 30);
    // Corners of 200 x 300 are moved inwards by 0 to 50 and 0 to 75 pixels, and what is drawn is always convex.
    const perspective warp{};
    const auto corners = drawn(warp, s, [&](const perspective::parameters& p) {
        warp.check_drawn(p, s);
        return 299 - p.corners[2][0];
    });
    EXPECT_EQ(*std::min_element(corners.begin(), corners.end()), 0);
    EXPECT_EQ(*std::max_element(corners.begin(), corners.end()), 75);
    int turns[4] = {};
    for (const double q : drawn(quarter_turns{}, s, [](auto p) { return p.quarters; })) ++turns[int(q)];
    for (const int n : turns) EXPECT_NEAR(n, samples / 4.0, 3.5 * std::sqrt(samples * 3 / 16.0));
}

TEST(Distribution, Chances) {
    const image_shape s{1, 4, 4};
    const auto share = [](const std::vector<double>& v) {
        double sum = 0;
        for (const double x : v) sum += x / double(v.size());
        return sum;
    };
    const double within = 3.5 * std::sqrt(0.25 / samples);
    EXPECT_NEAR(share(drawn(horizontal_flip{0.3f}, s, [](auto p) { return p.flipped; })), 0.3, within);
    EXPECT_NEAR(share(drawn(vertical_flip{}, s, [](auto p) { return p.flipped; })), 0.5, within);
    const random_apply sometimes{0.8f, brightness{0.4f}};
    EXPECT_NEAR(share(drawn(sometimes, s, [](auto p) { return p.applied; })), 0.8, within);
    const auto applied = drawn(sometimes, s, [](auto p) { return p.applied; });
    const auto factors = drawn(sometimes, s, [](auto p) { return p.operation.factor; });
    EXPECT_LT(std::abs(correlation(applied, factors)), 3.5 / std::sqrt(double(samples)));
    EXPECT_LT(kolmogorov(factors, uniform(0.6, 1.4)), limit);
}

TEST(Distribution, ErasedRectangles) {
    const image_shape s{3, 10000, 10000};
    const random_erasing op{.probability = 1};
    const auto areas = drawn(op, s, [](window w) { return double(w.height) * w.width / 1e8; });
    const auto ratios = drawn(op, s, [](window w) { return std::log(double(w.height) / w.width); });
    const auto lefts = drawn(op, s, [](window w) { return (w.left + 0.5) / (10000 - w.width + 1); });
    // Wide and large rectangles may not fit and are drawn again, so that only most of the range is uniform.
    EXPECT_LT(kolmogorov(lefts, uniform(0, 1)), limit);
    EXPECT_LT(kolmogorov(drawn(random_erasing{.probability = 1, .scale = {0.02f, 0.2f}}, s,
                               [](window w) { return double(w.height) * w.width / 1e8; }),
                         uniform(0.02, 0.2)),
              limit);
    EXPECT_LT(kolmogorov(drawn(random_erasing{.probability = 1, .scale = {0.02f, 0.2f}}, s,
                               [](window w) { return std::log(double(w.height) / w.width); }),
                         uniform(std::log(0.3), std::log(3.3))),
              limit);
    EXPECT_GE(*std::min_element(areas.begin(), areas.end()), 0.0199);
    EXPECT_LE(*std::max_element(areas.begin(), areas.end()), 0.3301);
    EXPECT_GE(*std::min_element(ratios.begin(), ratios.end()), std::log(0.299));
    EXPECT_LE(*std::max_element(ratios.begin(), ratios.end()), std::log(3.301));
    const auto none_fits =
        drawn(random_erasing{.probability = 1, .scale = {1, 1}, .ratio = {1, 1}}, s, [](window w) { return w.height; });
    EXPECT_EQ(*std::max_element(none_fits.begin(), none_fits.end()), 0);
}

constexpr pipeline everything{random_resized_crop{.height = 28, .width = 28},
                              horizontal_flip{},
                              random_apply{0.8f, brightness{0.4f}},
                              contrast{0.4f},
                              rotation{},
                              gaussian_blur{},
                              gaussian_noise{},
                              random_erasing{},
                              normalize{{0.5f}, {0.5f}}};
using record_type = decltype(everything)::parameters;

// Values of four bytes in the order of the operations, without gaps: what a log or another device may rely on.
TEST(Record, HasAStableLayout) {
    static_assert(std::is_trivially_copyable_v<record_type>);
    EXPECT_EQ(sizeof(record_type), 16 * sizeof(std::int32_t)) << "the empty record of normalize has no room of its own";
    const auto p = draw(everything, {3, 100, 120}, 1, {.seed = 3});
    std::int32_t words[16];
    std::memcpy(words, &p, sizeof(words));
    EXPECT_EQ(words[0], get<0>(p).top);
    EXPECT_EQ(words[3], get<0>(p).width);
    EXPECT_EQ(words[4], get<1>(p).flipped);
    EXPECT_EQ(words[5], get<2>(p).applied);
    EXPECT_EQ(words[6], __builtin_bit_cast(std::int32_t, get<2>(p).operation.factor));
    EXPECT_EQ(words[7], __builtin_bit_cast(std::int32_t, get<3>(p).factor));
    EXPECT_EQ(words[8], __builtin_bit_cast(std::int32_t, get<4>(p).degrees));
    EXPECT_EQ(words[9], __builtin_bit_cast(std::int32_t, get<5>(p).sigma));
    EXPECT_EQ(words[10], static_cast<std::int32_t>(get<6>(p).key[0]));
    EXPECT_EQ(words[12], get<7>(p).top);
    EXPECT_EQ(words[15], get<7>(p).width);
}

TEST(Record, IsDrawnInAConstantExpression) {
    constexpr auto p = draw(everything, {3, 100, 120}, 1, {.seed = 3});
    static_assert(get<0>(p).width >= 1);
    EXPECT_GE(get<0>(p).width, 1);
}

TEST(Record, DependsOnEveryPartOfTheKey) {
    const auto first = [](std::uint64_t sample, key k) {
        return get<3>(draw(everything, {3, 9, 9}, sample, k)).factor;
    };
    const float base = first(0, {});
    EXPECT_EQ(first(0, {}), base);
    EXPECT_NE(first(1, {}), base);
    EXPECT_NE(first(0, {.seed = 1}), base);
    EXPECT_NE(first(0, {.epoch = 1}), base);
    EXPECT_NE(first(0, {.view = 1}), base);
    const auto two = draw(pipeline{brightness{0.4f}, brightness{0.4f}}, {3, 9, 9}, 0, {});
    EXPECT_NE(get<0>(two).factor, get<1>(two).factor);
}

// The same number whatever compiler, options and instruction set made this program.
TEST(Record, HasTheSameBitsEverywhere) {
    std::uint64_t digest = 0xcbf29ce484222325;
    for (std::uint64_t n = 0; n < 5000; ++n) {
        const image_shape shape{3, static_cast<std::int32_t>(1 + n % 97), static_cast<std::int32_t>(1 + n % 181)};
        const auto p = draw(everything, shape, n, {.seed = 11, .epoch = 2, .view = 1});
        unsigned char bytes[16 * 4];
        std::memcpy(bytes, &p, sizeof(bytes));
        for (const unsigned char b : bytes) digest = (digest ^ b) * 0x100000001b3;
    }
    EXPECT_EQ(digest, 0x7153723f893b947eu);
}

// The same for the operations that are not in the first.
TEST(Record, OfTheOthersHasTheSameBitsEverywhere) {
    constexpr pipeline others{color_jitter{0.8f, 0.8f, 0.8f, 0.2f},
                              affine{.translate_x = {-0.2f, 0.2f}, .scale = {0.5f, 2}, .shear_x = {-9, 9}},
                              perspective{},
                              quarter_turns{},
                              patch_shuffle{},
                              one_of{sharpness{}, hue{0.5f}},
                              cutout{}};
    std::uint64_t digest = 0xcbf29ce484222325;
    const auto absorb = [&](const auto& value) {
        unsigned char bytes[sizeof(value)];
        std::memcpy(bytes, &value, sizeof(bytes));
        for (const unsigned char b : bytes) digest = (digest ^ b) * 0x100000001b3;
    };
    for (std::uint64_t n = 0; n < 2000; ++n) {
        const image_shape shape{3, static_cast<std::int32_t>(3 + n % 97), static_cast<std::int32_t>(3 + n % 181)};
        absorb(draw(others, shape, n, {.seed = 11, .epoch = 2, .view = 1}));
        random_stream random(n, 1, 2, 3, 254);
        absorb(cutmix{0.5f}.draw(random, shape));
        absorb(mixup{3}.draw(random, shape));
        std::uint8_t mask[81];
        block_mask{.ratio = {0.1f, 0.9f}}.draw(random, {mask, 9, 9, 9, 1});
        absorb(mask);
    }
    EXPECT_EQ(digest, 0x1f46915c90b347e7u);
}

}  // namespace
