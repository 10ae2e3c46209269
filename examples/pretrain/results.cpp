#include "results.hpp"

#include <cstdio>
#include <numeric>

namespace pretrain {
namespace {

/// As many digits as it takes to read the same double back.
std::string number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.17g", value);
    double back = 0;
    for (int digits = 4; digits < 17; ++digits) {
        char shorter[32];
        std::snprintf(shorter, sizeof shorter, "%.*g", digits, value);
        std::sscanf(shorter, "%lf", &back);
        if (back == value) return shorter;
    }
    return text;
}

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') result += '\\';
        if (static_cast<unsigned char>(letter) < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(letter));
            result += code;
        } else {
            result += letter;
        }
    }
    return result + "\"";
}

}  // namespace

double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double mean(const score_row& row, double scores::* value) {
    double sum = 0;
    for (const scores& one : row.per_seed) sum += one.*value;
    return sum / static_cast<double>(row.per_seed.size());
}

std::string to_json(const std::vector<score_row>& rows, const std::vector<training_end>& ends, const std::string& data,
                    const std::string& objective, const prototype_use& use) {
    std::string seeds;
    std::string losses;
    std::string weights;
    for (const training_end& end : ends) {
        const char* separator = seeds.empty() ? "" : ", ";
        char checksum[16];
        std::snprintf(checksum, sizeof checksum, "\"%08x\"", end.weights);
        seeds.append(separator).append(std::to_string(end.seed));
        losses.append(separator).append(number(end.loss));
        weights.append(separator).append(checksum);
    }
    std::string text = "{\n  \"data\": " + quoted(data) + ",\n  \"objective\": " + quoted(objective) +
                       ",\n  \"seeds\": [" + seeds + "],\n  \"last_epoch_loss\": [" + losses +
                       "],\n  \"weights_crc32\": [" + weights + "]";
    if (use.prototypes > 0) {
        text += ",\n  \"prototypes\": " + std::to_string(use.prototypes) +
                ",\n  \"prototype_usage_perplexity\": " + number(mean(use.perplexity)) +
                ",\n  \"prototype_usage_perplexity_per_seed\": [";
        for (std::size_t i = 0; i < use.perplexity.size(); ++i) text += (i > 0 ? ", " : "") + number(use.perplexity[i]);
        text += "]";
    }
    for (const score_row& row : rows) {
        text += ",\n  " + quoted(row.name) + ": {\n";
        for (const score_column& column : score_columns) {
            text += "    " + quoted(column.name) + ": " + number(mean(row, column.value)) + ",\n";
        }
        text += "    \"per_seed\": {";
        for (const score_column& column : score_columns) {
            text += (&column == score_columns ? "" : ", ") + quoted(column.name) + ": [";
            for (std::size_t i = 0; i < row.per_seed.size(); ++i) {
                text += (i > 0 ? ", " : "") + number(row.per_seed[i].*column.value);
            }
            text += "]";
        }
        text += "}\n  }";
    }
    return text + "\n}\n";
}

std::string to_table(const std::vector<score_row>& rows) {
    char cell[64];
    std::string text = "              ";
    for (const score_column& column : score_columns) {
        std::snprintf(cell, sizeof cell, "  %18s", column.title);
        text += cell;
    }
    for (const score_row& row : rows) {
        std::snprintf(cell, sizeof cell, "\n  %-12s", row.name.c_str());
        text += cell;
        for (const score_column& column : score_columns) {
            std::snprintf(cell, sizeof cell, "  %17.2f%%", 100 * mean(row, column.value));
            text += cell;
        }
    }
    return text + "\n";
}

}  // namespace pretrain
