#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>
#include <opencv2/imgcodecs.hpp>

#include "dataset.hpp"
#include "error.hpp"
#include "folder.hpp"

namespace pretrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// `message` of the user_error that a call ends in.
std::string fault_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const user_error& error) {
        return error.what();
    }
    return "no fault";
}

std::string gzip(const std::filesystem::path& scratch, const std::string& bytes) {
    const gzFile file = gzopen(scratch.c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    std::ifstream stream(scratch, std::ios::binary);
    std::string packed{std::istreambuf_iterator<char>(stream), {}};
    std::filesystem::remove(scratch);
    return packed;
}

std::string idx_images(std::uint32_t count, std::uint32_t side) {
    std::string bytes =
        testing::big_endian(0x803) + testing::big_endian(count) + testing::big_endian(side) + testing::big_endian(side);
    for (std::uint32_t i = 0; i < count * side * side; ++i) bytes += static_cast<char>(i);
    return bytes;
}

std::string idx_labels(const std::string& labels) {
    return testing::big_endian(0x801) + testing::big_endian(static_cast<std::uint32_t>(labels.size())) + labels;
}

class Idx : public ::testing::Test {
  protected:
    Idx() {
        folder.write("train-images-idx3-ubyte", idx_images(3, 4));
        folder.write("train-labels-idx1-ubyte.gz", gzip(folder.path() / "scratch", idx_labels({0, 2, 1})));
        folder.write("t10k-images-idx3-ubyte.gz", gzip(folder.path() / "scratch", idx_images(2, 4)));
        folder.write("t10k-labels-idx1-ubyte", idx_labels({1, 0}));
    }
    [[nodiscard]] dataset read() const { return load_dataset("idx:" + folder.path().string(), 32); }
    [[nodiscard]] std::string fault() const {
        return fault_of([this] { static_cast<void>(read()); });
    }

    testing::temporary_folder folder;
};

TEST_F(Idx, ReadsPlainAndPackedFiles) {
    const dataset data = read();
    EXPECT_EQ(data.train.height, 4);
    EXPECT_EQ(data.train.channels, 1);
    EXPECT_THAT(data.train.labels, ElementsAre(0, 2, 1));
    EXPECT_THAT(data.test.labels, ElementsAre(1, 0));
    EXPECT_EQ(data.train.image(1)[0], 16);
    EXPECT_EQ(data.class_names.size(), 3u);
}

TEST_F(Idx, NamesAMissingFile) {
    std::filesystem::remove(folder.path() / "t10k-labels-idx1-ubyte");
    EXPECT_THAT(fault(), HasSubstr("t10k-labels"));
}

TEST_F(Idx, RefusesAFileCutAnywhere) {
    const std::string images = idx_images(3, 4);
    for (std::size_t length = 0; length < images.size(); ++length) {
        folder.write("train-images-idx3-ubyte", images.substr(0, length));
        EXPECT_THAT(fault(), HasSubstr("train-images")) << length << " bytes";
    }
    folder.write("train-images-idx3-ubyte", images + "x");
    EXPECT_THAT(fault(), HasSubstr("damaged"));
}

TEST_F(Idx, RefusesAPackedFileCutAnywhere) {
    const std::string packed = gzip(folder.path() / "scratch", idx_labels({0, 2, 1}));
    for (std::size_t length = 0; length < packed.size(); ++length) {
        folder.write("train-labels-idx1-ubyte.gz", packed.substr(0, length));
        EXPECT_THAT(fault(), HasSubstr("train-labels")) << length << " bytes";
    }
}

TEST_F(Idx, RefusesAPackedFileWithAWrongChecksum) {
    std::string packed = gzip(folder.path() / "scratch", idx_labels({0, 2, 1}));
    packed[packed.size() - 6] = static_cast<char>(packed[packed.size() - 6] ^ 1);
    folder.write("train-labels-idx1-ubyte.gz", packed);
    EXPECT_THAT(fault(), HasSubstr("damaged gzip file"));
}

TEST_F(Idx, RefusesOtherNumbersOfLabels) {
    folder.write("t10k-labels-idx1-ubyte", idx_labels({1, 0, 1}));
    EXPECT_THAT(fault(), HasSubstr("3 labels for 2 images"));
}

TEST_F(Idx, RefusesSizesThatOverflow) {
    std::string images = idx_images(3, 4);
    images.replace(4, 12, std::string(12, '\xff'));
    folder.write("train-images-idx3-ubyte", images);
    EXPECT_THAT(fault(), HasSubstr("damaged"));
}

TEST_F(Idx, HoldsOutTheLastTrainingImages) {
    const dataset data = hold_out(read(), 1);
    EXPECT_THAT(data.train.labels, ElementsAre(0, 2));
    EXPECT_THAT(data.test.labels, ElementsAre(1));
    EXPECT_EQ(data.test.image(0)[0], 32);
    EXPECT_THAT(fault_of([this] { static_cast<void>(hold_out(read(), 3)); }), HasSubstr("holds out"));
}

class Cifar10 : public ::testing::Test {
  protected:
    Cifar10() {
        for (const char* part :
             {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"}) {
            folder.write(std::string(part) + ".bin", record(7));
        }
    }
    static std::string record(char label) {
        return label + std::string(1024, '\1') + std::string(1024, '\2') + std::string(1024, '\3');
    }
    [[nodiscard]] dataset read() const { return load_dataset("cifar10:" + folder.path().string(), 32); }

    testing::temporary_folder folder;
};

TEST_F(Cifar10, InterleavesThePlanes) {
    const dataset data = read();
    EXPECT_EQ(data.train.size(), 5);
    EXPECT_THAT(data.test.labels, ElementsAre(7));
    for (int channel = 0; channel < 3; ++channel) EXPECT_EQ(data.test.image(0)[3 * 1023 + channel], channel + 1);
}

TEST_F(Cifar10, RefusesCutFilesAndWrongLabels) {
    folder.write("test_batch.bin", record(7).substr(1));
    EXPECT_THAT(fault_of([this] { static_cast<void>(read()); }), HasSubstr("not whole records"));
    folder.write("test_batch.bin", record(10));
    EXPECT_THAT(fault_of([this] { static_cast<void>(read()); }), HasSubstr("label 10"));
    folder.write("test_batch.bin", "");
    EXPECT_THAT(fault_of([this] { static_cast<void>(read()); }), HasSubstr("damaged"));
}

class Folder : public ::testing::Test {
  protected:
    void draw(const std::string& name, int height, int width, const cv::Scalar& color) const {
        std::filesystem::create_directories((folder.path() / name).parent_path());
        cv::imwrite((folder.path() / name).string(), cv::Mat(height, width, CV_8UC3, color));
    }
    [[nodiscard]] dataset read() const { return load_dataset("folder:" + folder.path().string(), 16); }

    testing::temporary_folder folder;
};

TEST_F(Folder, ReadsATreeOfImagesAsRgb) {
    for (int i = 0; i < 6; ++i) {
        draw("red/" + std::to_string(i) + ".png", 20 + i, 30, {0, 0, 255});
        draw("blue/" + std::to_string(i) + ".JPG", 40, 30 + i, {255, 0, 0});
    }
    folder.write("blue/notes.txt", "not an image");
    const dataset data = read();
    EXPECT_THAT(data.class_names, ElementsAre("blue", "red"));
    EXPECT_EQ(data.train.size(), 10);
    EXPECT_THAT(data.test.labels, ElementsAre(0, 1));
    EXPECT_EQ(data.test.width, 16);
    EXPECT_GT(data.test.image(0)[2], 250);
    EXPECT_EQ(data.test.image(1)[0], 255);
    EXPECT_EQ(data.test.image(1)[2], 0);
}

TEST_F(Folder, TakesTrainAndTestAsTheyAre) {
    draw("train/a/1.png", 16, 16, {});
    draw("train/b/1.png", 16, 16, {});
    draw("test/b/1.png", 16, 16, {});
    const dataset data = read();
    EXPECT_THAT(data.train.labels, ElementsAre(0, 1));
    EXPECT_THAT(data.test.labels, ElementsAre(1));
    draw("test/c/1.png", 16, 16, {});
    EXPECT_THAT(fault_of([this] { static_cast<void>(read()); }), HasSubstr("class c"));
}

TEST_F(Folder, NamesADamagedImage) {
    draw("a/1.png", 16, 16, {});
    folder.write("a/2.jpg", "no JPEG");
    EXPECT_THAT(fault_of([this] { static_cast<void>(read()); }), HasSubstr("2.jpg"));
}

TEST_F(Folder, RefusesAnEmptyTree) {
    EXPECT_THAT(fault_of([this] { static_cast<void>(read()); }), HasSubstr("too few"));
}

TEST(Data, RefusesUnknownKindsAndMissingFolders) {
    for (const char* source : {"mnist", "idx", "idx:", "tar:somewhere"}) {
        EXPECT_THAT(fault_of([source] { load_dataset(source, 32); }), HasSubstr("expected fashion-mnist, idx:DIR"));
    }
    for (const char* source : {"idx:/no/such", "cifar10:/no/such", "folder:/no/such"}) {
        EXPECT_THAT(fault_of([source] { load_dataset(source, 32); }), HasSubstr("no folder /no/such"));
    }
}

}  // namespace
}  // namespace pretrain
