#include "suite.hpp"

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <regex>
#include <selfsame/core/config.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "memory_use.hpp"

// The name of this build, appended to the name of every case.
#ifndef SELFSAME_BENCHMARK_BUILD
#define SELFSAME_BENCHMARK_BUILD ""
#endif

namespace benchmarks {
namespace {

struct entry {
    std::string name;
    work task;
    prepare make;
};

std::vector<entry>& entries() {
    static std::vector<entry> all;
    return all;
}

// The case whose arguments are in memory: Google Benchmark comes back to a case until it has run for long enough.
struct {
    const entry* of = nullptr;
    std::function<void()> call;
    memory_use used;
} current;

void run(benchmark::State& state, const entry& e) {
    const auto copies = [&] { return e.task.bytes > 0 ? memory_copy.measure(e.task.threads) : 0; };
    const double copied_before = copies();
    const double before =
        e.task.bound.measure(e.task.threads);  // starts the threads too, so that their stacks are no case's memory
    if (current.of != &e) {
        current.call = nullptr;
        current.of = &e;
        current.call = e.make();
        if (!e.task.once) current.used = observe_memory(current.call);
    }
    for (auto _ : state) {
        if (e.task.once) {
            current.used = observe_memory(current.call);
        } else {
            current.call();
        }
    }
    const double after = e.task.bound.measure(e.task.threads);
    using counter = benchmark::Counter;
    state.counters[e.task.bound.counter] = counter(e.task.amount, counter::kIsIterationInvariantRate);
    state.counters["limit"] = (std::max)(before, after);
    state.counters["extra_bytes"] = counter(double(current.used.allocated), counter::kDefaults, counter::kIs1024);
    state.counters["resident_bytes"] = counter(double(current.used.resident), counter::kDefaults, counter::kIs1024);
    if (e.task.bytes > 0) {
        state.counters["bytes"] = counter(e.task.bytes, counter::kIsIterationInvariantRate);
        state.counters["bytes_limit"] = (std::max)(copied_before, copies());
    }
    if (e.task.items > 0) {
        state.counters["items_per_second"] = counter(e.task.items, counter::kIsIterationInvariantRate);
    }
    state.SetLabel(e.task.bound.name);
}

void add_limit(benchmark::BenchmarkReporter::Run& r) {
    for (const entry& e : entries()) {
        if (e.name != r.run_name.function_name || r.counters.count(e.task.bound.counter) == 0) continue;
        double share = r.counters[e.task.bound.counter].value / r.counters["limit"].value;
        if (e.task.bytes > 0) {
            share = (std::max)(share, r.counters["bytes"].value / r.counters["bytes_limit"].value);
        }
        r.counters["limit_ratio"] = share;
    }
}

// Reports shares of limits too, and names without what Google Benchmark appends (/real_time, /iterations:1).
template <class Reporter>
struct reporter : Reporter {
    using Reporter::Reporter;
    void ReportRuns(const std::vector<benchmark::BenchmarkReporter::Run>& runs) override {
        auto renamed = runs;
        for (auto& r : renamed) {
            add_limit(r);
            r.run_name.time_type.clear();
            r.run_name.iterations.clear();
            r.run_name.function_name += SELFSAME_BENCHMARK_BUILD;
        }
        Reporter::ReportRuns(renamed);
    }
};

std::string instruction_set() {
#define SELFSAME_TEXT(x) #x
#define SELFSAME_TEXT_OF(x) SELFSAME_TEXT(x)
    return SELFSAME_TEXT_OF(SELFSAME_ISA);
}

}  // namespace

void add_case(const std::string& name, const work& w, prepare make) { entries().push_back({name, w, std::move(make)}); }

}  // namespace benchmarks

int main(int argc, char** argv) {
    using namespace benchmarks;
    std::string filter;
    bool lists = false, writes = false;
    std::vector<char*> rest;
    for (int k = 0; k < argc; ++k) {
        const std::string_view argument = argv[k];
        constexpr std::string_view by_name = "--benchmark_filter=";
        if (argument.starts_with(by_name)) {
            filter = argument.substr(by_name.size());
        } else if (argument == "--benchmark_list_tests" || argument == "--benchmark_list_tests=true") {
            lists = true;
        } else {
            writes = writes || argument.starts_with("--benchmark_out=");
            rest.push_back(argv[k]);
        }
    }
    int count = static_cast<int>(rest.size());
    rest.push_back(nullptr);
    benchmark::Initialize(&count, rest.data());
    if (benchmark::ReportUnrecognizedArguments(count, rest.data())) return 2;

    std::regex wanted;
    try {
        wanted = std::regex(filter, std::regex::ECMAScript);
    } catch (const std::regex_error&) {
        std::fprintf(stderr, "error: not a regular expression: '%s'\n", filter.c_str());
        return 2;
    }
    std::size_t matching = 0;
    for (const entry& e : entries()) {
        if (!std::regex_search(e.name, wanted)) continue;
        ++matching;
        if (lists) {
            std::puts(e.name.c_str());
            continue;
        }
        auto* b = benchmark::RegisterBenchmark(e.name.c_str(), [&e](benchmark::State& s) { run(s, e); });
        b->UseRealTime()->Unit(benchmark::kMillisecond);
        if (e.task.once) b->Iterations(1);
    }
    if (matching == 0) {
        std::fprintf(stderr, "error: no case matches '%s'\n", filter.c_str());
        return 1;
    }
    if (lists) return 0;

    benchmark::AddCustomContext("instruction_set", instruction_set());
    benchmark::AddCustomContext("compiler", SELFSAME_BENCHMARK_COMPILER);
    using console = benchmark::ConsoleReporter;
    reporter<console> screen(isatty(STDOUT_FILENO) != 0 ? console::OO_ColorTabular : console::OO_Tabular);
    reporter<benchmark::JSONReporter> file;
    benchmark::RunSpecifiedBenchmarks(&screen, writes ? &file : nullptr, ".");
    benchmark::Shutdown();
}
