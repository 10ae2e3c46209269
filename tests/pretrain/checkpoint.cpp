#include "checkpoint.hpp"

#include <gtest/gtest.h>

#include "error.hpp"
#include "files.hpp"
#include "folder.hpp"

namespace pretrain {
namespace {

checkpoint sample() {
    return {"seed 3", 41, 2.5, {4.0f, 3.5f, 3.25f}, "weights", "prototypes", std::string("moments\0", 8)};
}

TEST(Checkpoint, ComesBackAsItWas) {
    const testing::temporary_folder folder;
    save(sample(), folder.path() / "state.bin");
    const std::optional<checkpoint> state = load(folder.path() / "state.bin");
    ASSERT_TRUE(state.has_value());
    EXPECT_EQ(state->settings, sample().settings);
    EXPECT_EQ(state->step, 41);
    EXPECT_EQ(state->seconds, 2.5);
    EXPECT_EQ(state->losses, sample().losses);
    EXPECT_EQ(state->model, sample().model);
    EXPECT_EQ(state->objective, sample().objective);
    EXPECT_EQ(state->optimizer, sample().optimizer);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "a temporary file is left";
}

TEST(Checkpoint, IsAbsentWithoutFile) {
    const testing::temporary_folder folder;
    EXPECT_FALSE(load(folder.path() / "state.bin").has_value());
}

TEST(Checkpoint, TornAtAnyByteIsRefused) {
    const std::string whole = encode(sample());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        EXPECT_THROW(decode(whole.substr(0, length), "torn"), user_error) << length << " bytes";
    }
    EXPECT_THROW(decode(whole + '\0', "longer"), user_error);
}

TEST(Checkpoint, ZeroedTailIsRefused) {
    const std::string whole = encode(sample());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        std::string bytes = whole.substr(0, length);
        bytes.resize(whole.size(), '\0');
        if (bytes == whole) continue;
        EXPECT_THROW(decode(bytes, "zeroed"), user_error) << length << " bytes";
    }
}

TEST(Checkpoint, AnyFlippedBitIsRefused) {
    const std::string whole = encode(sample());
    for (std::size_t byte = 0; byte < whole.size(); ++byte) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string bytes = whole;
            bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << bit));
            EXPECT_THROW(decode(bytes, "flipped"), user_error) << "byte " << byte << " bit " << bit;
        }
    }
}

TEST(Files, AFailedWriteLeavesTheOldContent) {
    const testing::temporary_folder folder;
    const std::filesystem::path path = folder.path() / "state.bin";
    write_file_atomically(path, "old");
    std::filesystem::create_directory(path.string() + ".partial");  // what the new content would be written to
    EXPECT_THROW(write_file_atomically(path, "new"), user_error);
    EXPECT_EQ(read_file(path), "old");
}

}  // namespace
}  // namespace pretrain
