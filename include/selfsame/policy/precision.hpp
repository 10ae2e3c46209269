#pragma once

#include "selfsame/core/config.hpp"

/// \file
/// In which precision an engine multiplies. Sums are always at least float.

namespace selfsame::inline SELFSAME_ISA {

/// Products as exact as those of the type of the computation. A host with a matrix unit for bfloat16 (Intel AMX) takes
/// floats for pairs apart into three numbers of bfloat16 each and sums the six products that count in float; compile
/// with -mno-amx-bf16 for fused products of floats there too.
struct full_precision {};

/// Products of operands rounded to bfloat16, accumulated in float (relative error of a product 2^-8). Where the
/// processor has no such instruction the same rounding is done in software. Only for float computation.
struct bfloat16_products {};

/// The precision that an objective names, full_precision if it names none.
template <class Objective>
struct precision_named {
    using type = full_precision;
};
template <class Objective>
    requires requires { typename Objective::precision; }
struct precision_named<Objective> {
    using type = typename Objective::precision;
};
template <class Objective>
using precision_of = typename precision_named<Objective>::type;

}  // namespace selfsame::inline SELFSAME_ISA
