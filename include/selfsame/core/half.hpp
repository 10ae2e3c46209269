#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include "selfsame/core/config.hpp"

/// \file
/// 16-bit storage types. Arithmetic is done in float: these only convert.

namespace selfsame::inline SELFSAME_ISA {

/// IEEE 754 binary16.
struct half {
    std::uint16_t bits = 0;

    half() = default;
    constexpr explicit half(float x) {
        const auto u = __builtin_bit_cast(std::uint32_t, x);
        const std::uint32_t sign = u >> 16 & 0x8000u, magnitude = u & 0x7fffffffu;
        if (magnitude > 0x7f800000u) {
            bits = static_cast<std::uint16_t>(sign | 0x7e00u);
        } else if (magnitude >= 0x477ff000u) {  // rounds to 65536 or more
            bits = static_cast<std::uint16_t>(sign | 0x7c00u);
        } else if (magnitude < 0x38800000u) {
            // Subnormal: adding 1/2 leaves the result, rounded to nearest even, in the low bits of the sum.
            const float sum = __builtin_bit_cast(float, magnitude) + 0.5f;
            bits = static_cast<std::uint16_t>(sign | (__builtin_bit_cast(std::uint32_t, sum) - 0x3f000000u));
        } else {
            const std::uint32_t odd = magnitude >> 13 & 1u;
            bits = static_cast<std::uint16_t>(sign | ((magnitude - 0x38000000u + 0xfffu + odd) >> 13));
        }
    }
    constexpr explicit operator float() const {
        const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
        if (magnitude >= 0x7c00u) {
            return __builtin_bit_cast(float, sign | 0x7f800000u | (magnitude & 0x3ffu) << 13);
        }
        // Multiplying by 2^112 moves the exponent and normalizes subnormals, exactly.
        const float scaled = __builtin_bit_cast(float, magnitude << 13) * 0x1p112f;
        return __builtin_bit_cast(float, sign | __builtin_bit_cast(std::uint32_t, scaled));
    }
    friend constexpr bool operator==(half, half) = default;  // of representations
};

/// The upper half of a float (bfloat16).
struct bfloat16 {
    std::uint16_t bits = 0;

    bfloat16() = default;
    constexpr explicit bfloat16(float x) {
        const auto u = __builtin_bit_cast(std::uint32_t, x);
        const bool nan = (u & 0x7fffffffu) > 0x7f800000u;
        bits = static_cast<std::uint16_t>(nan ? (u >> 16 | 0x40u) : ((u + 0x7fffu + (u >> 16 & 1u)) >> 16));
    }
    constexpr explicit operator float() const {
        return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16);
    }
    friend constexpr bool operator==(bfloat16, bfloat16) = default;  // of representations
};

/// Element types of embeddings and gradients.
template <class T>
concept real_element =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, half> || std::same_as<T, bfloat16>;

/// The type in which elements of type T are computed with: float at least.
template <class T>
struct compute {
    using type = float;
};
template <>
struct compute<double> {
    using type = double;
};

/// Conversion between any two element types; the 16-bit ones by way of float.
template <class To, class From>
constexpr To element_cast(From x) {
    if constexpr (std::same_as<To, From>) {
        return x;
    } else if constexpr (std::is_arithmetic_v<To> && std::is_arithmetic_v<From>) {
        return static_cast<To>(x);
    } else if constexpr (std::is_arithmetic_v<To>) {
        return static_cast<To>(static_cast<float>(x));
    } else {
        return To(static_cast<float>(x));
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
