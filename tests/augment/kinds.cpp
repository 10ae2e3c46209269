#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <numeric>
#include <set>

#include "augment/images.hpp"
#include "support.hpp"

// What is read and written: channels, element types, orders, several views; and masks, mixtures and recipes.

namespace {

using namespace test_images;

constexpr pipeline colours{random_resized_crop{.height = 20, .width = 37}, horizontal_flip{},
                           color_jitter{0.4f, 0.4f, 0.4f, 0.1f}, random_apply{0.5f, gaussian_blur{.kernel = 5}}};

TEST(Kinds, OpacityIsMovedButNotColoured) {
    const bytes four(3, 30, 41, 4);
    bytes three(3, 30, 41, 3);
    for (std::size_t k = 0; k < three.values.size(); ++k) three.values[k] = four.values[k / 3 * 4 + k % 3];
    const auto all = run(colours, four), rgb = run(colours, three);
    const auto moved = run(pipeline{random_resized_crop{.height = 20, .width = 37}, horizontal_flip{},
                                    random_apply{0.0f, brightness{}}, random_apply{0.5f, gaussian_blur{.kernel = 5}}},
                           four);
    for (int n = 0; n < 3; ++n) {
        for (int y = 0; y < 20; ++y) {
            for (int x = 0; x < 37; ++x) {
                for (int c = 0; c < 3; ++c) EXPECT_NEAR(all.at(n, c, y, x), rgb.at(n, c, y, x), 1e-6);
                EXPECT_NEAR(all.at(n, 3, y, x), moved.at(n, 3, y, x), 1e-6);
            }
        }
    }
}

template <class T, class Convert>
void expect_converted(const bytes& in, Convert&& convert) {
    const auto expected = run(colours, in);
    const index_t n = in.count, c = in.channels;
    std::vector<T> planar(expected.values.size(), T{}), interleaved = planar;
    apply(thrust::seq, colours, in.tensor4(), 0, key{.seed = 1}, view<T, 4>(planar.data(), {n, c, 20, 37}));
    apply(thrust::seq, colours, in.tensor4(), 0, key{.seed = 1},
          channels_first(view<T, 4>(interleaved.data(), {n, 20, 37, c})));
    for (index_t k = 0; k < n * c * 20 * 37; ++k) {
        const index_t x = k % 37, y = k / 37 % 20, channel = k / (37 * 20) % c, image = k / (37 * 20 * c);
        const T value = convert(expected.at(int(image), int(channel), int(y), int(x)));
        ASSERT_EQ(planar[std::size_t(k)], value);
        ASSERT_EQ(interleaved[std::size_t(((image * 20 + y) * 37 + x) * c + channel)], value);
    }
}

TEST(Kinds, ElementTypesAndOrdersOfTheResult) {
    for (const int channels : {1, 3, 4}) {
        const bytes in(2, 33, 50, channels);
        expect_converted<float>(in, [](float x) { return x; });
        expect_converted<selfsame::half>(in, [](float x) { return selfsame::half(x); });
        expect_converted<bfloat16>(in, [](float x) { return bfloat16(x); });
        expect_converted<std::uint8_t>(
            in, [](float x) { return std::uint8_t(std::clamp(std::floor(x * 255.0f + 0.5f), 0.0f, 255.0f)); });
    }
}

TEST(Kinds, BytesComeBackAsTheyWere) {
    bytes in(1, 1, 256, 1);
    std::iota(in.values.begin(), in.values.end(), std::uint8_t(0));
    std::vector<std::uint8_t> out(256);
    apply(thrust::seq, pipeline{}, in.tensor4(), 0, key{}, view<std::uint8_t, 4>(out.data(), {1, 1, 1, 256}));
    EXPECT_EQ(out, in.values);
    const float special[4] = {std::nanf(""), -1, 2, std::numeric_limits<float>::infinity()};
    apply(thrust::seq, pipeline{}, view<const float, 4>(special, {1, 1, 4, 1}), 0, key{},
          view<std::uint8_t, 4>(out.data(), {1, 1, 1, 4}));
    EXPECT_EQ((std::vector(out.begin(), out.begin() + 4)), (std::vector<std::uint8_t>{0, 0, 255, 255}));
}

// Bytes and the floats that they stand for, interleaved and planar, go ways of their own.
TEST(Kinds, TheSameFromBytesAndFloats) {
    EXPECT_TRUE(rc::check("within rounding", [] {
        const int channels = *rc::gen::element(1, 3, 4);
        const bytes in(2, *rc::gen::inRange(1, 80), *rc::gen::inRange(1, 400), channels,
                       *rc::gen::arbitrary<unsigned>());
        const pipeline p{
            random_resized_crop{
                .height = *rc::gen::inRange(1, 40),
                .width = *rc::gen::inRange(1, 90),
                .method = *rc::gen::element(interpolation::nearest, interpolation::bilinear, interpolation::bicubic),
                .antialias = *rc::gen::arbitrary<bool>()},
            horizontal_flip{}, vertical_flip{}};
        const auto expected = run(p, in);
        std::vector<float> interleaved, planar(in.values.size());
        for (const std::uint8_t v : in.values) interleaved.push_back(float(v) / 255);
        const index_t h = in.height, w = in.width, c = channels;
        for (index_t k = 0; k < index_t(planar.size()); ++k) {
            planar[std::size_t(k / (h * w * c) * h * w * c + k % c * h * w + k / c % (h * w))] =
                interleaved[std::size_t(k)];
        }
        result a(2, channels, expected.height, expected.width), b = a;
        apply(thrust::seq, p, view<const float, 4>(interleaved.data(), {2, h, w, c}), 0, key{.seed = 1}, a.tensor4());
        apply(thrust::seq, p, channels_last(view<const float, 4>(planar.data(), {2, c, h, w})), 0, key{.seed = 1},
              b.tensor4());
        for (std::size_t k = 0; k < expected.values.size(); ++k) {
            RC_ASSERT(std::abs(a.values[k] - expected.values[k]) < 2e-6f);
            RC_ASSERT(std::abs(b.values[k] - expected.values[k]) < 2e-6f);
        }
    }));
}

TEST(Kinds, ViewsOfOneReadAreThoseOfManyOnAnyNumberOfThreads) {
    const bytes in(9, 40, 60, 3);
    const pipeline local{random_resized_crop{.height = 8, .width = 9, .scale = {0.05f, 0.2f}}, horizontal_flip{}};
    for (const int threads : {1, 3}) {
        result large(9, 3, 20, 37), first(9, 3, 8, 9), second = first;
        apply_views(context{thrust::omp::par, threads}, in.tensor4(), 10, key{.seed = 2, .view = 1},
                    view_of{colours, large.tensor4()}, view_of{local, first.tensor4()},
                    view_of{local, second.tensor4()});
        EXPECT_EQ(large.values, run(colours, in, {.seed = 2, .view = 1}, 10).values);
        EXPECT_EQ(first.values, run(local, in, {.seed = 2, .view = 2}, 10).values);
        EXPECT_EQ(second.values, run(local, in, {.seed = 2, .view = 3}, 10).values);
    }
}

TEST(Kinds, QuarterTurnsAreCounterClockwise) {
    const bytes in(1, 6, 6, 3);
    const auto same = run(pipeline{}, in);
    for (int quarters = 0; quarters < 4; ++quarters) {
        const auto out = run_given(pipeline{quarter_turns{}}, in, {{{quarters}, {}}});
        const auto expected =
            run(pipeline{rotation{.degrees = {90.0f * float(quarters), 90.0f * float(quarters)}}}, in);
        EXPECT_EQ(out.values, expected.values) << quarters;
    }
    EXPECT_EQ(run_given(pipeline{brightness{0}, quarter_turns{}}, in, {{{1}, {{0}, {}}}}).values, same.values);
}

TEST(Kinds, ShuffledPatchesAreAllPatches) {
    const bytes in(5, 12, 18, 1);
    const pipeline p{patch_shuffle{.rows = 2, .columns = 3}};
    auto out = run(p, in), same = run(pipeline{}, in);
    int moved = 0;
    for (int n = 0; n < 5; ++n) {
        const auto drawn = get<0>(draw(p, {1, 12, 18}, std::uint64_t(n), {.seed = 1}));
        EXPECT_EQ((std::set<int>(drawn.cell, drawn.cell + 6).size()), 6u);
        for (int y = 0; y < 12; ++y) {
            for (int x = 0; x < 18; ++x) {
                const int cell = drawn.cell[y / 6 * 3 + x / 6];
                EXPECT_EQ(out.at(n, 0, y, x), same.at(n, 0, cell / 3 * 6 + y % 6, cell % 3 * 6 + x % 6));
                moved += cell != y / 6 * 3 + x / 6;
            }
        }
    }
    EXPECT_GT(moved, 0);
}

TEST(Kinds, OneOf) {
    const one_of op{invert{}, brightness{0.5f}, solarize{0.25f}};
    int chosen[3] = {};
    const bytes in(1, 4, 5, 3);
    for (std::uint64_t n = 0; n < 3000; ++n) {
        const auto p = get<0>(draw(pipeline{op}, {3, 4, 5}, n, {}));
        ++chosen[p.chosen];
    }
    for (const int k : chosen) EXPECT_NEAR(k, 1000, 3.5 * std::sqrt(3000 * 2 / 9.0));
    auto given = draw(pipeline{op}, {3, 4, 5}, 0, {});
    get<0>(given).chosen = 2;
    EXPECT_EQ(run_given(pipeline{op}, in, {given}).values, run(pipeline{solarize{0.25f}}, in).values);
}

TEST(Kinds, WarpsComposeToOne) {
    const bytes in(1, 9, 9, 3);
    const auto same = run(pipeline{}, in);
    const rotation there{.degrees = {37, 37}}, back{.degrees = {-37, -37}};
    const auto out = run(pipeline{warps{there, back}}, in);
    for (std::size_t k = 0; k < same.values.size(); ++k) EXPECT_NEAR(out.values[k], same.values[k], 1e-6);
    // The first named is the first done: move by two, then turn by a quarter.
    const affine move{.degrees = {0, 0}, .translate_x = {2 / 9.0f, 2 / 9.0f}};
    const rotation quarter{.degrees = {90, 90}};
    const auto one = run(pipeline{warps{move, quarter}}, in), two = run(pipeline{move, quarter}, in);
    for (std::size_t k = 0; k < one.values.size(); ++k) EXPECT_NEAR(one.values[k], two.values[k], 1e-6);
}

TEST(Masks, RandomOnesHaveTheirNumberAndArePlacedEvenly) {
    std::vector<std::uint8_t> masks(2000 * 49);
    draw_masks(context{thrust::omp::par, 2}, random_mask{0.75f}, 0, key{.seed = 3},
               view<std::uint8_t, 3>(masks.data(), {2000, 7, 7}));
    std::vector<int> seen(49);
    for (std::size_t n = 0; n < 2000; ++n) {
        int count = 0;
        for (std::size_t k = 0; k < 49; ++k) count += masks[n * 49 + k], seen[k] += masks[n * 49 + k];
        ASSERT_EQ(count, 49 - 12);
    }
    for (const int s : seen) EXPECT_NEAR(s, 2000 * 37 / 49.0, 4.5 * std::sqrt(2000 * 37 * 12.0 / 49 / 49));
}

TEST(Masks, BlocksNeverPassTheirShare) {
    std::vector<std::uint8_t> masks(500 * 196);
    const auto share = [&](const block_mask& op) {
        draw_masks(thrust::seq, op, 0, key{.seed = 4}, view<std::uint8_t, 3>(masks.data(), {500, 14, 14}));
        std::vector<int> counts;
        for (std::size_t n = 0; n < 500; ++n) {
            counts.push_back(std::accumulate(masks.begin() + std::ptrdiff_t(n * 196),
                                             masks.begin() + std::ptrdiff_t((n + 1) * 196), 0));
        }
        return counts;
    };
    double mean = 0;
    for (const int c : share({.ratio = {0.3f, 0.3f}})) {
        EXPECT_LE(c, 59);
        mean += c / 500.0;
    }
    EXPECT_GT(mean, 35);
    const auto some = share(recipes::dino_v2_mask);
    EXPECT_NEAR(double(std::count(some.begin(), some.end(), 0)), 250, 45);
    EXPECT_LE(*std::max_element(some.begin(), some.end()), 98);
}

TEST(Mix, WeightsAreWhatThePixelsSay) {
    // Image n is n everywhere.
    std::vector<float> in(8 * 3 * 20 * 30), out = in, weights(8);
    for (std::size_t k = 0; k < in.size(); ++k) in[k] = float(k / (3 * 20 * 30));
    const auto from = view<const float, 4>(in.data(), {8, 3, 20, 30});
    const auto check = [&](const auto& op) {
        mix(context{thrust::omp::par, 2}, op, from, 0, key{.seed = 6}, view<float, 4>(out.data(), {8, 3, 20, 30}),
            weights);
        for (std::size_t n = 0; n < 8; ++n) {
            double mean = 0;
            for (std::size_t k = 0; k < 1800; ++k) mean += double(out[n * 1800 + k]) / 1800;
            const double w = double(weights[n]), other = n > 0 ? double(n - 1) : 7;
            EXPECT_NEAR(mean, w * double(n) + (1 - w) * other, 1e-5);
        }
    };
    check(mixup{0.8f});
    check(cutmix{1});
}

TEST(Mix, BetaHasItsMoments) {
    for (const float a : {0.2f, 0.8f, 1.0f, 3.0f}) {
        double mean = 0, square = 0;
        constexpr int count = 20000;
        for (std::uint64_t n = 0; n < count; ++n) {
            random_stream random(1, 0, n, 0, mix_stream);
            const double x = double(mixup{a}.draw(random, {3, 1, 1}).weight) - 0.5;
            mean += x / count;
            square += x * x / count;
        }
        const double variance = 1 / (4 * (2 * double(a) + 1));
        EXPECT_NEAR(mean, 0, 4 * std::sqrt(variance / count)) << a;
        EXPECT_NEAR(square, variance, 0.03 * variance) << a;
    }
}

TEST(Mix, RefusesWhatMakesNoSense) {
    std::vector<float> in(2 * 3 * 4 * 5), out = in, weights(2);
    const auto attempt = [&](const auto& op, std::array<index_t, 4> to, std::size_t count, std::uint32_t number) {
        const std::span<float> some(weights.data(), count);
        return selfsame_tests::refusal([&] {
            mix(thrust::seq, op, view<const float, 4>(in.data(), {2, 3, 4, 5}), 0, key{.view = number},
                view<float, 4>(out.data(), to), some);
        });
    };
    constexpr std::array<index_t, 4> same{2, 3, 4, 5};
    EXPECT_EQ(attempt(mixup{1}, same, 2, 0), "");
    EXPECT_EQ(attempt(mixup{0}, same, 2, 0), "selfsame: mixup.alpha: got 0, expected > 0");
    EXPECT_EQ(attempt(cutmix{-1}, same, 2, 0), "selfsame: cutmix.alpha: got -1, expected > 0");
    EXPECT_EQ(attempt(mixup{1}, {2, 3, 5, 4}, 2, 0), "selfsame: out: got 2 x 3 x 5 x 4, expected 2 x 3 x 4 x 5");
    EXPECT_EQ(attempt(mixup{1}, same, 1, 0), "selfsame: weights: got 1 values, expected one for each of 2 images");
    EXPECT_EQ(attempt(mixup{1}, same, 2, 256), "selfsame: key.view: got 256, expected a view below 256");
}

TEST(Masks, RefuseWhatMakesNoSense) {
    std::vector<std::uint8_t> out(2 * 4 * 5);
    const std::vector<std::uint64_t> three(3);
    const auto attempt = [&](const auto& op, const sample_ids& ids) {
        return selfsame_tests::refusal(
            [&] { draw_masks(thrust::seq, op, ids, key{}, view<std::uint8_t, 3>(out.data(), {2, 4, 5})); });
    };
    EXPECT_EQ(attempt(random_mask{}, 0), "");
    EXPECT_EQ(attempt(random_mask{.ratio = 1.5f}, 0), "selfsame: random_mask.ratio: got 1.5, expected 0 to 1");
    EXPECT_EQ(attempt(block_mask{.least = -1}, 0), "selfsame: block_mask.least: got -1, expected >= 0");
    EXPECT_EQ(attempt(random_mask{}, three), "selfsame: sample_ids: got 3 ids, expected one for each of 2 images");
}

TEST(Recipes, TakeThisManyPasses) {
    static_assert(pipeline<>::passes == 1);
    static_assert(decltype(recipes::mae)::passes == 1);
    static_assert(decltype(recipes::simclr)::passes == 3, "crop; the rest after contrast; blur");
    static_assert(decltype(recipes::moco_v2)::passes == 3 && decltype(recipes::byol_second)::passes == 3);
    static_assert(decltype(recipes::dino_local)::passes == 3 && decltype(recipes::swav_global)::passes == 3);
    static_assert(decltype(recipes::pirl)::passes == 3 && decltype(recipes::rotnet)::passes == 2);
}

TEST(Recipes, RunOnAnyImage) {
    for (const auto& [h, w] : {std::pair{1, 1}, {1, 300}, {375, 500}}) {
        const bytes in(1, h, w, 3);
        const auto finite = [&](const result& r) {
            for (std::size_t k = result::guard; k + result::guard < r.values.size(); ++k) {
                ASSERT_LT(std::abs(r.values[k]), 3);
            }
        };
        finite(run(recipes::simclr, in));
        finite(run(recipes::byol_second, in));
        finite(run(recipes::dino_local, in));
        finite(run(recipes::pirl, in));
        finite(run(recipes::rotnet, in));
    }
}

}  // namespace
