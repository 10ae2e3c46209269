#include <selfsame/core/execution.hpp>
#include <selfsame/core/random.hpp>
#include <selfsame/core/tensor.hpp>

int other(float* data) { return static_cast<int>(selfsame::matrix(data, 3, 2)(2, 1)); }
