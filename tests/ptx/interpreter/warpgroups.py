"""wgmma: what four warps do with matrices in shared memory.

A product is computed when it is issued, from operands that must be complete by then; that it may land later, and must not
be touched before its wait, is for others to check. Accumulators lie as those of mma.sync, warp w having rows 16 w to
16 w + 15 and register 4 f + e columns 8 f to 8 f + 7.
"""

import re

import numpy as np

from .block import WARP
from .dispatch import opcode
from .errors import DivergenceError, UnsupportedError
from .frames import reader, writer
from .matrices import whole_warps
from .numerics import widen

_GROUP = 4 * WARP
_LANE = np.arange(_GROUP) % WARP
_ROW, _COLUMN = np.arange(_GROUP) // WARP * 16 + _LANE // 4, 2 * (_LANE % 4)


def _one_of(values, group, what):
    mine = values[group * _GROUP : (group + 1) * _GROUP]
    if (mine != mine[0]).any():
        raise DivergenceError(f"threads of a warpgroup differ in {what}")
    return mine[0]


def _lines(block, descriptor, lines, within_lines, transposed):
    """The matrix of a descriptor with 128-byte swizzle: [line, place in it] of the 16-bit elements that are asked for.

    Eight lines lie 128 bytes apart, and eight of them to the next eight the stride; elements within a line beyond 64, of a
    transposed matrix, are `between` bytes on. The hardware swaps pieces of 16 bytes by bits 7 to 9 of the address.
    """
    d = int(descriptor)
    start, between, stride = (d & 0x3FFF) << 4, (d >> 16 & 0x3FFF) << 4, (d >> 32 & 0x3FFF) << 4
    if d >> 62 != 1 or d >> 49 & 7:
        raise UnsupportedError(f"a matrix descriptor {d:#x} without 128-byte swizzle from a multiple of 1024 bytes")
    line, element = np.arange(lines)[:, None], np.arange(within_lines)
    at = start + line // 8 * stride + line % 8 * 128 + 2 * (element % 64)
    if transposed:
        at = at + element // 64 * between
    at ^= (at >> 7 & 7) << 4
    flat = np.ascontiguousarray(at).ravel()
    (bits,) = block.shared.load(flat, np.ones(len(flat), bool), 2)
    return widen(bits.reshape(at.shape), "bf16")


@opcode("wgmma")
def _warpgroup(instruction):
    action = instruction.modifiers[0]
    if action in ("fence", "commit_group", "wait_group"):

        def wait(block, group, mask):
            whole_warps(block, mask, 4)

        return wait
    shape = next((re.fullmatch(r"m64n(\d+)k16", modifier) for modifier in instruction.modifiers if modifier[0] == "m"
                  and modifier[1].isdigit()), None)
    types = list(instruction.modifiers[-3:])
    if action != "mma_async" or shape is None or types != ["f32", "bf16", "bf16"]:
        raise UnsupportedError(f"wgmma.{'.'.join(instruction.modifiers)}")
    columns = int(shape.group(1))
    sums, left, right, adds, *rest = instruction.operands
    scale_a, scale_b, transposed_a, transposed_b = [operand.value for operand in rest]
    if (scale_a, scale_b, transposed_a) != (1, 1, 0) or len(sums.items) != columns // 2:
        raise UnsupportedError("wgmma with signs, a transposed left matrix, or another number of accumulators")
    reads, writes = [reader(item, "f32") for item in sums.items], [writer(item, "f32") for item in sums.items]
    left, right, adds = reader(left, "u64"), reader(right, "u64"), reader(adds, "pred")

    def run(block, group, mask):
        frame = group.frame
        found = [read(frame).copy() for read in reads]
        for g in whole_warps(block, mask, 4):
            a = _lines(block, _one_of(left(frame), g, "the left matrix"), 64, 16, False)
            descriptor = _one_of(right(frame), g, "the right matrix")
            b = _lines(block, descriptor, 16, columns, True) if transposed_b else _lines(
                block, descriptor, columns, 16, False).T
            product = a @ b
            keeps = bool(_one_of(adds(frame), g, "whether they add"))
            mine = slice(g * _GROUP, (g + 1) * _GROUP)
            for r, values in enumerate(found):
                row, column = _ROW + r % 4 // 2 * 8, r // 4 * 8 + _COLUMN + r % 2
                before = values[mine].astype(np.float64) if keeps else 0.0
                values[mine] = (product[row, column] + before).astype(np.float32)
        for write, values in zip(writes, found):
            write(frame, values, mask)

    return run
