#pragma once

#include <cstdint>
#include <numeric>

#include "selfsame/core/tensor.hpp"

/// \file
/// Whether tensors share memory, and the rules about it.

namespace selfsame::inline SELFSAME_ISA {

/// Where the elements of a tensor are, in bytes, whatever their type.
struct footprint {
    static constexpr std::size_t most_dimensions = 4;

    std::uintptr_t first = 0;  ///< the lowest address
    index_t element = 0;
    std::array<index_t, most_dimensions> extents{}, steps{};  ///< steps are not negative
    bool empty = true;
    const void* origin = nullptr;                       ///< of index 0, 0, ...
    std::array<index_t, most_dimensions> directions{};  ///< signed steps

    /// From the lowest address to past the highest.
    constexpr index_t span() const {
        index_t bytes = element;
        for (std::size_t r = 0; r < most_dimensions; ++r) bytes += (extents[r] - 1) * steps[r];
        return bytes;
    }
};

template <class T, class E, class L, class A>
footprint footprint_of(const cuda::std::mdspan<T, E, L, A>& x) {
    static_assert(E::rank() <= footprint::most_dimensions);
    footprint f;
    f.element = sizeof(T);
    f.origin = x.data_handle();
    f.empty = x.size() == 0;
    f.extents.fill(1);
    auto first = reinterpret_cast<std::uintptr_t>(f.origin);
    for (std::size_t r = 0; r < E::rank() && !f.empty; ++r) {
        if (x.extent(r) == 1) continue;
        const index_t step = x.stride(r) * f.element;
        f.extents[r] = x.extent(r);
        f.directions[r] = step;
        f.steps[r] = step < 0 ? -step : step;
        if (step < 0) first -= static_cast<std::uintptr_t>((x.extent(r) - 1) * f.steps[r]);
    }
    f.first = first;
    return f;
}

/// Whether both have the same element at every index.
inline bool same_elements(const footprint& a, const footprint& b) {
    return a.origin == b.origin && a.element == b.element && a.extents == b.extents && a.directions == b.directions;
}

namespace detail {

/// Two blocks of bytes that repeat every `period` bytes and begin `ahead` apart.
constexpr bool blocks_meet(index_t ahead, index_t first_block, index_t second_block, index_t period) {
    return ahead < first_block || ahead + second_block > period;
}

}  // namespace detail

/// Whether a byte may belong to both. Columns of one matrix and elements that alternate are told apart; where strides
/// are stranger than that the answer may be yes though none is shared.
inline bool may_overlap(const footprint& a, const footprint& b) {
    if (a.empty || b.empty) return false;
    if (a.first > b.first) return may_overlap(b, a);
    const auto ahead = static_cast<index_t>(b.first - a.first);
    if (ahead >= a.span()) return false;

    // All elements lie on a grid of the greatest common divisor of the steps.
    index_t grid = 0;
    for (std::size_t r = 0; r < footprint::most_dimensions; ++r)
        grid = std::gcd(grid, std::gcd(a.steps[r], b.steps[r]));
    if (grid > 0 && !detail::blocks_meet(ahead % grid, a.element, b.element, grid)) return false;

    // Rows of one pitch: what is within a row never reaches the next.
    const auto row_of = [](const footprint& f, index_t& pitch) {
        std::size_t outermost = 0;
        for (std::size_t r = 1; r < footprint::most_dimensions; ++r) {
            if (f.steps[r] > f.steps[outermost]) outermost = r;
        }
        pitch = f.steps[outermost];
        return f.span() - (f.extents[outermost] - 1) * pitch;
    };
    index_t pitch_a = 0, pitch_b = 0;
    const index_t row_a = row_of(a, pitch_a), row_b = row_of(b, pitch_b);
    const bool rows = pitch_a > 0 && pitch_a == pitch_b && row_a <= pitch_a && row_b <= pitch_b;
    return !rows || detail::blocks_meet(ahead % pitch_a, row_a, row_b, pitch_a);
}

/// Holds a call to the rules: an output has memory of its own, or that of the one input that it may replace.
class aliasing_rules {
  public:
    template <class X>
    void input(std::string_view name, const X& x) {
        if constexpr (!is_none<X>) inputs_.add(name, footprint_of(x));
    }
    /// After all inputs. `may_replace` names one of them.
    template <class X>
    void output(std::string_view name, const X& x, std::string_view may_replace = {}) {
        if constexpr (!is_none<X>) {
            check_writable(name, x);
            add_output(name, footprint_of(x), may_replace);
        }
    }

  private:
    struct list {
        std::array<std::string_view, 8> names{};
        std::array<footprint, 8> footprints{};
        std::size_t count = 0;
        void add(std::string_view name, const footprint& f) {
            names[count] = name;
            footprints[count++] = f;
        }
    };

    void add_output(std::string_view name, const footprint& f, std::string_view may_replace) {
        for (std::size_t k = 0; k < inputs_.count; ++k) {
            const bool own = !may_replace.empty() && inputs_.names[k] == may_replace;
            if (own && same_elements(f, inputs_.footprints[k])) continue;
            if (!may_overlap(f, inputs_.footprints[k])) continue;
            std::string given = own ? "a part of the memory of the " : "the memory of the ";
            given.append(inputs_.names[k]);
            fail(name, std::string_view(given),
                 own ? "all of it, element by element, or memory of its own" : "memory of its own");
        }
        for (std::size_t k = 0; k < outputs_.count; ++k) {
            if (!may_overlap(f, outputs_.footprints[k])) continue;
            fail(name, std::string_view("the memory of the " + std::string(outputs_.names[k])), "memory of its own");
        }
        outputs_.add(name, f);
    }

    list inputs_, outputs_;
};

}  // namespace selfsame::inline SELFSAME_ISA
