#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "augment/images.hpp"

// Bytes that stay bytes. A result of planes is made by way of floats, one of pixels may be made of tables: they have to
// be the same.

namespace {

using namespace test_images;

/// Bytes with room in front of every row and after it, and rows in either order.
struct rows_of_bytes {
    int count, height, width, channels, room;
    bool upwards;
    std::vector<std::uint8_t> values;
    static constexpr std::uint8_t untouched = 0xa7;

    rows_of_bytes(int n, int h, int w, int c, int r, bool up)
        : count(n), height(h), width(w), channels(c), room(r), upwards(up),
          values(std::size_t(n * h * (w * c + 2 * r)), untouched) {}
    int pitch() const { return width * channels + 2 * room; }
    std::size_t place(int n, int y, int x, int c) const {
        return std::size_t((n * height + (upwards ? height - 1 - y : y)) * pitch() + room + x * channels + c);
    }
    template <class T>
    auto seen(T* data) const {
        return view<T, 4>(data + place(0, 0, 0, 0), {count, height, width, channels},
                          {height * pitch(), upwards ? -pitch() : pitch(), channels, 1});
    }
    bool room_untouched() const {
        std::vector<bool> written(values.size());
        for (int n = 0; n < count; ++n) {
            for (int y = 0; y < height; ++y) {
                for (int k = 0; k < width * channels; ++k) written[place(n, y, 0, k)] = true;
            }
        }
        for (std::size_t k = 0; k < values.size(); ++k) {
            if (!written[k] && values[k] != untouched) return false;
        }
        return true;
    }
};

rows_of_bytes any_image(int most_width = 150) {
    rows_of_bytes in(*rc::gen::inRange(1, 3), *rc::gen::inRange(1, 12), *rc::gen::inRange(1, most_width),
                     *rc::gen::element(1, 3, 4), *rc::gen::inRange(0, 5), *rc::gen::arbitrary<bool>());
    std::mt19937 random(*rc::gen::arbitrary<unsigned>());
    const auto low = unsigned(random() % 256), range = unsigned(1 + random() % (256 - low));
    for (auto& v : in.values) v = std::uint8_t(low + random() % range);
    return in;
}

template <class... Ops>
void expect_same_as_by_floats(const pipeline<Ops...>& p, const rows_of_bytes& in, key k) {
    const int n = in.count, c = in.channels;
    image_shape made{c, in.height, in.width};
    selfsame::for_each_operation(p.operations, [&](const auto& op, auto) { made = output_shape(op, made); });
    const int h = made.height, w = made.width;
    rows_of_bytes out(n, h, w, c, 3, !in.upwards);
    std::vector<std::uint8_t> planes(std::size_t(n * h * w * c));
    apply(thrust::seq, p, in.seen(in.values.data()), 5, k, channels_first(out.seen(out.values.data())));
    apply(thrust::seq, p, in.seen(in.values.data()), 5, k, view<std::uint8_t, 4>(planes.data(), {n, c, h, w}));
    RC_ASSERT(out.room_untouched());
    for (int i = 0; i < n; ++i) {
        for (int y = 0; y < h; ++y) {
            for (int x = 0; x < w; ++x) {
                for (int j = 0; j < c; ++j) {
                    // One channel of pixels is a plane: floats are made bytes here.
                    RC_ASSERT(int(out.values[out.place(i, y, x, j)]) ==
                              int(planes[std::size_t(((i * c + j) * h + y) * w + x)]));
                }
            }
        }
    }
    std::vector<float> floats(planes.size());
    apply(thrust::seq, p, in.seen(in.values.data()), 5, k, view<float, 4>(floats.data(), {n, c, h, w}));
    for (std::size_t i = 0; i < floats.size(); ++i) RC_ASSERT(int(to_byte(floats[i])) == int(planes[i]));
}

template <class... Ops>
bool same_as_by_floats(const pipeline<Ops...>& p, bool square = false) {
    return rc::check([&] {
        rows_of_bytes in = any_image();
        if (square) in.height = in.width = *rc::gen::inRange(1, 1 + (std::min)(in.height, in.width));
        expect_same_as_by_floats(p, in, {.seed = *rc::gen::arbitrary<std::uint64_t>()});
    });
}

TEST(Levels, SingleOperationsAreTheSameAsByFloats) {
    EXPECT_TRUE(same_as_by_floats(pipeline{}));
    EXPECT_TRUE(same_as_by_floats(pipeline{horizontal_flip{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{vertical_flip{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{brightness{0.9f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{contrast{0.9f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{solarize{0.3f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{posterize{3}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{invert{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{equalize{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{autocontrast{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{normalize{{0.1f}, {0.8f}}}));
}

TEST(Levels, MovedPixelsAreTheSameAsByFloats) {
    const channel_values fill{0.3f};
    EXPECT_TRUE(same_as_by_floats(pipeline{pad{3, 1, 2, 4, border::constant, fill}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{pad{3, 1, 2, 4, border::reflect}, horizontal_flip{}, vertical_flip{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{pad{3, 1, 2, 4, border::constant, fill}, invert{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{center_crop{7, 40, fill}, horizontal_flip{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{horizontal_flip{}, center_crop{7, 40, fill}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{quarter_turns{}, vertical_flip{}}, true));
    EXPECT_TRUE(same_as_by_floats(pipeline{center_crop{6, 9}, patch_shuffle{2, 3, 2, 2}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{patch_shuffle{1, 1, 1, 1}}));
    EXPECT_TRUE(same_as_by_floats(
        pipeline{horizontal_flip{}, vertical_flip{}, random_erasing{.probability = 0.8f, .value = fill}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{brightness{0.5f}, cutout{7, {0.7f}}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{cutout{7, {0.7f}}, brightness{0.5f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{pad{3, 1, 2, 4}, cutout{30, fill}}));
}

TEST(Levels, ChainsAreTheSameAsByFloats) {
    EXPECT_TRUE(same_as_by_floats(pipeline{horizontal_flip{}, brightness{0.5f}, vertical_flip{}, invert{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{horizontal_flip{}, vertical_flip{}, brightness{0.5f}, contrast{0.5f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{equalize{}, vertical_flip{}, horizontal_flip{}, contrast{0.5f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{vertical_flip{}, contrast{0.7f}, equalize{}, contrast{0.7f}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{equalize{}, posterize{5}, equalize{}, autocontrast{}, equalize{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{solarize{0.5f}, autocontrast{}, invert{}, autocontrast{}}));
    EXPECT_TRUE(same_as_by_floats(pipeline{
        random_apply{0.5f, brightness{0.6f}}, random_apply{0.5f, contrast{0.6f}}, horizontal_flip{},
        one_of{solarize{}, posterize{2}, equalize{}, autocontrast{}, grayscale{}}, random_apply{0.5f, invert{}}}));
}

TEST(Levels, AreThoseOfTheReference) {
    const auto p = pipeline{horizontal_flip{}, brightness{0.5f}, contrast{0.5f}};
    for (const int channels : {1, 3, 4}) {
        const bytes in(6, 9, 77, channels, 3);
        std::vector<std::uint8_t> out(in.values.size());
        apply(thrust::seq, p, in.tensor4(), 10, key{.seed = 4},
              channels_first(view<std::uint8_t, 4>(out.data(), {6, 9, 77, channels})));
        for (int n = 0; n < in.count; ++n) {
            const auto drawn = draw(p, {channels, 9, 77}, std::uint64_t(10 + n), {.seed = 4});
            const auto expected = reference::operate(p, drawn, in.picture(n));
            for (int y = 0; y < 9; ++y) {
                for (int x = 0; x < 77; ++x) {
                    for (int c = 0; c < (channels == 4 ? 3 : channels); ++c) {
                        const int value = out[std::size_t(((n * 9 + y) * 77 + x) * channels + c)];
                        EXPECT_NEAR(value, 255 * expected.at(c, y, x), 0.5 + 1e-3);
                    }
                }
            }
        }
    }
}

TEST(Levels, MayTakeThePlaceOfTheirSource) {
    const auto p = pipeline{horizontal_flip{1.0f}, brightness{0.5f}, equalize{}};
    for (const int channels : {1, 3, 4}) {
        bytes in(3, 9, 77, channels, 3);
        std::vector<std::uint8_t> out(in.values.size());
        const auto seen = [&](auto& v) {
            return channels_first(view<std::uint8_t, 4>(v.data(), {3, 9, 77, channels}));
        };
        apply(thrust::seq, p, in.tensor4(), 0, key{}, seen(out));
        apply(thrust::seq, p, in.tensor4(), 0, key{}, seen(in.values));
        EXPECT_EQ(in.values, out);
    }
}

}  // namespace
