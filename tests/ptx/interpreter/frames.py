"""The registers of a function's call, and how instructions read and write them.

Arrays that were read are never changed in place: a register's new values are a new array.
"""

import functools

import numpy as np

from .errors import PtxError, UnsupportedError
from .numerics import BITS, INTEGERS, NATIVE_FLOATS, width_of
from .syntax import Immediate, Negated, Register, Special, Symbol


class _Registers(dict):
    """Bits by name; what was never written reads as ones."""

    def __init__(self, threads):
        super().__init__()
        self.threads = threads

    def __missing__(self, register):
        if register.width == 1:
            return np.zeros(self.threads, bool)
        dtype = BITS[register.width]
        return np.full(self.threads, np.iinfo(dtype).max, dtype)


class Frame:
    """One call of a function: its registers, where its variables lie (`symbols`), and the first free byte of the local
    stack."""

    __slots__ = ("block", "function", "registers", "symbols", "stack")

    def __init__(self, block, function, symbols, stack):
        self.block, self.function, self.symbols, self.stack = block, function, symbols, stack
        self.registers = _Registers(block.width)

    def write(self, register, bits, mask):
        """`bits` has the register's width, or is narrower and gets zeros on top."""
        dtype = bool if register.width == 1 else BITS[register.width]
        if bits.dtype != dtype:
            bits = bits.astype(dtype)
        registers = self.registers
        registers[register] = bits if mask is self.block.exists else np.where(mask, bits, registers[register])


@functools.cache
def numpy_type(type_name):
    """The array type in which a PTX type's values are computed; bfloat16, TF32 and pairs are kept as bits."""
    if type_name == "pred":
        return np.dtype(bool)
    return INTEGERS.get(type_name) or NATIVE_FLOATS.get(type_name) or np.dtype(BITS[width_of(type_name)])


def _constant(value, type_name):
    width = width_of(type_name)
    if width == 1:
        return np.bool_(value)
    if isinstance(value, float):
        if type_name not in NATIVE_FLOATS:
            raise UnsupportedError(f"{value} as .{type_name}")
        return NATIVE_FLOATS[type_name].type(value)
    return BITS[width](value & ((1 << width) - 1)).view(numpy_type(type_name))


def reader(operand, type_name):
    """A function of the frame that gives an operand's values, one per thread."""
    dtype = numpy_type(type_name)
    if isinstance(operand, Register):
        width = width_of(type_name)
        if operand.width == width:
            if width == 1:
                return lambda frame: frame.registers[operand]
            return lambda frame: frame.registers[operand].view(dtype)
        if operand.width < width:
            raise UnsupportedError(f"{operand.name} of {operand.width} bits as .{type_name}")
        bits = BITS[width]
        return lambda frame: frame.registers[operand].astype(bits).view(dtype)
    if isinstance(operand, Immediate):
        value, filled = _constant(operand.value, type_name), {}

        def constant(frame):
            width = frame.block.width
            if width not in filled:
                filled[width] = np.full(width, value)
                filled[width].setflags(write=False)
            return filled[width]

        return constant
    if isinstance(operand, Negated):
        inner = reader(operand.operand, type_name)
        return lambda frame: ~inner(frame)
    if isinstance(operand, Special):
        return lambda frame: frame.block.special(operand.name).astype(dtype)
    if isinstance(operand, Symbol):
        return lambda frame: np.full(frame.block.width, frame.block.address_of(frame, operand), dtype)
    raise UnsupportedError(f"operand {operand}")


def writer(operand, type_name):
    """A function (frame, values, mask) that puts values of a type into a register; signed ones are extended by sign."""
    if isinstance(operand, Symbol) and operand.name == "_":
        return lambda frame, values, mask: None
    if not isinstance(operand, Register):
        raise UnsupportedError(f"result {operand}")
    width = width_of(type_name)
    if operand.width < width:
        raise UnsupportedError(f"{operand.name} of {operand.width} bits for .{type_name}")
    if width == 1:
        return lambda frame, values, mask: frame.write(operand, values, mask)
    if operand.width == width or type_name[0] != "s":
        dtype = BITS[width]
        return lambda frame, values, mask: frame.write(operand, values.view(dtype), mask)
    wide, dtype = INTEGERS[f"s{operand.width}"], BITS[operand.width]
    return lambda frame, values, mask: frame.write(operand, values.astype(wide).view(dtype), mask)


def pure(instruction, function, result_type, source_types, sources=None):
    """An instruction whose result depends on its operands alone."""
    operands = instruction.operands[1:] if sources is None else sources
    if len(operands) != len(source_types):
        raise PtxError(f"{instruction.opcode} has {len(operands)} operands, not {len(source_types)}")
    reads = [reader(operand, type_name) for operand, type_name in zip(operands, source_types)]
    write = writer(instruction.operands[0], result_type)

    def run(block, group, mask):
        frame = group.frame
        write(frame, function(*[read(frame) for read in reads]), mask)

    return run
