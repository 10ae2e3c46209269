#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "chart.hpp"

namespace example {

/// How often samples of a model of eight modes on a circle are nearest to each mode, and how many lie near one.
struct mode_result {
    std::string method;
    std::array<double, 8> masses{};
    double near = 0;  ///< share of samples within three deviations of a mode
    double acceptance = 1;
    double seconds = 0;
    std::int64_t divergences = 0;
    std::vector<float> losses;
    std::vector<pretrain::point> points;
    std::vector<std::int64_t> nearest;

    [[nodiscard]] double worst() const;  ///< largest distance of a mass from 1/8
};

/// The data themselves, as samples.
mode_result data_of_modes(std::uint64_t seed);

/// A perceptron's energy by persistent contrastive divergence, sampled by MALA.
mode_result modes_by_contrastive_divergence(std::uint64_t seed, std::int64_t iterations);

/// The energy of a perceptron that knows the level of noise, by denoising score matching, sampled by annealed Langevin
/// dynamics.
mode_result modes_by_score_matching(std::uint64_t seed, std::int64_t iterations);

}  // namespace example
