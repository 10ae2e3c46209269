#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pretrain {

/// Images of one size, uint8, NHWC, contiguous. Labels serve the evaluation only.
struct image_set {
    std::int64_t height = 0;
    std::int64_t width = 0;
    std::int64_t channels = 0;
    std::vector<std::uint8_t> pixels;
    std::vector<std::int64_t> labels;

    [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(labels.size()); }
    [[nodiscard]] std::int64_t image_bytes() const { return height * width * channels; }
    [[nodiscard]] const std::uint8_t* image(std::int64_t index) const { return pixels.data() + index * image_bytes(); }
};

struct dataset {
    std::string name;
    image_set train;
    image_set test;
    std::vector<std::string> class_names;
};

/// Reads what `--data` names; throws user_error for an unknown kind, and for missing or damaged files.
/// `folder_size` is the side to which the images of a folder are brought.
dataset load_dataset(const std::string& source, std::int64_t folder_size);

/// The training set alone, its last `count` images standing in for the test set: what settings are chosen on.
dataset hold_out(dataset data, std::int64_t count);

namespace loaders {

dataset idx(const std::string& directory);
dataset cifar10(const std::string& directory);
dataset folder(const std::string& directory, std::int64_t size);

}  // namespace loaders
}  // namespace pretrain
