#include "page.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <numeric>

namespace example {
namespace {

constexpr const char* style = R"(
:root { --ink: #1c2430; --soft: #5c6675; --line: #e3e7ed; }
body { margin: 0; background: #f4f6f9; color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 1060px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; margin: 0 0 6px; } h2 { font-size: 19px; margin: 0 0 4px; } h3 { font-size: 15px; margin: 12px 0; }
p { margin: 0 0 14px; color: var(--soft); }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 24px 28px; margin-top: 20px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th, td { text-align: right; padding: 8px; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, "DejaVu Sans", sans-serif; }
svg text { fill: var(--soft); } .grid { stroke: var(--line); } .axis { stroke: #aab3c0; }
.curve { fill: none; stroke-width: 1.6; } circle { fill-opacity: .55; }
.row { display: grid; grid-template-columns: 1fr 1fr 1fr; gap: 20px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; }
.sheet { max-width: 100%; height: auto; image-rendering: pixelated; display: block; margin: 0 auto 14px; }
)";

std::string number(const char* pattern, double value) {
    char text[64];
    std::snprintf(text, sizeof text, pattern, value);
    return text;
}

std::string row_of(const mode_masses& masses) {
    std::string html;
    for (const double m : masses) html += "<td>" + number("%.3f", m) + "</td>";
    return html;
}

std::string table(const std::vector<mode_result>& modes) {
    std::string html = "<table><tr><th>mass of mode</th>";
    for (int k = 1; k <= 8; ++k) html += "<th>" + std::to_string(k) + "</th>";
    html += "<th>largest error</th><th>within 3 deviations</th></tr>";
    html += "<tr><td>true</td>" + row_of(true_masses()) + "<td></td><td>0.989</td></tr>";
    for (const mode_result& r : modes) {
        html += "<tr><td>" + r.method + "</td>" + row_of(r.masses) + "<td>" + number("%.4f", r.worst()) + "</td><td>" +
                number("%.3f", r.near) + "</td></tr>";
    }
    return html + "</table>";
}

/// Means of a hundredth of the losses each: those of single batches are mostly noise.
std::vector<float> smooth(const std::vector<float>& losses) {
    const std::size_t width = (losses.size() + 99) / 100;
    std::vector<float> means;
    for (std::size_t first = 0; first < losses.size(); first += width) {
        const std::size_t last = std::min(losses.size(), first + width);
        means.push_back(std::accumulate(losses.begin() + static_cast<std::ptrdiff_t>(first),
                                        losses.begin() + static_cast<std::ptrdiff_t>(last), 0.0f) /
                        static_cast<float>(last - first));
    }
    return means;
}

std::string loss_of(const std::string& method, const learned& training) {
    if (training.losses.empty()) return "";
    return "<div><h3>Loss, " + method + ": " + number("%.0f", static_cast<double>(training.samples_seen)) +
           " samples in " + number("%.0f", training.seconds) + " s</h3>" +
           pretrain::chart::curves({smooth(training.losses)}, {method},
                                   static_cast<std::int64_t>(training.losses.size()), "iteration") +
           "</div>";
}

std::string section(const std::string& title, const std::string& explanation, const std::string& body) {
    return "<section><h2>" + title + "</h2><p>" + explanation + "</p>" + body + "</section>\n";
}

}  // namespace

std::string to_html(const std::vector<mode_result>& modes, const std::vector<clothes_result>& clothes) {
    std::vector<std::string> names;
    for (int k = 1; k <= 8; ++k) names.push_back(std::to_string(k));
    std::string pictures = "<div class=\"row\">", losses;
    for (const mode_result& r : modes) {
        if (!r.points.empty()) {
            pictures +=
                "<div><h3>" + r.method + "</h3>" + pretrain::chart::scatter(r.points, r.nearest, names) + "</div>";
        }
        losses += loss_of(r.method, r.training);
    }
    std::string html =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>selfsame energy</title><style>";
    html += std::string(style) + "</style></head><body><main><h1>Energies learned from samples</h1>\n";
    html +=
        section("Eight modes on a circle",
                "Masses of the modes, from 24,000 samples of models that were trained on points alone. Contrastive "
                "divergence: chains of a replay buffer in training; MALA from a uniform start, through rising shares "
                "of the energy, for the samples. Score matching: the energy of noisy points at all levels of noise, "
                "annealed Langevin dynamics.",
                table(modes) + pictures + "</div><div class=\"pair\">" + losses + "</div>");
    for (const clothes_result& r : clothes) {
        std::string body = r.samples;
        if (!r.chains.empty()) {
            body += "<h3>Along the chain, one a row, looked at ever later; " + number("%.0f", r.sampling_seconds) +
                    " s</h3>" + r.chains + "<h3>Not copies: samples above the training pictures nearest to them</h3>" +
                    r.nearest + "<div class=\"pair\">" + loss_of(r.method, r.training) + "</div>";
        }
        html += section("Clothes: " + r.method, r.about, body);
    }
    return html + "</main></body></html>\n";
}

std::string to_json(const std::vector<mode_result>& modes, const std::vector<clothes_result>& clothes) {
    const auto masses_of = [](const mode_masses& masses) {
        std::string json = "[";
        for (std::size_t k = 0; k < 8; ++k) json += (k > 0 ? ", " : "") + number("%.6f", masses[k]);
        return json + "]";
    };
    std::string json = "{\n  \"true_masses\": " + masses_of(true_masses()) + ",\n  \"modes\": [";
    for (std::size_t i = 0; i < modes.size(); ++i) {
        json += std::string(i > 0 ? "," : "") + "\n    {\"method\": \"" + modes[i].method +
                "\", \"masses\": " + masses_of(modes[i].masses) + ", \"worst\": " + number("%.6f", modes[i].worst()) +
                ", \"near\": " + number("%.6f", modes[i].near) +
                ", \"seconds\": " + number("%.1f", modes[i].training.seconds) + "}";
    }
    json += "\n  ],\n  \"clothes\": [";
    bool first = true;
    for (const clothes_result& r : clothes) {
        if (r.training.losses.empty()) continue;
        json += std::string(first ? "" : ",") + "\n    {\"method\": \"" + r.method +
                "\", \"images\": " + std::to_string(r.training.samples_seen) +
                ", \"loss\": " + number("%.4f", static_cast<double>(r.training.losses.back())) +
                ", \"seconds\": " + number("%.1f", r.training.seconds) +
                ", \"sampling_seconds\": " + number("%.1f", r.sampling_seconds) + "}";
        first = false;
    }
    return json + "\n  ]\n}\n";
}

}  // namespace example
