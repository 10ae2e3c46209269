#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace pretrain {

struct options {
    std::string data = "fashion-mnist";
    std::string objective = "ntxent";
    std::int64_t seed = 0;
    std::int64_t seeds = 1;
    std::int64_t epochs = 6;
    std::int64_t batch = 128;
    std::int64_t threads = 0;  // 0: one per processor
    std::int64_t size = 32;
    std::int64_t prototypes = 0;    // of objectives that have some
    std::int64_t local_views = -1;  // an image and step
    std::filesystem::path output = "build/pretrain";
    bool resume = false;
    bool validate = false;
    bool help = false;
};

/// Throws user_error for an unknown option, a missing value, a value out of range, and one that the objective has no
/// use for. What an objective has a default of its own for is filled in.
options parse_options(int count, const char* const* arguments);

std::string help_text();

}  // namespace pretrain
