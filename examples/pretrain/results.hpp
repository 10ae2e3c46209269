#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "scores.hpp"

namespace pretrain {

/// The scores of one kind of features: one entry a seed.
struct score_row {
    std::string name;
    std::vector<scores> per_seed;
};

/// What a training of one seed ended with: equal runs have equal ones, bit for bit.
struct training_end {
    std::int64_t seed = 0;
    double loss = 0;            // mean of the last epoch
    std::uint32_t weights = 0;  // CRC-32 of the encoder's weights
};

/// How evenly test images fall to an objective's prototypes.
struct prototype_use {
    std::int64_t prototypes = 0;     // 0: the objective has none
    std::vector<double> perplexity;  // exp of the entropy of their shares; one a seed
};

struct score_column {
    const char* name;   // in result.json
    const char* title;  // for people
    double scores::* value;
};
inline constexpr score_column score_columns[] = {
    {"knn", "kNN", &scores::knn},
    {"linear", "linear probe", &scores::linear},
    {"linear_10", "10 labels a class", &scores::linear_10},
    {"linear_100", "100 labels a class", &scores::linear_100},
};

double mean(const std::vector<double>& values);
double mean(const score_row& row, double scores::* value);

/// Means over the seeds, and the values of each seed beside them.
std::string to_json(const std::vector<score_row>& rows, const std::vector<training_end>& ends, const std::string& data,
                    const std::string& objective, const prototype_use& use);

/// A table in plain text, percentages.
std::string to_table(const std::vector<score_row>& rows);

}  // namespace pretrain
