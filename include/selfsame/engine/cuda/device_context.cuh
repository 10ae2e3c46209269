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
    /// Those of sm_90 alone, where a unit is compiled for sm_90a.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    static constexpr bool warpgroups = true;
#else
    static constexpr bool warpgroups = false;
#endif

    __device__ explicit device_context(void* shared) : shared_(shared) {}

    __device__ int thread() const { return static_cast<int>(threadIdx.x); }
    __device__ int lane() const { return static_cast<int>(threadIdx.x) % warp_size; }
    __device__ int warp() const { return static_cast<int>(threadIdx.x) / warp_size; }
    __device__ index_t block() const { return static_cast<index_t>(blockIdx.x); }

    __device__ void sync() { __syncthreads(); }
    __device__ void keep_order() { asm volatile("" ::: "memory"); }

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

    /// To a value in global memory, to which other threads may add.
    __device__ void add_to(std::uint32_t& value, std::uint32_t x) { atomicAdd(&value, x); }

    __device__ void tell(message& to, message m) {
        asm volatile("st.relaxed.gpu.global.b64 [%0], %1;" ::"l"(__cvta_generic_to_global(&to)),
                     "l"(__builtin_bit_cast(std::uint64_t, m))
                     : "memory");
    }
    __device__ message look(const message& from) {
        std::uint64_t m;
        asm volatile("ld.relaxed.gpu.global.b64 %0, [%1];" : "=l"(m) : "l"(__cvta_generic_to_global(&from)) : "memory");
        return __builtin_bit_cast(message, m);
    }
    __device__ float hear(const message& from, std::uint32_t number) {
        for (;;) {
            const message m = look(from);
            if (m.number == number) return m.value;
            __nanosleep(32);
        }
    }

    template <class U>
    __device__ void copy_async(U* to, const U* from, bool there) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address(to)),
                     "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
                     : "memory");
    }
    __device__ void copy_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
    template <int Flying>
    __device__ void copy_wait() {
        asm volatile("cp.async.wait_group %0;" ::"n"(Flying) : "memory");
    }

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

    __device__ void sync_for_warpgroups() {
        if constexpr (warpgroups) asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        __syncthreads();
    }
    __device__ void multiply_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
    __device__ void multiply_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
    template <int Flying, int N>
    __device__ void multiply_wait(float (&x)[2][N]) {
        asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Flying) : "memory");
        if constexpr (Flying == 0) pin(x);
    }
    template <class U, bool Transposed, int N>
    __device__ void multiply_warpgroup(float (&x)[2][N], const U* a, const U* b, bool adds) {
        static_assert(std::is_same_v<U, bfloat16> && (N == 32 || N == 64));
        const std::uint64_t left = matrix_at(a, 0), right = matrix_at(b, Transposed ? 64 * 128 : 0);
        if constexpr (N == 64) {
            asm volatile(
                "{\n.reg .pred p;\nsetp.ne.b32 p, %131, 0;\n"
                "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "
                "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "
                "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
                "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "
                "%56, %57, %58, %59, %60, %61, %62, %63, %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, "
                "%74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, "
                "%92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, "
                "%108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, "
                "%123, %124, %125, %126, %127}, "
                "%128, %129, p, 1, 1, 0, %130;\n}"
                : "+f"(x[0][0]), "+f"(x[0][1]), "+f"(x[1][0]), "+f"(x[1][1]), "+f"(x[0][2]), "+f"(x[0][3]),
                  "+f"(x[1][2]), "+f"(x[1][3]), "+f"(x[0][4]), "+f"(x[0][5]), "+f"(x[1][4]), "+f"(x[1][5]),
                  "+f"(x[0][6]), "+f"(x[0][7]), "+f"(x[1][6]), "+f"(x[1][7]), "+f"(x[0][8]), "+f"(x[0][9]),
                  "+f"(x[1][8]), "+f"(x[1][9]), "+f"(x[0][10]), "+f"(x[0][11]), "+f"(x[1][10]), "+f"(x[1][11]),
                  "+f"(x[0][12]), "+f"(x[0][13]), "+f"(x[1][12]), "+f"(x[1][13]), "+f"(x[0][14]), "+f"(x[0][15]),
                  "+f"(x[1][14]), "+f"(x[1][15]), "+f"(x[0][16]), "+f"(x[0][17]), "+f"(x[1][16]), "+f"(x[1][17]),
                  "+f"(x[0][18]), "+f"(x[0][19]), "+f"(x[1][18]), "+f"(x[1][19]), "+f"(x[0][20]), "+f"(x[0][21]),
                  "+f"(x[1][20]), "+f"(x[1][21]), "+f"(x[0][22]), "+f"(x[0][23]), "+f"(x[1][22]), "+f"(x[1][23]),
                  "+f"(x[0][24]), "+f"(x[0][25]), "+f"(x[1][24]), "+f"(x[1][25]), "+f"(x[0][26]), "+f"(x[0][27]),
                  "+f"(x[1][26]), "+f"(x[1][27]), "+f"(x[0][28]), "+f"(x[0][29]), "+f"(x[1][28]), "+f"(x[1][29]),
                  "+f"(x[0][30]), "+f"(x[0][31]), "+f"(x[1][30]), "+f"(x[1][31]), "+f"(x[0][32]), "+f"(x[0][33]),
                  "+f"(x[1][32]), "+f"(x[1][33]), "+f"(x[0][34]), "+f"(x[0][35]), "+f"(x[1][34]), "+f"(x[1][35]),
                  "+f"(x[0][36]), "+f"(x[0][37]), "+f"(x[1][36]), "+f"(x[1][37]), "+f"(x[0][38]), "+f"(x[0][39]),
                  "+f"(x[1][38]), "+f"(x[1][39]), "+f"(x[0][40]), "+f"(x[0][41]), "+f"(x[1][40]), "+f"(x[1][41]),
                  "+f"(x[0][42]), "+f"(x[0][43]), "+f"(x[1][42]), "+f"(x[1][43]), "+f"(x[0][44]), "+f"(x[0][45]),
                  "+f"(x[1][44]), "+f"(x[1][45]), "+f"(x[0][46]), "+f"(x[0][47]), "+f"(x[1][46]), "+f"(x[1][47]),
                  "+f"(x[0][48]), "+f"(x[0][49]), "+f"(x[1][48]), "+f"(x[1][49]), "+f"(x[0][50]), "+f"(x[0][51]),
                  "+f"(x[1][50]), "+f"(x[1][51]), "+f"(x[0][52]), "+f"(x[0][53]), "+f"(x[1][52]), "+f"(x[1][53]),
                  "+f"(x[0][54]), "+f"(x[0][55]), "+f"(x[1][54]), "+f"(x[1][55]), "+f"(x[0][56]), "+f"(x[0][57]),
                  "+f"(x[1][56]), "+f"(x[1][57]), "+f"(x[0][58]), "+f"(x[0][59]), "+f"(x[1][58]), "+f"(x[1][59]),
                  "+f"(x[0][60]), "+f"(x[0][61]), "+f"(x[1][60]), "+f"(x[1][61]), "+f"(x[0][62]), "+f"(x[0][63]),
                  "+f"(x[1][62]), "+f"(x[1][63])
                : "l"(left), "l"(right), "n"(Transposed ? 1 : 0), "r"(adds ? 1 : 0));
        } else {
            asm volatile(
                "{\n.reg .pred p;\nsetp.ne.b32 p, %67, 0;\n"
                "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
                "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "
                "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
                "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, "
                "%56, %57, %58, %59, %60, %61, %62, %63}, "
                "%64, %65, p, 1, 1, 0, %66;\n}"
                : "+f"(x[0][0]), "+f"(x[0][1]), "+f"(x[1][0]), "+f"(x[1][1]), "+f"(x[0][2]), "+f"(x[0][3]),
                  "+f"(x[1][2]), "+f"(x[1][3]), "+f"(x[0][4]), "+f"(x[0][5]), "+f"(x[1][4]), "+f"(x[1][5]),
                  "+f"(x[0][6]), "+f"(x[0][7]), "+f"(x[1][6]), "+f"(x[1][7]), "+f"(x[0][8]), "+f"(x[0][9]),
                  "+f"(x[1][8]), "+f"(x[1][9]), "+f"(x[0][10]), "+f"(x[0][11]), "+f"(x[1][10]), "+f"(x[1][11]),
                  "+f"(x[0][12]), "+f"(x[0][13]), "+f"(x[1][12]), "+f"(x[1][13]), "+f"(x[0][14]), "+f"(x[0][15]),
                  "+f"(x[1][14]), "+f"(x[1][15]), "+f"(x[0][16]), "+f"(x[0][17]), "+f"(x[1][16]), "+f"(x[1][17]),
                  "+f"(x[0][18]), "+f"(x[0][19]), "+f"(x[1][18]), "+f"(x[1][19]), "+f"(x[0][20]), "+f"(x[0][21]),
                  "+f"(x[1][20]), "+f"(x[1][21]), "+f"(x[0][22]), "+f"(x[0][23]), "+f"(x[1][22]), "+f"(x[1][23]),
                  "+f"(x[0][24]), "+f"(x[0][25]), "+f"(x[1][24]), "+f"(x[1][25]), "+f"(x[0][26]), "+f"(x[0][27]),
                  "+f"(x[1][26]), "+f"(x[1][27]), "+f"(x[0][28]), "+f"(x[0][29]), "+f"(x[1][28]), "+f"(x[1][29]),
                  "+f"(x[0][30]), "+f"(x[0][31]), "+f"(x[1][30]), "+f"(x[1][31])
                : "l"(left), "l"(right), "n"(Transposed ? 1 : 0), "r"(adds ? 1 : 0));
        }
    }

  private:
    /// A matrix descriptor (PTX ISA): 128-byte swizzle, 1024 bytes from eight lines to the next eight, `between` from
    /// 64 columns to the next 64 where lines hold columns.
    static __device__ std::uint64_t matrix_at(const void* p, int between) {
        const auto field = [](std::uint64_t bytes) { return (bytes & 0x3ffff) >> 4; };
        return field(address(p)) | field(static_cast<std::uint64_t>(between)) << 16 | field(1024) << 32 |
               std::uint64_t(1) << 62;
    }
    /// Keeps the compiler from moving uses of x across.
    template <int N>
    static __device__ void pin(float (&x)[2][N]) {
        SELFSAME_UNROLL_ALL
        for (int m = 0; m < 2; ++m) {
            SELFSAME_UNROLL_ALL
            for (int n = 0; n < N; ++n) asm volatile("" : "+f"(x[m][n])::"memory");
        }
    }
    static __device__ word address(const void* p) { return static_cast<word>(__cvta_generic_to_shared(p)); }

    void* shared_;
};

/// What a block has without asking.
inline constexpr std::size_t free_shared_bytes = 48 << 10;

/// Registers are not to be saved for more blocks of a multiprocessor than a kernel asks for.
template <class Kernel>
inline constexpr int blocks_at_once = [] {
    if constexpr (requires { Kernel::resident; }) {
        return static_cast<int>(Kernel::resident);
    } else {
        return 0;
    }
}();

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads, blocks_at_once<Kernel>) run(const __grid_constant__ Kernel kernel) {
    using memory = typename Kernel::shared;
    if constexpr (sizeof(memory) <= free_shared_bytes) {
        __shared__ __align__(1024) unsigned char raw[sizeof(memory)];
        device_context c(raw);
        kernel(c);
    } else {
        extern __shared__ __align__(1024) unsigned char more[];
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
    /// One for each multiprocessor of an H100, whatever GPU there is: results are the same on all.
    static constexpr index_t enough_blocks = 132;
    static constexpr index_t slab_bytes = index_t(48) << 20, slab_columns = index_t(1) << 16;

    explicit machine(Policy policy) : stream(thrust::cuda_cub::stream(policy)) {}

    template <class Kernel>
    void launch(index_t blocks, const Kernel& kernel) const {
        static_assert(std::is_trivially_copyable_v<Kernel> && sizeof(Kernel) <= 4096);
        if (blocks == 0) return;
        if (!has_shared<Kernel>()) {
            throw std::runtime_error(std::string("selfsame: ") + Kernel::name + ": this GPU has less than the " +
                                     std::to_string(shared_bytes<Kernel>) +
                                     " bytes of shared memory a block that it wants");
        }
        if constexpr (lives_together<Kernel>) {
            void* arguments[] = {const_cast<Kernel*>(&kernel)};
            check_launch(Kernel::name,
                         cudaLaunchCooperativeKernel(run<Kernel>, static_cast<unsigned>(blocks), Kernel::threads,
                                                     arguments, shared_bytes<Kernel>, stream));
        } else {
            run<Kernel><<<static_cast<unsigned>(blocks), Kernel::threads, shared_bytes<Kernel>, stream>>>(kernel);
            check_launch(Kernel::name, cudaGetLastError());
        }
    }

    /// Whether so many blocks can live at the same time.
    template <class Kernel>
    bool has_room(index_t blocks) const {
        int gpu = 0, multiprocessors = 0, each = 0;
        const bool known =
            has_shared<Kernel>() && cudaGetDevice(&gpu) == cudaSuccess &&
            cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, gpu) == cudaSuccess &&
            cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, run<Kernel>, Kernel::threads, shared_bytes<Kernel>) ==
                cudaSuccess;
        if (!known) static_cast<void>(cudaGetLastError());
        return known && blocks <= index_t(multiprocessors) * each;
    }

    cudaStream_t stream;

  private:
    /// What is asked for at a launch.
    template <class Kernel>
    static constexpr std::size_t shared_bytes =
        sizeof(typename Kernel::shared) <= free_shared_bytes ? 0 : sizeof(typename Kernel::shared);

    template <class Kernel>
    static bool has_shared() {
        if constexpr (shared_bytes<Kernel> > 0) {
            if (cudaFuncSetAttribute(run<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     static_cast<int>(shared_bytes<Kernel>)) != cudaSuccess) {
                static_cast<void>(cudaGetLastError());
                return false;
            }
        }
        return true;
    }
};

}  // namespace device

template <class Policy>
    requires std::is_base_of_v<thrust::cuda_cub::execution_policy<Policy>, Policy>
inline constexpr memory_space memory_of<Policy> = memory_space::device;

}  // namespace selfsame::inline SELFSAME_ISA
