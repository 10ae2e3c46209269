// Sinkhorn of B x K scores: SwAV's three iterations, in both domains, of floats and of halves.
#include <thrust/system/omp/execution_policy.h>
#include <memory>
#include <random>
#include <selfsame/cluster/sinkhorn.hpp>
#include <string>
#include <vector>

#include "suite.hpp"

namespace benchmarks {
namespace {

using selfsame::index_t;

constexpr int iterations = 3;

// Scores are read once for each iteration and once more, codes are written once.
const limit reads_and_a_write{"reads and a write", "bytes", read_and_write<iterations + 1, 1>};

template <class E, class Options = selfsame::sinkhorn<>>
void add_sinkhorn(index_t samples, index_t prototypes, int threads, const std::string& special = "",
                  bool once = false) {
    const std::string name = "sinkhorn/B:" + std::to_string(samples) + "/K:" + std::to_string(prototypes) +
                             "/threads:" + std::to_string(threads) + special;
    const double passes = (iterations + 2) * static_cast<double>(samples) * static_cast<double>(prototypes);
    add_case(name, {passes * sizeof(E), reads_and_a_write, threads, once}, [=] {
        struct matrices {
            std::vector<E> scores, codes;
        };
        const auto m = std::make_shared<matrices>();
        const auto size = static_cast<std::size_t>(samples * prototypes);
        m->scores = make_large<E>(size);
        m->codes = make_large<E>(size);
        std::minstd_rand random(1);
        for (E& x : m->scores) x = selfsame::element_cast<E>(static_cast<float>(random()) / 0x1p30f - 1);
        return [=] {
            using selfsame::matrix;
            selfsame::assign(selfsame::context{thrust::omp::par, threads},
                             Options{.epsilon = 0.05, .iterations = iterations},
                             matrix(static_cast<const E*>(m->scores.data()), samples, prototypes),
                             matrix(m->codes.data(), samples, prototypes));
        };
    });
}

const cases sinkhorn([] {
    for (const int threads : {1, 2}) {
        add_sinkhorn<float>(512, 3000, threads);
        add_sinkhorn<float>(4096, 3000, threads);
        add_sinkhorn<float>(65536, 256, threads);
        add_sinkhorn<float>(1024, 16384, threads);
        add_sinkhorn<float, selfsame::sinkhorn<selfsame::log_domain>>(4096, 3000, threads, "/log");
        add_sinkhorn<selfsame::half>(4096, 3000, threads, "/fp16");
        add_sinkhorn<selfsame::bfloat16>(4096, 3000, threads, "/bf16");
    }
    add_sinkhorn<float>(8192, 65536, 2, "", true);
});

}  // namespace
}  // namespace benchmarks
