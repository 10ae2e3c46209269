#pragma once

#include <algorithm>

#include "selfsame/core/random.hpp"
#include "selfsame/core/tensor.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// A row of random numbers, up to 2^26 of them, named as a `random_stream` is: element k is a function of the name and
/// of k alone. Successive calls give the same numbers.
class random_row {
  public:
    /// Operations that name rows of this library; a pipeline of augmentations counts its own from 0.
    static constexpr std::uint32_t noise_op = 0xe0, accept_op = 0xe1, start_op = 0xe2, choice_op = 0xe3;
    static constexpr index_t capacity = index_t(1) << 26;

    constexpr random_row(std::uint64_t seed, std::uint32_t epoch, std::uint64_t sample, std::uint32_t op)
        : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
          counter_{static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32), epoch, 0},
          op_((op & 0xffu) << 16) {}

    /// Standard normal: all of a Box-Muller pair is used, two numbers for 64 random bits.
    template <class T>
    constexpr void normal(T* out, index_t count) const {
        fill(out, count, [&](index_t block) { return normal<T>(block); });
    }
    /// Numbers 4 block, ..., 4 block + 3 of the same.
    template <class T>
    constexpr std::array<T, 4> normal(index_t block) const {
        const auto r = bits(block);
        const auto a = exact::normal_pair(r[0], r[1]), b = exact::normal_pair(r[2], r[3]);
        return {static_cast<T>(a[0]), static_cast<T>(a[1]), static_cast<T>(b[0]), static_cast<T>(b[1])};
    }
    /// Uniform on [low, high], in steps of 2^-24 of its width.
    template <class T>
    constexpr void uniform(T* out, index_t count, T low, T high) const {
        fill(out, count, [&](index_t block) {
            const auto r = bits(block);
            std::array<T, 4> x{};
            for (std::size_t k = 0; k < 4; ++k) {
                x[k] = exact::fma(static_cast<T>(r[k] >> 8) * static_cast<T>(0x1p-24), high - low, low);
            }
            return x;
        });
    }

  private:
    constexpr std::array<std::uint32_t, 4> bits(index_t number) const {
        const auto block = static_cast<std::uint32_t>(number);
        // As random_stream has it: view (here what does not fit the position), op, position.
        const std::uint32_t place = (block >> 16 & 0xffu) << 24 | op_ | (block & 0xffffu);
        return philox({counter_[0], counter_[1], counter_[2], place}, key_);
    }
    template <class T, class Block>
    constexpr void fill(T* out, index_t count, Block&& block) const {
        for (index_t k = 0; k < count; k += 4) {
            const auto x = block(k / 4);
            for (index_t j = 0; j < (std::min)(index_t(4), count - k); ++j) out[k + j] = x[static_cast<std::size_t>(j)];
        }
    }

    std::array<std::uint32_t, 2> key_;
    std::array<std::uint32_t, 4> counter_;
    std::uint32_t op_;
};

}  // namespace selfsame::inline SELFSAME_ISA
