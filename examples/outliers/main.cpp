// A classifier of clothes against pictures that are none: how well scores of its logits tell the two apart, before and
// after energy-bounded fine-tuning on emoji. Ends with build/outliers/report.html and result.json.
#include <ATen/Parallel.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>
#include <new>
#include <string>
#include <thread>

#include "classifier.hpp"
#include "dataset.hpp"
#include "emoji.hpp"
#include "error.hpp"
#include "files.hpp"
#include "kinds.hpp"
#include "page.hpp"
#include "progress.hpp"

namespace outliers {
namespace {

constexpr const char* usage =
    "outliers: tells what a classifier knows from what it does not, by scores of its logits.\n"
    "\n"
    "usage: outliers [options]\n"
    "  --data KIND        as the example pretrain has it, of 28 x 28 gray pictures (fashion-mnist)\n"
    "  --emoji FILE       a font with colour bitmaps (that of Debian's fonts-noto-color-emoji)\n"
    "  --epochs N         of the classifier's training (4)\n"
    "  --tuning-epochs N  of the fine-tuning (1)\n"
    "  --seed N           (0)\n"
    "  --threads N        (one per processor)\n"
    "  --output DIR       where report.html and result.json go (build/outliers)\n"
    "  --validate         hold out the last 10,000 training images and test on them: for choosing settings\n"
    "\n"
    "Exit code 1: fine-tuning did not raise the mean AUROC; 2: a fault in options, data or disk, named in one line.\n";

constexpr double noise_deviation = 64;  // of 255

struct options {
    std::string data = "fashion-mnist", emoji = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
                output = "build/outliers";
    std::int64_t epochs = 4, tuning_epochs = 1, seed = 0, threads = 0;
    bool validate = false, help = false;
};

options parse(int count, char** arguments) {
    options result;
    const std::map<std::string, std::string*> texts = {
        {"--data", &result.data}, {"--emoji", &result.emoji}, {"--output", &result.output}};
    struct whole {
        std::int64_t* value;
        std::int64_t least, most;
    };
    const std::map<std::string, whole> numbers = {{"--epochs", {&result.epochs, 1, 1000}},
                                                  {"--tuning-epochs", {&result.tuning_epochs, 1, 1000}},
                                                  {"--seed", {&result.seed, 0, 1'000'000'000}},
                                                  {"--threads", {&result.threads, 1, 1024}}};
    for (int i = 1; i < count; ++i) {
        const std::string name = arguments[i];
        const auto text = texts.find(name);
        const auto entry = numbers.find(name);
        if (name == "--help" || name == "-h") {
            result.help = true;
        } else if (name == "--validate") {
            result.validate = true;
        } else if (text == texts.end() && entry == numbers.end()) {
            throw pretrain::user_error("unknown option " + name + " (see --help)");
        } else if (i + 1 == count) {
            throw pretrain::user_error(name + " needs a value (see --help)");
        } else if (const std::string value = arguments[++i]; text != texts.end()) {
            *text->second = value;
        } else {
            const whole& range = entry->second;
            const char* end = value.data() + value.size();
            const auto [stop, code] = std::from_chars(value.data(), end, *range.value);
            if (code != std::errc() || stop != end || *range.value < range.least || *range.value > range.most) {
                throw pretrain::user_error(name + " " + value + ": expected a whole number from " +
                                           std::to_string(range.least) + " to " + std::to_string(range.most));
            }
        }
    }
    return result;
}

void print(const std::vector<row>& rows) {
    std::printf("%-30s", "AUROC and FPR95 in %");
    for (const score& s : scores) std::printf("%16s", s.name);
    for (const row& r : rows) {
        for (const separations* part : {&r.before, &r.after}) {
            std::printf("\n%-22s%-8s", part == &r.before ? r.name.c_str() : "", part == &r.before ? "before" : "after");
            for (const separation& s : *part) std::printf("%9.2f%7.2f", 100 * s.auroc, 100 * s.fpr95);
        }
    }
    std::printf("\n");
}

int run(const options& settings) {
    pretrain::make_folder(settings.output);
    pretrain::dataset data = pretrain::load_dataset(settings.data, 28);
    if (data.train.height != 28 || data.train.width != 28 || data.train.channels != 1 || data.train.size() < 128) {
        throw pretrain::user_error("--data " + settings.data + ": expected at least 128 gray pictures of 28 x 28");
    }
    if (settings.validate) data = pretrain::hold_out(std::move(data), 10'000);
    const auto threads = settings.threads > 0 ? settings.threads : std::int64_t{std::thread::hardware_concurrency()};
    at::set_num_threads(static_cast<int>(std::max<std::int64_t>(1, threads)));
    const auto seed = static_cast<std::uint64_t>(settings.seed);

    findings found;
    const auto [tuning_emoji, other_emoji] = halves(load_emoji(settings.emoji, data.train.height));
    if (other_emoji.size() == 0) throw pretrain::user_error(settings.emoji + " has too few colour bitmaps");
    found.data = data.name;
    found.trained_on = data.train.size();
    found.tuned_on = tuning_emoji.size();
    found.epochs = settings.epochs;
    found.tuning_epochs = settings.tuning_epochs;
    found.kinds = {{"emoji", other_emoji, true},
                   {"turned", turned(data.test)},
                   {"noised", noised(data.test, noise_deviation, seed)},
                   {"crossed", crossed(data.test)}};

    classifier model(data.train, seed);
    double began = pretrain::now();
    found.training_losses = model.train(settings.epochs);
    found.training_seconds = pretrain::now() - began;
    const stage before(model, data.test, found.kinds);
    began = pretrain::now();
    found.limits = model.measure_bounds(tuning_emoji);
    found.tuning_losses = model.tune(tuning_emoji, found.limits, settings.tuning_epochs);
    found.tuning_seconds = pretrain::now() - began;
    const stage after(model, data.test, found.kinds);

    std::printf("%s: accuracy %.2f%% before, %.2f%% after tuning beside %lld emoji (free energies below %.2f and above "
                "%.2f), %.0f s and %.0f s\n",
                data.name.c_str(), 100 * before.accuracy, 100 * after.accuracy, static_cast<long long>(found.tuned_on),
                found.limits.inside, found.limits.outside, found.training_seconds, found.tuning_seconds);
    print(table_of(found, before, after));
    const std::filesystem::path output = settings.output;
    pretrain::write_file_atomically(output / "result.json", to_json(found, before, after));
    pretrain::write_file_atomically(output / "report.html", to_html(found, data.test, before, after));
    std::printf("%s\n%s\n", (output / "result.json").c_str(), (output / "report.html").c_str());
    const bool rises = after.mean(found.kinds, false)[0].auroc > before.mean(found.kinds, false)[0].auroc;
    return rises ? 0 : 1;
}

}  // namespace
}  // namespace outliers

int main(int count, char** arguments) {
    try {
        const outliers::options settings = outliers::parse(count, arguments);
        if (settings.help) {
            std::fputs(outliers::usage, stdout);
            return 0;
        }
        return outliers::run(settings);
    } catch (const pretrain::user_error& error) {
        std::fprintf(stderr, "outliers: %s\n", error.what());
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "outliers: out of memory\n");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "outliers: internal error: %s\n", error.what());
        return 1;
    }
    return 2;
}
