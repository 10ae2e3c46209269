#include <gtest/gtest.h>

#include <thrust/execution_policy.h>

#include "fiber_machine.hpp"
#include "images.hpp"
#include "selfsame/augment/augment.hpp"
#include "shipped_pictures.hpp"

// Every kernel of augmentations that is compiled for GPUs, run in fibers beside the host's engine.

namespace {

using namespace selfsame_tests;

template <selfsame::memory_space Space, class Policy>
std::vector<pictures> call_all(const Policy& policy) {
    pictures memory;
    std::vector<pictures> after;
    call_images<Space>(policy, memory.of_calls(), [&](const char*) { after.push_back(memory); });
    return after;
}

TEST(cuda_shipped, images_agree_with_the_host) {
    const auto host = call_all<selfsame::memory_space::host>(thrust::seq);
    const auto device = call_all<selfsame::memory_space::device>(fibers{});
    ASSERT_EQ(device.size(), host.size());
    for (std::size_t k = 0; k < host.size(); ++k) {
        // The host's crop of interleaved bytes has weights of 15 bits; deviations are 1/4.
        EXPECT_LE(test_images::distance(device[k].of_bytes, host[k].of_bytes), 4e-4);
        EXPECT_LE(test_images::distance(device[k].as_floats(), host[k].as_floats()), 0x1p-7);
        EXPECT_EQ(device[k].drawn_words(), host[k].drawn_words());
        EXPECT_EQ(device[k].masks, host[k].masks);
        EXPECT_EQ(device[k].weights, host[k].weights);
    }
}

}  // namespace
