#include "dataset.hpp"

#include "error.hpp"

namespace pretrain {
namespace {

constexpr const char* fashion_mnist_directory = "/usr/share/datasets/fashion-mnist";

dataset load_fashion_mnist() {
    dataset data;
    try {
        data = loaders::idx(fashion_mnist_directory);
    } catch (const user_error& error) {
        throw user_error(
            std::string(error.what()) +
            " (Debian's package dataset-fashion-mnist has the data; for a copy elsewhere use --data idx:DIR)");
    }
    data.name = "Fashion-MNIST";
    data.class_names = {"T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                        "Sandal",  "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    return data;
}

}  // namespace

dataset load_dataset(const std::string& source, std::int64_t folder_size) {
    if (source == "fashion-mnist") return load_fashion_mnist();
    const std::size_t colon = source.find(':');
    if (colon != std::string::npos && colon + 1 < source.size()) {
        const std::string kind = source.substr(0, colon);
        const std::string directory = source.substr(colon + 1);
        if (kind == "idx") return loaders::idx(directory);
        if (kind == "cifar10") return loaders::cifar10(directory);
        if (kind == "folder") return loaders::folder(directory, folder_size);
    }
    throw user_error("--data " + source + ": expected fashion-mnist, idx:DIR, cifar10:DIR or folder:DIR");
}

dataset hold_out(dataset data, std::int64_t count) {
    image_set& train = data.train;
    if (train.size() <= count) {
        throw user_error("--validate holds out " + std::to_string(count) + " images, but the training set has only " +
                         std::to_string(train.size()));
    }
    const std::int64_t kept = train.size() - count;
    image_set held{train.height, train.width, train.channels, {}, {}};
    held.pixels.assign(train.pixels.begin() + kept * train.image_bytes(), train.pixels.end());
    held.labels.assign(train.labels.begin() + kept, train.labels.end());
    train.pixels.resize(static_cast<std::size_t>(kept * train.image_bytes()));
    train.labels.resize(static_cast<std::size_t>(kept));
    data.test = std::move(held);
    data.name += " (held-out part of the training set)";
    return data;
}

}  // namespace pretrain
