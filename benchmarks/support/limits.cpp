#include "limits.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <selfsame/engine/host/micro_kernel.hpp>
#include <utility>

namespace benchmarks {
namespace {

using clock = std::chrono::steady_clock;

// Independent accumulators: enough to fill the pipelines, few enough to stay in registers with the two operands.
constexpr int accumulators = selfsame::register_count * 3 / 4;

template <class Product>
[[gnu::noinline]] float multiply_add(long count) {
    using V = selfsame::batch<float>;
    using U = selfsame::batch<typename Product::unit>;
    asm volatile("");  // not a function of its argument alone, or one call would do for all measurements
    V sum[accumulators];
    for (int k = 0; k < accumulators; ++k) sum[k] = V(static_cast<float>(k));
    const U a(Product::pack(1.0f, 0.5f));
    U b(Product::pack(0.25f, 0.125f));
    for (long n = 0; n < count; ++n) {
        selfsame::host::keep_in_register(b);  // changes as far as the compiler knows: no product leaves the loop
        SELFSAME_UNROLL(24)
        for (int k = 0; k < accumulators; ++k) sum[k] = Product::multiply_add(a, b, sum[k]);
    }
    float total = 0;
    for (int k = 0; k < accumulators; ++k) total += selfsame::sum(sum[k]);
    return total;
}

// The best of a few slices of a millisecond or two: what else the machine does can only make one slower.
template <class Product>
double rate_of(int threads) {
    constexpr long count = 250'000;
    constexpr int slices = 20;
    constexpr double operations = 2.0 * count * accumulators * selfsame::lanes<float> * Product::depth;
    double best = 0;
    for (int s = 0; s < slices; ++s) {
        clock::time_point begin, end;
#pragma omp parallel num_threads(threads)
        {
#pragma omp barrier
#pragma omp master
            begin = clock::now();
            [[maybe_unused]] volatile float kept = multiply_add<Product>(count);
#pragma omp barrier
#pragma omp master
            end = clock::now();
        }
        best = (std::max)(best, threads * operations / std::chrono::duration<double>(end - begin).count());
    }
    return best;
}

}  // namespace

const limit float_fma{"float FMA", "flops", rate_of<selfsame::host::product<selfsame::full_precision, float>>};
const limit bfloat16_fma{"bfloat16 FMA", "flops", rate_of<selfsame::host::product<selfsame::bfloat16_products, float>>};

namespace {

double& highest(const limit& l, int threads) {
    static std::map<std::pair<const limit*, int>, double> rates;
    return rates[{&l, threads}];
}

}  // namespace

void measure(const limit& l, int threads) {
    double& rate = highest(l, threads);
    // The first cases should not be set against a limit that is yet to be found.
    for (int k = rate > 0 ? 1 : 10; k > 0; --k) rate = (std::max)(rate, l.measure(threads));
}

double highest_rate(const limit& l, int threads) { return highest(l, threads); }

}  // namespace benchmarks
