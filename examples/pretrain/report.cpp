#include "report.hpp"

#include <cstdio>

namespace pretrain {
namespace {

constexpr const char* style = R"(
:root { --ink: #1c2430; --soft: #5c6675; --line: #e3e7ed; --accent: #3366cc; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f6f9; color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 15px; margin: 12px 0 0; }
p { margin: 0 0 14px; color: var(--soft); }
section { background: #fff; border: 1px solid var(--line); border-radius: 12px; padding: 24px 28px; margin-top: 20px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 10px 12px; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); font-size: 14px; }
th:first-child, td:first-child { text-align: left; }
tr:last-child td { border-bottom: 0; }
tr.trained td { font-weight: 700; font-size: 18px; }
tr.trained td:first-child { color: var(--accent); }
small { display: block; font-weight: 400; font-size: 12px; color: var(--soft); }
svg { display: block; width: 100%; height: auto; font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
svg text { fill: var(--soft); }
.grid { stroke: var(--line); } .axis { stroke: #aab3c0; }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.area { fill-opacity: .28; stroke-width: 1.4; }
circle { fill-opacity: .75; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; }
.sheet { max-width: 100%; height: auto; image-rendering: pixelated; display: block; margin: 0 auto; }
@media (max-width: 760px) { .pair { grid-template-columns: 1fr; } section { padding: 18px 16px; } }
)";

std::string escape(const std::string& text) {
    std::string result;
    for (const char letter : text) {
        if (letter == '&')
            result += "&amp;";
        else if (letter == '<')
            result += "&lt;";
        else if (letter == '>')
            result += "&gt;";
        else if (letter == '"')
            result += "&quot;";
        else
            result += letter;
    }
    return result;
}

std::vector<std::string> escape(const std::vector<std::string>& texts) {
    std::vector<std::string> result;
    for (const std::string& text : texts) result.push_back(escape(text));
    return result;
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f %%", 100 * share);
    return text;
}

const char* describe(const std::string& name) {
    if (name == "trained") return "encoder after training without labels";
    if (name == "untrained") return "the same encoder with its initial weights";
    return "the images themselves";
}

std::string score_table(const report& content) {
    std::string html = "<table><tr><th>features</th>";
    for (const score_column& column : score_columns) html += std::string("<th>") + column.title + "</th>";
    html += "</tr>";
    for (const score_row& row : content.rows) {
        html += "<tr class=\"" + row.name + "\"><td>" + row.name + "<small>" + describe(row.name) + "</small></td>";
        for (const score_column& column : score_columns) {
            html += "<td>" + percent(mean(row, column.value));
            if (row.per_seed.size() > 1) {
                html += "<small>";
                for (std::size_t i = 0; i < row.per_seed.size(); ++i) {
                    char one[16];
                    std::snprintf(one, sizeof one, "%s%.2f", i > 0 ? " · " : "", 100 * row.per_seed[i].*column.value);
                    html += one;
                }
                html += "</small>";
            }
            html += "</td>";
        }
        html += "</tr>";
    }
    return html + "</table>";
}

std::string section(const std::string& title, const std::string& explanation, const std::string& body) {
    return "<section><h2>" + title + "</h2><p>" + explanation + "</p>" + body + "</section>\n";
}

}  // namespace

std::string to_html(const report& content) {
    const std::string data = escape(content.data);
    std::string html =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>selfsame pretrain: " +
        data + "</title><style>" + style + "</style></head>\n<body><main>\n<h1>What an encoder learned from " + data +
        " without labels</h1>\n<p>" + escape(content.summary) + "</p>\n";
    if (!content.rows.empty()) {
        html += section(
            "Test images classified correctly",
            "From frozen features: by a weighted vote of the 20 nearest training images, and by logistic regression on "
            "all labels or a few.",
            score_table(content));
    }
    html +=
        section("Augmented views",
                "Each row: a training image, then random views of it. The objective asks that views of one image lie "
                "together and views of different images apart.",
                content.views);
    html += section("Loss", "The training objective.",
                    chart::curves(content.losses, escape(content.seed_names), content.epochs));
    html += section(
        "Similarities of views", "Cosine similarity of projected test images; heights are square roots of shares.",
        "<div class=\"pair\"><div><h3>before training</h3>" + chart::histograms(content.similarities_before) +
            "</div><div><h3>after training</h3>" + chart::histograms(content.similarities_after) + "</div></div>");
    html += section("Map of test images",
                    "Features of " + std::to_string(content.map.size()) +
                        " test images brought to the plane by t-SNE. Colours are labels, which the encoder never saw.",
                    chart::scatter(content.map, content.map_labels, escape(content.class_names)));
    if (!content.neighbours.empty()) {
        html += section(
            "Nearest neighbours",
            "Left: a test image of each class. Right of it: the training images with the most similar features.",
            content.neighbours);
    }
    return html + "</main></body>\n</html>\n";
}

}  // namespace pretrain
