// The objective of examples/own_objective, which the library does not ship, with another reducer than log-sum-exp.
#include "../../examples/own_objective/objective.hpp"

#include "pair_cases.hpp"

namespace benchmarks {
namespace {

const cases own_objective([] {
    for (const call what : {call::value, call::value_and_grad}) {
        for (const int threads : {1, 2}) {
            add_pairs("own_objective", what, margin_contrast{}, {.n = 4096, .threads = threads});
        }
    }
});

}  // namespace
}  // namespace benchmarks
