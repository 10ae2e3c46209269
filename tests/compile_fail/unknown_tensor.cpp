// A type without an adapter is refused with one sentence that says what to do.
// expect: selfsame: this type is not known as a tensor of this rank; include its adapter from selfsame/interop/
#include <selfsame/core/tensor.hpp>
#include <vector>

struct vector_of_somebody {};

#if defined(CORRECT)
using given = std::vector<float>;
#else
using given = vector_of_somebody;
#endif

void use(given& x) { static_cast<void>(selfsame::as_tensor<1>(x)); }
