#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pretrain {

/// Everything that a run of one seed needs to go on. There is no generator state: all randomness is a function of
/// (seed, epoch, sample).
struct checkpoint {
    std::string settings;  // what must agree for a resumed run to be the same run
    std::int64_t step = 0;
    double seconds = 0;  // spent in training so far
    std::vector<float> losses;
    std::string model;      // torch archive
    std::string objective;  // torch archive
    std::string optimizer;  // torch archive
};

/// The file begins with a magic word, a version, the payload's length and its CRC-32.
std::string encode(const checkpoint& state);

/// Throws user_error, naming `origin`, unless the bytes are a whole, undamaged checkpoint of this version.
checkpoint decode(const std::string& bytes, const std::string& origin);

void save(const checkpoint& state, const std::filesystem::path& path);

/// Nothing if there is no such file.
std::optional<checkpoint> load(const std::filesystem::path& path);

}  // namespace pretrain
