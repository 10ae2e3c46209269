// The IDX format of MNIST and its relatives: a big-endian header, then bytes.
#include <algorithm>
#include <filesystem>
#include <limits>

#include "dataset.hpp"
#include "error.hpp"
#include "files.hpp"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t labels_magic = 0x0801;
constexpr std::uint32_t gray_magic = 0x0803;
constexpr std::uint32_t color_magic = 0x0804;
constexpr std::size_t file_limit = std::size_t{1} << 34;

struct idx_file {
    fs::path path;
    std::uint32_t magic = 0;
    std::vector<std::int64_t> extents;
    std::vector<std::uint8_t> values;
};

[[noreturn]] void damaged(const fs::path& path, const std::string& reason) {
    throw user_error("damaged IDX file " + path.string() + ": " + reason);
}

std::uint32_t big_endian(const std::uint8_t* bytes) {
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

fs::path find(const fs::path& directory, const std::string& stem) {
    for (const char* ending : {"-ubyte.gz", "-ubyte"}) {
        for (const char* separator : {"-idx", ".idx"}) {
            const std::string rank = stem.find("labels") != std::string::npos ? "1" : "3";
            const fs::path path = directory / (stem + separator + rank + ending);
            if (fs::is_regular_file(path)) return path;
        }
    }
    throw user_error("no file " + (directory / stem).string() + "-idx*-ubyte or .gz");
}

idx_file read(const fs::path& path) {
    std::vector<std::uint8_t> bytes = read_file_or_gzip(path, file_limit);
    if (bytes.size() < 8) damaged(path, "shorter than its header");
    idx_file file{path, big_endian(bytes.data()), {}, {}};
    if (file.magic != labels_magic && file.magic != gray_magic && file.magic != color_magic) {
        damaged(path, "not an IDX file of bytes in 1, 3 or 4 dimensions");
    }
    const std::size_t rank = file.magic & 0xff;
    const std::size_t header = 4 + 4 * rank;
    if (bytes.size() < header) damaged(path, "shorter than its header");
    std::uint64_t expected = 1;
    for (std::size_t axis = 0; axis < rank; ++axis) {
        file.extents.push_back(big_endian(bytes.data() + 4 + 4 * axis));
        const auto extent = static_cast<std::uint64_t>(file.extents.back());
        if (extent == 0 || expected > std::numeric_limits<std::uint64_t>::max() / extent)
            damaged(path, "impossible sizes");
        expected *= extent;
    }
    if (bytes.size() - header != expected) {
        damaged(path, "its header promises " + std::to_string(expected) + " bytes, it has " +
                          std::to_string(bytes.size() - header));
    }
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(header));
    file.values = std::move(bytes);
    return file;
}

image_set read_pair(const fs::path& directory, const std::string& part) {
    idx_file images = read(find(directory, part + "-images"));
    const idx_file labels = read(find(directory, part + "-labels"));
    if (images.magic == labels_magic) damaged(images.path, "labels where images were expected");
    if (labels.magic != labels_magic) damaged(labels.path, "images where labels were expected");
    if (images.extents[0] != labels.extents[0]) {
        damaged(labels.path,
                std::to_string(labels.extents[0]) + " labels for " + std::to_string(images.extents[0]) + " images");
    }
    image_set set;
    set.height = images.extents[1];
    set.width = images.extents[2];
    set.channels = images.magic == color_magic ? images.extents[3] : 1;
    if (set.channels != 1 && set.channels != 3) damaged(images.path, "neither gray nor RGB");
    set.pixels = std::move(images.values);
    set.labels.assign(labels.values.begin(), labels.values.end());
    return set;
}

}  // namespace

dataset loaders::idx(const std::string& directory) {
    if (!fs::is_directory(directory)) throw user_error("no folder " + directory);
    dataset data{directory, read_pair(directory, "train"), read_pair(directory, "t10k"), {}};
    if (data.train.height != data.test.height || data.train.width != data.test.width ||
        data.train.channels != data.test.channels) {
        throw user_error("damaged data in " + directory + ": training and test images differ in size");
    }
    const std::int64_t classes = 1 + std::max(*std::max_element(data.train.labels.begin(), data.train.labels.end()),
                                              *std::max_element(data.test.labels.begin(), data.test.labels.end()));
    for (std::int64_t label = 0; label < classes; ++label) data.class_names.push_back(std::to_string(label));
    return data;
}

}  // namespace pretrain
