#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "dataset.hpp"
#include "encoder.hpp"
#include "objective.hpp"
#include "options.hpp"
#include "views.hpp"

namespace pretrain {

struct training {
    encoder network;
    prototype_set prototypes;
    std::vector<float> losses;  // one a step
    double last_epoch_loss = 0;
    std::uint32_t weights_checksum = 0;
    double seconds = 0;
    bool is_interrupted = false;
};

/// Trains one encoder on the training images, without their labels. With `settings.resume` it goes on from the
/// checkpoint at `path`; a checkpoint of other settings or data is refused by user_error.
training train(const options& settings, const dataset& data, const channel_statistics& statistics, std::uint64_t seed,
               const std::filesystem::path& path);

}  // namespace pretrain
