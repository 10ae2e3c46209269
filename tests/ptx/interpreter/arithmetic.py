"""Integer and floating-point arithmetic."""

import numpy as np

from . import numerics
from .dispatch import allow, opcode
from .errors import UnsupportedError
from .frames import numpy_type, pure, reader, writer
from .numerics import FORMATS, PACKED, flush, is_float, narrow, sum_to_odd, widen, width_of
from .syntax import Register

ROUNDINGS = ("rn", "rz", "rm", "rp")
NARROWER = {"s64": "s32", "u64": "u32", "s32": "s16", "u32": "u16"}
WIDER = {narrower: wider for wider, narrower in NARROWER.items()}


# Floating point


def exact_product_sum(x, y, z):
    """x * y + z of values with at most 24 bits each, rounded to odd in float64."""
    return sum_to_odd(x * y, z)


def single_fma(x, y, z):
    """float32, rounded once. float64's sum decides, unless it lies where float32 has a tie or is subnormal."""
    product = np.multiply(x, y, dtype=np.float64)
    total = product + z
    small = np.abs(total) < 2.0**-125
    if ((total.view(np.int64) & 0x1FFFFFFF) == 0x10000000).any() or (small.any() and total[small].any()):
        total = sum_to_odd(product, z.astype(np.float64))
    return total.astype(np.float32)


def _library_fma():
    import ctypes
    import ctypes.util

    function = ctypes.CDLL(ctypes.util.find_library("m")).fma
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 3
    return np.frompyfunc(lambda x, y, z: function(x, y, z), 3, 1)


_fma_of_each = _library_fma()


def _high_part(x):
    scaled = x * 134217729.0
    return scaled - (scaled - x)


def double_fma(x, y, z):
    """float64, rounded once: the product's and the sums' errors are exact (Dekker 1971), the last but one sum is rounded
    to odd (Boldo and Melquiond 2008). Where exponents would leave the range, the C library's."""
    sizes = np.abs(np.stack([x, y, z]))
    if not (((sizes > 2.0**-300) & (sizes < 2.0**300)) | (sizes == 0)).all():
        return _fma_of_each(x, y, z).astype(np.float64)
    product = x * y
    x1, y1 = _high_part(x), _high_part(y)
    x2, y2 = x - x1, y - y1
    error = x2 * y2 - (((product - x1 * y1) - x2 * y1) - x1 * y2)
    inner, inner_error = _two_sum(z, error)
    outer, outer_error = _two_sum(product, inner)
    return outer + sum_to_odd(inner_error, outer_error)


def _two_sum(x, y):
    total = x + y
    back = total - x
    return total, (x - (total - back)) + (y - back)


def minimum(x, y):
    """The number where one operand is NaN; -0 below +0."""
    smaller = np.where((x < y) | np.isnan(y) | ((x == y) & np.signbit(x)), x, y)
    return np.where(np.isnan(x), y, smaller)


def maximum(x, y):
    return -minimum(-x, -y)


def _nan_if_any(function):
    return lambda x, y: np.where(np.isnan(x) | np.isnan(y), np.nan, function(x, y))


def _rounding_of(instruction):
    return next((modifier for modifier in instruction.modifiers if modifier in ROUNDINGS), "rn")


def float_operation(instruction, function, count):
    """`function` takes and gives float64, for `count` operands of the instruction's type, a pair's halves each alone.

    It is exact or rounded to odd for the narrower types; for f64 it is the operation itself.
    """
    type_name, rounding = instruction.type, _rounding_of(instruction)
    if type_name == "f64" and rounding != "rn":
        raise UnsupportedError(f"rounding .{rounding} of f64")
    element = PACKED.get(type_name, type_name)
    ftz, saturate, relu = instruction.has("ftz"), instruction.has("sat"), instruction.has("relu")

    def on_values(*values):
        if ftz and element in FORMATS:
            values = [flush(value, element) for value in values]
        result = function(*values)
        if saturate:
            result = np.where(np.isnan(result), 0.0, np.clip(result, 0.0, 1.0)) + 0.0
        if relu:
            result = np.where(result > 0, result, np.where(np.isnan(result), result, 0.0))
        bits = narrow(result, element, rounding)
        if ftz and element in FORMATS:
            bits = narrow(flush(widen(bits, element), element), element)
        return bits

    if type_name in PACKED:

        def on_bits(*pairs):
            halves = [
                on_values(*[widen((pair >> np.uint32(16 * h)).astype(np.uint16), element) for pair in pairs])
                for h in (0, 1)
            ]
            return halves[0].astype(np.uint32) | halves[1].astype(np.uint32) << np.uint32(16)

    else:
        unsigned = np.dtype(f"u{width_of(type_name) // 8}")

        def on_bits(*operands):
            return on_values(*[widen(operand.view(unsigned), element) for operand in operands])

    return pure(instruction, on_bits, type_name, [type_name] * count)


_FLOAT_MODIFIERS = ROUNDINGS + (
    "ftz",
    "sat",
    "relu",
    "noftz",
    "approx",
    "full",
    "f16",
    "f16x2",
    "bf16",
    "bf16x2",
    "f32",
    "f64",
)


def _plain_f32(instruction):
    """Rounded to nearest and nothing else: NumPy's own float32 does it."""
    return instruction.type == "f32" and not set(instruction.modifiers) - {"rn", "f32"}


def _canonical(function):
    def run(*operands):
        result = function(*operands)
        nan = np.isnan(result)
        return np.where(nan, np.uint32(0x7FFFFFFF), result.view(np.uint32)) if nan.any() else result.view(np.uint32)

    return run


# Integers


def saturated(function, type_name):
    """An integer sum or difference clamped to the type (.sat, s32 alone)."""
    limits = np.iinfo(numpy_type(type_name))
    return lambda x, y: np.clip(function(x.astype(np.int64), y.astype(np.int64)), limits.min, limits.max).astype(
        limits.dtype
    )


def multiply_high(x, y):
    """The upper half of the product."""
    bits = 8 * x.dtype.itemsize
    if bits < 64:
        wide = np.dtype(f"{x.dtype.kind}{2 * x.dtype.itemsize}")
        return (x.astype(wide) * y.astype(wide) >> wide.type(bits)).astype(x.dtype)
    product = np.array([int(a) * int(b) >> 64 for a, b in zip(x, y)], object)
    return (product & ((1 << 64) - 1)).astype(np.uint64).view(x.dtype)


def truncated_quotient(x, y):
    """Rounded to zero; a division by zero gives ones, as on the hardware."""
    zero = y == 0
    if x.dtype.kind == "u":
        return np.where(zero, ~np.zeros_like(x), x // np.where(zero, y.dtype.type(1), y))
    if zero.any():
        return np.where(zero, ~np.zeros_like(x), truncated_quotient(x, np.where(zero, y.dtype.type(1), y)))
    quotient = x // y
    return quotient + ((quotient < 0) & (quotient * y != x))


def truncated_remainder(x, y):
    return x - truncated_quotient(x, y) * y


def _product(instruction, addend):
    """mul and mad of integers: .lo, .hi, .wide."""
    allow(instruction, "lo", "hi", "wide", "sat", *numerics.INTEGERS)
    type_name = instruction.type
    if instruction.has("sat"):
        raise UnsupportedError("mad.hi.sat")
    result = WIDER[type_name] if instruction.has("wide") else type_name
    dtype = numpy_type(result)
    if instruction.has("hi"):
        multiply = multiply_high
    else:
        multiply = lambda x, y: x.astype(dtype) * y.astype(dtype)
    if addend:
        return pure(instruction, lambda x, y, z: multiply(x, y) + z, result, [type_name, type_name, result])
    return pure(instruction, multiply, result, [type_name, type_name])


@opcode("add", "sub")
def _add(instruction):
    function = np.add if instruction.opcode == "add" else np.subtract
    if is_float(instruction.type) or instruction.type in PACKED:
        allow(instruction, *_FLOAT_MODIFIERS)
        if _plain_f32(instruction):
            return pure(instruction, _canonical(function), "f32", ["f32", "f32"])
        sign = 1.0 if instruction.opcode == "add" else -1.0
        # f64 rounds itself; what sum_to_odd gives is for the narrower ones.
        add = (lambda x, y: x + sign * y) if instruction.type == "f64" else (lambda x, y: sum_to_odd(x, sign * y))
        return float_operation(instruction, add, 2)
    allow(instruction, "cc", "sat", *numerics.INTEGERS)
    if instruction.has("cc"):
        return _carrying(instruction, function, False)
    if instruction.has("sat"):
        function = saturated(function, instruction.type)
    return pure(instruction, function, instruction.type, [instruction.type] * 2)


@opcode("addc", "subc")
def _add_with_carry(instruction):
    allow(instruction, "cc", *numerics.INTEGERS)
    return _carrying(instruction, np.add if instruction.opcode == "addc" else np.subtract, True)


_CARRY = Register("carry", 1)


def _carrying(instruction, function, takes):
    width = width_of(instruction.type)
    unsigned = f"u{width}"
    reads = [reader(operand, unsigned) for operand in instruction.operands[1:]]
    write = writer(instruction.operands[0], unsigned)
    adds = function is np.add

    def run(block, group, mask):
        frame = group.frame
        x, y = (read(frame) for read in reads)
        first = function(x, y)
        overflow = first < x if adds else x < y
        if takes:
            bit = frame.registers[_CARRY].astype(x.dtype)
            result = function(first, bit)
            overflow = overflow | (result < first if adds else first < bit)
        else:
            result = first
        write(frame, result, mask)
        if instruction.has("cc"):
            frame.write(_CARRY, overflow, mask)

    return run


@opcode("mul", "mad")
def _multiply(instruction):
    addend = instruction.opcode == "mad"
    if is_float(instruction.type) or instruction.type in PACKED:
        if addend:
            return _fused(instruction)
        allow(instruction, *_FLOAT_MODIFIERS)
        if _plain_f32(instruction):
            return pure(instruction, _canonical(np.multiply), "f32", ["f32", "f32"])
        return float_operation(instruction, np.multiply, 2)
    return _product(instruction, addend)


@opcode("mul24", "mad24")
def _multiply24(instruction):
    allow(instruction, "lo", "s32", "u32")

    def low(x):
        return x << x.dtype.type(8) >> x.dtype.type(8)

    if instruction.opcode == "mul24":
        return pure(instruction, lambda x, y: low(x) * low(y), instruction.type, [instruction.type] * 2)
    return pure(instruction, lambda x, y, z: low(x) * low(y) + z, instruction.type, [instruction.type] * 3)


@opcode("fma")
def _fused(instruction):
    allow(instruction, *_FLOAT_MODIFIERS)
    if _plain_f32(instruction):
        return pure(instruction, _canonical(single_fma), "f32", ["f32"] * 3)
    function = double_fma if instruction.type == "f64" else exact_product_sum
    return float_operation(instruction, function, 3)


@opcode("div", "rem")
def _divide(instruction):
    if is_float(instruction.type):
        allow(instruction, *_FLOAT_MODIFIERS)
        if _rounding_of(instruction) != "rn":
            raise UnsupportedError("a division not rounded to nearest")
        return float_operation(instruction, np.divide, 2)
    allow(instruction, *numerics.INTEGERS)
    function = truncated_quotient if instruction.opcode == "div" else truncated_remainder
    return pure(instruction, function, instruction.type, [instruction.type] * 2)


@opcode("min", "max")
def _extreme(instruction):
    smallest = instruction.opcode == "min"
    if is_float(instruction.type) or instruction.type in PACKED:
        allow(instruction, "NaN", "ftz", "relu", *_FLOAT_MODIFIERS)
        function = minimum if smallest else maximum
        if instruction.has("NaN"):
            function = _nan_if_any(function)
        if len(instruction.operands) == 4:
            two = function
            return float_operation(instruction, lambda x, y, z: two(two(x, y), z), 3)
        return float_operation(instruction, function, 2)
    allow(instruction, *numerics.INTEGERS)
    return pure(instruction, np.minimum if smallest else np.maximum, instruction.type, [instruction.type] * 2)


_FUNCTIONS = {
    "ex2": np.exp2,
    "lg2": np.log2,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sqrt": np.sqrt,
    "rcp": lambda x: 1.0 / x,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
}


@opcode(*_FUNCTIONS)
def _function(instruction):
    allow(instruction, *_FLOAT_MODIFIERS)
    if instruction.opcode in ("sqrt", "rcp") and _rounding_of(instruction) != "rn":
        raise UnsupportedError(f"{instruction.opcode} not rounded to nearest")
    return float_operation(instruction, _FUNCTIONS[instruction.opcode], 1)


@opcode("abs", "neg")
def _sign(instruction):
    type_name = instruction.type
    if type_name in numerics.INTEGERS:
        allow(instruction, *numerics.INTEGERS)
        return pure(instruction, np.abs if instruction.opcode == "abs" else np.negative, type_name, [type_name])
    allow(instruction, *_FLOAT_MODIFIERS)
    if instruction.has("ftz"):
        return float_operation(instruction, np.abs if instruction.opcode == "abs" else np.negative, 1)
    width = width_of(type_name)
    unsigned = f"u{width}"
    dtype = numpy_type(unsigned)
    signs = dtype.type(0x80008000 if type_name in PACKED else 1 << (width - 1))
    function = (lambda x: x & ~signs) if instruction.opcode == "abs" else (lambda x: x ^ signs)
    return pure(instruction, function, unsigned, [unsigned])


@opcode("copysign")
def _copysign(instruction):
    allow(instruction, "f32", "f64")
    return pure(instruction, lambda sign, x: np.copysign(x, sign), instruction.type, [instruction.type] * 2)


@opcode("sad")
def _absolute_difference(instruction):
    allow(instruction, *numerics.INTEGERS)
    return pure(
        instruction, lambda x, y, z: np.where(x < y, y - x, x - y) + z, instruction.type, [instruction.type] * 3
    )


@opcode("dp4a")
def _dot_of_bytes(instruction):
    allow(instruction, "s32", "u32")
    first, second = instruction.modifiers

    def dot(x, y, z):
        parts = [
            v.view(np.uint8).reshape(-1, 4).view(np.int8 if t == "s32" else np.uint8).astype(np.int64)
            for v, t in ((x, first), (y, second))
        ]
        return (z.view(np.uint32) + (parts[0] * parts[1]).sum(1).astype(np.uint32)).astype(np.uint32)

    return pure(instruction, dot, "u32", ["u32"] * 3)
