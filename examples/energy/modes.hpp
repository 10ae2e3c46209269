#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "chart.hpp"
#include "learn.hpp"

namespace example {

/// Eight modes on a circle; mode k has the mass (k + 2) / 44.
using mode_masses = std::array<double, 8>;
mode_masses true_masses();

/// How often samples are nearest to each mode, and how many lie near one.
struct mode_result {
    std::string method;
    mode_masses masses{};
    double near = 0;  ///< share of samples within three deviations of a mode
    double acceptance = 1;
    std::int64_t divergences = 0;
    learned training;
    std::vector<pretrain::point> points;
    std::vector<std::int64_t> nearest;

    [[nodiscard]] double worst() const;  ///< largest distance of a mass from its true one
};

/// The data themselves, as samples.
mode_result data_of_modes(std::uint64_t seed);

/// A perceptron's energy by persistent contrastive divergence: sampled by MALA from a uniform start, and integrated.
std::vector<mode_result> modes_by_contrastive_divergence(std::uint64_t seed, std::int64_t iterations);

/// The energy of a perceptron that knows the level of noise, by denoising score matching, sampled by annealed Langevin
/// dynamics.
mode_result modes_by_score_matching(std::uint64_t seed, std::int64_t iterations);

}  // namespace example
