#pragma once

#include <array>
#include <cstdint>

#include "selfsame/core/config.hpp"
#include "selfsame/core/exact.hpp"

/// \file
/// Counter-based random numbers: a value is a pure function of its key and position, on any machine and thread count.

namespace selfsame::inline SELFSAME_ISA {

/// Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): 128 random bits of a 128-bit
/// counter under a 64-bit key.
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter[0];
        const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter[2];
        counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
                   static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

/// A stream of random numbers named by (seed, epoch, sample, view, op). The seed is the Philox key; the counter holds
/// sample (64 bits); epoch (32 bits); and view (8), op (8) and position (16 bits) together.
class random_stream {
  public:
    constexpr random_stream(std::uint64_t seed, std::uint32_t epoch, std::uint64_t sample, std::uint32_t view,
                            std::uint32_t op)
        : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
          counter_{static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32), epoch,
                   (view & 0xffu) << 24 | (op & 0xffu) << 16} {}

    /// 32 random bits; at most 2^18 of them a stream.
    constexpr std::uint32_t bits() {
        if (used_ == 4) {
            block_ = philox(counter_, key_);
            ++counter_[3];
            used_ = 0;
        }
        ++used_;
        // Moved up, not indexed: on a device an indexed array would be in memory.
        const std::uint32_t next = block_[0];
        block_ = {block_[1], block_[2], block_[3], 0};
        return next;
    }

    /// Uniform on [0, 1), a multiple of 2^-24: exact in float on every machine.
    constexpr float uniform() { return static_cast<float>(bits() >> 8) * 0x1p-24f; }

    /// Uniform on [low, high], in steps of 2^-24 of its width; the same bits on every machine.
    constexpr float uniform(float low, float high) { return exact::fma(uniform(), high - low, low); }

    /// True with a probability; never for 0, always for 1.
    constexpr bool chance(float probability) { return uniform() < probability; }

    /// Standard normal; the same bits on every machine.
    constexpr float normal() {
        const std::uint32_t a = bits();
        return exact::normal_pair(a, bits())[0];
    }

    /// Uniform on {0, ..., n - 1}, n >= 1 (multiply-shift; bias below n / 2^32).
    constexpr std::uint32_t below(std::uint32_t n) {
        return static_cast<std::uint32_t>(std::uint64_t{bits()} * n >> 32);
    }

  private:
    std::array<std::uint32_t, 2> key_;
    std::array<std::uint32_t, 4> counter_;
    std::array<std::uint32_t, 4> block_{};
    unsigned used_ = 4;
};

}  // namespace selfsame::inline SELFSAME_ISA
