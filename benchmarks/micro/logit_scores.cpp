// Scores of B x K logits, one or all of them, and their gradient: long rows and short ones.
#include <thrust/system/omp/execution_policy.h>
#include <memory>
#include <random>
#include <selfsame/energy/scores.hpp>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

using selfsame::index_t;
using free_energy = selfsame::logit_scores<selfsame::free_energy>;
using all_scores = selfsame::logit_scores<selfsame::free_energy, selfsame::max_logit, selfsame::max_probability,
                                          selfsame::entropy, selfsame::margin>;

std::string sizes(index_t samples, index_t classes, int threads) {
    return "/B:" + std::to_string(samples) + "/K:" + std::to_string(classes) + "/threads:" + std::to_string(threads);
}

template <class E>
struct matrices {
    std::vector<E> logits, values, gradient;
    matrices(index_t samples, index_t classes, int scores, bool with_gradient)
        : logits(make_large<E>(static_cast<std::size_t>(samples * classes))),
          values(static_cast<std::size_t>(samples * scores)) {
        if (with_gradient) gradient = make_large<E>(logits.size());
        std::minstd_rand random(1);
        for (E& x : logits) x = selfsame::element_cast<E>(static_cast<float>(random()) / 0x1p28f - 4);
    }
};

// However many scores there are, logits are read once; what is written for a row is a hundredth of it or less.
template <class Scores, class E = float>
void add_values(const std::string& subject, index_t samples, index_t classes, int threads,
                const std::string& special = "") {
    const double bytes = static_cast<double>(samples) * static_cast<double>(classes) * sizeof(E);
    add_case(subject + sizes(samples, classes, threads) + special, {bytes, memory_read, threads}, [=] {
        const auto m = std::make_shared<matrices<E>>(samples, classes, Scores::count, false);
        return [=] {
            const auto logits = selfsame::matrix(static_cast<const E*>(m->logits.data()), samples, classes);
            const selfsame::context ctx{thrust::omp::par, threads};
            if constexpr (Scores::count == 1) {
                selfsame::forward(ctx, Scores{}, logits, m->values);
            } else {
                selfsame::forward(ctx, Scores{}, logits, selfsame::matrix(m->values.data(), samples, Scores::count));
            }
        };
    });
}

// A row is still in cache when its gradient is written: one read and one write.
template <class Scores>
void add_gradients(const std::string& subject, index_t samples, index_t classes, int threads) {
    const double bytes = 2 * static_cast<double>(samples) * static_cast<double>(classes) * sizeof(float);
    add_case(subject + "_value_and_grad" + sizes(samples, classes, threads), {bytes, memory_copy, threads}, [=] {
        const auto m = std::make_shared<matrices<float>>(samples, classes, Scores::count, true);
        return [=] {
            const auto logits = selfsame::matrix(static_cast<const float*>(m->logits.data()), samples, classes);
            const auto gradient = selfsame::matrix(m->gradient.data(), samples, classes);
            const selfsame::context ctx{thrust::omp::par, threads};
            if constexpr (Scores::count == 1) {
                selfsame::value_and_grad(ctx, Scores{}, logits, m->values, gradient);
            } else {
                selfsame::value_and_grad(ctx, Scores{}, logits,
                                         selfsame::matrix(m->values.data(), samples, Scores::count), gradient);
            }
        };
    });
}

const cases scores([] {
    for (const int threads : {1, 2}) {
        for (const auto& [samples, classes] : {std::pair<index_t, index_t>{65536, 1000}, {655360, 100}}) {
            add_values<free_energy>("free_energy", samples, classes, threads);
            add_values<all_scores>("logit_scores", samples, classes, threads);
            add_gradients<free_energy>("free_energy", samples, classes, threads);
            add_gradients<all_scores>("logit_scores", samples, classes, threads);
        }
        add_values<free_energy>("free_energy", 6553600, 10, threads);
        add_values<free_energy, selfsame::half>("free_energy", 65536, 1000, threads, "/fp16");
        add_values<free_energy, selfsame::bfloat16>("free_energy", 65536, 1000, threads, "/bf16");
    }
});

}  // namespace
}  // namespace benchmarks
