// CLIP: rows and columns of one matrix; MoCo: a short batch against a long queue.
#include <selfsame/objective/info_nce.hpp>

#include "pair_cases.hpp"

namespace benchmarks {
namespace {

const cases clip([] {
    for (const call what : {call::value, call::value_and_grad}) {
        for (const int threads : {1, 2}) {
            for (const index_t n : {512, 4096}) {
                add_pairs("clip", what, selfsame::clip{.temperature = 0.07}, {.n = n, .threads = threads});
            }
            add_pairs("moco", what, selfsame::moco{.temperature = 0.07},
                      {.n = 256, .threads = threads, .queue = 65536});
        }
    }
});

}  // namespace
}  // namespace benchmarks
