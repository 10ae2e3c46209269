#pragma once

/// \file
/// What every header agrees on: the inline namespace of the instruction set, and the compiler modes that are refused.

#if defined(__FAST_MATH__) && !defined(SELFSAME_ALLOW_FAST_MATH)
#error "selfsame: -ffast-math removes the handling of NaN and infinity; define SELFSAME_ALLOW_FAST_MATH to accept that"
#endif

// Without the flag nvcc compiles calls of constexpr functions on the device to nothing and only warns.
#if defined(__CUDACC__) && !defined(__CUDACC_RELAXED_CONSTEXPR__)
#error "selfsame: compile with nvcc --expt-relaxed-constexpr (the CMake target selfsame::selfsame adds it)"
#endif

// Translation units compiled for different instruction sets may meet in one program; the linker must not merge
// their instantiations.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__) && defined(__AVX512BW__)
#define SELFSAME_AVX512 1
#if defined(__AVX512VBMI__) && defined(__AVX512VNNI__)
#define SELFSAME_AVX512_BYTES 1  // permutations and dot products of bytes
#if defined(__AVX512BF16__) && defined(__AMX_BF16__) && defined(__linux__)
#define SELFSAME_AMX 1  // products of tiles of bfloat16
#define SELFSAME_ISA avx512_amx
#elif defined(__AVX512BF16__)
#define SELFSAME_ISA avx512_bf16_bytes
#else
#define SELFSAME_ISA avx512_bytes
#endif
#elif defined(__AVX512BF16__)
#define SELFSAME_ISA avx512_bf16
#else
#define SELFSAME_ISA avx512
#endif
#elif defined(__AVX2__) && defined(__FMA__)
#define SELFSAME_ISA avx2
#elif defined(__ARM_NEON)
#define SELFSAME_ISA neon
#else
#define SELFSAME_ISA baseline
#endif

// The inner loops keep their accumulators in registers only if fully unrolled, which -O2 does not do by itself.
#define SELFSAME_PRAGMA(text) _Pragma(#text)
#if defined(__CUDACC__)
#define SELFSAME_UNROLL(count)
#elif defined(__clang__)
#define SELFSAME_UNROLL(count) SELFSAME_PRAGMA(clang loop unroll_count(count))
#else
#define SELFSAME_UNROLL(count) SELFSAME_PRAGMA(GCC unroll count)
#endif
#define SELFSAME_INLINE [[gnu::always_inline]] inline
