"""cvt."""

import numpy as np

from . import numerics
from .dispatch import allow, opcode
from .errors import UnsupportedError
from .frames import numpy_type, pure
from .numerics import FORMATS, PACKED, flush, is_float, narrow, to_integral, widen, width_of

_ROUNDINGS = {
    "rn": "rn",
    "rz": "rz",
    "rm": "rm",
    "rp": "rp",
    "rna": "rna",
    "rni": "rn",
    "rzi": "rz",
    "rmi": "rm",
    "rpi": "rp",
}
_INTEGRAL = ("rni", "rzi", "rmi", "rpi")


def to_integer(values, target, rounding, source):
    """float64 values clamped to an integer type. NaN gives 0; from or to 64 bits, the type's top bit alone."""
    limits = np.iinfo(numpy_type(target))
    whole = to_integral(np.where(np.isnan(values), 0.0, values), rounding)
    inside = np.clip(whole, float(limits.min), float(limits.max))
    # The largest 64-bit integers are no float64: what is beyond is clamped by comparing.
    above = whole >= float(limits.max)
    result = np.where(above, limits.max, np.where(above, 0.0, inside).astype(limits.dtype))
    nan = limits.dtype.type(0)
    if source == "f64" or limits.bits == 64:
        nan = limits.dtype.type(limits.min if limits.min else 1 << (limits.bits - 1))
    return np.where(np.isnan(values), nan, result).astype(limits.dtype)


def from_integer(values, target, rounding):
    """An integer to bits of a floating-point type, rounded once."""
    wide = values.astype(np.float64)
    if values.dtype.itemsize == 8 and target != "f64":
        # 64 bits do not fit into float64: what is cut off leaves a one in the last place.
        low = values & values.dtype.type(0x7FF)
        big = np.abs(wide) >= 2.0**53
        odd = (values & ~values.dtype.type(0x7FF)).astype(np.float64)
        bits = odd.view(np.int64)
        negative_step = np.where(odd < 0, -1, 1)
        odd = np.where(low != 0, bits + negative_step * np.where(bits & 1, 0, 1), bits).view(np.float64)
        wide = np.where(big, odd, wide)
    elif values.dtype.itemsize == 8 and rounding != "rn":
        raise UnsupportedError(f"rounding .{rounding} of 64-bit integers to f64")
    return narrow(wide, target, rounding)


@opcode("cvt")
def _convert(instruction):
    modifiers = list(instruction.modifiers)
    if modifiers[0] == "pack":
        return _pack_saturated(instruction)
    target, source = modifiers[-2:]
    flags = modifiers[:-2]
    for flag in flags:
        if flag not in _ROUNDINGS and flag not in ("sat", "ftz", "relu", "satfinite"):
            raise UnsupportedError(f"modifier .{flag} of cvt")
    if target in PACKED:
        return _convert_pair(instruction, target, source, flags)
    rounding = next((_ROUNDINGS[flag] for flag in flags if flag in _ROUNDINGS), None)
    if is_float(source):
        return _convert_float(instruction, target, source, flags, rounding)
    if source not in numerics.INTEGERS:
        raise UnsupportedError(f"cvt from .{source}")
    if is_float(target):
        return pure(
            instruction, lambda x: _saturate(from_integer(x, target, rounding or "rn"), target, flags), target, [source]
        )
    limits = np.iinfo(numpy_type(target))
    if "sat" not in flags:
        return pure(instruction, lambda x: x.astype(limits.dtype), target, [source])

    def clamp(x):
        lowest, highest = max(limits.min, np.iinfo(x.dtype).min), min(limits.max, np.iinfo(x.dtype).max)
        return np.clip(x, x.dtype.type(lowest), x.dtype.type(highest)).astype(limits.dtype)

    return pure(instruction, clamp, target, [source])


def _saturate(bits, type_name, flags):
    if "sat" not in flags:
        return bits
    values = widen(bits, type_name)
    return narrow(np.where(np.isnan(values), 0.0, np.clip(values, 0.0, 1.0)) + 0.0, type_name)


def _finish(values, target, flags, rounding):
    """To the target's bits with .relu and .satfinite."""
    if "relu" in flags:
        values = np.where(values > 0, values, np.where(np.isnan(values), values, 0.0))
    bits = narrow(values, target, rounding)
    if "satfinite" in flags:
        wide = widen(bits, target)
        bits = np.where(np.isinf(wide), narrow(np.copysign(FORMATS[target].largest, values), target), bits)
    if "ftz" in flags and target == "f32":
        bits = narrow(flush(widen(bits, target), target), target)
    return _saturate(bits, target, flags)


def _convert_float(instruction, target, source, flags, rounding):
    unsigned = numpy_type(f"u{width_of(source)}")

    def read(x):
        values = widen(x.view(unsigned), source)
        return flush(values, "f32") if "ftz" in flags and source == "f32" else values

    if target in numerics.INTEGERS:
        if rounding is None:
            raise UnsupportedError("cvt to an integer without a rounding")
        return pure(instruction, lambda x: to_integer(read(x), target, rounding, source), target, [source])
    if target == "tf32":
        return pure(instruction, lambda x: _finish(read(x), "tf32", flags, rounding), "b32", [source])
    if not is_float(target):
        raise UnsupportedError(f"cvt to .{target}")
    if any(flag in _INTEGRAL for flag in flags):
        return pure(
            instruction,
            lambda x: _finish(np.copysign(to_integral(read(x), rounding), read(x)), target, flags, "rn"),
            target,
            [source],
        )
    # Without a rounding the target holds every value.
    return pure(instruction, lambda x: _finish(read(x), target, flags, rounding or "rn"), target, [source])


def _convert_pair(instruction, target, source, flags):
    """Two floats to a pair: the first operand goes into the upper half."""
    if source != "f32" or len(instruction.operands) != 3:
        raise UnsupportedError(f"cvt.{'.'.join(instruction.modifiers)}")
    element = PACKED[target]
    rounding = next((_ROUNDINGS[flag] for flag in flags if flag in _ROUNDINGS), "rn")

    def apply(high, low):
        halves = [_finish(x.astype(np.float64), element, flags, rounding).astype(np.uint32) for x in (low, high)]
        return halves[0] | halves[1] << np.uint32(16)

    return pure(instruction, apply, "b32", ["f32", "f32"])


def _pack_saturated(instruction):
    """Two integers clamped and packed, over the low part of a third word: cvt.pack.sat.u8.s32.b32."""
    allow(instruction, "pack", "sat", "u8", "s8", "u16", "s16", "s32", "b32")
    target = instruction.modifiers[2]
    limits, bits = np.iinfo(numpy_type(target)), width_of(target)
    part = np.uint32((1 << bits) - 1)

    def apply(first, second, *below):
        a, b = (np.clip(x, limits.min, limits.max).astype(np.int64).astype(np.uint32) & part for x in (first, second))
        packed = a << np.uint32(bits) | b
        return packed | below[0] << np.uint32(2 * bits) if below else packed

    return pure(instruction, apply, "b32", ["s32", "s32"] + ["b32"] * (len(instruction.operands) - 3))
