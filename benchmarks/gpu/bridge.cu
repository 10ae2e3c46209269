// The library on a GPU as C functions, for record.py: both sides run in one process on the same memory and stream.
#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <selfsame/augment/augment.cuh>
#include <selfsame/augment/augment.hpp>
#include <selfsame/augment/recipes.hpp>
#include <selfsame/cluster/sinkhorn.cuh>
#include <selfsame/energy/scores.cuh>
#include <selfsame/engine/cuda/pairwise.cuh>
#include <selfsame/objective/info_nce.hpp>
#include <selfsame/objective/soft_cross_entropy.cuh>
#include <selfsame/objective/swav.cuh>

namespace {

namespace augment = selfsame::augment;
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

auto on(void* stream) {
    static allocator a;
    return thrust::cuda::par_nosync(a).on(static_cast<cudaStream_t>(stream));
}

template <class E>
auto rows(const void* p, std::int64_t n, std::int64_t d) {
    return selfsame::matrix<device>(static_cast<const E*>(p), n, d);
}
template <class E>
auto rows(void* p, std::int64_t n, std::int64_t d) {
    return selfsame::matrix<device>(static_cast<E*>(p), n, d);
}
auto one(void* p) { return selfsame::vector<device>(static_cast<float*>(p), 1); }

template <class E, class Objective>
void value_and_grad(const Objective& objective, const void* anchors, const void* positives, const void* queue,
                    void* d_anchors, void* d_positives, void* loss, std::int64_t n, std::int64_t m, std::int64_t d,
                    void* stream) {
    const auto a = rows<E>(anchors, n, d), p = rows<E>(positives, n, d);
    if constexpr (Objective::negatives::own_queue) {
        selfsame::value_and_grad(on(stream), objective, selfsame::pairs{a, p, rows<E>(queue, m, d)}, one(loss),
                                 selfsame::pair_gradients{rows<E>(d_anchors, n, d), selfsame::none{}});
    } else {
        selfsame::value_and_grad(on(stream), objective, selfsame::pairs{a, p}, one(loss),
                                 selfsame::pair_gradients{rows<E>(d_anchors, n, d), rows<E>(d_positives, n, d)});
    }
}

template <class E, class Precision, class... Given>
void of_precision(int which, double temperature, Given... given) {
    using namespace selfsame;
    if (which == 0) value_and_grad<E>(info_nce<cosine, both_views, Precision>{temperature}, given...);
    if (which == 1) value_and_grad<E>(info_nce<cosine, in_batch_two_way, Precision>{temperature}, given...);
    if (which == 2) value_and_grad<E>(info_nce<cosine, from_queue, Precision>{temperature}, given...);
}

template <selfsame::memory_space Space, class Policy>
void views(const Policy& policy, const void* images, void* out, std::int64_t n, std::int64_t height,
           std::int64_t width) {
    const std::array<selfsame::index_t, 4> from{n, height, width, 3}, to{n, 3, 224, 224};
    augment::apply(policy, augment::recipes::simclr,
                   selfsame::view<Space>(static_cast<const std::uint8_t*>(images), from), 0, augment::key{},
                   selfsame::view<Space>(static_cast<float*>(out), to));
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
    const selfsame::logit_scores<selfsame::free_energy> set{temperature};
    const auto v = selfsame::vector<device>(static_cast<float*>(values), n);
    if (bfloats != 0) {
        selfsame::value_and_grad(on(stream), set, rows<bfloat16>(logits, n, d), v, rows<bfloat16>(gradient, n, d));
    } else {
        selfsame::value_and_grad(on(stream), set, rows<float>(logits, n, d), v, rows<float>(gradient, n, d));
    }
}

/// Codes of n samples, as SwAV assigns them.
void selfsame_sinkhorn(double epsilon, int iterations, const void* scores, void* codes, std::int64_t n, std::int64_t k,
                       void* stream) {
    selfsame::assign(on(stream), selfsame::sinkhorn<>{.epsilon = epsilon, .iterations = iterations},
                     rows<float>(scores, n, k), rows<float>(codes, n, k));
}

void selfsame_dino(const void* teacher, const void* students, const void* center, void* gradient, void* loss,
                   std::int64_t n, std::int64_t k, int teachers, int views, void* stream) {
    selfsame::value_and_grad(on(stream), selfsame::dino{.pairing = {teachers, views}},
                             selfsame::views{rows<float>(teacher, teachers * n, k), rows<float>(students, views * n, k),
                                             selfsame::vector<device>(static_cast<const float*>(center), k)},
                             one(loss), rows<float>(gradient, views * n, k));
}

void selfsame_swav(const void* features, const void* prototypes, void* d_features, void* d_prototypes, void* loss,
                   std::int64_t n, std::int64_t k, std::int64_t d, int assigned, int views, void* stream) {
    selfsame::value_and_grad(
        on(stream), selfsame::swav<>{.pairing = {assigned, views}},
        selfsame::prototype_views{rows<float>(features, views * n, d), rows<float>(prototypes, k, d)}, one(loss),
        selfsame::prototype_gradients{rows<float>(d_features, views * n, d), rows<float>(d_prototypes, k, d)});
}

/// SimCLR's views of n images of bytes, 224 x 224 floats.
void selfsame_simclr(const void* images, void* out, std::int64_t n, std::int64_t height, std::int64_t width,
                     void* stream) {
    views<device>(on(stream), images, out, n, height, width);
}
void selfsame_simclr_on_host(const void* images, void* out, std::int64_t n, std::int64_t height, std::int64_t width) {
    views<selfsame::memory_space::host>(thrust::seq, images, out, n, height, width);
}

std::size_t selfsame_scratch_bytes() { return memory.largest; }
void selfsame_release() { memory.release(); }
}
