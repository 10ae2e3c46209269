#include "separation.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace outliers {

separation separate(std::span<const float> known, std::span<const float> unknown) {
    std::vector<float> in(known.begin(), known.end()), out(unknown.begin(), unknown.end());
    std::sort(in.begin(), in.end());
    std::sort(out.begin(), out.end());
    // Twice the number of pairs won, so that ties stay whole numbers; both ends of a run of ties only move up.
    std::size_t below = 0, not_above = 0, won_twice = 0;
    for (const float score : in) {
        while (below < out.size() && out[below] < score) ++below;
        while (not_above < out.size() && out[not_above] <= score) ++not_above;
        won_twice += below + not_above;
    }
    // The highest threshold that lets 95% through: a twentieth, rounded down, may score below it.
    const float threshold = in[in.size() / 20];
    const auto let_through = out.end() - std::lower_bound(out.begin(), out.end(), threshold);
    const double pairs = static_cast<double>(in.size()) * static_cast<double>(out.size());
    return {static_cast<double>(won_twice) / (2 * pairs),
            static_cast<double>(let_through) / static_cast<double>(out.size())};
}

}  // namespace outliers
