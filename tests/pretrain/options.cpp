#include "options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "error.hpp"

namespace pretrain {
namespace {

options parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "pretrain");
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Options, TakeValuesInBothForms) {
    const options settings =
        parse({"--seeds", "3", "--epochs=2", "--data", "idx:somewhere", "--output=there", "--resume"});
    EXPECT_EQ(settings.seeds, 3);
    EXPECT_EQ(settings.epochs, 2);
    EXPECT_EQ(settings.data, "idx:somewhere");
    EXPECT_EQ(settings.output, "there");
    EXPECT_TRUE(settings.resume);
    EXPECT_FALSE(settings.validate);
    EXPECT_GE(settings.threads, 1);
}

TEST(Options, AreFilledInByTheObjective) {
    EXPECT_EQ(parse({}).prototypes, 0);
    EXPECT_EQ(parse({}).epochs, 6);
    EXPECT_EQ(parse({}).local_views, 0);
    for (const char* name : {"swav", "dino"}) {
        const options settings = parse({"--objective", name});
        EXPECT_GE(settings.prototypes, 300);
        EXPECT_GE(settings.local_views, 1);
        EXPECT_EQ(settings.epochs, 3);
        EXPECT_EQ(parse({"--objective", name, "--prototypes", "2"}).prototypes, 2);
        EXPECT_EQ(parse({"--objective", name, "--local-views", "0"}).local_views, 0);
    }
}

TEST(Options, RefuseWhatTheyDoNotKnow) {
    const std::vector<std::vector<const char*>> wrong = {{"--epoch", "3"},
                                                         {"data"},
                                                         {"--seeds"},
                                                         {"--seeds="},
                                                         {"--seeds", "0"},
                                                         {"--seeds", "x"},
                                                         {"--seeds", "3x"},
                                                         {"--seeds", "-1"},
                                                         {"--batch", "1"},
                                                         {"--epochs", "1e3"},
                                                         {"--resume=yes"},
                                                         {"--objective", "unknown"},
                                                         {"--prototypes", "300"},
                                                         {"--objective", "ntxent", "--local-views", "2"},
                                                         {"--objective", "swav", "--prototypes", "1"},
                                                         {"--objective", "dino", "--local-views", "17"},
                                                         {"--seed", "99999999999999999999"}};
    for (const std::vector<const char*>& arguments : wrong) {
        EXPECT_THROW(parse(arguments), user_error) << arguments.front();
    }
}

}  // namespace
}  // namespace pretrain
