#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dataset.hpp"

namespace example {

struct clothes_result {
    std::vector<float> losses;
    double seconds = 0;
    double sampling_seconds = 0;
    std::int64_t images_seen = 0;
    std::int64_t divergences = 0;
    std::string chains;   ///< <img>: rows are chains, columns levels of noise
    std::string samples;  ///< <img>: ends of chains
    std::string nearest;  ///< <img>: some ends, each beside the training image nearest to it
    std::string data;     ///< <img>: training images
};

/// A score network of Fashion-MNIST by denoising score matching, sampled by annealed Langevin dynamics.
clothes_result learn_clothes(const pretrain::image_set& images, std::uint64_t seed, std::int64_t iterations);

}  // namespace example
