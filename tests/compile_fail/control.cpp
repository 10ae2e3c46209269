// The flags of this harness compile what is right; without this, everything here could fail for the wrong reason.
#include <selfsame/core/tensor.hpp>
#include <vector>

static_assert(selfsame::tensor_like<std::vector<float>, 1>);
static_assert(!selfsame::tensor_like<std::vector<float>, 2>);
