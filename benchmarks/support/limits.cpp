#include "limits.hpp"

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <new>
#include <selfsame/core/execution.hpp>
#include <selfsame/engine/host/matrix_unit.hpp>
#include <selfsame/engine/host/micro_kernel.hpp>
#include <vector>

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

// The best of a few slices, since what else the machine does can only make one slower; each of some 50 ms, as long as a
// call, since a processor's clock may be higher for the first few. `work` is a thread's part of a slice, of so many
// operations.
template <class Work>
double rate_of(int threads, double operations, Work&& work) {
    constexpr int slices = 4;
    double best = 0;
    for (int s = 0; s < slices; ++s) {
        clock::time_point begin, end;
#pragma omp parallel num_threads(threads)
        {
#pragma omp barrier
#pragma omp master
            begin = clock::now();
            [[maybe_unused]] volatile float kept = work();
#pragma omp barrier
#pragma omp master
            end = clock::now();
        }
        best = (std::max)(best, threads * operations / std::chrono::duration<double>(end - begin).count());
    }
    return best;
}

template <class Product>
double multiply_add_rate(int threads) {
    constexpr long count = 8'000'000;
    constexpr double operations = 2.0 * count * accumulators * selfsame::lanes<float> * Product::depth;
    return rate_of(threads, operations, [] { return multiply_add<Product>(count); });
}

double bfloat16_rate(int threads) {
#if defined(SELFSAME_AMX)
    if (selfsame::host::may_use_tiles()) {
        constexpr long count = 2'000'000;
        constexpr double operations = 2.0 * count * 4 * 16 * 16 * 32;
        return rate_of(threads, operations, [] {
            const selfsame::host::tiles_open open;
            for (long n = 0; n < count; ++n) {
                asm volatile(
                    "tdpbf16ps %tmm5, %tmm4, %tmm0\n\ttdpbf16ps %tmm5, %tmm4, %tmm1\n\t"
                    "tdpbf16ps %tmm5, %tmm4, %tmm2\n\ttdpbf16ps %tmm5, %tmm4, %tmm3");
            }
            return 0.0f;
        });
    }
#endif
    return multiply_add_rate<selfsame::host::product<selfsame::bfloat16_products, float>>(threads);
}

// Two arrays that no cache holds, of large pages: with small ones it is their tables that bound a read.
long floats_past_caches() {
    constexpr long least = 128l << 20;
    long cache = 0;
#if defined(_SC_LEVEL3_CACHE_SIZE)
    cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return (std::max)(least, 2 * cache) / static_cast<long>(sizeof(float));
}
const long memory_floats = floats_past_caches();
struct arrays {
    std::vector<float> from = make_large<float>(static_cast<std::size_t>(memory_floats)),
                       to = make_large<float>(static_cast<std::size_t>(memory_floats));
};

[[gnu::noinline]] float read_part(const float* p, long count) {
    using V = selfsame::batch<float>;
    constexpr int L = selfsame::lanes<float>, streams = 8;
    asm volatile("" ::: "memory");  // as in multiply_add
    V sum[streams];
    for (V& s : sum) s = V(0.0f);
    for (long k = 0; k + streams * L <= count; k += streams * L) {
        SELFSAME_UNROLL(8)
        for (int s = 0; s < streams; ++s) sum[s] += selfsame::load<V>(p + k + s * L);
    }
    float total = 0;
    for (const V& s : sum) total += selfsame::sum(s);
    return total;
}

[[gnu::noinline]] float copy_part(const float* from, float* to, long count) {
    using V = selfsame::batch<float>;
    constexpr int L = selfsame::lanes<float>;
    for (long k = 0; k + L <= count; k += L) selfsame::stream(to + k, selfsame::load<V>(from + k));
    return 0;
}

template <class Part>
double bandwidth_of(int threads, double bytes, Part&& part) {
    static arrays memory;
    double best = 0;
    for (int s = 0; s < 3; ++s) {
        const auto begin = clock::now();
#pragma omp parallel num_threads(threads)
        {
            const long share = memory_floats / threads / 64 * 64;
#pragma omp for schedule(static, 1)
            for (int t = 0; t < threads; ++t) {
                [[maybe_unused]] volatile float kept =
                    part(memory.from.data() + t * share, memory.to.data() + t * share, share);
            }
        }
        best = (std::max)(best, bytes / std::chrono::duration<double>(clock::now() - begin).count());
    }
    return best;
}

double read_bandwidth(int threads) {
    return bandwidth_of(threads, sizeof(float) * double(memory_floats),
                        [](const float* from, float*, long count) { return read_part(from, count); });
}
double copy_bandwidth(int threads) {
    return bandwidth_of(threads, 2.0 * sizeof(float) * double(memory_floats), copy_part);
}

}  // namespace

const limit float_fma{"float FMA", "flops",
                      multiply_add_rate<selfsame::host::product<selfsame::full_precision, float>>};
const limit bfloat16_fma{"bfloat16 FMA", "flops", bfloat16_rate};
const limit memory_read{"memory read", "bytes", read_bandwidth};
const limit memory_copy{"memory copy", "bytes", copy_bandwidth};

}  // namespace benchmarks
