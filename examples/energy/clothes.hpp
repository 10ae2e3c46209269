#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataset.hpp"
#include "learn.hpp"

namespace example {

struct clothes_result {
    std::string method, about;
    learned training;
    double sampling_seconds = 0;
    std::int64_t divergences = 0;
    std::string chains;   ///< <img>: rows are chains, columns times
    std::string samples;  ///< <img>: ends of chains
    std::string nearest;  ///< <img>: some ends, each above the training image nearest to it
};

/// The data themselves; an energy of 40 principal components by persistent contrastive divergence, sampled by MALA; a
/// score network of pixels by denoising score matching, sampled through falling levels of noise.
std::vector<clothes_result> learn_clothes(const pretrain::image_set& images, std::uint64_t seed,
                                          std::int64_t iterations, std::int64_t chain_iterations);

}  // namespace example
