#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>

// Every `new` of this program gives memory that a GPU can read and write, so that tests hand a device the same vectors
// as a host.

namespace {

constexpr std::size_t arena_bytes = std::size_t(1) << 30, smallest = 64;

// Blocks of powers of two, each kept for its size once it is free.
class arena {
  public:
    void* take(std::size_t bytes) {
        const std::lock_guard lock(mutex_);
        if (begin_ == nullptr && !starting_) start();
        int size = 0;
        while ((smallest << size) < bytes) ++size;
        if (free_[size] != nullptr) {
            node* const n = free_[size];
            free_[size] = n->next;
            return n;
        }
        const std::size_t whole = smallest << size;
        if (begin_ == nullptr || used_ + whole > arena_bytes) return nullptr;
        unsigned char* const p = begin_ + used_;
        used_ += whole;
        sizes_[(p - begin_) / smallest] = static_cast<unsigned char>(size);
        return p;
    }
    bool give(void* p) {
        const std::lock_guard lock(mutex_);
        auto* const at = static_cast<unsigned char*>(p);
        if (begin_ == nullptr || at < begin_ || at >= begin_ + arena_bytes) return false;
        const int size = sizes_[(at - begin_) / smallest];
        free_[size] = new (p) node{free_[size]};
        return true;
    }

  private:
    struct node {
        node* next;
    };
    void start() {
        starting_ = true;  // CUDA may ask for memory itself
        void* memory = nullptr;
        if (cudaHostAlloc(&memory, arena_bytes, cudaHostAllocPortable) == cudaSuccess) {
            begin_ = static_cast<unsigned char*>(memory);
        }
        sizes_ = static_cast<unsigned char*>(std::calloc(arena_bytes / smallest, 1));
    }

    std::recursive_mutex mutex_;
    bool starting_ = false;
    unsigned char* begin_ = nullptr;
    unsigned char* sizes_ = nullptr;
    std::size_t used_ = 0;
    node* free_[32] = {};
};

arena& memory() {
    alignas(arena) static unsigned char place[sizeof(arena)];
    static arena* const a = new (place) arena;
    return *a;
}

}  // namespace

void* operator new(std::size_t bytes) {
    void* p = memory().take(bytes);
    if (p == nullptr) p = std::malloc(bytes);
    if (p == nullptr) throw std::bad_alloc();
    return p;
}
void operator delete(void* p) noexcept {
    if (p != nullptr && !memory().give(p)) std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
