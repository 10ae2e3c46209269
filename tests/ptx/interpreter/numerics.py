"""PTX's types as NumPy arrays of bits, and exact rounding to every floating-point format.

Registers hold bits: uint8 ... uint64 by width, bool for predicates. A format narrower than float is computed in float64
from exact intermediate results: sums and products that float64 cannot hold are rounded to odd (Boldo and Melquiond 2008),
so that the last rounding, to the format, is the only one that counts.
"""

import functools
import re

import numpy as np

from .errors import UnsupportedError

BITS = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}
INTEGERS = {
    f"{sign}{width}": np.dtype(f"{kind}{width // 8}")
    for sign, kind in (("u", "u"), ("s", "i"), ("b", "u"))
    for width in (8, 16, 32, 64)
}
NATIVE_FLOATS = {"f16": np.dtype(np.float16), "f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}
PACKED = {"f16x2": "f16", "bf16x2": "bf16"}


class Format:
    """A binary floating-point format: bits of precision (the hidden one too), smallest exponent of an ulp, largest value."""

    def __init__(self, precision, smallest_ulp, largest):
        self.precision, self.smallest_ulp, self.largest = precision, smallest_ulp, largest
        self.smallest_normal = 2.0 ** (smallest_ulp + precision - 1)


FORMATS = {
    "f16": Format(11, -24, 65504.0),
    "bf16": Format(8, -133, float(np.ldexp(255.0, 120))),
    "tf32": Format(11, -136, float(np.ldexp(2047.0, 117))),
    "f32": Format(24, -149, float(np.finfo(np.float32).max)),
}


@functools.cache
def width_of(type_name):
    """Bits of a type; those of a packed pair are 32, as tf32's are."""
    if type_name == "pred":
        return 1
    if type_name == "tf32":
        return 32
    if type_name in PACKED:
        return 32
    if (match := re.fullmatch(r"(?:[usbf]|bf)(8|16|32|64)", type_name)) is None:
        raise UnsupportedError(f"type .{type_name}")
    return int(match.group(1))


def is_float(type_name):
    return type_name in NATIVE_FLOATS or type_name in ("bf16", "tf32")


def widen(bits, type_name):
    """Bits of a floating-point type as float64, exactly."""
    if type_name in NATIVE_FLOATS:
        return bits.view(NATIVE_FLOATS[type_name]).astype(np.float64)
    if type_name == "bf16":
        return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    if type_name == "tf32":
        return (bits & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)
    raise UnsupportedError(f"type .{type_name} is not a floating-point one")


def narrow(values, type_name, rounding="rn"):
    """float64 to the bits of a floating-point type, rounded once; every NaN becomes the canonical one."""
    if type_name == "f64":
        return np.where(np.isnan(values), np.uint64(0x7FF8000000000000), values.view(np.uint64))
    if type_name == "f32" and rounding == "rn":
        return np.where(np.isnan(values), np.uint32(0x7FFFFFFF), values.astype(np.float32).view(np.uint32))
    if type_name == "f16" and rounding == "rn":
        return np.where(np.isnan(values), np.uint16(0x7FFF), values.astype(np.float16).view(np.uint16))
    if type_name not in FORMATS:
        raise UnsupportedError(f"type .{type_name} is not a floating-point one")
    rounded = round_to(values, FORMATS[type_name], rounding)
    if type_name == "f16":
        return np.where(np.isnan(values), np.uint16(0x7FFF), rounded.astype(np.float16).view(np.uint16))
    single = rounded.astype(np.float32).view(np.uint32)
    if type_name == "bf16":
        return np.where(np.isnan(values), np.uint16(0x7FFF), (single >> np.uint32(16)).astype(np.uint16))
    return np.where(np.isnan(values), np.uint32(0x7FFFFFFF), single)


def to_integral(values, rounding):
    """Rounds to whole numbers: rn to nearest even, rz to zero, rm down, rp up, rna to nearest away from zero."""
    if rounding == "rn":
        return np.rint(values)
    if rounding == "rz":
        return np.trunc(values)
    if rounding == "rm":
        return np.floor(values)
    if rounding == "rp":
        return np.ceil(values)
    if rounding == "rna":
        return np.copysign(np.floor(np.abs(values) + 0.5), values)
    raise UnsupportedError(f"rounding .{rounding}")


def round_to(values, fmt, rounding):
    """float64 values rounded to what a format can hold; beyond its largest value, infinity or that value."""
    _, exponent = np.frexp(values)
    ulp = np.maximum(exponent - fmt.precision, fmt.smallest_ulp)
    finite = np.isfinite(values)
    result = np.where(
        finite, np.ldexp(to_integral(np.ldexp(np.where(finite, values, 0.0), -ulp), rounding), ulp), values
    )
    over = finite & (np.abs(result) > fmt.largest)
    if over.any():
        to_infinity = {"rz": np.zeros_like(over), "rm": values < 0, "rp": values > 0}.get(rounding, over)
        result = np.where(over, np.copysign(np.where(to_infinity, np.inf, fmt.largest), values), result)
    return np.copysign(result, values)


def flush(values, type_name):
    """Subnormals of a format become zeros of their sign (.ftz)."""
    tiny = np.abs(values) < FORMATS[type_name].smallest_normal
    return np.where(tiny, np.copysign(0.0, values), values)


def sum_to_odd(x, y):
    """x + y in float64, rounded to odd: exact but for a last bit that is 1 where the sum is not."""
    total = x + y
    back = total - x
    error = (x - (total - back)) + (y - back)
    bits = total.view(np.int64)
    inexact = (error != 0) & np.isfinite(total) & ((bits & 1) == 0)
    if not inexact.any():
        return total
    # One step away from zero where the sum was rounded towards it, else one step back.
    away = (error > 0) == (total > 0)
    return np.where(inexact, np.where(away, bits + 1, bits - 1), bits).view(np.float64)
