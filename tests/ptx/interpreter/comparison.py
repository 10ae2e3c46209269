"""setp, set, selp, slct, testp."""

import numpy as np

from . import numerics
from .dispatch import allow, opcode
from .errors import UnsupportedError
from .frames import numpy_type, pure, reader, writer
from .numerics import FORMATS, PACKED, flush, is_float, widen, width_of
from .syntax import Pair

_ORDERED = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_UNSIGNED = {"lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal}
_COMBINE = {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor}
_TYPES = tuple(numerics.INTEGERS) + ("f16", "bf16", "f16x2", "bf16x2", "f32", "f64", "pred")


def comparison(name, is_float_type):
    """The function of two arrays that a comparison operator names. With NaN, `ne` is false and the ...u ones are true."""
    if not is_float_type:
        if name in _ORDERED or name in _UNSIGNED:
            return _ORDERED.get(name) or _UNSIGNED[name]
        raise UnsupportedError(f"comparison .{name} of integers")
    unordered = lambda x, y: np.isnan(x) | np.isnan(y)
    if name == "num":
        return lambda x, y: ~unordered(x, y)
    if name == "nan":
        return unordered
    if name in _ORDERED:
        return lambda x, y: _ORDERED[name](x, y) & ~unordered(x, y)
    if name[-1] == "u" and name[:-1] in _ORDERED:
        return lambda x, y: _ORDERED[name[:-1]](x, y) | unordered(x, y)
    raise UnsupportedError(f"comparison .{name}")


def _readers(instruction, type_name, operands):
    """Operands as values to compare: float64, or integers."""
    if not is_float(type_name):
        return [reader(operand, type_name) for operand in operands]
    unsigned = f"u{width_of(type_name)}"
    reads = [reader(operand, type_name) for operand in operands]
    dtype = numpy_type(unsigned)
    if instruction.has("ftz") and type_name in FORMATS:
        return [lambda frame, read=read: flush(widen(read(frame).view(dtype), type_name), type_name) for read in reads]
    return [lambda frame, read=read: widen(read(frame).view(dtype), type_name) for read in reads]


@opcode("setp")
def _set_predicate(instruction):
    operator, *rest = instruction.modifiers
    combine = _COMBINE.get(rest[0]) if rest[0] in _COMBINE and len(rest) > 1 else None
    for modifier in rest:
        if modifier not in _TYPES + ("ftz",) + tuple(_COMBINE):
            raise UnsupportedError(f"modifier .{modifier} of setp")
    type_name = instruction.type
    operands = instruction.operands[1:]
    compare = comparison(operator, is_float(PACKED.get(type_name, type_name)))
    results = instruction.operands[0]
    results = (results.first, results.second) if isinstance(results, Pair) else (results,)
    writes = [writer(result, "pred") for result in results]
    also = reader(operands[2], "pred") if combine else None

    if type_name in PACKED:
        element = PACKED[type_name]
        reads = [reader(operand, "u32") for operand in operands[:2]]

        def run(block, group, mask):
            x, y = (read(group.frame) for read in reads)
            for h, write in enumerate(writes):
                half = lambda pair: widen((pair >> np.uint32(16 * h)).astype(np.uint16), element)
                outcome = compare(half(x), half(y))
                write(group.frame, combine(outcome, also(group.frame)) if combine else outcome, mask)

        return run

    reads = _readers(instruction, type_name, operands[:2])

    def run(block, group, mask):
        frame = group.frame
        outcome = compare(reads[0](frame), reads[1](frame))
        values = [outcome, ~outcome]
        if combine:
            other = also(frame)
            values = [combine(value, other) for value in values]
        for write, value in zip(writes, values):
            write(frame, value, mask)

    return run


@opcode("set")
def _set_value(instruction):
    """Ones (or 1.0) where true, zero where not."""
    operator, *rest = instruction.modifiers
    result_type, type_name = rest[-2:]
    if any(modifier != "ftz" for modifier in rest[:-2]) or type_name in PACKED:
        raise UnsupportedError(f"form of set.{'.'.join(instruction.modifiers)}")
    compare = comparison(operator, is_float(type_name))
    reads = _readers(instruction, type_name, instruction.operands[1:])
    dtype = numpy_type(result_type)
    true = dtype.type(1) if result_type == "f32" else ~dtype.type(0)
    write = writer(instruction.operands[0], result_type)

    def run(block, group, mask):
        outcome = compare(reads[0](group.frame), reads[1](group.frame))
        write(group.frame, np.where(outcome, true, dtype.type(0)), mask)

    return run


@opcode("selp")
def _select(instruction):
    allow(instruction, *_TYPES)
    type_name = instruction.type
    return pure(instruction, lambda x, y, p: np.where(p, x, y), type_name, [type_name, type_name, "pred"])


@opcode("slct")
def _select_by_sign(instruction):
    allow(instruction, "ftz", *_TYPES)
    type_name, sign_type = instruction.modifiers[0], instruction.type
    return pure(instruction, lambda x, y, c: np.where(c >= 0, x, y), type_name, [type_name, type_name, sign_type])


@opcode("testp")
def _test(instruction):
    allow(instruction, "finite", "infinite", "number", "notanumber", "normal", "subnormal", "f32", "f64")
    tiny = np.finfo(numpy_type(instruction.type)).tiny
    tests = {
        "finite": np.isfinite,
        "infinite": np.isinf,
        "number": lambda x: ~np.isnan(x),
        "notanumber": np.isnan,
        "normal": lambda x: np.isfinite(x) & (np.abs(x) >= tiny),
        "subnormal": lambda x: (x != 0) & (np.abs(x) < tiny),
    }
    return pure(instruction, tests[instruction.modifiers[0]], "pred", [instruction.type])
