// Every kernel that the library ships, for the compiler's table and for whoever runs its PTX: through the calls that a
// user makes, with device tensors and a stream.
#include "../../examples/own_objective/objective.hpp"
#include "selfsame/engine/cuda/pairwise.cuh"
#include "selfsame/objective/info_nce.hpp"

namespace {

using namespace selfsame;

template <class T, std::size_t Rank>
using on_device = tensor<T, Rank, memory_space::device>;

template <class E>
struct arguments {
    on_device<const E, 2> anchors, positives, queue;
    on_device<E, 2> to_anchors, to_positives, to_queue;
    on_device<float, 1> loss, upstream, temperature;
};

template <class T, class E, class Objective>
void call(cudaStream_t stream, const Objective& o, const arguments<E>& x, const on_device<T, 1>& saved) {
    const auto policy = thrust::cuda::par_nosync.on(stream);
    const auto all = [&](const auto& inputs, const auto& gradients) {
        forward(policy, o, inputs, x.loss, saved);
        backward(policy, o, inputs, saved, x.upstream, gradients);
        value_and_grad(policy, o, inputs, x.loss, gradients);
    };
    if constexpr (Objective::negatives::own_queue) {
        all(pairs{x.anchors, x.positives, x.queue},
            pair_gradients{x.to_anchors, x.to_positives, x.to_queue, x.temperature});
    } else if constexpr (requires { o.temperature_gradient(1.0); }) {
        all(pairs{x.anchors, x.positives}, pair_gradients{x.to_anchors, x.to_positives, none{}, x.temperature});
    } else {
        all(pairs{x.anchors, x.positives}, pair_gradients{x.to_anchors, x.to_positives});
    }
}

}  // namespace

void instantiate(cudaStream_t stream, const arguments<float>& f, const arguments<double>& d,
                 const arguments<bfloat16>& b, const on_device<float, 1>& saved, const on_device<double, 1>& saved_doubles) {
    call(stream, nt_xent{}, f, saved);
    call(stream, clip{}, f, saved);
    call(stream, moco{}, f, saved);
    call(stream, info_nce<dot, in_batch>{}, f, saved);
    call(stream, margin_contrast{}, f, saved);
    call(stream, nt_xent{}, d, saved_doubles);
    call(stream, clip{}, b, saved);
}
