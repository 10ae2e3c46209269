"""Loads, stores, address conversions and asynchronous copies."""

import numpy as np

from .dispatch import allow, opcode
from .errors import MemoryFault, PtxError, UnsupportedError
from .frames import numpy_type, reader, writer
from .memory import LOCAL_WINDOW, SHARED_WINDOW, WINDOW_BITS
from .numerics import BITS, width_of
from .syntax import Immediate, Register, Vector

SPACES = ("global", "shared", "local", "param", "const")
# How an access is ordered or cached changes nothing here: all of them are in order.
_HINTS = (
    "weak",
    "volatile",
    "relaxed",
    "acquire",
    "release",
    "cta",
    "cluster",
    "gpu",
    "sys",
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "cop",
    "wb",
    "wt",
    "nc",
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L1::no_allocate",
    "L2::64B",
    "L2::128B",
    "L2::256B",
    "L2::evict_first",
    "L2::evict_last",
    "L2::evict_normal",
    "unified",
    "mmio",
)


def space_of(instruction):
    """The state space among the modifiers; None is a generic address."""
    for modifier in instruction.modifiers:
        name = modifier.split("::")[0]
        if name in SPACES:
            return name
    return None


def address_reader(address):
    """A function of the frame giving int64 addresses: offsets within shared and local memory, else generic ones."""
    base, offset = address.base, np.int64(address.offset)
    read = reader(base, f"u{base.width}" if isinstance(base, Register) else "u64")
    return lambda frame: read(frame).astype(np.int64) + offset


def _check_access(instruction, *operations):
    known = ("v2", "v4", "v8") + _HINTS
    for modifier in instruction.modifiers[:-1]:
        if modifier not in known and modifier.split("::")[0] not in SPACES and modifier not in operations:
            raise UnsupportedError(f"modifier .{modifier} of {instruction.opcode}")
    width = width_of(instruction.type)
    if width not in BITS:
        raise UnsupportedError(f"{instruction.opcode} of .{instruction.type}")
    return width // 8


def _items(operand):
    return operand.items if isinstance(operand, Vector) else (operand,)


@opcode("ld", "ldu")
def _load(instruction):
    size = _check_access(instruction)
    space = space_of(instruction)
    if instruction.opcode == "ldu" and space is None:
        space = "global"
    items = _items(instruction.operands[0])
    writes = [writer(item, instruction.type) for item in items]
    addresses = address_reader(instruction.operands[1])
    dtype = numpy_type(instruction.type)

    def run(block, group, mask):
        frame = group.frame
        parts = block.places(space, addresses(frame), mask)
        if len(parts) == 1:
            memory, offsets, _ = parts[0]
            values = memory.load(offsets, mask, size, len(items))
        else:
            values = [np.zeros(block.width, BITS[8 * size]) for _ in items]
            for memory, offsets, part in parts:
                for value, loaded in zip(values, memory.load(offsets, part, size, len(items))):
                    value[part] = loaded[part]
        for write, value in zip(writes, values):
            write(frame, value.view(dtype), mask)

    return run


@opcode("st")
def _store(instruction):
    size = _check_access(instruction)
    space = space_of(instruction)
    items = _items(instruction.operands[1])
    # Stores take the low bits of a wider register, whatever the type's kind.
    reads = [reader(item, instruction.type if isinstance(item, Immediate) else f"b{8 * size}") for item in items]
    addresses = address_reader(instruction.operands[0])
    bits = BITS[8 * size]

    def run(block, group, mask):
        frame = group.frame
        values = [read(frame).view(bits) for read in reads]
        for memory, offsets, part in block.places(space, addresses(frame), mask):
            memory.store(offsets, part, values)

    return run


_WINDOW_OF = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW}


@opcode("cvta")
def _convert_address(instruction):
    """Between a space's addresses and generic ones. Those of global, constant and parameter memory are generic."""
    allow(instruction, "to", "u64", "u32", *SPACES, "shared::cta")
    start = _WINDOW_OF.get(space_of(instruction), 0)
    sign = -1 if instruction.has("to") else 1
    read, write = reader(instruction.operands[1], "u64"), writer(instruction.operands[0], "u64")

    def run(block, group, mask):
        addresses = read(group.frame).astype(np.int64)
        if start and sign < 0 and (addresses[mask] >> WINDOW_BITS != start >> WINDOW_BITS).any():
            raise MemoryFault(f"cvta to {space_of(instruction)}: a generic address outside of that space")
        write(group.frame, addresses + sign * start, mask)

    return run


@opcode("isspacep")
def _is_space(instruction):
    space = space_of(instruction)
    read, write = reader(instruction.operands[1], "u64"), writer(instruction.operands[0], "pred")

    def run(block, group, mask):
        kind = read(group.frame).astype(np.int64) >> WINDOW_BITS
        wanted = _WINDOW_OF.get(space)
        if wanted is None and space != "global":
            raise UnsupportedError(f"isspacep.{space}")
        write(group.frame, kind == wanted >> WINDOW_BITS if wanted else kind >= 16, mask)

    return run


@opcode("mapa")
def _map_address(instruction):
    """Clusters of one block: an address of block 0 is one's own."""
    read, rank = reader(instruction.operands[1], instruction.type), reader(instruction.operands[2], "u32")
    write = writer(instruction.operands[0], instruction.type)

    def run(block, group, mask):
        if rank(group.frame)[mask].any():
            raise UnsupportedError("the shared memory of another block")
        write(group.frame, read(group.frame), mask)

    return run


class AsyncCopies:
    """cp.async of one block: what was copied lands when its thread waits for its group, and not before."""

    def __init__(self, threads):
        self.open = np.zeros(threads, np.int64)
        self.flying = []

    def start(self, block, offsets, data, mask):
        # Whoever reads the destination before the landing is told so.
        block.shared.check(offsets[mask], data.shape[1])
        block.shared.mark(offsets[mask], data.shape[1], False)
        self.flying.append([mask.copy(), self.open.copy(), offsets, data])

    def commit(self, mask):
        self.open += mask

    def wait(self, block, mask, pending):
        """Lands all committed groups of these threads but the `pending` newest; None: what is not committed too."""
        remaining = []
        for copy in self.flying:
            flying, group, offsets, data = copy
            landing = flying & mask
            if pending is not None:
                landing &= group < self.open - pending
            if landing.any():
                size = data.shape[1]
                units = data.view(BITS[8 * min(size, 8)])
                block.shared.store(offsets, landing, [np.ascontiguousarray(units[:, k]) for k in range(units.shape[1])])
                copy[0] = flying & ~landing
            if copy[0].any():
                remaining.append(copy)
        self.flying = remaining


@opcode("cp")
def _copy(instruction):
    if instruction.modifiers[0] != "async" or instruction.has("bulk") or instruction.has("mbarrier"):
        raise UnsupportedError(f"cp.{'.'.join(instruction.modifiers)}")
    if instruction.has("commit_group"):
        return lambda block, group, mask: _copies(block).commit(mask)
    if instruction.has("wait_group"):
        pending = instruction.operands[0].value
        return lambda block, group, mask: _copies(block).wait(block, mask, pending)
    if instruction.has("wait_all"):
        return lambda block, group, mask: _copies(block).wait(block, mask, None)

    allow(instruction, "async", "ca", "cg", "shared", "shared::cta", "global", "L2::64B", "L2::128B", "L2::256B")
    to, source, size, *rest = instruction.operands
    size = size.value
    if size not in (4, 8, 16) or (instruction.has("cg") and size != 16):
        raise PtxError(f"cp.async of {size} bytes")
    to, source = address_reader(to), address_reader(source)
    kept = reader(rest[0], "u32") if rest else None
    if rest and isinstance(rest[0], Register) and rest[0].width == 1:
        raise UnsupportedError("cp.async with a predicate")

    def run(block, group, mask):
        frame = group.frame
        offsets, addresses = to(frame), source(frame)
        lengths = kept(frame).astype(np.int64) if kept else np.full(block.width, size)
        if (lengths[mask] > size).any():
            raise PtxError("cp.async of more bytes than its size")
        for where, name in ((offsets, "destination"), (addresses, "source")):
            if (where[mask] % size).any():
                raise MemoryFault(f"cp.async: the {name} is not aligned to {size} bytes")
        data = np.zeros((block.width, size), np.uint8)
        for memory, at, part in block.places("global", addresses, mask & (lengths > 0)):
            for length in np.unique(lengths[part]):
                taken = part & (lengths == length)
                where = memory.index(at, taken, int(length), 1)
                data[taken, :length] = memory.bytes[where[:, None] + np.arange(length)]
        _copies(block).start(block, offsets, data, mask)

    return run


def _copies(block):
    if block.copies is None:
        block.copies = AsyncCopies(block.width)
    return block.copies
