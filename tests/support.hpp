#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

/// \file
/// Shared by all tests: whether a sanitizer watches, the cases that RapidCheck draws, and what a call was refused with.

namespace selfsame_tests {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

/// RapidCheck draws the same cases each time, fewer under a sanitizer; the variable RC_PARAMS says otherwise.
inline const bool repeatable =
    setenv("RC_PARAMS", sanitized ? "seed=20240607 max_success=25" : "seed=20240607", 0) == 0;

/// The message of what f throws; empty if it does not throw std::invalid_argument.
template <class F>
std::string refusal(F&& f) {
    try {
        f();
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "";
}

}  // namespace selfsame_tests
