#include "memory_use.hpp"

#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <string>

// malloc and its relatives are replaced for the whole process, operator new of the standard library included, since it
// calls malloc; the C library keeps its own under these names.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

std::atomic<bool> watching{false};
std::atomic<std::ptrdiff_t> allocated{0}, most{0};

void* taken(void* p) {
    if (p != nullptr && watching.load(std::memory_order_relaxed)) {
        const auto size = static_cast<std::ptrdiff_t>(malloc_usable_size(p));
        const std::ptrdiff_t now = allocated.fetch_add(size) + size;
        for (std::ptrdiff_t before = most.load(); before < now && !most.compare_exchange_weak(before, now);) {
        }
    }
    return p;
}

void given_back(void* p) {
    if (p != nullptr && watching.load(std::memory_order_relaxed)) {
        allocated.fetch_sub(static_cast<std::ptrdiff_t>(malloc_usable_size(p)));
    }
}

// A field of /proc/self/status in bytes, 0 if there is none.
std::ptrdiff_t status(const std::string& field) {
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with(field)) return 1024 * std::stol(line.substr(field.size()));
    }
    return 0;
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) noexcept { return taken(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) noexcept { return taken(__libc_calloc(count, size)); }
void* memalign(std::size_t alignment, std::size_t size) noexcept { return taken(__libc_memalign(alignment, size)); }
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept { return memalign(alignment, size); }
int posix_memalign(void** p, std::size_t alignment, std::size_t size) noexcept {
    *p = memalign(alignment, size);
    return *p == nullptr ? ENOMEM : 0;
}
void* realloc(void* p, std::size_t size) noexcept {
    given_back(p);
    return taken(__libc_realloc(p, size));
}
void free(void* p) noexcept {
    given_back(p);
    __libc_free(p);
}
}

namespace benchmarks {

memory_use observe_memory(const std::function<void()>& call) {
    malloc_trim(0);
    std::ofstream("/proc/self/clear_refs") << 5 << std::flush;  // the peak resident set begins anew
    const std::ptrdiff_t before = status("VmRSS:");
    allocated = 0;
    most = 0;
    watching = true;
    call();
    watching = false;
    const std::ptrdiff_t peak = status("VmHWM:");
    return {most, (std::max)(std::ptrdiff_t(0), peak - before)};
}

}  // namespace benchmarks
