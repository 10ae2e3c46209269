#include <torch/torch.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "dataset.hpp"
#include "error.hpp"
#include "evaluate.hpp"
#include "files.hpp"
#include "inspect.hpp"
#include "objective.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "results.hpp"
#include "signals.hpp"
#include "train.hpp"
#include "views.hpp"

namespace pretrain {
namespace {

constexpr std::int64_t held_out_images = 10'000;
constexpr int fault = 2;
constexpr int interrupted = 130;

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

int run(const options& settings) {
    make_folder(settings.output);
    dataset data = load_dataset(settings.data, settings.size);
    if (settings.validate) data = hold_out(std::move(data), held_out_images);
    const channel_statistics statistics = measure_channels(data.train);
    at::set_num_threads(static_cast<int>(settings.threads));
    const bool is_labelled = data.class_names.size() > 1;
    say(data.name + ": " + std::to_string(data.train.size()) + " images to train on, " +
        std::to_string(data.test.size()) + " to test on");

    report page;
    score_row trained{"trained", {}};
    score_row untrained{"untrained", {}};
    score_row pixels{"pixels", {}};
    std::vector<training_end> ends;
    prototype_use use{settings.prototypes, {}};
    double training_seconds = 0;
    for (std::int64_t seed = settings.seed; seed < settings.seed + settings.seeds; ++seed) {
        const auto key = static_cast<std::uint64_t>(seed);
        const std::filesystem::path path = settings.output / ("checkpoint-seed" + std::to_string(seed) + ".bin");
        const training run = train(settings, data, statistics, key, path);
        if (run.is_interrupted) {
            say("interrupted; " + path.string() + " is written, --resume goes on from it");
            return interrupted;
        }
        training_seconds += run.seconds;
        ends.push_back({seed, run.last_epoch_loss, run.weights_checksum});
        page.seed_names.push_back("seed " + std::to_string(seed));
        page.losses.push_back(run.losses);

        say("seed " + std::to_string(seed) + "  evaluation");
        const feature_set features = encode(*run.network, data, statistics);
        std::vector<std::int64_t> members;
        if (run.prototypes.rows.defined()) {
            members = count_members(*run.network, run.prototypes, data.test, statistics);
            use.perplexity.push_back(perplexity(members));
        }
        encoder_impl initial(data.train.channels, key);
        if (is_labelled) {
            trained.per_seed.push_back(evaluate(features, key));
            untrained.per_seed.push_back(evaluate(encode(initial, data, statistics), key));
            pixels.per_seed.push_back(evaluate(raw_pixels(data), key));
        }
        if (seed == settings.seed) {
            initial.eval();
            page.members = std::move(members);
            page.views = view_sheet(data.train, statistics, settings.local_views > 0, key);
            page.similarities_before = view_similarities(initial, data.test, statistics, key);
            page.similarities_after = view_similarities(*run.network, data.test, statistics, key);
            embedding_map map = map_test_images(features);
            page.map = std::move(map.points);
            page.map_labels = std::move(map.labels);
            page.neighbours = neighbour_sheet(features, data);
        }
    }

    if (is_labelled) page.rows = {trained, untrained, pixels};
    char summary[200];
    std::snprintf(summary, sizeof summary,
                  "%lld images, %lld epochs in %s minutes on %lld threads a seed, batch %lld, objective %s",
                  static_cast<long long>(data.train.size()), static_cast<long long>(settings.epochs),
                  minutes(training_seconds / static_cast<double>(ends.size())).c_str(),
                  static_cast<long long>(settings.threads), static_cast<long long>(settings.batch),
                  settings.objective.c_str());
    page.data = data.name;
    page.summary = summary;
    page.class_names = data.class_names;
    page.epochs = settings.epochs;
    page.asks = find_objective(settings.objective)->asks;
    page.has_local_views = settings.local_views > 0;
    page.use = use;
    write_file_atomically(settings.output / "result.json",
                          to_json(page.rows, ends, data.name, settings.objective, use));
    write_file_atomically(settings.output / "report.html", to_html(page));

    std::printf("%s\n%s", summary, is_labelled ? to_table(page.rows).c_str() : "no labels: nothing to evaluate on\n");
    if (use.prototypes > 0) {
        std::printf("prototypes: exp(entropy) of their use by the test images is %.1f of %lld\n", mean(use.perplexity),
                    static_cast<long long>(use.prototypes));
    }
    std::printf("%s\n%s\n", (settings.output / "result.json").c_str(), (settings.output / "report.html").c_str());
    return 0;
}

}  // namespace
}  // namespace pretrain

int main(int count, char** arguments) {
    using namespace pretrain;
    try {
        const options settings = parse_options(count, arguments);
        if (settings.help) {
            std::fputs(help_text().c_str(), stdout);
            return 0;
        }
        // A file-size limit then shows as a failed write, like a full disk.
        std::signal(SIGXFSZ, SIG_IGN);
        stop_on_signals();
        return run(settings);
    } catch (const user_error& error) {
        std::fprintf(stderr, "pretrain: %s\n", error.what());
    } catch (const std::bad_alloc&) {
        std::fprintf(stderr, "pretrain: out of memory\n");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "pretrain: internal error: %s\n", error.what());
        return 1;
    }
    return fault;
}
