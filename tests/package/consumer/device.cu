#include <selfsame/core/tensor.hpp>

__global__ void scale(selfsame::tensor<float, 1, selfsame::memory_space::device> x) { x(0) *= 2; }
