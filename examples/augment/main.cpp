// Views of the pictures in a folder, by the recipe of a published method, as one picture.
//
//     augment FOLDER [--recipe simclr] [--seed 0] [--output build/augment.png] [--show-parameters]
//
// Exit status 0; 1 where pictures were damaged, which are named and left out; 2 where nothing could be done.
#include <thrust/system/omp/execution_policy.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

#include "parameters.hpp"

namespace {

namespace fs = std::filesystem;
namespace augment = selfsame::augment;
namespace recipes = augment::recipes;
using selfsame::index_t;

constexpr int cell = 128;            // of the sheet, in pixels
constexpr std::size_t shown = 8;     // pictures on the sheet
constexpr std::size_t at_once = 64;  // pictures in memory

struct options {
    std::string folder, recipe = "simclr", output = "build/augment.png";
    std::uint64_t seed = 0;
    bool parameters = false;
};

struct batch {
    std::vector<cv::Mat> pictures;
    std::uint64_t first = 0;  ///< number of the first picture
};

/// Rows of the sheet, one a picture.
using sheet = std::vector<std::vector<cv::Mat>>;

double seconds = 0;     // spent on views
std::size_t views = 0;  // made

template <class Pipeline>
void add_view(const Pipeline& p, std::uint32_t number, const options& o, const batch& b, sheet& rows) {
    std::vector<selfsame::image<std::uint8_t>> images;
    for (const cv::Mat& m : b.pictures) images.push_back(selfsame::interleaved(m.data, m.rows, m.cols, 3));
    const selfsame::image_shape shape = [&] {
        selfsame::image_shape s{3, b.pictures[0].rows, b.pictures[0].cols};
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            ((s = selfsame::output_shape(selfsame::get<Index>(p.operations), s)), ...);
        }(std::make_index_sequence<Pipeline::size>());
        return s;
    }();
    const auto count = static_cast<index_t>(images.size());
    std::vector<float> out(static_cast<std::size_t>(count * 3 * shape.height * shape.width));
    const augment::key key{.seed = o.seed, .view = number};
    const auto begin = std::chrono::steady_clock::now();
    augment::apply(
        thrust::omp::par, p, selfsame::image_batch{images, 3}, b.first, key,
        augment::channels_first(selfsame::view<float, 4>(out.data(), {count, shape.height, shape.width, 3})));
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    views += images.size();
    for (std::size_t n = 0; n < images.size(); ++n) {
        const std::uint64_t sample = b.first + n;
        if (o.parameters) {
            std::cout << "picture " << sample << ", view " << number << ":";
            const selfsame::image_shape from{3, b.pictures[n].rows, b.pictures[n].cols};
            show::print_all(std::cout, p, draw(p, from, sample, key));
        }
        if (sample >= shown) continue;
        const cv::Mat normalized(shape.height, shape.width, CV_32FC3,
                                 out.data() + static_cast<index_t>(n) * 3 * shape.height * shape.width);
        cv::Mat plain, bytes, small;
        const auto& [mean, deviation] = recipes::imagenet;
        cv::multiply(normalized, cv::Scalar(deviation[0], deviation[1], deviation[2]), plain);
        cv::add(plain, cv::Scalar(mean[0], mean[1], mean[2]), plain);
        plain.convertTo(bytes, CV_8U, 255);
        cv::resize(bytes, small, {cell, cell}, 0, 0, cv::INTER_AREA);
        rows[sample].push_back(small);
    }
}

template <class... Pipelines>
auto views_of(const Pipelines&... pipelines) {
    return [&pipelines...](const options& o, const batch& b, sheet& rows) {
        std::uint32_t number = 0;
        (add_view(pipelines, number++, o, b, rows), ...);
    };
}

using maker = std::function<void(const options&, const batch&, sheet&)>;
const std::map<std::string, maker> makers{
    {"simclr", views_of(recipes::simclr, recipes::simclr, recipes::simclr, recipes::simclr)},
    {"moco_v2", views_of(recipes::moco_v2, recipes::moco_v2)},
    {"byol", views_of(recipes::byol_first, recipes::byol_second)},
    {"swav", views_of(recipes::swav_global, recipes::swav_global, recipes::swav_local, recipes::swav_local)},
    {"dino", views_of(recipes::dino_first, recipes::dino_second, recipes::dino_local, recipes::dino_local)},
    {"dino_v2", views_of(recipes::dino_v2_first, recipes::dino_v2_second, recipes::dino_v2_local)},
    {"ibot", views_of(recipes::ibot_first, recipes::ibot_second, recipes::ibot_local)},
    {"mae", views_of(recipes::mae)},
    {"pirl", views_of(recipes::pirl)},
    {"rotnet", views_of(recipes::rotnet)},
};

[[noreturn]] void refuse(const std::string& what) {
    std::cerr << "error: " << what << "\n";
    std::exit(2);
}

options parse(int argc, char** argv) {
    options o;
    for (int k = 1; k < argc; ++k) {
        const std::string name = argv[k];
        const auto value = [&]() -> std::string {
            if (++k == argc) refuse(name + " wants a value");
            return argv[k];
        };
        if (name == "--recipe") {
            o.recipe = value();
        } else if (name == "--output") {
            o.output = value();
        } else if (name == "--seed") {
            const std::string text = value();
            char* end = nullptr;
            o.seed = std::strtoull(text.c_str(), &end, 10);
            if (text.empty() || *end != 0 || text[0] == '-') refuse("--seed wants a number, got " + text);
        } else if (name == "--show-parameters") {
            o.parameters = true;
        } else if (name.starts_with("-") || !o.folder.empty()) {
            refuse("unknown argument " + name);
        } else {
            o.folder = name;
        }
    }
    if (o.folder.empty()) refuse("a folder of pictures is wanted");
    if (!makers.contains(o.recipe)) {
        std::string known;
        for (const auto& [name, make] : makers) known += " " + name;
        refuse("no recipe is called " + o.recipe + "; there are:" + known);
    }
    return o;
}

std::vector<fs::path> files_in(const std::string& folder) {
    std::vector<fs::path> files;
    std::error_code code;
    for (fs::recursive_directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
        const std::string ending = at->path().extension().string();
        const bool picture = ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".JPG";
        if (picture && at->is_regular_file()) files.push_back(at->path());
    }
    if (code) refuse("cannot read folder " + folder + ": " + code.message());
    std::sort(files.begin(), files.end());
    return files;
}

cv::Mat read(const fs::path& file) {
    cv::Mat m;
    try {
        m = cv::imread(file.string(), cv::IMREAD_COLOR);
    } catch (const cv::Exception&) {
        return {};
    }
    if (!m.empty()) cv::cvtColor(m, m, cv::COLOR_BGR2RGB);
    return m;
}

}  // namespace

int main(int argc, char** argv) {
    const options o = parse(argc, argv);
    const std::vector<fs::path> files = files_in(o.folder);
    sheet rows(shown);
    batch b;
    std::size_t damaged = 0;
    const auto finish_batch = [&] {
        if (b.pictures.empty()) return;
        makers.at(o.recipe)(o, b, rows);
        b.first += b.pictures.size();
        b.pictures.clear();
    };
    for (std::size_t k = 0; k < files.size(); ++k) {
        const cv::Mat m = read(files[k]);
        if (m.empty()) {
            ++damaged;
            std::cerr << "damaged, left out: " << files[k].string() << "\n";
        } else {
            if (const std::size_t row = b.first + b.pictures.size(); row < shown) {
                cv::Mat small;
                cv::resize(m, small, {cell, cell}, 0, 0, cv::INTER_AREA);
                rows[row].push_back(small);
            }
            b.pictures.push_back(m);
        }
        if (b.pictures.size() == at_once) finish_batch();
        if ((k + 1) % at_once == 0) std::fprintf(stderr, "\r%zu of %zu pictures", k + 1, files.size());
    }
    finish_batch();
    if (files.size() >= at_once) std::fprintf(stderr, "\n");
    if (views == 0) refuse("no picture could be read in " + o.folder);

    std::vector<cv::Mat> lines;
    for (const auto& row : rows) {
        if (row.empty()) continue;
        lines.emplace_back();
        cv::hconcat(row, lines.back());
    }
    cv::Mat picture;
    cv::vconcat(lines, picture);
    cv::cvtColor(picture, picture, cv::COLOR_RGB2BGR);
    if (fs::path(o.output).has_parent_path()) fs::create_directories(fs::path(o.output).parent_path());
    if (!cv::imwrite(o.output, picture)) refuse("cannot write " + o.output);
    std::printf("%zu views of %zu pictures, %.0f images/s; %s\n", views, files.size() - damaged,
                static_cast<double>(views) / seconds, o.output.c_str());
    return damaged > 0 ? 1 : 0;
}
