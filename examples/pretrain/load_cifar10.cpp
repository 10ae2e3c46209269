// CIFAR-10, binary version: records of one label byte and 3 planes of 32 x 32.
#include <filesystem>

#include "dataset.hpp"
#include "error.hpp"
#include "files.hpp"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t side = 32;
constexpr std::int64_t planes = 3;
constexpr std::int64_t area = side * side;
constexpr std::int64_t record = 1 + planes * area;

void append(const fs::path& path, image_set& set) {
    const std::string bytes = read_file(path);
    if (bytes.empty() || bytes.size() % record != 0) {
        throw user_error("damaged CIFAR-10 file " + path.string() + ": " + std::to_string(bytes.size()) +
                         " bytes are not whole records of " + std::to_string(record));
    }
    for (std::size_t start = 0; start < bytes.size(); start += record) {
        const auto* values = reinterpret_cast<const std::uint8_t*>(bytes.data() + start);
        if (values[0] > 9) {
            throw user_error("damaged CIFAR-10 file " + path.string() + ": label " + std::to_string(values[0]) +
                             " in record " + std::to_string(start / record));
        }
        set.labels.push_back(values[0]);
        for (std::int64_t pixel = 0; pixel < area; ++pixel) {
            for (std::int64_t plane = 0; plane < planes; ++plane)
                set.pixels.push_back(values[1 + plane * area + pixel]);
        }
    }
}

}  // namespace

dataset loaders::cifar10(const std::string& directory) {
    fs::path root = directory;
    if (fs::is_directory(root / "cifar-10-batches-bin")) root /= "cifar-10-batches-bin";
    if (!fs::is_directory(root)) throw user_error("no folder " + root.string());
    dataset data{"CIFAR-10",
                 {side, side, planes, {}, {}},
                 {side, side, planes, {}, {}},
                 {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}};
    for (int part = 1; part <= 5; ++part) append(root / ("data_batch_" + std::to_string(part) + ".bin"), data.train);
    append(root / "test_batch.bin", data.test);
    return data;
}

}  // namespace pretrain
