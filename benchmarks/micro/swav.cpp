// SwAV's loss with the gradients of features and prototypes: two views that are assigned and six more.
#include <thrust/system/omp/execution_policy.h>
#include <memory>
#include <random>
#include <selfsame/objective/swav.hpp>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

using selfsame::index_t;

constexpr int assigned = 2, views = 8;

struct arguments {
    std::vector<float> features, prototypes, d_features, d_prototypes;
    arguments(index_t samples, index_t count, index_t width)
        : features(static_cast<std::size_t>(views * samples * width)),
          prototypes(static_cast<std::size_t>(count * width)), d_features(features.size()),
          d_prototypes(prototypes.size()) {
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (float& x : features) x = normal(random);
        for (float& x : prototypes) x = normal(random);
        selfsame::normalize_rows(thrust::seq, selfsame::matrix(prototypes.data(), count, width));
    }
};

// The work that nothing can do without: scores, and the products for the two gradients.
void add_swav(index_t samples, index_t count, index_t width, int threads) {
    const std::string name = "swav_value_and_grad/B:" + std::to_string(samples) + "/K:" + std::to_string(count) +
                             "/D:" + std::to_string(width) + "/views:2+6/threads:" + std::to_string(threads);
    const double flop = 6.0 * views * double(samples) * double(count) * double(width);
    add_case(name, {flop, float_fma, threads}, [=] {
        const auto a = std::make_shared<arguments>(samples, count, width);
        return [=] {
            using selfsame::matrix;
            const selfsame::context ctx{thrust::omp::par, threads};
            const selfsame::swav<> loss{.pairing = {assigned, views}};
            [[maybe_unused]] volatile float kept = selfsame::value_and_grad(
                ctx, loss,
                selfsame::prototype_views{matrix(a->features.data(), views * samples, width),
                                          matrix(a->prototypes.data(), count, width)},
                selfsame::prototype_gradients{matrix(a->d_features.data(), views * samples, width),
                                              matrix(a->d_prototypes.data(), count, width)});
        };
    });
}

const cases swav([] {
    for (const int threads : {1, 2}) add_swav(512, 3000, 128, threads);
});

}  // namespace
}  // namespace benchmarks
