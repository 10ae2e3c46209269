"""A block's threads: groups that run in step, part at branches and meet again.

All threads start as one group (or as one per warp). A branch that its threads take differently makes the group wait at
the branch's nearest post-dominator while its parts run there. A group that waits at a barrier, or at a warp-wide
operation for lanes of another group, lets the others run; when none can, and no barrier is complete, that is an error.
"""

from collections import deque

import numpy as np

from .control_flow import meeting_points
from .dispatch import decode
from .errors import DivergenceError, PtxError
from .frames import Frame
from .memory import (
    GLOBAL_WINDOW,
    LOCAL_WINDOW,
    PARAMETER_WINDOW,
    SHARED_WINDOW,
    WINDOW_BITS,
    LocalMemory,
    MemoryFault,
    SharedMemory,
    round_up,
)

WARP = 32
QUANTUM = 20000


class Group:
    """Threads with one program counter. `join`: where its parent takes over; `pending`: parts that the group waits for."""

    __slots__ = ("mask", "frame", "pc", "join", "parent", "pending", "blocked")

    def __init__(self, mask, frame, pc, join, parent):
        self.mask, self.frame, self.pc, self.join, self.parent = mask, frame, pc, join, parent
        self.pending, self.blocked = 0, False


class Block:
    def __init__(self, launch, index):
        self.launch, self.index = launch, index
        self.threads = int(np.prod(launch.block))
        self.warps = -(-self.threads // WARP)
        self.width = self.warps * WARP
        self.exists = np.arange(self.width) < self.threads
        self.exited = ~self.exists
        self.lane = np.arange(self.width) % WARP
        self.warp = np.arange(self.width) // WARP
        self.shared = SharedMemory(launch.shared_size)
        self.local = LocalMemory(self.width, launch.local_size)
        self.parameters, self.global_memory = launch.parameters, launch.memory
        self.copies = None
        self.steps = 0
        self.arrivals = {}
        self.lane_waits = []
        self._special = {}
        frame = self.new_frame(launch.function, dict(launch.parameter_symbols), 0)
        self.root = Group(self.exists, None, 0, None, None)
        masks = [self.exists]
        if launch.warps_apart and self.warps > 1:
            masks = [self.exists & (self.warp == w) for w in range(self.warps)]
        self.ready = deque(Group(mask, frame, 0, len(launch.function.body.code), self.root) for mask in masks)
        self.root.pending = len(masks)

    # Running

    def run(self, budget=None):
        """Until all threads have ended, or about `budget` instructions are done; says whether the block has ended."""
        stop = None if budget is None else self.steps + budget
        while self.root.pending:
            if not self.ready and not self._release():
                raise self._deadlock()
            group = self.ready.popleft()
            group.blocked = False
            self._run_group(group)
            if stop is not None and self.steps >= stop and self.root.pending:
                return False
            if self.steps > self.launch.step_limit:
                raise PtxError(f"block {self.index}: more than {self.launch.step_limit} instructions").at(
                    self._place(group)
                )
        return True

    def _run_group(self, group):
        frame = group.frame
        code, left = frame.function.body.code, QUANTUM
        instruction = None
        try:
            while left:
                left -= 1
                if group.pc == group.join:
                    self._arrive(group)
                    break
                if group.pc == len(code):
                    raise PtxError(f"{frame.function.name}: runs past its end")
                instruction = code[group.pc]
                group.pc += 1
                mask = group.mask
                if instruction.guard is not None:
                    mask = self._guarded(instruction.guard, group)
                    if mask is None:
                        continue
                (instruction.run or decode(instruction))(self, group, mask)
                if group.blocked:
                    break
            else:
                self.ready.append(group)
        except PtxError as error:
            raise error.at(instruction and f"block {self.index}, {instruction.place}")
        finally:
            self.steps += QUANTUM - left

    def _guarded(self, guard, group):
        negated = not hasattr(guard, "width")
        predicate = group.frame.registers[guard.operand if negated else guard]
        active = group.mask & (~predicate if negated else predicate)
        if not active.any():
            return None
        return group.mask if (active == group.mask).all() else active

    # Parting and meeting

    def new_frame(self, function, symbols, stack):
        """A frame with the function's variables on the local stack. `symbols` holds its parameters' addresses."""
        for variable in function.body.variables:
            if variable.space == "shared":
                symbols[variable.name] = self.launch.shared_offsets[function.name, variable.name]
            else:
                stack = round_up(stack, variable.alignment)
                symbols[variable.name] = stack + (LOCAL_WINDOW if variable.space == "param" else 0)
                stack += variable.size
        if stack > self.launch.local_size:
            raise MemoryFault(f"{function.name}: the stack is deeper than {self.launch.local_size} bytes")
        return Frame(self, function, symbols, round_up(stack, 16))

    def part(self, group, targets):
        """Threads go to several places: `targets` is a list of (mask, pc)."""
        body = group.frame.function.body
        if not hasattr(body, "meeting"):
            body.meeting = meeting_points(body)
        join = body.meeting[group.pc - 1]
        parts = [(mask, pc) for mask, pc in targets if pc != join]
        if join == group.join:
            # The parts meet where this group ends: they are its siblings, and a loop makes no chain of groups.
            leaving = group.mask.copy()
            for mask, _ in parts:
                leaving &= ~mask
            self._note_end(group.frame, join, leaving)
            group.mask, group.pc = parts[0]
            for mask, pc in parts[1:]:
                group.parent.pending += 1
                self.ready.appendleft(Group(mask, group.frame, pc, join, group.parent))
            return
        group.pc = join
        group.blocked = True
        group.pending = len(parts)
        for mask, pc in parts:
            self.ready.appendleft(Group(mask, group.frame, pc, join, group))

    def call(self, group, mask, frame):
        group.blocked, group.pending = True, 1
        self.ready.appendleft(Group(mask, frame, 0, len(frame.function.body.code), group))

    def end(self, group, mask):
        """These threads have ended, wherever they are."""
        self.exited = self.exited | mask
        self._settle(group)

    def _settle(self, group):
        """Takes ended threads out of a group; one without threads is done."""
        remaining = group.mask & ~self.exited
        if not remaining.any():
            self._arrive(group)
        elif (remaining != group.mask).any():
            group.mask = remaining

    def _note_end(self, frame, pc, mask):
        if frame.function is self.launch.function and pc == len(frame.function.body.code):
            self.exited = self.exited | mask

    def _arrive(self, group):
        group.blocked = True
        self._note_end(group.frame, group.join, group.mask)
        parent = group.parent
        parent.pending -= 1
        if parent.pending == 0 and parent is not self.root:
            parent.blocked = False
            remaining = parent.mask & ~self.exited
            if remaining.any():
                if (remaining != parent.mask).any():
                    parent.mask = remaining
                self.ready.appendleft(parent)
            else:
                self._arrive(parent)

    # Waiting

    def wait_at_barrier(self, group, mask, barrier, count, votes=None, finish=None):
        """Counts these threads as arrived; None as group: only counted. At the release `finish` gets the votes of all."""
        self.arrivals.setdefault(barrier, []).append((group, mask, count, votes, finish))
        if group is not None:
            group.blocked = True

    def wait_for_lanes(self, group, mask, needed, instruction):
        """At a warp-wide operation, for lanes in `needed` that are in another group."""
        group.blocked = True
        self.lane_waits.append((group, mask, needed, instruction))

    def lanes_missing(self, mask, members):
        """Lanes that a member mask (one integer per thread) names, that have not ended and are not here; else None."""
        named = np.zeros((self.warps, WARP), bool)
        rows = mask.reshape(self.warps, WARP)
        if (rows.all(1) == rows.any(1)).all():
            return None
        for warp in np.flatnonzero(rows.any(1)):
            for member in np.unique(members.reshape(self.warps, WARP)[warp][rows[warp]]):
                named[warp] |= (int(member) >> np.arange(WARP) & 1).astype(bool)
        missing = named.ravel() & ~self.exited & ~mask
        return missing if missing.any() else None

    def _release(self):
        """Lets groups go whose barrier is complete, or whose missing lanes wait at the same operation."""
        for barrier, waiting in list(self.arrivals.items()):
            arrived, voted = np.zeros(self.width, bool), np.zeros(self.width, bool)
            for _, mask, _, votes, _ in waiting:
                arrived |= mask
                if votes is not None:
                    voted |= mask & votes
            count = waiting[0][2]
            if count is None:
                complete = (arrived | self.exited).all()
            else:
                # An ended lane of a warp that is there counts too.
                there = np.repeat(arrived.reshape(self.warps, WARP).any(1), WARP)
                complete = int((arrived | (self.exited & there)).sum()) >= count
            if complete:
                del self.arrivals[barrier]
                self._check_warps(waiting)
                for group, _, _, _, finish in waiting:
                    if finish is not None:
                        finish(voted[arrived])
                    if group is not None:
                        group.blocked = False
                        self.ready.append(group)
                return True
        places = {}
        for wait in self.lane_waits:
            places.setdefault((id(wait[3]), id(wait[0].frame)), []).append(wait)
        for waits in places.values():
            together, needed = np.zeros(self.width, bool), np.zeros(self.width, bool)
            for _, mask, missing, _ in waits:
                together, needed = together | mask, needed | missing
            if not (needed & ~together & ~self.exited).any():
                first = waits[0][0]
                whole = Group(together, first.frame, first.pc, None, None)
                waits[0][3].run(self, whole, together)
                for group, _, _, _ in waits:
                    group.blocked = False
                    self.ready.append(group)
                released = {id(wait) for wait in waits}
                self.lane_waits = [wait for wait in self.lane_waits if id(wait) not in released]
                return True
        return False

    def _check_warps(self, waiting):
        """The lanes of a warp must come to a barrier together."""
        groups = [(group, mask.reshape(self.warps, WARP).any(1)) for group, mask, *_ in waiting]
        seen = np.zeros(self.warps, int)
        for _, warps in groups:
            seen += warps
        if (seen > 1).any():
            warp = int(np.argmax(seen > 1))
            raise DivergenceError(f"block {self.index}: warp {warp} comes to a barrier in parts").at(
                self._place(next(group for group, warps in groups if group and warps[warp]))
            )

    def _deadlock(self):
        lines = []
        for barrier, waiting in self.arrivals.items():
            arrived = sum(int(mask.sum()) for _, mask, *_ in waiting)
            lines += [
                f"barrier {barrier}: {arrived} of {self.threads} threads ({int((self.exited & self.exists).sum())} ended)"
            ]
            lines += [f"    {int(mask.sum())} at {self._place(group)}" for group, mask, *_ in waiting if group]
        for group, mask, missing, instruction in self.lane_waits:
            lines.append(
                f"{int(mask.sum())} threads wait for thread {int(np.argmax(missing))}, "
                f"which its member mask names, at {instruction.place}"
            )
        return DivergenceError(f"block {self.index}: threads wait for ever\n  " + "\n  ".join(lines))

    def _place(self, group):
        code = group.frame.function.body.code
        return code[min(max(group.pc - 1, 0), len(code) - 1)].place

    # Names

    def address_of(self, frame, symbol):
        """A variable's address within its space, or a generic one for a parameter and what is of the whole file."""
        if symbol.name in frame.symbols:
            return frame.symbols[symbol.name] + symbol.offset
        return self.launch.module_symbol(symbol.name) + symbol.offset

    def special(self, name):
        if name not in self._special:
            self._special[name] = self._special_register(name[1:])
        return self._special[name]

    def _special_register(self, name):
        launch = self.launch
        thread = np.arange(self.width)
        x, y, z = launch.block
        name, _, axis = name.partition(".")
        axis = "xyz".index(axis) if axis else None
        if name == "tid":
            return (thread % x, thread // x % y, thread // (x * y))[axis]
        bits = np.left_shift(np.int64(1), self.lane)
        uniform = {
            "ntid": launch.block,
            "ctaid": self.index,
            "nctaid": launch.grid,
            "cluster_ctaid": (0, 0, 0),
            "cluster_nctaid": (1, 1, 1),
            "clusterid": self.index,
            "nclusterid": launch.grid,
        }
        masks = {
            "laneid": self.lane,
            "warpid": self.warp,
            "lanemask_eq": bits,
            "lanemask_lt": bits - 1,
            "lanemask_le": 2 * bits - 1,
            "lanemask_gt": 0xFFFFFFFF - (2 * bits - 1),
            "lanemask_ge": 0xFFFFFFFF - (bits - 1),
        }
        single = {
            "nwarpid": self.warps,
            "smid": 0,
            "nsmid": 1,
            "gridid": 0,
            "cluster_ctarank": 0,
            "cluster_nctarank": 1,
            "is_explicit_cluster": 0,
            "dynamic_smem_size": launch.dynamic_shared,
            "total_smem_size": launch.shared_size,
        }
        if name in uniform:
            return np.full(self.width, uniform[name][axis], np.int64)
        if name in masks:
            return masks[name].astype(np.int64)
        if name in single:
            return np.full(self.width, single[name], np.int64)
        raise PtxError(f"special register %{name}")

    # Memory

    def places(self, space, addresses, mask):
        """(memory, offsets, mask) of an access; a generic one may go to several memories."""
        if space in ("shared", "local"):
            return [(self.shared if space == "shared" else self.local, addresses, mask)]
        kinds = addresses >> WINDOW_BITS
        there = kinds[mask]
        result = []
        for kind in there[:1] if (there == there[:1]).all() else np.unique(there):
            start = int(kind) << WINDOW_BITS
            memory = {
                SHARED_WINDOW: self.shared,
                LOCAL_WINDOW: self.local,
                PARAMETER_WINDOW: self.parameters,
                GLOBAL_WINDOW: self.global_memory,
            }.get(start)
            if memory is None or (space not in (None, "param") and start != GLOBAL_WINDOW):
                at = int(addresses[mask & (kinds == kind)][0])
                raise MemoryFault(f"{space or 'generic'} address {at:#x} is in no buffer")
            result.append((memory, addresses - start, mask & (kinds == kind)))
        return result
