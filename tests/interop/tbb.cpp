#include "selfsame/interop/tbb.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <vector>

#include "selfsame/objective/info_nce.hpp"

namespace {

using selfsame::context;
using selfsame::index_t;
using selfsame::matrix;

TEST(Tbb, VisitsEveryIndexOnceAndNumbersItsThreads) {
    for (int threads : {1, 2, 3}) {
        std::vector<std::atomic<int>> visits(1000);
        std::atomic<int> beyond = 0;
        parallel_for(context{thrust::tbb::par, threads}, 1000, [&](index_t k, int worker) {
            ++visits[static_cast<std::size_t>(k)];
            beyond += worker < 0 || worker >= threads;
        });
        for (const auto& v : visits) ASSERT_EQ(v, 1);
        EXPECT_EQ(beyond, 0);
    }
}

TEST(Tbb, GradientsAreThoseOfOneThreadToTheBit) {
    constexpr index_t n = 700, d = 20;
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    std::vector<float> a(n * d), p(n * d);
    for (float& x : a) x = normal(random);
    for (float& x : p) x = normal(random);
    const auto gradients = [&](const auto& ctx) {
        std::vector<float> g(2 * n * d);
        value_and_grad(ctx, selfsame::nt_xent{}, selfsame::pairs{matrix(a.data(), n, d), matrix(p.data(), n, d)},
                       selfsame::pair_gradients{matrix(g.data(), n, d), matrix(g.data() + n * d, n, d)});
        return g;
    };
    const auto expected = gradients(thrust::seq);
    EXPECT_EQ(gradients(thrust::tbb::par), expected);
    EXPECT_EQ(gradients(context{thrust::tbb::par, 3}), expected);
}

}  // namespace
