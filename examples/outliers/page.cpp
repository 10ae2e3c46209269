#include "page.hpp"

#include <algorithm>
#include <cstdio>

#include "chart.hpp"
#include "image_sheet.hpp"
#include "style.hpp"

namespace outliers {
namespace {

constexpr std::int64_t shown = 15, bins = 60;

constexpr const char* table_style = R"(
td { padding: 5px 12px; } tr.before td { border-bottom: 0; padding-top: 9px; } td:nth-child(2) { text-align: left; }
td small { display: inline-block; width: 3.6em; } tr.before td { color: var(--soft); }
tr.before td:first-child { color: var(--ink); }
)";

std::string number(const char* pattern, double value) {
    char text[64];
    std::snprintf(text, sizeof text, pattern, value);
    return text;
}

/// One score of all rows, high for what is known.
std::vector<float> sureness(const at::Tensor& values, std::size_t s) {
    const at::Tensor column = (values.select(1, static_cast<std::int64_t>(s)) * scores[s].sign).contiguous();
    return {column.data_ptr<float>(), column.data_ptr<float>() + column.numel()};
}

std::string table(const std::vector<row>& rows) {
    std::string html = "<table><tr><th>outliers</th><th></th>";
    for (const score& s : scores) html += std::string("<th>") + s.name + "</th>";
    html += "</tr>";
    for (const row& r : rows) {
        for (const separations* part : {&r.before, &r.after}) {
            html += part == &r.before ? "<tr class=\"before\"><td>" + r.name + "</td><td>before</td>"
                                      : "<tr><td></td><td>after</td>";
            for (const separation& s : *part) {
                html += "<td>" + number("%.2f", 100 * s.auroc) + "<small>" + number("%.2f", 100 * s.fpr95) +
                        "</small></td>";
            }
            html += "</tr>";
        }
    }
    return html + "</table>";
}

/// What both states need: all of a share, and most of what has no bounds.
pretrain::value_range range_of(std::size_t s, const stage& before, const stage& after) {
    const std::string name = scores[s].name;
    if (name == "max probability" || name == "margin") return {0, 1, name};
    if (name == "entropy") return {0, 2.303, name};
    std::vector<float> all;
    for (const stage* part : {&before, &after}) {
        std::vector<at::Tensor> sets = part->unknown;
        sets.push_back(part->known);
        for (const at::Tensor& values : sets) {
            const at::Tensor column = values.select(1, static_cast<std::int64_t>(s)).contiguous();
            all.insert(all.end(), column.data_ptr<float>(), column.data_ptr<float>() + column.numel());
        }
    }
    std::sort(all.begin(), all.end());
    return {static_cast<double>(all[all.size() / 5000]), static_cast<double>(all[all.size() - 1 - all.size() / 5000]),
            name};
}

std::string histograms(const findings& found, const stage& state, std::size_t s, const pretrain::value_range& range) {
    std::vector<pretrain::histogram> parts;
    const auto add = [&](const std::string& name, const at::Tensor& values) {
        const at::Tensor within = values.select(1, static_cast<std::int64_t>(s)).clamp(range.low, range.high);
        const at::Tensor counts = within.histc(bins, range.low, range.high);
        pretrain::histogram part{name, {}};
        for (std::int64_t bin = 0; bin < bins; ++bin) {
            part.shares.push_back(counts[bin].item<double>() / static_cast<double>(values.size(0)));
        }
        parts.push_back(std::move(part));
    };
    add("known", state.known);
    for (std::size_t k = 0; k < found.kinds.size(); ++k) add(found.kinds[k].name, state.unknown[k]);
    return pretrain::chart::histograms(parts, range);
}

void fill_row(pretrain::image_sheet& sheet, std::int64_t row, const pretrain::image_set& images,
              const std::vector<std::int64_t>& chosen) {
    for (std::size_t i = 0; i < chosen.size(); ++i) {
        sheet.place(row, static_cast<std::int64_t>(i), images.image(chosen[i]));
    }
}

pretrain::image_sheet sheet_for(std::size_t rows, const pretrain::image_set& images) {
    return {static_cast<std::int64_t>(rows), shown, images.height, images.width, images.channels};
}

/// Even steps through a set, so that a sorted one is seen whole.
std::vector<std::int64_t> spread(const pretrain::image_set& images) {
    std::vector<std::int64_t> result;
    for (std::int64_t i = 0; i < shown; ++i) result.push_back(i * images.size() / shown);
    return result;
}

std::string samples(const findings& found, const pretrain::image_set& images) {
    pretrain::image_sheet sheet = sheet_for(found.kinds.size() + 1, images);
    fill_row(sheet, 0, images, spread(images));
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
        fill_row(sheet, static_cast<std::int64_t>(k + 1), found.kinds[k].images, spread(found.kinds[k].images));
    }
    return sheet.to_html(2, "test images, and below them a row of each kind of outlier");
}

/// The outliers of each kind of which a state is surest by their free energy.
std::string mistaken(const findings& found, const stage& state) {
    pretrain::image_sheet sheet = sheet_for(found.kinds.size(), found.kinds.front().images);
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
        const at::Tensor order = state.unknown[k].select(1, 0).argsort().contiguous();
        const auto* first = order.data_ptr<std::int64_t>();
        fill_row(sheet, static_cast<std::int64_t>(k), found.kinds[k].images,
                 {first, first + std::min(shown, order.numel())});
    }
    return sheet.to_html(2, "the outliers of lowest free energy, a row of each kind");
}

std::string section(const std::string& title, const std::string& explanation, const std::string& body) {
    return "<section><h2>" + title + "</h2><p>" + explanation + "</p>" + body + "</section>\n";
}

std::string names_of(const std::vector<kind>& kinds) {
    std::string result;
    for (const kind& one : kinds) result += (result.empty() ? "" : ", ") + one.name;
    return result;
}

}  // namespace

stage::stage(const classifier& model, const pretrain::image_set& images, const std::vector<kind>& kinds) {
    const at::Tensor logits = model.logits(images);
    accuracy = outliers::accuracy(logits, images.labels);
    known = read_scores(logits);
    for (const kind& one : kinds) {
        unknown.push_back(read_scores(model.logits(one.images)));
        separations& result = of_kind.emplace_back();
        for (std::size_t s = 0; s < scores.size(); ++s) {
            result[s] = separate(sureness(known, s), sureness(unknown.back(), s));
        }
    }
}

separations stage::mean(const std::vector<kind>& kinds, bool all) const {
    separations result{};
    double count = 0;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        if (!all && kinds[k].seen) continue;
        ++count;
        for (std::size_t s = 0; s < scores.size(); ++s) {
            result[s].auroc += of_kind[k][s].auroc;
            result[s].fpr95 += of_kind[k][s].fpr95;
        }
    }
    for (separation& s : result) s = {s.auroc / count, s.fpr95 / count};
    return result;
}

std::vector<row> table_of(const findings& found, const stage& before, const stage& after) {
    std::vector<row> rows;
    for (std::size_t k = 0; k < found.kinds.size(); ++k) {
        rows.push_back({found.kinds[k].name, before.of_kind[k], after.of_kind[k]});
    }
    rows.push_back({"mean of unseen kinds", before.mean(found.kinds, false), after.mean(found.kinds, false)});
    rows.push_back({"mean of all", before.mean(found.kinds, true), after.mean(found.kinds, true)});
    return rows;
}

std::string to_html(const findings& found, const pretrain::image_set& images, const stage& before, const stage& after) {
    std::string charts;
    for (std::size_t s = 0; s < scores.size(); ++s) {
        const pretrain::value_range range = range_of(s, before, after);
        charts += "<div class=\"pair\"><div><h3>" + range.title + ", before</h3>" +
                  histograms(found, before, s, range) + "</div><div><h3>after</h3>" +
                  histograms(found, after, s, range) + "</div></div>";
    }
    std::string html =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
        "<title>selfsame outliers</title><style>";
    html += std::string(pretrain::page_style) + table_style + "</style></head><body><main>\n";
    html += "<h1>What a classifier does not know</h1>\n<p>A classifier of " + found.data + ", trained on " +
            std::to_string(found.trained_on) + " images in " + number("%.0f s", found.training_seconds) +
            ", then tuned for " + number("%.0f s", found.tuning_seconds) + " beside random views of " +
            std::to_string(found.tuned_on) + " emoji: free energies of training images below " +
            number("%.2f", found.limits.inside) + ", those of the emoji above " +
            number("%.2f", found.limits.outside) + ", which are the means before. Accuracy on " +
            std::to_string(images.size()) + " test images: " + number("%.2f %%", 100 * before.accuracy) +
            " before, " + number("%.2f %%", 100 * after.accuracy) + " after.</p>\n";
    html += section("Outliers told from test images",
                    "AUROC in % (the higher, the better), and beside it the share of outliers, in %, that pass where "
                    "95 % of the test images do (the lower, the better). The emoji tested are others than those of the "
                    "tuning; no other kind was seen in it.",
                    table(table_of(found, before, after)));
    html += section("Scores", "Shares of images; heights are square roots of them.", charts);
    html += section("Samples", "From the top: test images, " + names_of(found.kinds) + ".", samples(found, images));
    html += section("Most like clothes",
                    "The outliers of lowest free energy, from the top: " + names_of(found.kinds) +
                        ". Some emoji are clothes, and count as outliers all the same.",
                    "<h3>before</h3>" + mistaken(found, before) + "<h3>after</h3>" + mistaken(found, after));
    html += section("Losses", "Cross-entropy in training, and the energy bounds in tuning.",
                    "<div class=\"pair\"><div><h3>training</h3>" +
                        pretrain::chart::curves({found.training_losses}, {"training"}, found.epochs) +
                        "</div><div><h3>tuning</h3>" +
                        pretrain::chart::curves({found.tuning_losses}, {"tuning"}, found.tuning_epochs) +
                        "</div></div>");
    return html + "</main></body></html>\n";
}

std::string to_json(const findings& found, const stage& before, const stage& after) {
    const auto state = [&](const char* name, const separations& part) {
        std::string json = std::string("\"") + name + "\": {";
        for (std::size_t s = 0; s < scores.size(); ++s) {
            json += std::string(s > 0 ? ", \"" : "\"") + scores[s].name + "\": {\"auroc\": " +
                    number("%.6f", part[s].auroc) + ", \"fpr95\": " + number("%.6f", part[s].fpr95) + "}";
        }
        return json + "}";
    };
    std::string json = "{\n  \"accuracy\": {\"before\": " + number("%.4f", before.accuracy) + ", \"after\": " +
                       number("%.4f", after.accuracy) + "},\n  \"bounds\": {\"inside\": " +
                       number("%.4f", found.limits.inside) + ", \"outside\": " + number("%.4f", found.limits.outside) +
                       "},\n  \"seconds\": {\"training\": " + number("%.1f", found.training_seconds) +
                       ", \"tuning\": " + number("%.1f", found.tuning_seconds) + "},\n  \"outliers\": {";
    bool first = true;
    for (const row& r : table_of(found, before, after)) {
        json += std::string(first ? "" : ",") + "\n    \"" + r.name + "\": {" + state("before", r.before) +
                ",\n      " + state("after", r.after) + "}";
        first = false;
    }
    return json + "\n  }\n}\n";
}

}  // namespace outliers
