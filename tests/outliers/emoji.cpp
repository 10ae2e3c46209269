#include "emoji.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "error.hpp"

namespace outliers {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Emoji, OfTheFontAreManyAndDifferent) {
    const std::filesystem::path font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
    if (!std::filesystem::exists(font)) GTEST_SKIP() << "fonts-noto-color-emoji is not installed";
    const pretrain::image_set images = load_emoji(font, 28);
    EXPECT_GT(images.size(), 500);
    EXPECT_EQ(static_cast<std::int64_t>(images.pixels.size()), images.size() * 28 * 28);
    std::set<std::string> pictures;
    for (std::int64_t i = 0; i < images.size(); ++i) {
        pictures.emplace(images.image(i), images.image(i) + images.image_bytes());
    }
    EXPECT_EQ(static_cast<std::int64_t>(pictures.size()), images.size());
}

TEST(Emoji, RefuseWhatIsNoFontOrHasNoBitmaps) {
    EXPECT_THAT([] { load_emoji("/nowhere.ttf", 28); },
                ThrowsMessage<pretrain::user_error>(HasSubstr("fonts-noto-color-emoji")));
    EXPECT_THAT([] { load_emoji("/proc/self/status", 28); },
                ThrowsMessage<pretrain::user_error>(HasSubstr("is not a font")));
}

}  // namespace
}  // namespace outliers
