"""Logic, shifts, fields, counts and permutations of bits; moves between registers."""

import numpy as np

from .dispatch import allow, opcode
from .errors import UnsupportedError
from .frames import numpy_type, pure, reader, writer
from .numerics import BITS, INTEGERS, width_of
from .syntax import Symbol, Vector

_INTEGERS = tuple(INTEGERS)


@opcode("and", "or", "xor")
def _logic(instruction):
    allow(instruction, "pred", *_INTEGERS)
    function = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[instruction.opcode]
    return pure(instruction, function, instruction.type, [instruction.type] * 2)


@opcode("not")
def _not(instruction):
    allow(instruction, "pred", *_INTEGERS)
    return pure(instruction, np.invert, instruction.type, [instruction.type])


@opcode("cnot")
def _logical_not(instruction):
    allow(instruction, *_INTEGERS)
    return pure(instruction, lambda x: (x == 0).astype(x.dtype), instruction.type, [instruction.type])


@opcode("lop3")
def _lookup(instruction):
    """Any function of three bits: bit 4 a + 2 b + c of the table."""
    allow(instruction, "b32")
    table = instruction.operands[4].value

    def apply(x, y, z):
        result = np.zeros_like(x)
        for row in range(8):
            if table >> row & 1:
                result |= (x if row & 4 else ~x) & (y if row & 2 else ~y) & (z if row & 1 else ~z)
        return result

    return pure(instruction, apply, "b32", ["b32"] * 3, instruction.operands[1:4])


def shift_left(x, amount):
    """An amount beyond the width gives zero."""
    width = 8 * x.dtype.itemsize
    return np.where(amount < width, x << np.minimum(amount, width - 1).astype(x.dtype), x.dtype.type(0))


def shift_right(x, amount):
    """An amount beyond the width gives copies of the sign, or zero of an unsigned type."""
    width = 8 * x.dtype.itemsize
    shifted = x >> np.minimum(amount, width - 1).astype(x.dtype)
    return shifted if x.dtype.kind == "i" else np.where(amount < width, shifted, x.dtype.type(0))


@opcode("shl", "shr")
def _shift(instruction):
    allow(instruction, *_INTEGERS)
    function = shift_left if instruction.opcode == "shl" else shift_right
    return pure(instruction, function, instruction.type, [instruction.type, "u32"])


@opcode("shf")
def _funnel_shift(instruction):
    """The high (l) or low (r) word of the pair b:a shifted."""
    allow(instruction, "l", "r", "wrap", "clamp", "b32")

    def apply(a, b, c):
        amount = (c & np.uint32(31) if instruction.has("wrap") else np.minimum(c, np.uint32(32))).astype(np.uint64)
        pair = b.astype(np.uint64) << np.uint64(32) | a.astype(np.uint64)
        if instruction.has("l"):
            return ((pair << amount) >> np.uint64(32)).astype(np.uint32)
        return (pair >> amount & np.uint64(0xFFFFFFFF)).astype(np.uint32)

    return pure(instruction, apply, "b32", ["b32", "b32", "u32"])


def extract_field(x, position, length):
    """Bits position ... position + length - 1; of a signed type with the sign of the field's last bit within the word."""
    width = 8 * x.dtype.itemsize
    position, length = position & np.uint32(255), length & np.uint32(255)
    unsigned = BITS[width]
    if x.dtype.kind == "i":
        # What lies past the word are copies of its sign.
        length, whole = np.minimum(length, width - np.minimum(position, width)).astype(np.uint32), length
    field = shift_right(x.view(unsigned), position)
    ones = np.where(length < width, shift_left(np.ones_like(field), length) - unsigned(1), ~unsigned(0))
    field = field & ones
    if x.dtype.kind == "i":
        last = np.minimum(position + whole - np.uint32(1), np.uint32(width - 1))
        sign = (x.view(unsigned) >> last.astype(unsigned) & unsigned(1)).astype(bool) & (whole > 0)
        field = np.where(sign, field | ~ones, field)
    return field.view(x.dtype)


def insert_field(x, y, position, length):
    """y with `length` bits from `position` on replaced by the low ones of x."""
    position, length = position & np.uint32(255), length & np.uint32(255)
    width, one = 8 * x.dtype.itemsize, x.dtype.type(1)
    ones = np.where(length < width, shift_left(np.full_like(x, one), length) - one, ~x.dtype.type(0))
    mask = shift_left(ones, position)
    return (shift_left(x, position) & mask) | (y & ~mask)


@opcode("bfe")
def _extract(instruction):
    allow(instruction, *_INTEGERS)
    return pure(instruction, extract_field, instruction.type, [instruction.type, "u32", "u32"])


@opcode("bfi")
def _insert(instruction):
    allow(instruction, *_INTEGERS)
    return pure(instruction, insert_field, instruction.type, [instruction.type, instruction.type, "u32", "u32"])


@opcode("bmsk")
def _mask_of_bits(instruction):
    allow(instruction, "clamp", "b32")

    def apply(position, length):
        ones = np.full_like(position, 0xFFFFFFFF)
        return insert_field(
            ones, np.zeros_like(ones), np.minimum(position, np.uint32(32)), np.minimum(length, np.uint32(32))
        )

    return pure(instruction, apply, "b32", ["b32", "b32"])


@opcode("szext")
def _extend(instruction):
    allow(instruction, "clamp", "u32", "s32")
    return pure(
        instruction,
        lambda x, length: extract_field(x, np.zeros_like(length), np.minimum(length, np.uint32(32))),
        instruction.type,
        [instruction.type, "u32"],
    )


def highest_bit(x):
    """The position of the most significant one, -1 of zero."""
    width = 8 * x.dtype.itemsize
    position = np.full(len(x), -1, np.int64)
    rest, base, step = x.astype(np.uint64), np.zeros(len(x), np.int64), width // 2
    while step:
        upper = rest >> np.uint64(step) != 0
        rest = np.where(upper, rest >> np.uint64(step), rest)
        base += np.where(upper, step, 0)
        step //= 2
    return np.where(x != 0, base, position)


def count_ones(x):
    return np.unpackbits(np.ascontiguousarray(x).view(np.uint8).reshape(len(x), -1), axis=1).sum(1).astype(np.uint32)


def reverse_bits(x):
    octets = np.ascontiguousarray(x).view(np.uint8).reshape(len(x), -1)
    bits = np.unpackbits(octets, axis=1, bitorder="little")
    return np.packbits(bits[:, ::-1], axis=1, bitorder="little").view(x.dtype).ravel()


@opcode("popc", "clz", "brev")
def _count(instruction):
    allow(instruction, "b32", "b64")
    width = width_of(instruction.type)
    function = {
        "popc": count_ones,
        "brev": reverse_bits,
        "clz": lambda x: (width - 1 - highest_bit(x)).astype(np.uint32),
    }[instruction.opcode]
    return pure(instruction, function, instruction.type if instruction.opcode == "brev" else "u32", [instruction.type])


@opcode("bfind")
def _find(instruction):
    """The most significant bit that is not the sign's."""
    allow(instruction, "shiftamt", "u32", "s32", "u64", "s64")
    width = width_of(instruction.type)

    def apply(x):
        position = highest_bit(np.where(x < 0, ~x, x).view(BITS[width]))
        if instruction.has("shiftamt"):
            position = np.where(position >= 0, width - 1 - position, position)
        return (position & 0xFFFFFFFF).astype(np.uint32)

    return pure(instruction, apply, "u32", [instruction.type])


@opcode("fns")
def _find_nth(instruction):
    """The n-th one from a base upwards (n > 0) or downwards (n < 0)."""
    allow(instruction, "b32")

    def one(mask, base, n):
        if n == 0:
            return base if mask >> base & 1 else 0xFFFFFFFF
        positions = range(base, 32) if n > 0 else range(base, -1, -1)
        found = [i for i in positions if mask >> i & 1]
        return found[abs(n) - 1] if len(found) >= abs(n) else 0xFFFFFFFF

    def apply(mask, base, n):
        return np.array([one(int(m), int(b) & 31, int(k)) for m, b, k in zip(mask, base, n)], np.uint32)

    return pure(instruction, apply, "u32", ["u32", "u32", "s32"])


@opcode("prmt")
def _permute(instruction):
    """Four of the eight bytes of b:a; bit 3 of a selector repeats the byte's sign."""
    allow(instruction, "b32")

    def apply(a, b, selector):
        source = np.stack([a, b], axis=1).astype(np.uint32).view(np.uint8).reshape(len(a), 8)
        result = np.zeros((len(a), 4), np.uint8)
        for k in range(4):
            nibble = selector >> np.uint32(4 * k) & np.uint32(15)
            byte = source[np.arange(len(a)), nibble & np.uint32(7)]
            result[:, k] = np.where(nibble & np.uint32(8), np.where(byte & 0x80, 0xFF, 0), byte)
        return result.view(np.uint32).ravel()

    return pure(instruction, apply, "b32", ["b32"] * 3)


@opcode("mov")
def _move(instruction):
    type_name = instruction.type
    destination, source = instruction.operands
    if isinstance(destination, Vector):
        return _unpack(instruction, destination.items, source)
    if isinstance(source, Vector):
        return _pack(instruction, destination, source.items)
    if isinstance(destination, Symbol):
        raise UnsupportedError("a result that is no register")
    return pure(instruction, lambda x: x, type_name, [type_name])


def _pack(instruction, destination, items):
    width = width_of(instruction.type)
    part = width // len(items)
    return pure(
        instruction,
        lambda *parts: np.stack(parts, axis=1).view(BITS[width]).ravel(),
        f"b{width}",
        [f"b{part}"] * len(items),
        items,
    )


def _unpack(instruction, items, source):
    width = width_of(instruction.type)
    part = f"b{width // len(items)}"
    read, writes = reader(source, f"b{width}"), [writer(item, part) for item in items]
    dtype = numpy_type(part)

    def run(block, group, mask):
        frame = group.frame
        parts = np.ascontiguousarray(read(frame)).view(dtype).reshape(-1, len(items))
        for k, write in enumerate(writes):
            write(frame, np.ascontiguousarray(parts[:, k]), mask)

    return run
