// The library on a GPU as C functions, for record.py: both sides run in one process on the same memory and stream.
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <selfsame/energy/scores.cuh>
#include <selfsame/engine/cuda/pairwise.cuh>
#include <selfsame/objective/info_nce.hpp>

namespace {

using selfsame::bfloat16;
constexpr auto device = selfsame::memory_space::device;

/// Keeps what it once allocated, as frameworks' allocators do.
class kept_memory {
  public:
    std::uint8_t* take(std::size_t bytes) {
        const auto at = free_.lower_bound(bytes);
        void* p = nullptr;
        if (at != free_.end()) {
            p = at->second;
            used_[p] = at->first;
            free_.erase(at);
        } else if (cudaMalloc(&p, bytes) == cudaSuccess) {
            used_[p] = bytes;
            largest = largest < bytes ? bytes : largest;
        } else {
            throw std::bad_alloc();
        }
        return static_cast<std::uint8_t*>(p);
    }
    void give(void* p) {
        free_.emplace(used_.at(p), p);
        used_.erase(p);
    }
    void release() {
        for (const auto& [bytes, p] : free_) cudaFree(p);
        free_.clear();
        largest = 0;
    }
    std::size_t largest = 0;

  private:
    std::multimap<std::size_t, void*> free_;
    std::map<void*, std::size_t> used_;
};
kept_memory memory;

struct allocator {
    using value_type = std::uint8_t;
    std::uint8_t* allocate(std::size_t bytes) const { return memory.take(bytes); }
    void deallocate(std::uint8_t* p, std::size_t) const { memory.give(p); }
};

template <class E, class Objective>
void value_and_grad(const Objective& objective, const void* anchors, const void* positives, const void* queue,
                    void* d_anchors, void* d_positives, void* loss, std::int64_t n, std::int64_t m, std::int64_t d,
                    void* stream) {
    using selfsame::matrix;
    allocator a;
    const auto policy = thrust::cuda::par_nosync(a).on(static_cast<cudaStream_t>(stream));
    const auto in = [d](const void* p, std::int64_t rows) { return matrix<device>(static_cast<const E*>(p), rows, d); };
    const auto out = [d](void* p, std::int64_t rows) { return matrix<device>(static_cast<E*>(p), rows, d); };
    const auto to = selfsame::vector<device>(static_cast<float*>(loss), 1);
    if constexpr (Objective::negatives::own_queue) {
        selfsame::value_and_grad(policy, objective, selfsame::pairs{in(anchors, n), in(positives, n), in(queue, m)}, to,
                                 selfsame::pair_gradients{out(d_anchors, n), selfsame::none{}});
    } else {
        selfsame::value_and_grad(policy, objective, selfsame::pairs{in(anchors, n), in(positives, n)}, to,
                                 selfsame::pair_gradients{out(d_anchors, n), out(d_positives, n)});
    }
}

template <class E, class Precision, class... Given>
void of_precision(int which, double temperature, Given... given) {
    using namespace selfsame;
    if (which == 0) value_and_grad<E>(info_nce<cosine, both_views, Precision>{temperature}, given...);
    if (which == 1) value_and_grad<E>(info_nce<cosine, in_batch_two_way, Precision>{temperature}, given...);
    if (which == 2) value_and_grad<E>(info_nce<cosine, from_queue, Precision>{temperature}, given...);
}

}  // namespace

extern "C" {

/// Objective 0: NT-Xent, 1: CLIP, 2: MoCo. Types 0: bfloat16 multiplied as such, 1: float in full precision.
void selfsame_value_and_grad(int objective, int type, double temperature, const void* anchors, const void* positives,
                             const void* queue, void* d_anchors, void* d_positives, void* loss, std::int64_t n,
                             std::int64_t m, std::int64_t d, void* stream) {
    if (type == 0) {
        of_precision<bfloat16, selfsame::bfloat16_products>(objective, temperature, anchors, positives, queue,
                                                            d_anchors, d_positives, loss, n, m, d, stream);
    } else {
        of_precision<float, selfsame::full_precision>(objective, temperature, anchors, positives, queue, d_anchors,
                                                      d_positives, loss, n, m, d, stream);
    }
}

/// Free energy and its gradient of rows of logits.
void selfsame_free_energy(int bfloats, double temperature, const void* logits, void* values, void* gradient,
                          std::int64_t n, std::int64_t d, void* stream) {
    using selfsame::matrix;
    allocator a;
    const auto policy = thrust::cuda::par_nosync(a).on(static_cast<cudaStream_t>(stream));
    const selfsame::logit_scores<selfsame::free_energy> set{temperature};
    const auto call = [&]<class E>(const E* from, E* to) {
        const auto v = selfsame::vector<device>(static_cast<float*>(values), n);
        selfsame::value_and_grad(policy, set, matrix<device>(from, n, d), v, matrix<device>(to, n, d));
    };
    if (bfloats != 0) {
        call(static_cast<const bfloat16*>(logits), static_cast<bfloat16*>(gradient));
    } else {
        call(static_cast<const float*>(logits), static_cast<float*>(gradient));
    }
}

std::size_t selfsame_scratch_bytes() { return memory.largest; }
void selfsame_release() { memory.release(); }
}
