// The kernels that the library ships, through the calls that a user makes: for the compiler's table (kernels.py), and
// for whoever runs their PTX.
#include <thrust/device_vector.h>

#include "selfsame/augment/augment.cuh"
#include "selfsame/cluster/sinkhorn.cuh"
#include "selfsame/energy/losses.cuh"
#include "selfsame/energy/sampler.cuh"
#include "selfsame/energy/scores.cuh"
#include "selfsame/engine/cuda/pairwise.cuh"
#include "selfsame/interop/thrust.cuh"
#include "selfsame/objective/soft_cross_entropy.cuh"
#include "selfsame/objective/swav.cuh"
#include "shipped.hpp"
#include "shipped_images.hpp"

template <class E>
using on_device = selfsame_tests::shipped_tensors<E, selfsame::memory_space::device>;

void instantiate(cudaStream_t stream, const on_device<float>& f, const on_device<double>& d,
                 const on_device<selfsame::bfloat16>& b, const on_device<selfsame::half>& h) {
    selfsame_tests::call_everything(thrust::cuda::par_nosync.on(stream), f, d, b, h, [](const char*) {});
}

void instantiate_images(cudaStream_t stream, const selfsame_tests::shipped_pictures& x) {
    selfsame_tests::call_images<selfsame::memory_space::device>(thrust::cuda::par_nosync.on(stream), x,
                                                                [](const char*) {});
}

// Every kind of policy and tensor that a call takes.
template <class Allocator>
void call_policies(cudaStream_t stream, Allocator allocator, thrust::device_vector<float>& embeddings,
                   const thrust::device_vector<float>& upstream, thrust::device_vector<float>& loss) {
    using namespace selfsame;
    const auto gradient = matrix<memory_space::device>(thrust::raw_pointer_cast(embeddings.data()), 8, 16);
    const tensor<const float, 2, memory_space::device> x = gradient;
    const auto call = [&](const auto& policy) {
        value_and_grad(policy, nt_xent{}, pairs{x, x}, loss, pair_gradients{gradient, none{}}, upstream);
    };
    call(thrust::cuda::par);
    call(thrust::cuda::par.on(stream));
    call(thrust::cuda::par_nosync);
    call(thrust::cuda::par_nosync(allocator).on(stream));
    call(thrust::device);
    call(context{thrust::cuda::par_nosync(allocator).on(stream)});
}
template void call_policies(cudaStream_t, thrust::device_allocator<char>, thrust::device_vector<float>&,
                            const thrust::device_vector<float>&, thrust::device_vector<float>&);
