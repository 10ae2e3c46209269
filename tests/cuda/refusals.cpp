#include <gtest/gtest.h>

#include "fiber_machine.hpp"
#include "objective/helpers.hpp"
#include "selfsame/engine/cuda/pairwise.hpp"

// What a call refuses before anything is launched.

namespace {

using namespace selfsame_tests;

TEST(cuda_pairwise, refuses_what_does_not_fit) {
    std::vector<float> a(12), b(12), loss(2), gradient(12);
    const auto rows = [](auto& v, index_t n, index_t d) {
        return selfsame::matrix<selfsame::memory_space::device>(v.data(), n, d);
    };
    using selfsame::pairs;
    const selfsame::nt_xent o{.reduction = selfsame::reduction::per_sample};
    EXPECT_EQ(refusal([&] { forward(fibers{}, o, pairs{rows(a, 3, 4), rows(b, 4, 3)}, on_device(loss)); }),
              "selfsame: positives: got 4 x 3, expected 3 x 4 (the shape of anchors)");
    EXPECT_EQ(refusal([&] { forward(fibers{}, o, pairs{rows(a, 3, 4), rows(b, 3, 4)}, on_device(loss)); }),
              "selfsame: loss: got 2, expected one value a sample");
    const std::vector<float> upstream(2);
    EXPECT_EQ(refusal([&] {
                  value_and_grad(fibers{}, o, pairs{rows(a, 2, 4), rows(b, 2, 4)}, on_device(loss),
                                 selfsame::pair_gradients{rows(gradient, 2, 4), selfsame::none{}}, upstream);
              }),
              "selfsame: upstream: got a tensor of the host, expected one of the device, or a value");
}

}  // namespace
