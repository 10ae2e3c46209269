#include "separation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace outliers {
namespace {

double count_pairs(const std::vector<float>& known, const std::vector<float>& unknown) {
    double won = 0;
    for (const float a : known) {
        for (const float b : unknown) won += a > b ? 1 : a == b ? 0.5 : 0;
    }
    return won / static_cast<double>(known.size() * unknown.size());
}

/// Tries every known score as the threshold: the fewest let through of those that let 95% of the known through.
double try_thresholds(const std::vector<float>& known, const std::vector<float>& unknown) {
    const auto share = [](const std::vector<float>& x, float least) {
        return static_cast<double>(std::count_if(x.begin(), x.end(), [&](float s) { return s >= least; })) /
               static_cast<double>(x.size());
    };
    double best = 1;
    for (const float threshold : known) {
        if (share(known, threshold) >= 0.95) best = std::min(best, share(unknown, threshold));
    }
    return best;
}

TEST(Separation, IsThatOfABruteForceCountWithAndWithoutTies) {
    std::mt19937 random(5);
    for (const int levels : {2, 7, 1'000'000}) {
        for (const std::size_t count : {1u, 19u, 20u, 21u, 40u, 137u}) {
            std::uniform_int_distribution<int> level(0, levels - 1);
            std::vector<float> known(count), unknown(2 * count + 3);
            for (float& s : known) s = static_cast<float>(level(random) + levels / 4);
            for (float& s : unknown) s = static_cast<float>(level(random));
            const separation result = separate(known, unknown);
            EXPECT_DOUBLE_EQ(result.auroc, count_pairs(known, unknown)) << levels << " levels, " << count;
            EXPECT_DOUBLE_EQ(result.fpr95, try_thresholds(known, unknown)) << levels << " levels, " << count;
        }
    }
}

TEST(Separation, HasItsBoundsWhereOneSideIsAboveTheOther) {
    const std::vector<float> low = {-INFINITY, -1, 0}, high = {1, 2, INFINITY};
    EXPECT_EQ(separate(high, low).auroc, 1);
    EXPECT_EQ(separate(high, low).fpr95, 0);
    EXPECT_EQ(separate(low, high).auroc, 0);
    EXPECT_EQ(separate(low, high).fpr95, 1);
}

TEST(Separation, IsAHalfWhereAllIsEqual) {
    const std::vector<float> same(30, 1.0f);
    EXPECT_EQ(separate(same, same).auroc, 0.5);
    EXPECT_EQ(separate(same, same).fpr95, 1);
}

}  // namespace
}  // namespace outliers
