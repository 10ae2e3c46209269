// memory [LARGEST_N]
//
// Extra memory of NT-Xent's value and gradient, D = 128, one thread, no scratch budget: fails unless it stays under 16
// MiB at N = 4096 and grows linearly with N. Dense similarities would take 256 MiB there and four times that for every
// doubling.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <selfsame/objective/info_nce.hpp>
#include <vector>

#include "memory_use.hpp"

int main(int argc, char** argv) {
    constexpr selfsame::index_t d = 128, first = 512;
    constexpr double mib = 1 << 20;
    const selfsame::index_t last = argc > 1 ? std::atol(argv[1]) : 16384;

    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> a(static_cast<std::size_t>(last * d)), p(a.size()), da(a.size()), dp(a.size());
    for (float& x : a) x = normal(random);
    for (float& x : p) x = normal(random);

    bool good = true;
    double per_row = 0;
    std::printf("%8s %14s %14s %14s\n", "N", "allocated MiB", "resident MiB", "bytes a pair");
    for (selfsame::index_t n = first; n <= last; n *= 2) {
        using selfsame::matrix;
        const benchmarks::memory_use used = benchmarks::observe_memory([&] {
            const selfsame::pairs inputs{matrix(a.data(), n, d), matrix(p.data(), n, d)};
            const selfsame::pair_gradients gradients{matrix(da.data(), n, d), matrix(dp.data(), n, d)};
            const selfsame::context ctx{thrust::omp::par, 1};
            selfsame::value_and_grad(ctx, selfsame::nt_xent{.temperature = 0.1}, inputs, gradients);
        });
        // What threads need is there from the smallest size on; what a row needs may not grow.
        const double most = double((std::max)(used.allocated, used.resident));
        std::printf("%8td %14.2f %14.2f %14.0f\n", n, double(used.allocated) / mib, double(used.resident) / mib,
                    double(used.allocated) / double(n));
        if (n == 4096) good = good && most < 16 * mib;
        if (n >= 2048) {
            good = good && (per_row == 0 || most / double(n) < 1.05 * per_row);
            per_row = most / double(n);
        }
    }
    if (!good) std::puts("too much");
    return good ? 0 : 1;
}
