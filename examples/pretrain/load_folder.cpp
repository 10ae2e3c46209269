// Any tree of JPEG and PNG files. The name of the folder that holds a file serves as its label.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <system_error>

#include "dataset.hpp"
#include "error.hpp"

namespace pretrain {
namespace {

namespace fs = std::filesystem;

/// Without folders `train` and `test`, every sixth image of a class is kept for the test, as MNIST and CIFAR-10 do in
/// number.
constexpr std::size_t test_stride = 6;

bool is_image(const fs::path& path) {
    std::string ending = path.extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

/// Label to files, both sorted: the order of a folder's entries differs between machines.
using listing = std::map<std::string, std::vector<fs::path>>;

listing list_images(const fs::path& root) {
    listing result;
    std::error_code code;
    fs::recursive_directory_iterator entry(root, fs::directory_options::follow_directory_symlink, code);
    for (; !code && entry != fs::recursive_directory_iterator(); entry.increment(code)) {
        if (entry->is_regular_file() && is_image(entry->path())) {
            result[fs::relative(entry->path().parent_path(), root).string()].push_back(entry->path());
        }
    }
    if (code) throw user_error("cannot read folder " + root.string() + ": " + code.message());
    for (auto& [label, files] : result) std::sort(files.begin(), files.end());
    return result;
}

void append(const fs::path& path, std::int64_t label, image_set& set) {
    cv::Mat image;
    try {
        image = cv::imread(path.string(), cv::IMREAD_COLOR);
    } catch (const cv::Exception&) {
        image.release();
    }
    if (image.empty()) throw user_error("damaged image " + path.string());
    const int shorter = std::min(image.rows, image.cols);
    const cv::Rect centre((image.cols - shorter) / 2, (image.rows - shorter) / 2, shorter, shorter);
    const cv::Size size(static_cast<int>(set.width), static_cast<int>(set.height));
    cv::Mat resized;
    cv::resize(image(centre), resized, size, 0, 0, shorter > size.width ? cv::INTER_AREA : cv::INTER_LINEAR);
    cv::cvtColor(resized, resized, cv::COLOR_BGR2RGB);
    set.pixels.insert(set.pixels.end(), resized.datastart, resized.dataend);
    set.labels.push_back(label);
}

}  // namespace

dataset loaders::folder(const std::string& directory, std::int64_t size) {
    const fs::path root = directory;
    if (!fs::is_directory(root)) throw user_error("no folder " + directory);
    const bool is_split = fs::is_directory(root / "train") && fs::is_directory(root / "test");
    const listing train = list_images(is_split ? root / "train" : root);
    const listing test = is_split ? list_images(root / "test") : listing{};

    dataset data{directory, {size, size, 3, {}, {}}, {size, size, 3, {}, {}}, {}};
    for (const auto& [label, files] : train) {
        const auto index = static_cast<std::int64_t>(data.class_names.size());
        data.class_names.push_back(label == "." ? "images" : label);
        for (std::size_t i = 0; i < files.size(); ++i) {
            const bool is_test = !is_split && i % test_stride == test_stride - 1;
            append(files[i], index, is_test ? data.test : data.train);
        }
    }
    for (const auto& [label, files] : test) {
        const auto found = train.find(label);
        if (found == train.end())
            throw user_error("class " + label + " of " + directory + "/test is not in its train folder");
        for (const fs::path& file : files) append(file, std::distance(train.begin(), found), data.test);
    }
    if (data.train.size() == 0 || data.test.size() == 0) {
        throw user_error("too few JPEG or PNG images in " + directory + ": " + std::to_string(data.train.size()) +
                         " to train on, " + std::to_string(data.test.size()) + " to test on");
    }
    return data;
}

}  // namespace pretrain
