#pragma once

#include <thrust/system/cuda/detail/execution_policy.h>
#include <thrust/system/cuda/execution_policy.h>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "selfsame/engine/cuda/fragments.hpp"
#include "selfsame/engine/cuda/machine.hpp"

/// \file
/// The block context on the hardware, and what launches kernels for Thrust's CUDA policies: on the policy's stream, in
/// memory of its allocator, without waiting.

namespace selfsame::inline SELFSAME_ISA {

namespace device {

class device_context {
  public:
    __device__ explicit device_context(void* shared) : shared_(shared) {}

    __device__ int thread() const { return static_cast<int>(threadIdx.x); }
    __device__ int lane() const { return static_cast<int>(threadIdx.x) % warp_size; }
    __device__ int warp() const { return static_cast<int>(threadIdx.x) / warp_size; }
    __device__ index_t block() const { return static_cast<index_t>(blockIdx.x); }

    __device__ void sync() { __syncthreads(); }

    template <class T>
    __device__ T shuffle_xor(T x, int mask) {
        static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 4 == 0);
        struct words {
            int v[sizeof(T) / 4];
        } w = __builtin_bit_cast(words, x);
        SELFSAME_UNROLL_ALL
        for (unsigned k = 0; k < sizeof(T) / 4; ++k) w.v[k] = __shfl_xor_sync(0xffffffffu, w.v[k], mask);
        return __builtin_bit_cast(T, w);
    }

    template <class S>
    __device__ S& shared() {
        return *static_cast<S*>(shared_);
    }
    template <class T>
    __device__ T read(const T& value) {
        return value;
    }
    template <class T>
    __device__ void write(T& value, std::type_identity_t<T> x) {
        value = x;
    }

    template <class U>
    __device__ void copy_async(U* to, const U* from, bool there) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address(to)),
                     "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
                     : "memory");
    }
    __device__ void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
    __device__ void copy_wait() { asm volatile("cp.async.wait_group 0;" ::: "memory"); }

    template <bool Transposed, class U>
    __device__ void load_matrices(word (&to)[4], const U* row) {
        static_assert(sizeof(U) == 2);
        if constexpr (Transposed) {
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                         : "r"(address(row))
                         : "memory");
        } else {
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                         : "r"(address(row))
                         : "memory");
        }
    }
    template <class U>
    __device__ void multiply(float (&x)[4], const word (&a)[4], word b0, word b1) {
        static_assert(std::is_same_v<U, bfloat16>);
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
            "{%0, %1, %2, %3};"
            : "+f"(x[0]), "+f"(x[1]), "+f"(x[2]), "+f"(x[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }
    template <class U>
    __device__ word pack(float low, float high) {
        static_assert(std::is_same_v<U, bfloat16>);
        word r;
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
        return r;
    }

  private:
    static __device__ word address(const void* p) { return static_cast<word>(__cvta_generic_to_shared(p)); }

    void* shared_;
};

/// What a block has without asking.
inline constexpr std::size_t free_shared_bytes = 48 << 10;

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads) run(const __grid_constant__ Kernel kernel) {
    using memory = typename Kernel::shared;
    if constexpr (sizeof(memory) <= free_shared_bytes) {
        __shared__ __align__(128) unsigned char raw[sizeof(memory)];
        device_context c(raw);
        kernel(c);
    } else {
        extern __shared__ __align__(128) unsigned char more[];
        device_context c(more);
        kernel(c);
    }
}

/// Throws std::runtime_error with the kernel's name and CUDA's words.
inline void check_launch(const char* kernel, cudaError_t error) {
    if (error == cudaSuccess) return;
    throw std::runtime_error(std::string("selfsame: ") + kernel + ": " + cudaGetErrorString(error));
}

template <class Policy>
    requires std::is_base_of_v<thrust::cuda_cub::execution_policy<Policy>, Policy>
struct machine<Policy> {
    /// Two on each multiprocessor of a large GPU, whatever GPU there is: results are the same on all.
    static constexpr index_t enough_blocks = 264;

    explicit machine(Policy policy) : stream(thrust::cuda_cub::stream(policy)) {}

    template <class Kernel>
    void launch(index_t blocks, const Kernel& kernel) const {
        static_assert(std::is_trivially_copyable_v<Kernel> && sizeof(Kernel) <= 4096);
        if (blocks == 0) return;
        constexpr std::size_t bytes =
            sizeof(typename Kernel::shared) <= free_shared_bytes ? 0 : sizeof(typename Kernel::shared);
        if constexpr (bytes > 0) {
            check_launch(Kernel::name, cudaFuncSetAttribute(run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                            static_cast<int>(bytes)));
        }
        run<Kernel><<<static_cast<unsigned>(blocks), Kernel::threads, bytes, stream>>>(kernel);
        check_launch(Kernel::name, cudaGetLastError());
    }

    cudaStream_t stream;
};

}  // namespace device

template <class Policy>
    requires std::is_base_of_v<thrust::cuda_cub::execution_policy<Policy>, Policy>
inline constexpr memory_space memory_of<Policy> = memory_space::device;

}  // namespace selfsame::inline SELFSAME_ISA
