#include "kinds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace outliers {
namespace {

using testing::ElementsAre;

const pretrain::image_set letters{2, 2, 1, {1, 2, 3, 4, 5, 6, 7, 8}, {0, 1}};

TEST(Kinds, TurnCounterClockwise) {
    // 1 2      2 4
    // 3 4  to  1 3
    EXPECT_THAT(turned(letters).pixels, ElementsAre(2, 4, 1, 3, 6, 8, 5, 7));
    EXPECT_EQ(turned(letters).labels, letters.labels);
    EXPECT_EQ(turned(turned(turned(turned(letters)))).pixels, letters.pixels);
}

TEST(Kinds, CrossQuarters) { EXPECT_THAT(crossed(letters).pixels, ElementsAre(4, 3, 2, 1, 8, 7, 6, 5)); }

TEST(Kinds, NoiseHasItsDeviationAndIsAFunctionOfTheSeed) {
    const pretrain::image_set gray{28, 28, 1, std::vector<std::uint8_t>(20 * 784, 128), std::vector<std::int64_t>(20)};
    const pretrain::image_set once = noised(gray, 10, 3);
    EXPECT_EQ(once.pixels, noised(gray, 10, 3).pixels);
    EXPECT_NE(once.pixels, noised(gray, 10, 4).pixels);
    double sum = 0, squares = 0;
    for (const std::uint8_t pixel : once.pixels) {
        sum += pixel - 128.0;
        squares += (pixel - 128.0) * (pixel - 128.0);
    }
    const auto count = static_cast<double>(once.pixels.size());
    EXPECT_NEAR(sum / count, 0, 0.4);
    EXPECT_NEAR(std::sqrt(squares / count), 10, 0.3);
}

TEST(Kinds, NoiseStaysWithinABytesRange) {
    const pretrain::image_set black{1, 1, 1, {0, 255}, {0, 0}};
    for (const std::uint8_t pixel : noised(black, 1e6, 1).pixels) EXPECT_TRUE(pixel == 0 || pixel == 255);
}

TEST(Kinds, HalvesAreBlocksByTurnsAndHoldAll) {
    pretrain::image_set numbers{1, 1, 1, {}, {}};
    for (std::int64_t i = 0; i < 150; ++i) {
        numbers.pixels.push_back(static_cast<std::uint8_t>(i));
        numbers.labels.push_back(i);
    }
    const auto [first, second] = halves(numbers);
    ASSERT_EQ(first.size(), 86);
    ASSERT_EQ(second.size(), 64);
    EXPECT_EQ(first.labels[63], 63);
    EXPECT_EQ(first.labels[64], 128);
    EXPECT_EQ(second.labels.front(), 64);
    EXPECT_EQ(second.pixels.back(), 127);
}

}  // namespace
}  // namespace outliers
