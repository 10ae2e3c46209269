#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ostream>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "selfsame/core/half.hpp"

/// \file
/// Writes kernels' launches down, for an interpreter to run them from PTX (run.py replay): names, extents, the bytes of
/// the parameters, the buffers that they point into, and the values that the buffers are to hold at the end.

namespace selfsame_tests {

/// A type's name in PTX.
template <class T>
std::string ptx_type() {
    if constexpr (std::is_same_v<T, selfsame::half>) {
        return "f16";
    } else if constexpr (std::is_same_v<T, selfsame::bfloat16>) {
        return "bf16";
    } else {
        static_assert(std::is_arithmetic_v<T>);
        return (std::is_floating_point_v<T> ? "f" : std::is_signed_v<T> ? "s" : "u") + std::to_string(8 * sizeof(T));
    }
}

/// A case of a recording. Buffers are told before the launches whose parameters point into them, and must stay where
/// they are: every aligned 8 bytes of a parameter that are an address within a buffer become a pointer.
class recording {
  public:
    using extents = std::array<std::int64_t, 3>;
    using bytes = std::span<const std::byte>;

    /// Values as they are now.
    template <class T>
    void buffer(const std::string& name, std::span<const T> values) {
        place(name, ptx_type<T>(), values.size(), std::as_bytes(values), hex(std::as_bytes(values)));
    }
    /// Memory that is written before it is read.
    void scratch(const std::string& name, bytes memory) { place(name, "u8", memory.size(), memory, "-"); }

    /// `kernel`: its readable name, or a part that no other kernel's name has; `shared`: dynamic bytes; `together`:
    /// all blocks live at the same time.
    void launch(const std::string& kernel, extents grid, extents block, std::size_t shared,
                std::initializer_list<bytes> parameters, bool together = false) {
        const auto list = [](const extents& e) {
            return std::to_string(e[0]) + "," + std::to_string(e[1]) + "," + std::to_string(e[2]);
        };
        add((together ? "cooperative " : "launch ") + list(grid) + " " + list(block) + " " + std::to_string(shared) +
            " " + kernel);
        for (const bytes& p : parameters) add("parameter " + hex(p) + pointers(p));
    }

    /// What a buffer is to hold, up to a distance relative to the values, in the 2-norm.
    template <class T>
    void expect(const std::string& name, std::span<const T> values, double tolerance) {
        std::ostringstream allowed;
        allowed << tolerance;
        add("expect " + name + " " + allowed.str() + " " + hex(std::as_bytes(values)));
    }

    void write(std::ostream& out, const std::string& name) const {
        out << "case " << name << "\n";
        for (const auto& line : lines_) out << line << "\n";
    }

  private:
    struct placed {
        std::string name;
        std::uintptr_t begin, end;
    };

    static std::string hex(bytes data) {
        static constexpr char digits[] = "0123456789abcdef";
        std::string text;
        for (const std::byte b : data) {
            text += digits[std::to_integer<unsigned>(b) / 16];
            text += digits[std::to_integer<unsigned>(b) % 16];
        }
        return text;
    }

    void add(const std::string& line) { lines_.push_back(line); }

    void place(const std::string& name, const std::string& type, std::size_t count, bytes memory,
               const std::string& content) {
        if (memory.empty()) return;
        const auto begin = reinterpret_cast<std::uintptr_t>(memory.data());
        for (const placed& other : buffers_) {
            if (other.name == name || (begin < other.end && other.begin < begin + memory.size())) {
                throw std::invalid_argument("buffer " + name + ": expected apart from " + other.name);
            }
        }
        buffers_.push_back({name, begin, begin + memory.size()});
        add("buffer " + name + " " + type + " " + std::to_string(count) + " " + content);
    }

    std::string pointers(bytes parameter) const {
        std::string found;
        for (std::size_t at = 0; at + 8 <= parameter.size(); at += 8) {
            std::uint64_t word = 0;
            std::memcpy(&word, parameter.data() + at, 8);
            for (const placed& b : buffers_) {
                if (b.begin <= word && word < b.end) {
                    found += " " + std::to_string(at) + " " + b.name + " " + std::to_string(word - b.begin);
                }
            }
        }
        return found;
    }

    std::vector<std::string> lines_;
    std::vector<placed> buffers_;
};

}  // namespace selfsame_tests
