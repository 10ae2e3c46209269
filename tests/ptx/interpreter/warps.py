"""What the lanes of a warp do together: shuffles, votes, matches, reductions."""

import numpy as np

from .block import WARP
from .dispatch import allow, opcode
from .errors import PtxError, UnsupportedError
from .frames import reader, writer
from .syntax import Pair, Symbol


def together(instruction, members_operand, run):
    """Runs when all lanes that the member mask names are there, and have not ended."""
    members = reader(members_operand, "u32")

    def waiting(block, group, mask):
        named = members(group.frame)
        missing = block.lanes_missing(mask, named)
        if missing is not None:
            block.wait_for_lanes(group, mask, missing, instruction)
            return
        outside = mask & ((named.astype(np.int64) >> block.lane & 1) == 0)
        if outside.any():
            raise PtxError(f"thread {int(np.argmax(outside))} is not in its own member mask")
        run(block, group.frame, mask, named)

    return waiting


def shuffle(mode, bits, where, clamp, mask):
    """Values of other lanes and whether the source lane was in range; from lanes that take no part come ones."""
    warps = len(bits) // WARP
    lane = np.tile(np.arange(WARP, dtype=np.int64), warps)
    where, clamp = where.astype(np.int64) & 31, clamp.astype(np.int64)
    segment, limit = clamp >> 8 & 31, clamp & 31
    highest = (lane & segment) | (limit & ~segment)
    if mode == "up":
        source = lane - where
        valid = source >= highest
    elif mode == "down":
        source = lane + where
        valid = source <= highest
    elif mode == "bfly":
        source = lane ^ where
        valid = source <= highest
    else:
        source = (lane & segment) | (where & ~segment)
        valid = source <= highest
    source = np.where(valid, source, lane) + WARP * (np.arange(len(bits)) // WARP)
    return np.where(mask[source], bits[source], ~bits.dtype.type(0)), valid


@opcode("shfl")
def _shuffle(instruction):
    allow(instruction, "sync", "up", "down", "bfly", "idx", "b32")
    if not instruction.has("sync"):
        raise UnsupportedError("shfl without .sync")
    destination = instruction.operands[0]
    destination, in_range = (
        (destination.first, destination.second) if isinstance(destination, Pair) else (destination, Symbol("_"))
    )
    value, where, clamp = [reader(operand, "u32") for operand in instruction.operands[1:4]]
    write, write_range = writer(destination, "u32"), writer(in_range, "pred")
    mode = instruction.modifiers[1]

    def run(block, frame, mask, named):
        values, valid = shuffle(mode, value(frame), where(frame), clamp(frame), mask)
        write(frame, values, mask)
        write_range(frame, valid, mask)

    return together(instruction, instruction.operands[4], run)


_BITS = np.int64(1) << np.arange(WARP)


def fellows(block, mask, named):
    """[warp, lane, other]: whether the other lane takes part in this lane's operation."""
    members = (named.astype(np.int64)[:, None] >> np.arange(WARP) & 1).astype(bool)
    return members.reshape(block.warps, WARP, WARP) & mask.reshape(block.warps, 1, WARP)


def by_warp(block, values):
    """[warp, 1, other]"""
    return values.reshape(block.warps, 1, WARP)


@opcode("vote")
def _vote(instruction):
    allow(instruction, "sync", "all", "any", "uni", "ballot", "pred", "b32")
    if not instruction.has("sync"):
        raise UnsupportedError("vote without .sync")
    mode = instruction.modifiers[1]
    read = reader(instruction.operands[1], "pred")
    write = writer(instruction.operands[0], "u32" if mode == "ballot" else "pred")

    def run(block, frame, mask, named):
        votes, there = by_warp(block, read(frame)), fellows(block, mask, named)
        if mode == "ballot":
            result = ((votes & there) * _BITS).sum(2).astype(np.uint32)
        else:
            all_true, any_true = (votes | ~there).all(2), (votes & there).any(2)
            result = {"all": all_true, "any": any_true, "uni": all_true | ~any_true}[mode]
        write(frame, result.ravel(), mask)

    return together(instruction, instruction.operands[2], run)


@opcode("activemask")
def _active(instruction):
    write = writer(instruction.operands[0], "u32")

    def run(block, group, mask):
        active = (mask.reshape(block.warps, WARP) * _BITS).sum(1).astype(np.uint32)
        write(group.frame, np.repeat(active, WARP), mask)

    return run


@opcode("elect")
def _elect(instruction):
    """One lane of those named: the lowest."""
    allow(instruction, "sync")
    destination = instruction.operands[0]
    write_lane, write = writer(destination.first, "u32"), writer(destination.second, "pred")

    def run(block, frame, mask, named):
        first = fellows(block, mask, named).argmax(2).ravel()
        write_lane(frame, first.astype(np.uint32), mask)
        write(frame, block.lane == first, mask)

    return together(instruction, instruction.operands[1], run)


@opcode("match")
def _match(instruction):
    allow(instruction, "any", "all", "sync", "b32", "b64")
    read = reader(instruction.operands[1], instruction.type)
    destination = instruction.operands[0]
    destination, agree = (
        (destination.first, destination.second) if isinstance(destination, Pair) else (destination, Symbol("_"))
    )
    write, write_agree = writer(destination, "u32"), writer(agree, "pred")

    def run(block, frame, mask, named):
        values, there = read(frame), fellows(block, mask, named)
        equal = (values.reshape(block.warps, WARP, 1) == by_warp(block, values)) & there
        if instruction.has("all"):
            same = (equal | ~there).all(2)
            equal = equal & same[:, :, None]
            write_agree(frame, same.ravel(), mask)
        write(frame, (equal * _BITS).sum(2).astype(np.uint32).ravel(), mask)

    return together(instruction, instruction.operands[2], run)


@opcode("redux")
def _reduce(instruction):
    allow(instruction, "sync", "add", "min", "max", "and", "or", "xor", "u32", "s32", "b32")
    function, neutral = {
        "add": (np.add, 0),
        "min": (np.minimum, None),
        "max": (np.maximum, None),
        "and": (np.bitwise_and, -1),
        "or": (np.bitwise_or, 0),
        "xor": (np.bitwise_xor, 0),
    }[instruction.modifiers[1]]
    read, write = reader(instruction.operands[1], instruction.type), writer(instruction.operands[0], instruction.type)

    def run(block, frame, mask, named):
        values, there = by_warp(block, read(frame)), fellows(block, mask, named)
        limits = np.iinfo(values.dtype)
        missing = {"min": limits.max, "max": limits.min}.get(instruction.modifiers[1])
        if missing is None:
            missing = np.int64(neutral).astype(values.dtype)
        result = function.reduce(np.where(there, values, missing), axis=2).astype(values.dtype)
        write(frame, result.ravel(), mask)

    return together(instruction, instruction.operands[2], run)
