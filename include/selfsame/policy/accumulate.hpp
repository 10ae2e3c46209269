#pragma once

#include "selfsame/core/config.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// Marks gradients that are added to what the tensors hold, not written over it.
template <class Gradients>
struct accumulate {
    Gradients gradients;
};
template <class G>
accumulate(G&&) -> accumulate<G>;

namespace host {

/// Whether gradients are added.
template <class G>
inline constexpr bool adds = requires(const G& g) { g.gradients; };

/// The gradients behind a wrapper that says how they are written.
template <class G>
constexpr auto& unwrap(G&& g) {
    if constexpr (adds<G>) {
        return g.gradients;
    } else {
        return g;
    }
}

}  // namespace host

}  // namespace selfsame::inline SELFSAME_ISA
