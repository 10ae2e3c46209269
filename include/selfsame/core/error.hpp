#pragma once

#include <concepts>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "selfsame/core/config.hpp"

/// \file
/// Bad input is refused at the entrance with std::invalid_argument: "selfsame: temperature: got 0, expected > 0".

namespace selfsame::inline SELFSAME_ISA {

/// Throws std::invalid_argument naming the argument, what was given and what was expected.
[[noreturn, gnu::noinline, gnu::cold]] inline void fail(std::string_view argument, std::string_view given,
                                                        std::string_view expected) {
    std::string text = "selfsame: ";
    text.append(argument).append(": got ").append(given).append(", expected ").append(expected);
    throw std::invalid_argument(text);
}

template <class Number>
    requires std::integral<Number> || std::floating_point<Number>
[[noreturn, gnu::noinline, gnu::cold]] void fail(std::string_view argument, Number given, std::string_view expected) {
    if constexpr (std::floating_point<Number>) {
        char text[32];
        std::snprintf(text, sizeof(text), "%g", static_cast<double>(given));
        fail(argument, std::string_view(text), expected);
    } else {
        fail(argument, std::string_view(std::to_string(given)), expected);
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
