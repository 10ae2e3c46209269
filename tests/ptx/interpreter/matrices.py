"""mma.sync, wmma, ldmatrix, stmatrix: what whole warps do with fragments of matrices.

A fragment's layout for mma.sync is the documented one, and one formula gives it for every type: with lane l, g = l / 4 and
t = l % 4, register r of an operand that holds w values side by side (2 of 16 bits, 1 of 32 or 64, 4 of 8) has
A: row g + 8 (r & 1), columns w t + 4 w (r >> 1) + h;  B: rows w t + 4 w r + h, column g;  C: row g + 8 (e >> 1), column
2 t + (e & 1). That of wmma is nobody's business, and is not the hardware's here.
"""

import re

import numpy as np

from .block import WARP
from .data_movement import address_reader, space_of
from .dispatch import opcode
from .errors import DivergenceError, UnsupportedError
from .frames import reader, writer
from .memory import WINDOW_BITS
from .numerics import BITS, INTEGERS, narrow, sum_to_odd, widen, width_of
from .syntax import Vector

_LANE = np.arange(WARP)
_G, _T = _LANE // 4, _LANE % 4


def whole_warps(block, mask, together=1):
    """Warps, or warpgroups of so many, that take part; each must do so with all of its threads."""
    threads = together * WARP
    if block.width % threads:
        raise DivergenceError(f"an operation of {threads} threads in a block of {block.width}")
    taking_part = mask.reshape(-1, threads)
    some, every = taking_part.any(1), taking_part.all(1)
    if (some != every).any():
        which = int(np.argmax(some != every))
        name, unit = ("warp", "lanes") if together == 1 else ("warpgroup", "threads")
        raise DivergenceError(
            f"block {block.index}: {int(taking_part[which].sum())} of {threads} {unit} of {name} {which} are at a "
            "matrix operation"
        )
    return np.flatnonzero(some)


def shape_of(instruction):
    for modifier in instruction.modifiers:
        if match := re.fullmatch(r"m(\d+)n(\d+)k(\d+)", modifier):
            return tuple(map(int, match.groups()))
    raise UnsupportedError(f"{instruction.opcode} without a shape")


def elements(registers, type_name):
    """Values of a fragment's registers as [warp, lane, register, value]: float64, or int64."""
    bits = np.stack(registers, axis=-1)
    bits = bits.reshape(-1, WARP, bits.shape[-1])
    width = width_of(type_name)
    if bits.dtype.itemsize * 8 > width:
        bits = np.ascontiguousarray(bits).view(BITS[width]).reshape(*bits.shape, -1)
    else:
        bits = bits[..., None]
    if type_name in INTEGERS:
        return bits.view(INTEGERS[type_name]).astype(np.int64)
    return widen(bits, type_name)


def registers_of(values, type_name, register_width):
    """The reverse, for values [warp, lane, register, value]."""
    width = width_of(type_name)
    bits = values.astype(INTEGERS[type_name]).view(BITS[width]) if type_name in INTEGERS else narrow(values, type_name)
    bits = np.ascontiguousarray(bits).view(BITS[register_width])
    return [np.ascontiguousarray(bits[:, :, r]).ravel() for r in range(bits.shape[2])]


def position_a(register, value, values):
    return _G + 8 * (register & 1), values * _T + 4 * values * (register >> 1) + value


def position_b(register, value, values):
    return values * _T + 4 * values * register + value, _G


def position_c(register, value, values):
    """One accumulator value a register, or two halves."""
    element = register * values + value
    return _G + 8 * (element >> 1), 2 * _T + (element & 1)


def gather(fragment, position, rows, columns):
    """Matrices [warp, row, column] of fragments [warp, lane, register, value]."""
    matrix = np.zeros((fragment.shape[0], rows, columns), fragment.dtype)
    for register in range(fragment.shape[2]):
        for value in range(fragment.shape[3]):
            row, column = position(register, value, fragment.shape[3])
            matrix[:, row, column] = fragment[:, :, register, value]
    return matrix


def scatter(matrix, position, registers, values):
    fragment = np.zeros((matrix.shape[0], WARP, registers, values), matrix.dtype)
    for register in range(registers):
        for value in range(values):
            row, column = position(register, value, values)
            fragment[:, :, register, value] = matrix[:, row, column]
    return fragment


def product_sum(a, b, c):
    """a b + c with the sum over k in float64, and one rounding by the caller; integers wrap."""
    product = a @ b
    return product + c if product.dtype.kind == "i" else sum_to_odd(product, c)


def _wrap(values, type_name):
    return (values + 2**31) % 2**32 - 2**31 if type_name == "s32" else values


_MMA_SHAPES = {
    "f16": ((16, 8, 8), (16, 8, 16)),
    "bf16": ((16, 8, 8), (16, 8, 16)),
    "tf32": ((16, 8, 4), (16, 8, 8)),
    "f64": ((8, 8, 4), (16, 8, 4), (16, 8, 8), (16, 8, 16)),
    "s8": ((16, 8, 16), (16, 8, 32)),
    "u8": ((16, 8, 16), (16, 8, 32)),
}


class _Operand:
    """A fragment's registers: how to read them as bits, and the type of what they hold."""

    def __init__(self, vector, type_name):
        self.type = type_name
        self.items = vector.items if isinstance(vector, Vector) else (vector,)
        self.width = 64 if type_name == "f64" else 32
        self.reads = [reader(item, f"b{self.width}") for item in self.items]

    def values(self, frame):
        return elements([read(frame) for read in self.reads], self.type)


@opcode("mma")
def _multiply(instruction):
    shape = m, n, k = shape_of(instruction)
    d_type, a_type, b_type, c_type = instruction.modifiers[-4:]
    rest = set(instruction.modifiers[:-4]) - {"sync", "aligned", "row", "col", f"m{m}n{n}k{k}"}
    layout = [modifier for modifier in instruction.modifiers if modifier in ("row", "col")]
    accumulators = {"f64": ("f64",), "f16": ("f32", "f16"), "s8": ("s32",), "u8": ("s32",)}.get(a_type, ("f32",))
    if (
        rest
        or layout != ["row", "col"]
        or shape not in _MMA_SHAPES.get(a_type, ())
        or (a_type != b_type and not {a_type, b_type} <= {"s8", "u8"})
        or d_type != c_type
        or d_type not in accumulators
    ):
        raise UnsupportedError(f"mma.{'.'.join(instruction.modifiers)}")
    a, b, c = [_Operand(vector, t) for vector, t in zip(instruction.operands[1:], (a_type, b_type, c_type))]
    d = _Operand(instruction.operands[0], d_type)
    writes = [writer(item, f"b{d.width}") for item in d.items]
    values = 2 if d_type == "f16" else 1

    def run(block, group, mask):
        frame = group.frame
        whole_warps(block, mask)
        left = gather(a.values(frame), position_a, m, k)
        right = gather(b.values(frame), position_b, k, n)
        result = product_sum(left, right, gather(c.values(frame), position_c, m, n))
        fragment = scatter(_wrap(result, d_type), position_c, len(d.items), values)
        for write, bits in zip(writes, registers_of(fragment, d_type, d.width)):
            write(frame, bits, mask)

    return run


# wmma: element e of lane l is number (e lanes + l) of the matrix, counted again from 0 where a fragment holds more.


def _spread_positions(rows, columns):
    def position(register, value, values):
        number = ((register * values + value) * WARP + _LANE) % (rows * columns)
        return number // columns, number % columns

    return position


def _wmma_extent(shape, which):
    m, n, k = shape
    return {"a": (m, k), "b": (k, n)}.get(which, (m, n))


@opcode("wmma")
def _warp_matrix(instruction):
    action = instruction.modifiers[0]
    shape = shape_of(instruction)
    known = {
        "load",
        "store",
        "mma",
        "sync",
        "aligned",
        "row",
        "col",
        "a",
        "b",
        "c",
        "d",
        "m{}n{}k{}".format(*shape),
        "global",
        "shared",
        "shared::cta",
        "f16",
        "bf16",
        "tf32",
        "f32",
        "f64",
        "s8",
        "u8",
        "s32",
    }
    if set(instruction.modifiers) - known or shape not in (
        (16, 16, 16),
        (32, 8, 16),
        (8, 32, 16),
        (16, 16, 8),
        (8, 8, 4),
    ):
        raise UnsupportedError(f"wmma.{'.'.join(instruction.modifiers)}")
    return {"load": _wmma_load, "store": _wmma_store, "mma": _wmma_multiply}[action](instruction, shape)


def _wmma_access(instruction, shape, which, address, stride):
    """(elements' type, addresses [warp, row, column] of a frame)."""
    rows, columns = _wmma_extent(shape, which)
    by_rows = instruction.has("row")
    size = width_of(instruction.type) // 8
    base = address_reader(address)
    leading = reader(stride, "u32") if stride is not None else None

    def addresses(frame):
        start = base(frame).reshape(-1, WARP)[:, :1, None]
        ld = (
            leading(frame).astype(np.int64).reshape(-1, WARP)[:, :1, None]
            if leading
            else (columns if by_rows else rows)
        )
        row, column = np.arange(rows)[:, None], np.arange(columns)
        return start + size * (row * ld + column if by_rows else column * ld + row)

    return addresses


def _each_element(block, space, addresses, mask):
    """(memory, offsets, warps that take part, flat) for matrices of addresses."""
    warps = whole_warps(block, mask)
    flat = addresses[warps].reshape(-1)
    part = np.ones(len(flat), bool)
    if space is None and len(np.unique(flat >> WINDOW_BITS)) > 1:
        raise UnsupportedError("a matrix in several memories")
    memory, offsets, _ = block.places(space, flat, part)[0]
    return memory, offsets, warps, part


def _wmma_load(instruction, shape):
    which, type_name = instruction.modifiers[1], instruction.type
    size = width_of(type_name) // 8
    destination, address, *stride = instruction.operands
    addresses = _wmma_access(instruction, shape, which, address, stride[0] if stride else None)
    rows, columns = _wmma_extent(shape, which)
    operand = _Operand(destination, type_name)
    writes = [writer(item, f"b{operand.width}") for item in operand.items]
    space, values = space_of(instruction), operand.width // width_of(type_name)

    def run(block, group, mask):
        memory, offsets, warps, part = _each_element(block, space, addresses(group.frame), mask)
        bits = np.zeros((block.warps, rows, columns), BITS[8 * size])
        bits[warps] = memory.load(offsets, part, size)[0].reshape(-1, rows, columns)
        fragment = scatter(bits, _spread_positions(rows, columns), len(operand.items), values)
        packed = np.ascontiguousarray(fragment).view(BITS[operand.width])
        for k, write in enumerate(writes):
            write(group.frame, np.ascontiguousarray(packed[:, :, k]).ravel(), mask)

    return run


def _wmma_store(instruction, shape):
    type_name = instruction.type
    size = width_of(type_name) // 8
    address, source, *stride = instruction.operands
    addresses = _wmma_access(instruction, shape, "d", address, stride[0] if stride else None)
    rows, columns = _wmma_extent(shape, "d")
    operand, space = _Operand(source, f"u{8 * size}"), space_of(instruction)
    operand.width = 64 if size == 8 else 32
    operand.reads = [reader(item, f"b{operand.width}") for item in operand.items]

    def run(block, group, mask):
        memory, offsets, warps, part = _each_element(block, space, addresses(group.frame), mask)
        matrix = gather(operand.values(group.frame), _spread_positions(rows, columns), rows, columns)
        memory.store(offsets, part, [matrix[warps].astype(BITS[8 * size]).ravel()])

    return run


def _wmma_multiply(instruction, shape):
    m, n, k = shape
    types = [modifier for modifier in instruction.modifiers if re.fullmatch(r"b?f\d+|tf32|[us]\d+", modifier)]
    # Without the operands' types they are halves: wmma.mma....f32.f32 names those of d and c.
    d_type, a_type, b_type, c_type = types if len(types) == 4 else (types[0], "f16", "f16", types[1])
    a, b, c, d = [
        _Operand(vector, t)
        for vector, t in zip(instruction.operands[1:] + instruction.operands[:1], (a_type, b_type, c_type, d_type))
    ]
    writes = [writer(item, f"b{d.width}") for item in d.items]

    def run(block, group, mask):
        frame = group.frame
        whole_warps(block, mask)
        left, right, addend = [
            gather(operand.values(frame), _spread_positions(*extent), *extent)
            for operand, extent in ((a, (m, k)), (b, (k, n)), (c, (m, n)))
        ]
        result = _wrap(product_sum(left, right, addend), d_type)
        fragment = scatter(result, _spread_positions(m, n), len(d.items), d.width // width_of(d_type))
        for write, bits in zip(writes, registers_of(fragment, d_type, d.width)):
            write(frame, bits, mask)

    return run


def _eights(instruction):
    """Number of 8 x 8 matrices of ldmatrix and stmatrix."""
    known = {"sync", "aligned", "m8n8", "x1", "x2", "x4", "trans", "shared", "shared::cta", "b16"}
    if set(instruction.modifiers) - known or not {"m8n8", "b16"} <= set(instruction.modifiers):
        raise UnsupportedError(f"{instruction.opcode}.{'.'.join(instruction.modifiers)}")
    return next(int(modifier[1]) for modifier in instruction.modifiers if modifier in ("x1", "x2", "x4"))


def _rows_of_eights(block, mask, count):
    """The threads whose addresses count: 8 per matrix, from the warp's first lane on."""
    whole_warps(block, mask)
    return mask & (block.lane < 8 * count)


@opcode("ldmatrix")
def _load_matrices(instruction):
    count, trans, space = _eights(instruction), instruction.has("trans"), space_of(instruction)
    items = instruction.operands[0].items if isinstance(instruction.operands[0], Vector) else (instruction.operands[0],)
    writes = [writer(item, "b32") for item in items]
    addresses = address_reader(instruction.operands[1])

    def run(block, group, mask):
        givers = _rows_of_eights(block, mask, count)
        ((memory, offsets, _),) = block.places(space, addresses(group.frame), givers)
        rows = np.stack(memory.load(offsets, givers, 8, 2), axis=1).view(np.uint16).reshape(block.warps, 4, 8, 8)
        for k, write in enumerate(writes):
            matrix = rows[:, k].transpose(0, 2, 1) if trans else rows[:, k]
            pair = np.stack([matrix[:, _G, 2 * _T], matrix[:, _G, 2 * _T + 1]], axis=-1)
            write(group.frame, pair.view(np.uint32).ravel(), mask)

    return run


@opcode("stmatrix")
def _store_matrices(instruction):
    count, trans, space = _eights(instruction), instruction.has("trans"), space_of(instruction)
    source = instruction.operands[1]
    reads = [reader(item, "b32") for item in (source.items if isinstance(source, Vector) else (source,))]
    addresses = address_reader(instruction.operands[0])

    def run(block, group, mask):
        givers = _rows_of_eights(block, mask, count)
        rows = np.zeros((block.warps, 4, 8, 8), np.uint16)
        for k, read in enumerate(reads):
            pair = np.ascontiguousarray(read(group.frame)).view(np.uint16).reshape(block.warps, WARP, 2)
            matrix = np.zeros((block.warps, 8, 8), np.uint16)
            matrix[:, _G, 2 * _T], matrix[:, _G, 2 * _T + 1] = pair[..., 0], pair[..., 1]
            rows[:, k] = matrix.transpose(0, 2, 1) if trans else matrix
        halves = rows.reshape(block.width, 8).view(np.uint64)
        ((memory, offsets, _),) = block.places(space, addresses(group.frame), givers)
        memory.store(offsets, givers, [np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1])])

    return run


@opcode("movmatrix")
def _transpose_matrix(instruction):
    if set(instruction.modifiers) != {"sync", "aligned", "m8n8", "trans", "b16"}:
        raise UnsupportedError(f"movmatrix.{'.'.join(instruction.modifiers)}")
    read, write = reader(instruction.operands[1], "b32"), writer(instruction.operands[0], "b32")

    def run(block, group, mask):
        whole_warps(block, mask)
        pair = np.ascontiguousarray(read(group.frame)).view(np.uint16).reshape(block.warps, WARP, 2)
        matrix = np.zeros((block.warps, 8, 8), np.uint16)
        matrix[:, 2 * _T, _G], matrix[:, 2 * _T + 1, _G] = pair[..., 0], pair[..., 1]
        moved = np.stack([matrix[:, _G, 2 * _T], matrix[:, _G, 2 * _T + 1]], axis=-1)
        write(group.frame, moved.view(np.uint32).ravel(), mask)

    return run
