// NT-Xent by size, width, scratch budget and precision.
#include <selfsame/objective/info_nce.hpp>

#include "pair_cases.hpp"

namespace benchmarks {
namespace {

using bfloat16_nt_xent = selfsame::info_nce<selfsame::cosine, selfsame::both_views, selfsame::bfloat16_products>;

const cases ntxent([] {
    const selfsame::nt_xent objective{.temperature = 0.1};
    for (const call what : {call::value, call::value_and_grad}) {
        for (const int threads : {1, 2}) {
            for (index_t n = 512; n <= 65536; n *= 2) {
                if (n == 65536 && threads == 1) continue;  // a minute and a half
                add_pairs("ntxent", what, objective, {.n = n, .threads = threads, .once = n > 8192});
            }
            for (const index_t d : {64, 256, 768}) {
                add_pairs("ntxent", what, objective, {.n = 4096, .d = d, .threads = threads});
            }
        }
    }
    for (const int threads : {1, 2}) {
        for (const std::size_t mib : {32u, 256u}) {
            add_pairs("ntxent", call::value_and_grad, objective, {.n = 4096, .threads = threads, .scratch_mib = mib});
        }
        for (const index_t d : {64, 256, 768}) {
            add_pairs("ntxent", call::value_and_grad, objective,
                      {.n = 4096, .d = d, .threads = threads, .scratch_mib = 256});
        }
        for (const call what : {call::value, call::value_and_grad}) {
            const pair_case c{.n = 4096, .threads = threads};
            add_pairs("ntxent", what, bfloat16_nt_xent{.temperature = 0.1}, c, "/bf16");
            add_pairs<selfsame::bfloat16>("ntxent", what, objective, c, "/input:bf16");
        }
    }
});

}  // namespace
}  // namespace benchmarks
