// What nvcc makes of these is run by the interpreter: library code that is known to be right, and every kind of
// instruction that kernels of this library use.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>

namespace wmma = nvcuda::wmma;

__global__ void block_scan(const int* in, int* out, int* totals) {
    using scan = cub::BlockScan<int, 128>;
    __shared__ scan::TempStorage storage;
    const unsigned at = blockIdx.x * 128 + threadIdx.x;
    int prefix = 0, total = 0;
    scan(storage).ExclusiveSum(in[at], prefix, total);
    out[at] = prefix;
    if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

template <cub::BlockReduceAlgorithm Algorithm>
__global__ void block_reduce(const float* in, float* sum, float* largest, int count) {
    using reduce = cub::BlockReduce<float, 160, Algorithm>;
    __shared__ typename reduce::TempStorage storage;
    const float value = int(threadIdx.x) < count ? in[threadIdx.x] : 0.0f;
    const float total = reduce(storage).Sum(value);
    __syncthreads();
    const float most = reduce(storage).Reduce(value, [](float a, float b) { return a < b ? b : a; }, count);
    if (threadIdx.x == 0) *sum = total, *largest = most;
}
template __global__ void block_reduce<cub::BLOCK_REDUCE_WARP_REDUCTIONS>(const float*, float*, float*, int);
template __global__ void block_reduce<cub::BLOCK_REDUCE_RAKING>(const float*, float*, float*, int);

__global__ void block_sort(int* keys) {
    using sort = cub::BlockRadixSort<int, 64, 2>;
    __shared__ sort::TempStorage storage;
    int mine[2] = {keys[2 * threadIdx.x], keys[2 * threadIdx.x + 1]};
    sort(storage).Sort(mine);
    keys[2 * threadIdx.x] = mine[0];
    keys[2 * threadIdx.x + 1] = mine[1];
}

// c (16 x 16) = a (16 x 16 K) b (16 K x 16), b stored by columns.
template <class T, int K, class Stored>
__global__ void wmma_product(const Stored* a, const Stored* b, float* c, int steps) {
    wmma::fragment<wmma::matrix_a, 16, 16, K, T, wmma::row_major> left;
    wmma::fragment<wmma::matrix_b, 16, 16, K, T, wmma::col_major> right;
    wmma::fragment<wmma::accumulator, 16, 16, K, float> sum;
    __shared__ float result[16 * 20];
    wmma::fill_fragment(sum, 1.0f);
    for (int i = 0; i < steps; ++i) {
        wmma::load_matrix_sync(left, a + K * i, unsigned(K * steps));
        wmma::load_matrix_sync(right, b + K * i, unsigned(K * steps));
        wmma::mma_sync(sum, left, right, sum);
    }
    for (int i = 0; i < sum.num_elements; ++i) sum.x[i] *= 0.5f;
    wmma::store_matrix_sync(result, sum, 20, wmma::mem_row_major);
    __syncwarp();
    for (unsigned i = threadIdx.x; i < 256; i += 32) c[i] = result[i / 16 * 20 + i % 16];
}
template __global__ void wmma_product<half, 16, half>(const half*, const half*, float*, int);
template __global__ void wmma_product<__nv_bfloat16, 16, __nv_bfloat16>(const __nv_bfloat16*, const __nv_bfloat16*,
                                                                        float*, int);
template __global__ void wmma_product<wmma::precision::tf32, 8, float>(const float*, const float*, float*, int);

// c (32 x 8, by rows) = a (32 x 32) b (8 x 32)^T for two warps: copies two stages ahead, ldmatrix, mma.sync.
__global__ void tensor_product(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, int rows) {
    __shared__ alignas(16) __nv_bfloat16 left[2][32][24], right[2][8][24];
    const unsigned rank = threadIdx.x, lane = rank % 32, warp = rank / 32;
    const auto address = [](const void* p) { return unsigned(__cvta_generic_to_shared(p)); };
    const auto copy = [&](void* to, const void* from, int bytes) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(address(to)), "l"(from), "r"(bytes)
                     : "memory");
    };
    const auto stage = [&](int s) {
        const unsigned row = rank / 2, half = rank % 2 * 8;
        copy(&left[s][row][half], a + row * 32 + 16 * s + half, int(row) < rows ? 16 : 0);
        if (rank < 16) copy(&right[s][row][half], b + row * 32 + 16 * s + half, 16);
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    stage(0);
    stage(1);
    float d[4] = {};
    for (int s = 0; s < 2; ++s) {
        if (s == 0)
            asm volatile("cp.async.wait_group 1;" ::: "memory");
        else
            asm volatile("cp.async.wait_group 0;" ::: "memory");
        __syncthreads();
        unsigned x[4], y[2];
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(address(&left[s][16 * warp + lane % 16][lane / 16 * 8]))
                     : "memory");
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                     : "=r"(y[0]), "=r"(y[1])
                     : "r"(address(&right[s][lane % 8][lane / 8 % 2 * 8]))
                     : "memory");
        asm volatile(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, "
            "%1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(y[0]), "r"(y[1]));
    }
    for (unsigned e = 0; e < 4; ++e) c[(16 * warp + lane / 4 + 8 * (e / 2)) * 8 + 2 * (lane % 4) + e % 2] = d[e];
}

__global__ void collatz(const unsigned* start, unsigned* steps, int count) {
    const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
    if (i >= count) return;
    unsigned n = 0;
    for (unsigned long long x = start[i]; x != 1; ++n) {
        if (x % 2 == 0)
            x /= 2;
        else
            x = 3 * x + 1;
        if (n > 200) break;
    }
    steps[i] = n;
}

__global__ void transposed(const float* in, float* out, int rows, int columns) {
    __shared__ float tile[32][33];
    const int x = int(blockIdx.x * 32 + threadIdx.x), y = int(blockIdx.y * 32);
    for (int j = int(threadIdx.y); j < 32; j += 8)
        if (y + j < rows && x < columns) tile[j][threadIdx.x] = in[(y + j) * columns + x];
    __syncthreads();
    const int from = int(blockIdx.x * 32), to = y + int(threadIdx.x);
    for (int j = int(threadIdx.y); j < 32; j += 8)
        if (from + j < columns && to < rows) out[(from + j) * rows + to] = tile[threadIdx.x][j];
}

struct problem {
    float* values;
    long long count;
    double coefficients[3];
};
__constant__ float table[4] = {1, 2, 3, 4};

__device__ __noinline__ float mixed(float x, problem p, int depth) {
    float powers[8];
    for (int i = 0; i < 8; ++i) powers[i] = x * float(i);
    const float here = powers[depth & 7] + float(p.coefficients[depth % 3]);
    return depth > 0 ? here + mixed(0.5f * x, p, depth - 1) : here;
}

__global__ void functions(problem p, int depth) {
    const long long i = blockIdx.x * (long long)(blockDim.x) + threadIdx.x;
    if (i >= p.count) return;
    const float x = p.values[i];
    const double d = x;
    p.values[i] = mixed(x, p, depth) + table[i & 3] + sinf(x) + expf(x) + tanhf(x) + log1pf(x * x) +
                  powf(fabsf(x), 1.5f) + float(erf(d) + exp(d) * cbrt(d) + atan2(d, 2.0));
}

__global__ void halves(const __half2* a, __half2* b, const __nv_bfloat162* c, __nv_bfloat162* d) {
    const unsigned i = threadIdx.x;
    b[i] = __hadd2(__hfma2(a[i], a[i], b[i]), h2exp2(a[i]));
    d[i] = __hadd2(c[i], __hmax2(c[i], d[i]));
}

// Sums of 16 neighbours, and how many lanes saw the same value.
__global__ void tiles(const int* in, int* sums, unsigned* same) {
    namespace cg = cooperative_groups;
    const auto tile = cg::tiled_partition<16>(cg::this_thread_block());
    const unsigned i = threadIdx.x;
    sums[i] = cg::reduce(tile, in[i], cg::plus<int>());
    same[i] = __popc(__match_any_sync(0xffffffffu, in[i]));
}
