#pragma once

#include <gtest/gtest.h>
#include <torch/torch.h>

/// \file
/// Tensors of LibTorch that are differentiated, and compared.

namespace selfsame_tests {

/// A copy without a history, for which a gradient is wanted.
inline torch::Tensor leaf(const torch::Tensor& x) { return x.detach().clone().set_requires_grad(true); }

inline void expect_close(const torch::Tensor& x, const torch::Tensor& expected, double relative = 1e-12) {
    ASSERT_EQ(x.sizes(), expected.sizes());
    EXPECT_TRUE(torch::allclose(x, expected, relative, 1e-12)) << (x - expected).abs().max();
}

}  // namespace selfsame_tests
