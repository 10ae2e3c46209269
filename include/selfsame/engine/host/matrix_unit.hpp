#pragma once

#include <cstdint>

#include "selfsame/core/config.hpp"
#include "selfsame/core/tensor.hpp"

#if defined(SELFSAME_AMX)
#include <sys/syscall.h>
#include <unistd.h>
#endif

/// \file
/// The processor's matrix unit, Intel's AMX: products of pairs of bfloat16 with sums in float, in tiles of up to 16
/// rows of 64 bytes. (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.)

namespace selfsame::inline SELFSAME_ISA::host {

#if defined(SELFSAME_AMX)

/// Whether the system lets this process use the tiles, which it wants to be asked for.
inline bool may_use_tiles() {
    constexpr long request_permission = 0x1023, tile_data = 18;
    static const bool granted = syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    return granted;
}

/// Keeps the thread's unit set up for multiply_tiles: to set it up costs as much as some products.
template <int Rows>
class tiles_open {
  public:
    tiles_open() {
        if (may_use_tiles()) asm volatile("ldtilecfg %0" ::"m"(shapes));
    }
    ~tiles_open() {
        if (may_use_tiles()) asm volatile("tilerelease");
    }
    tiles_open(const tiles_open&) = delete;
    tiles_open& operator=(const tiles_open&) = delete;

  private:
    static_assert(Rows <= 16);
    struct configuration {
        std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
        std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        // Tiles 0 to 3 are sums, 4 is of a, 5 to 7 are of b.
        std::uint8_t rows[16] = {Rows, Rows, Rows, Rows, Rows, 16, 16, 16};
    };
    alignas(64) static constexpr configuration shapes{};
};

inline constexpr index_t tile_units = 16;  ///< depth of a product of tiles, in pairs

/// sums (the rows of tiles_open x 16 Registers, dense) = a.b over `steps` times tile_units pairs. Rows of a are `a_row`
/// pairs apart, each pair's rows of b `b_step`.
template <int Registers>
SELFSAME_INLINE void multiply_tiles(const std::int32_t* a, index_t a_row, const std::int32_t* b, index_t b_step,
                                    index_t steps, float* sums) {
    static_assert(Registers <= 4);
    asm volatile("tilezero %%tmm0\n\ttilezero %%tmm1\n\ttilezero %%tmm2\n\ttilezero %%tmm3" :);
    const index_t a_bytes = a_row * 4, b_bytes = b_step * 4, sum_bytes = Registers * 64;
    for (index_t k = 0; k < steps; ++k) {
        asm volatile("tileloadd (%0,%1,1), %%tmm4" ::"r"(a), "r"(a_bytes) : "memory");
        asm volatile("tileloadd (%0,%1,1), %%tmm5\n\ttdpbf16ps %%tmm5, %%tmm4, %%tmm0" ::"r"(b), "r"(b_bytes)
                     : "memory");
        if constexpr (Registers > 1) {
            asm volatile("tileloadd 64(%0,%1,1), %%tmm6\n\ttdpbf16ps %%tmm6, %%tmm4, %%tmm1" ::"r"(b), "r"(b_bytes)
                         : "memory");
        }
        if constexpr (Registers > 2) {
            asm volatile("tileloadd 128(%0,%1,1), %%tmm7\n\ttdpbf16ps %%tmm7, %%tmm4, %%tmm2" ::"r"(b), "r"(b_bytes)
                         : "memory");
        }
        if constexpr (Registers > 3) {
            asm volatile("tileloadd 192(%0,%1,1), %%tmm5\n\ttdpbf16ps %%tmm5, %%tmm4, %%tmm3" ::"r"(b), "r"(b_bytes)
                         : "memory");
        }
        a += tile_units;
        b += tile_units * b_step;
    }
    asm volatile("tilestored %%tmm0, (%0,%1,1)" ::"r"(sums), "r"(sum_bytes) : "memory");
    if constexpr (Registers > 1) asm volatile("tilestored %%tmm1, 64(%0,%1,1)" ::"r"(sums), "r"(sum_bytes) : "memory");
    if constexpr (Registers > 2) asm volatile("tilestored %%tmm2, 128(%0,%1,1)" ::"r"(sums), "r"(sum_bytes) : "memory");
    if constexpr (Registers > 3) asm volatile("tilestored %%tmm3, 192(%0,%1,1)" ::"r"(sums), "r"(sum_bytes) : "memory");
}

#endif

}  // namespace selfsame::inline SELFSAME_ISA::host
