#include "report.hpp"

#include <cstdio>

#include "style.hpp"

namespace pretrain {
namespace {

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
        data + "</title><style>" + page_style + "</style></head>\n<body><main>\n<h1>What an encoder learned from " +
        data + " without labels</h1>\n<p>" + escape(content.summary) + "</p>\n";
    if (!content.rows.empty()) {
        html += section(
            "Test images classified correctly",
            "From frozen features: by a weighted vote of the 20 nearest training images, and by logistic regression on "
            "all labels or a few.",
            score_table(content));
    }
    html += section("Augmented views",
                    std::string("Each row: a training image, then random views of it") +
                        (content.has_local_views ? ", the last ones local" : "") + ". The objective asks " +
                        escape(content.asks) + ".",
                    content.views);
    html += section("Loss", "The training objective.",
                    chart::curves(content.losses, escape(content.seed_names), content.epochs));
    html += section(
        "Similarities of views", "Cosine similarity of projected test images; heights are square roots of shares.",
        "<div class=\"pair\"><div><h3>before training</h3>" + chart::histograms(content.similarities_before) +
            "</div><div><h3>after training</h3>" + chart::histograms(content.similarities_after) + "</div></div>");
    if (!content.members.empty()) {
        char text[300];
        std::snprintf(text, sizeof text,
                      "The test images that belong to each of %zu prototypes, beginning with the prototype that has "
                      "most, as multiples of the mean. exp(entropy) of their shares: %.1f, %.0f %% of the prototypes.",
                      content.members.size(), content.use.perplexity.front(),
                      100 * content.use.perplexity.front() / static_cast<double>(content.members.size()));
        html += section("Use of prototypes", text, chart::ranked(content.members, "prototypes"));
    }
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
