#include <thrust/system/cpp/execution_policy.h>

#include "swav.hpp"

namespace swav_tests {
namespace {

struct on_host {
    static constexpr memory_space space = memory_space::host;
    static auto policy() { return thrust::cpp::par; }
    template <class Tensor>
    static Tensor place(const Tensor& x) {
        return x;
    }
    static void wait() {}
};

}  // namespace

results call_on_host(elements kind, const problem& p, const layouts& how) {
    switch (kind) {
        case elements::doubles:
            return call<on_host, double>(p, how);
        case elements::halves:
            return call<on_host, selfsame::half>(p, how);
        case elements::bfloats:
            return call<on_host, selfsame::bfloat16>(p, how);
        default:
            return call<on_host, float>(p, how);
    }
}

std::vector<float> gradient_on_host(const std::vector<float>& features, const std::vector<float>& prototypes) {
    return gradient_of<on_host>(features, prototypes);
}
void normalize_on_host(std::vector<float>& rows, index_t width) {
    selfsame::normalize_rows(on_host::policy(),
                             selfsame::matrix(rows.data(), static_cast<index_t>(rows.size()) / width, width));
}
std::vector<std::string> refusals_on_host() { return refusals<on_host>(); }

}  // namespace swav_tests
