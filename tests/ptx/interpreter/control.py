"""Branches, calls, ends, barriers, and what needs nothing done: fences, hints."""

import numpy as np

from .dispatch import allow, opcode
from .errors import PtxError, UnsupportedError
from .frames import reader, writer
from .memory import LOCAL_WINDOW
from .syntax import Immediate, Symbol, Vector


@opcode("bra")
def _branch(instruction):
    allow(instruction, "uni")
    label = instruction.operands[0].name

    def run(block, group, mask):
        target = group.frame.function.body.labels[label]
        if mask is group.mask:
            group.pc = target
        elif target != group.pc:
            block.part(group, [(group.mask & ~mask, group.pc), (mask, target)])

    return run


@opcode("brx")
def _indexed_branch(instruction):
    allow(instruction, "idx", "uni")
    read, table = reader(instruction.operands[0], "u32"), instruction.operands[1].name

    def run(block, group, mask):
        body, index = group.frame.function.body, read(group.frame)
        places = {}
        for value in np.unique(index[mask]):
            if value >= len(body.tables[table]):
                raise PtxError(f"index {value} into {len(body.tables[table])} targets")
            target = body.labels[body.tables[table][value]]
            places[target] = places.get(target, np.zeros_like(mask)) | (mask & (index == value))
        if mask is not group.mask:
            places[group.pc] = places.get(group.pc, np.zeros_like(mask)) | (group.mask & ~mask)
        if len(places) == 1:
            group.pc = next(iter(places))
        else:
            block.part(group, [(part, target) for target, part in places.items()])

    return run


@opcode("ret")
def _return(instruction):
    allow(instruction, "uni")

    def run(block, group, mask):
        end = len(group.frame.function.body.code)
        if mask is group.mask:
            group.pc = end
        else:
            block.part(group, [(group.mask & ~mask, group.pc), (mask, end)])

    return run


@opcode("exit")
def _exit(instruction):
    allow(instruction)
    return lambda block, group, mask: block.end(group, mask)


@opcode("trap", "brkpt")
def _trap(instruction):
    def run(block, group, mask):
        raise PtxError(f"{instruction.opcode}, by {int(mask.sum())} threads, the first {int(np.argmax(mask))}")

    return run


@opcode("call")
def _call(instruction):
    allow(instruction, "uni")
    vectors = [operand for operand in instruction.operands if isinstance(operand, Vector)]
    name = next(operand for operand in instruction.operands if not isinstance(operand, Vector))
    position = instruction.operands.index(name)
    returned = instruction.operands[0].items if position == 1 else ()
    passed = instruction.operands[position + 1].items if len(vectors) > (position == 1) else ()
    if not isinstance(name, Symbol):
        raise UnsupportedError("a call through a pointer")

    def run(block, group, mask):
        caller = group.frame
        function = caller.function.module.functions.get(name.name)
        if function is None or not function.defined:
            raise PtxError(f"call of {name.name}, which this file does not define")
        symbols = {}
        stack = caller.stack
        for formal, actual in zip(function.returns + function.parameters, returned + passed):
            # A parameter is the caller's variable itself: the caller is done with it at the call.
            symbols[formal.name] = block.address_of(caller, actual)
            if not LOCAL_WINDOW <= symbols[formal.name] < 2 * LOCAL_WINDOW:
                raise UnsupportedError(f"parameter {actual.name} of a call")
        block.call(group, mask, block.new_frame(function, symbols, stack))

    return run


@opcode("bar", "barrier")
def _barrier(instruction):
    if "warp" in instruction.modifiers:
        allow(instruction, "warp", "sync")
        members = reader(instruction.operands[0], "u32")

        def run(block, group, mask):
            missing = block.lanes_missing(mask, members(group.frame))
            if missing is not None:
                block.wait_for_lanes(group, mask, missing, instruction)

        return run

    allow(instruction, "cta", "sync", "arrive", "red", "aligned", "popc", "and", "or", "u32", "pred")
    operands = list(instruction.operands)
    result = operands.pop(0) if instruction.has("red") else None
    predicate = operands.pop() if instruction.has("red") else None
    identity = reader(operands[0], "u32")
    count = reader(operands[1], "u32") if len(operands) > 1 else None
    if instruction.has("arrive") and count is None:
        raise UnsupportedError("an arrival without a count")
    if instruction.has("red"):
        read = reader(predicate, "pred")
        operation = next(modifier for modifier in instruction.modifiers if modifier in ("popc", "and", "or"))
        write = writer(result, "u32" if operation == "popc" else "pred")

    def uniform(values, mask, what):
        chosen = np.unique(values[mask])
        if len(chosen) > 1:
            raise UnsupportedError(f"threads at one barrier that name different {what}")
        return int(chosen[0])

    def run(block, group, mask):
        frame = group.frame
        barrier = uniform(identity(frame), mask, "barriers")
        wanted = uniform(count(frame), mask, "counts") if count else None
        if wanted is not None and wanted % 32:
            raise PtxError(f"a barrier of {wanted} threads, not a multiple of 32")
        waiting = None if instruction.has("arrive") else group
        if not instruction.has("red"):
            block.wait_at_barrier(waiting, mask, barrier, wanted)
            return

        def finish(votes):
            result = {"popc": votes.sum, "and": votes.all, "or": votes.any}[operation]()
            write(frame, np.full(block.width, result, np.uint32 if operation == "popc" else bool), mask)

        block.wait_at_barrier(waiting, mask, barrier, wanted, read(frame), finish)

    return run


# Memory is coherent and in order here, and nothing is cached.
@opcode(
    "membar", "fence", "prefetch", "prefetchu", "discard", "applypriority", "pmevent", "griddepcontrol"
)
def _nothing(instruction):
    return lambda block, group, mask: None


@opcode("nanosleep")
def _sleep(instruction):
    """Whoever sleeps waits for what others do: they go first."""

    def run(block, group, mask):
        group.blocked = True
        block.ready.append(group)

    return run


@opcode("setmaxnreg")
def _registers(instruction):
    if not isinstance(instruction.operands[0], Immediate):
        raise UnsupportedError("setmaxnreg of a variable")
    return lambda block, group, mask: None
