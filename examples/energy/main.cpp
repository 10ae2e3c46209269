// Energy-based models by persistent contrastive divergence and by denoising score matching: eight modes in the plane,
// and clothes. Ends with build/energy/report.html and result.json.
#include <ATen/Parallel.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dataset.hpp"
#include "error.hpp"
#include "files.hpp"
#include "page.hpp"
#include "signals.hpp"

namespace {

constexpr const char* usage =
    "energy: learns energies from samples and draws from them. Ctrl-C ends the training in hand, and what it has is "
    "sampled.\n"
    "\n"
    "usage: energy [options]\n"
    "  --data KIND        as the example pretrain has it, of 28 x 28 gray pictures (fashion-mnist); none: modes only\n"
    "  --scale X          of all numbers of iterations (1)\n"
    "  --seed N           (0)\n"
    "  --threads N        (one per processor)\n"
    "  --output DIR       where report.html and result.json go (build/energy)\n";

struct options {
    std::string data = "fashion-mnist";
    std::filesystem::path output = "build/energy";
    std::int64_t seed = 0, threads = 0;
    double scale = 1;
    bool help = false;
};

std::int64_t positive(const std::string& name, const std::string& text, std::int64_t least) {
    char* end = nullptr;
    const long long value = std::strtoll(text.c_str(), &end, 10);
    if (text.empty() || *end != '\0' || value < least || value > 1'000'000'000) {
        throw pretrain::user_error(name + " " + text + ": expected a whole number from " + std::to_string(least) +
                                   " on");
    }
    return value;
}

options parse(int count, char** arguments) {
    options result;
    for (int i = 1; i < count; ++i) {
        const std::string name = arguments[i];
        if (name == "--help") {
            result.help = true;
            return result;
        }
        if (i + 1 == count) throw pretrain::user_error(name + " is unknown or needs a value (see --help)");
        const std::string value = arguments[++i];
        if (name == "--data") {
            result.data = value;
        } else if (name == "--output") {
            result.output = value;
        } else if (name == "--scale") {
            char* end = nullptr;
            result.scale = std::strtod(value.c_str(), &end);
            if (value.empty() || *end != '\0' || !(result.scale > 0 && result.scale <= 1000)) {
                throw pretrain::user_error(name + " " + value + ": expected a number above 0, at most 1000");
            }
        } else if (name == "--seed") {
            result.seed = positive(name, value, 0);
        } else if (name == "--threads") {
            result.threads = positive(name, value, 1);
        } else {
            throw pretrain::user_error("unknown option " + name + " (see --help)");
        }
    }
    return result;
}

int run(const options& settings) {
    using namespace example;
    pretrain::make_folder(settings.output);
    std::optional<pretrain::dataset> data;
    if (settings.data != "none") {
        data = pretrain::load_dataset(settings.data, 28);
        if (data->train.image_bytes() != 28 * 28) {
            throw pretrain::user_error("--data " + settings.data + ": expected gray pictures of 28 x 28");
        }
    }
    const auto threads = settings.threads > 0 ? settings.threads : std::int64_t{std::thread::hardware_concurrency()};
    // Tensors of a step are of the sizes of the step before: memory that is given back in between costs a third of the
    // time.
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
    at::set_num_threads(static_cast<int>(std::max<std::int64_t>(1, threads)));
    const auto seed = static_cast<std::uint64_t>(settings.seed);

    const auto scaled = [&](double iterations) {
        return std::max<std::int64_t>(1, std::llround(iterations * settings.scale));
    };
    pretrain::stop_on_signals();

    std::vector<mode_result> modes{data_of_modes(seed)};
    for (mode_result& r : modes_by_contrastive_divergence(seed, scaled(2500))) modes.push_back(std::move(r));
    if (!pretrain::stop_requested()) modes.push_back(modes_by_score_matching(seed, scaled(5000)));
    std::printf("%-34s", "masses of modes: true");
    for (const double m : true_masses()) std::printf(" %.3f", m);
    std::printf("\n");
    bool good = true;
    for (const mode_result& r : modes) {
        std::printf("%-34s", r.method.c_str());
        for (const double m : r.masses) std::printf(" %.3f", m);
        std::printf("  largest error %.4f, near a mode %.3f", r.worst(), r.near);
        if (r.acceptance < 1) std::printf(", MALA accepts %.2f", r.acceptance);
        if (r.divergences > 0) std::printf(", %lld chains diverged", static_cast<long long>(r.divergences));
        if (r.training.seconds > 0) std::printf(", %.0f s", r.training.seconds);
        std::printf("\n");
        good = good && r.worst() <= 0.02;
    }
    std::fflush(stdout);
    std::vector<clothes_result> clothes;
    if (data && !pretrain::stop_requested()) clothes = learn_clothes(data->train, seed, scaled(1500), scaled(2500));
    for (const clothes_result& r : clothes) {
        if (r.training.losses.empty()) continue;
        std::printf("clothes, %s: %lld pictures in %.0f s, 128 samples in %.0f s, %lld chains diverged\n",
                    r.method.c_str(), static_cast<long long>(r.training.samples_seen), r.training.seconds,
                    r.sampling_seconds, static_cast<long long>(r.divergences));
    }
    pretrain::write_file_atomically(settings.output / "result.json", to_json(modes, clothes));
    pretrain::write_file_atomically(settings.output / "report.html", to_html(modes, clothes));
    std::printf("%s\n%s\n", (settings.output / "result.json").c_str(), (settings.output / "report.html").c_str());
    if (!good && !pretrain::stop_requested()) {
        std::fprintf(stderr, "energy: a mode's mass is off by more than 0.02\n");
    }
    return good || pretrain::stop_requested() ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        const options settings = parse(count, arguments);
        if (settings.help) {
            std::fputs(usage, stdout);
            return 0;
        }
        return run(settings);
    } catch (const pretrain::user_error& error) {
        std::fprintf(stderr, "energy: %s\n", error.what());
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "energy: out of memory\n");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "energy: internal error: %s\n", error.what());
        return 1;
    }
    return 2;
}
