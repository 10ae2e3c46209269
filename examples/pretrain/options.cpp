#include "options.hpp"

#include <charconv>
#include <functional>
#include <map>
#include <thread>

#include "error.hpp"
#include "objective.hpp"

namespace pretrain {
namespace {

std::int64_t to_integer(const std::string& name, const std::string& text, std::int64_t least, std::int64_t most) {
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc() || end != text.data() + text.size() || value < least || value > most) {
        throw user_error(name + " " + text + ": expected a whole number from " + std::to_string(least) + " to " +
                         std::to_string(most));
    }
    return value;
}

}  // namespace

options parse_options(int count, const char* const* arguments) {
    options result;
    result.epochs = 0;  // not given yet
    const auto whole = [](std::int64_t& target, std::int64_t least, std::int64_t most) {
        return [&target, least, most](const std::string& name, const std::string& text) {
            target = to_integer(name, text, least, most);
        };
    };
    const std::map<std::string, std::function<void(const std::string&, const std::string&)>> valued = {
        {"--data", [&](const std::string&, const std::string& text) { result.data = text; }},
        {"--objective", [&](const std::string&, const std::string& text) { result.objective = text; }},
        {"--output", [&](const std::string&, const std::string& text) { result.output = text; }},
        {"--seed", whole(result.seed, 0, 1'000'000'000)},
        {"--seeds", whole(result.seeds, 1, 1000)},
        {"--epochs", whole(result.epochs, 1, 100'000)},
        {"--batch", whole(result.batch, 2, 65'536)},
        {"--threads", whole(result.threads, 1, 1024)},
        {"--size", whole(result.size, 16, 512)},
        {"--prototypes", whole(result.prototypes, 2, 65'536)},
        {"--local-views", whole(result.local_views, 0, 16)},
    };
    const std::map<std::string, bool*> flags = {
        {"--resume", &result.resume}, {"--validate", &result.validate}, {"--help", &result.help}, {"-h", &result.help}};

    for (int i = 1; i < count; ++i) {
        std::string name = arguments[i];
        std::string value;
        const std::size_t equals = name.find('=');
        const bool is_joined = name.starts_with("--") && equals != std::string::npos;
        if (is_joined) {
            value = name.substr(equals + 1);
            name.resize(equals);
        }
        if (const auto flag = flags.find(name); flag != flags.end() && !is_joined) {
            *flag->second = true;
        } else if (const auto option = valued.find(name); option != valued.end()) {
            if (!is_joined) {
                if (i + 1 == count) throw user_error(name + " needs a value (see --help)");
                value = arguments[++i];
            }
            if (value.empty()) throw user_error(name + " needs a value (see --help)");
            option->second(name, value);
        } else {
            throw user_error("unknown option " + std::string(arguments[i]) + " (see --help)");
        }
    }
    const objective_entry* objective = find_objective(result.objective);
    if (objective == nullptr) throw user_error("--objective " + result.objective + ": expected " + objective_names());
    if (objective->prototypes == 0 && (result.prototypes != 0 || result.local_views != -1)) {
        throw user_error(std::string(result.prototypes != 0 ? "--prototypes" : "--local-views") + ": the objective " +
                         result.objective + " has none");
    }
    // With local views an image is seen twice as often in an epoch.
    if (result.epochs == 0) result.epochs = objective->local_views > 0 ? 3 : 6;
    if (result.prototypes == 0) result.prototypes = objective->prototypes;
    if (result.local_views == -1) result.local_views = objective->local_views;
    if (result.threads == 0) result.threads = std::max(1u, std::thread::hardware_concurrency());
    return result;
}

std::string help_text() {
    return "pretrain: learns an image encoder without labels, then shows what it learned.\n"
           "\n"
           "usage: pretrain [options]\n"
           "  --data fashion-mnist   Debian's package dataset-fashion-mnist (the default)\n"
           "         idx:DIR         MNIST-like files train-images-idx3-ubyte[.gz] and so on\n"
           "         cifar10:DIR     the binary version of CIFAR-10\n"
           "         folder:DIR      any tree of JPEG and PNG; folder names are the labels, used for evaluation only;\n"
           "                         tested on DIR/test if DIR has train and test, else on every sixth image\n"
           "  --size N               side to which the images of a folder are brought (32)\n"
           "  --objective NAME       " +
           objective_names() +
           "\n"
           "  --epochs N             passes over the training set (6; with swav and dino 3)\n"
           "  --batch N              images a step, each seen in two global views (128)\n"
           "  --prototypes N         of swav (300) and dino (512)\n"
           "  --local-views N        of swav and dino: views of small parts of an image, beside the two (2)\n"
           "  --seed N, --seeds N    first seed (0), and how many in a row to average over (1)\n"
           "  --threads N            (one per processor)\n"
           "  --output DIR           where result.json, report.html and the checkpoints go (build/pretrain)\n"
           "  --resume               go on from the checkpoints in the output folder: the final numbers are those of a "
           "run\n"
           "                         that was never interrupted\n"
           "  --validate             hold out the last 10,000 training images and evaluate on them instead of the "
           "test\n"
           "                         images: for choosing settings\n"
           "\n"
           "Ctrl-C writes a checkpoint and stops. Exit code 2: a fault in options, data or disk, named in one line.\n";
}

}  // namespace pretrain
