// Linked with another unit that includes the same headers: what is defined in them must be inline.
#include <cstdio>
#include <selfsame/core/execution.hpp>
#include <selfsame/core/random.hpp>
#include <selfsame/core/tensor.hpp>
#include <selfsame/version.hpp>

#if THRUST_DEVICE_SYSTEM != THRUST_DEVICE_SYSTEM_OMP
#error "the package leaves Thrust's device system to be CUDA"
#endif

#if defined(PACKAGE_VERSION)
static_assert(SELFSAME_VERSION == PACKAGE_VERSION, "version.hpp and the package differ");
#endif

int other(float* data);

int main() {
    float data[6] = {1, 2, 3, 4, 5, 6};
    const auto x = selfsame::view(data, std::array<selfsame::index_t, 2>{2, 3});
    const int from_here = static_cast<int>(x(1, 2));
    const int from_other = other(data);
    std::printf("%d %d\n", from_here, from_other);
    return from_here == 6 && from_other == 6 ? 0 : 1;
}
