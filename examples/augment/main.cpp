// Views of the pictures in a folder, by the recipe of a published method, as one picture.
#include <charconv>
#include <csignal>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <opencv2/core/utils/logger.hpp>
#include <string>

#include "error.hpp"
#include "files.hpp"
#include "pictures.hpp"
#include "progress.hpp"
#include "sheet.hpp"
#include "views.hpp"

namespace {

namespace fs = std::filesystem;

constexpr std::size_t rows = 6;      // of the sheet
constexpr std::size_t at_once = 16;  // pictures in memory

constexpr const char* usage =
    "augment: views of the pictures in a folder, by the recipe of a published method.\n"
    "\n"
    "usage: augment [FOLDER] [options]\n"
    "  FOLDER             of JPEG and PNG files, with those below it (/usr/share/backgrounds, which Debian's\n"
    "                     lomiri-wallpapers-16.04 fills)\n"
    "  --recipe NAME      simclr, moco_v2, byol, swav, dino, dino_v2, ibot, mae, pirl or rotnet (simclr)\n"
    "  --seed N           of the random parameters (0)\n"
    "  --output FILE      contact sheet of the first pictures, .png or .jpg: each picture, then its views, and what a\n"
    "                     mask leaves of a view beside it (build/augment.png)\n"
    "  --show-parameters  print what was drawn for each view\n"
    "\n"
    "Exit code 1: pictures were damaged, which are named and left out; 2: a fault in options, folder or disk.\n";

struct options {
    std::string folder, recipe = "simclr", output = "build/augment.png";
    std::uint64_t seed = 0;
    bool parameters = false, help = false;
};

std::uint64_t to_seed(const std::string& text) {
    std::uint64_t seed = 0;
    const char* end = text.data() + text.size();
    const auto [stop, code] = std::from_chars(text.data(), end, seed);
    if (code != std::errc() || stop != end) {
        throw pretrain::user_error("--seed " + text + ": expected a whole number from 0 to 2^64 - 1");
    }
    return seed;
}

options parse(int count, char** arguments) {
    options result;
    for (int k = 1; k < count; ++k) {
        const std::string name = arguments[k];
        if (name == "--help" || name == "-h") {
            result.help = true;
        } else if (name == "--show-parameters") {
            result.parameters = true;
        } else if (name == "--recipe" || name == "--output" || name == "--seed") {
            if (++k == count) throw pretrain::user_error(name + " needs a value (see --help)");
            const std::string value = arguments[k];
            if (name == "--recipe") result.recipe = value;
            if (name == "--output") result.output = value;
            if (name == "--seed") result.seed = to_seed(value);
        } else if (name.starts_with("-")) {
            throw pretrain::user_error("unknown option " + name + " (see --help)");
        } else if (!result.folder.empty()) {
            throw pretrain::user_error("more than one folder: " + result.folder + " and " + name);
        } else {
            result.folder = name;
        }
    }
    if (!recipes_by_name().contains(result.recipe)) {
        std::string known;
        for (const auto& [name, make] : recipes_by_name()) known += (known.empty() ? "" : ", ") + name;
        throw pretrain::user_error("--recipe " + result.recipe + ": expected one of " + known);
    }
    const std::string ending = fs::path(result.output).extension().string();
    if (ending != ".png" && ending != ".jpg") {
        throw pretrain::user_error("--output " + result.output + ": expected a name that ends in .png or .jpg");
    }
    if (result.folder.empty()) result.folder = "/usr/share/backgrounds";
    return result;
}

int run(const options& o) {
    const std::vector<fs::path> files = pictures_in(o.folder);
    contact_sheet sheet(rows);
    studio made{.seed = o.seed, .parameters = o.parameters ? &std::cout : nullptr, .sheet = sheet};
    pretrain::progress_line progress("augment");
    batch b;
    std::size_t damaged = 0;
    for (std::size_t k = 0; k < files.size(); ++k) {
        const cv::Mat picture = read_picture(files[k]);
        if (picture.empty()) {
            ++damaged;
            progress.finish();
            std::cerr << "damaged, left out: " << files[k].string() << "\n";
        } else {
            const std::size_t number = b.first + b.pictures.size();
            if (number < rows) sheet.add(number, thumbnail(picture));
            b.pictures.push_back(picture);
        }
        if (b.pictures.size() == at_once || k + 1 == files.size()) {
            if (!b.pictures.empty()) recipes_by_name().at(o.recipe)(made, b);
            b.first += b.pictures.size();
            b.pictures.clear();
        }
        progress.update(std::to_string(k + 1) + " of " + std::to_string(files.size()) + " pictures", false);
    }
    progress.finish();
    if (made.views == 0) throw pretrain::user_error("no picture could be read in " + o.folder);

    const fs::path output = o.output;
    if (output.has_parent_path()) pretrain::make_folder(output.parent_path());
    pretrain::write_file_atomically(output, sheet.encoded(output.extension().string()));
    std::cout << made.views << " views of " << b.first << " pictures, "
              << static_cast<std::int64_t>(static_cast<double>(made.views) / made.seconds) << " images/s\n"
              << o.output << std::endl;
    if (!std::cout) throw pretrain::user_error("cannot write to the standard output");
    return damaged > 0 ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
    std::signal(SIGXFSZ, SIG_IGN);  // a write past a limit on files fails instead
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    try {
        const options settings = parse(count, arguments);
        if (settings.help) {
            std::cout << usage;
            return 0;
        }
        return run(settings);
    } catch (const pretrain::user_error& error) {
        std::cerr << "augment: " << error.what() << "\n";
    } catch (const std::bad_alloc&) {
        std::cerr << "augment: out of memory\n";
    } catch (const std::exception& error) {
        std::cerr << "augment: internal error: " << error.what() << "\n";
        return 1;
    }
    return 2;
}
