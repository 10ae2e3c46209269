"""The state spaces. Generic addresses name a window each: global memory, the block's shared memory, a thread's own local
memory, and the kernel's parameters."""

import bisect

import numpy as np

from .errors import MemoryFault
from .numerics import BITS

WINDOW_BITS = 40
SHARED_WINDOW, LOCAL_WINDOW, PARAMETER_WINDOW, GLOBAL_WINDOW = (i << WINDOW_BITS for i in (1, 2, 3, 16))
WINDOWS = {"shared": SHARED_WINDOW, "local": LOCAL_WINDOW, "param": PARAMETER_WINDOW, "global": GLOBAL_WINDOW}


def round_up(value, step):
    return -(-value // step) * step


class Memory:
    """Bytes that many threads read and write at once. `offsets` are those of the threads that `mask` names."""

    name = "memory"

    def __init__(self, size):
        self.size = size
        self.bytes = np.zeros(round_up(size, 16) + 16, np.uint8)

    def check(self, where, size):
        bad = (where < 0) | (where + size > self.size)
        if bad.any():
            raise MemoryFault(f"{self.name} memory: {size} bytes at {int(where[bad][0])}, and there are {self.size}")

    def check_read(self, where, size):
        """For what may be allocated and yet not be read."""

    def written(self, where, size):
        """Told of every write."""

    def index(self, offsets, mask, size, alignment):
        where = offsets[mask]
        if (where % alignment).any():
            bad = where[where % alignment != 0][0]
            raise MemoryFault(f"{self.name} memory: an access of {alignment} bytes is misaligned at {int(bad)}")
        self.check(where, size)
        return where

    def load(self, offsets, mask, size, count=1):
        """`count` neighbours of `size` bytes each, per thread; zeros where the mask is not set."""
        where = self.index(offsets, mask, size * count, size * count)
        self.check_read(where, size * count)
        view = self.bytes.view(BITS[8 * size])
        where //= size
        results = []
        for k in range(count):
            values = np.zeros(len(mask), view.dtype)
            values[mask] = view[where + k]
            results.append(values)
        return results

    def store(self, offsets, mask, values):
        """`values`: one array per neighbour. Of threads with the same address the last wins."""
        size = values[0].dtype.itemsize
        where = self.index(offsets, mask, size * len(values), size * len(values))
        self.written(where, size * len(values))
        view = self.bytes.view(values[0].dtype)
        where //= size
        for k, value in enumerate(values):
            view[where + k] = value[mask]

    def update(self, offsets, mask, size, change):
        """One thread after another: `change(old, thread)` gives the new value or None; returns the old ones."""
        where = self.index(offsets, mask, size, size)
        self.check_read(where, size)
        view = self.bytes.view(BITS[8 * size])
        old = np.zeros(len(mask), view.dtype)
        for thread, at in zip(np.flatnonzero(mask), where // size):
            old[thread] = view[at]
            new = change(view[at], thread)
            if new is not None:
                view[at] = new
        return old


class GlobalMemory(Memory):
    """Buffers of exact size with gaps in between; an access must lie within one of them."""

    name = "global"

    def __init__(self, capacity=1 << 30):
        # The system gives the pages when they are touched.
        self.size, self.bytes = capacity, np.zeros(capacity, np.uint8)
        self.starts, self.ends, self.top = [], [], 256
        self._start_array = self._end_array = np.zeros(0, np.int64)

    def allocate(self, size, alignment=256):
        start = round_up(self.top, alignment)
        if start + size + 256 > self.size:
            raise MemoryFault(f"global memory: {size} bytes more do not fit into {self.size}")
        self.top = start + size + 256
        self.starts.append(start)
        self.ends.append(start + size)
        self._start_array, self._end_array = np.array(self.starts), np.array(self.ends)
        return start

    def check(self, where, size):
        buffer = np.searchsorted(self._start_array, where, "right") - 1
        bad = (buffer < 0) | (where + size > self._end_array[buffer])
        if bad.any():
            at = int(where[bad][0])
            raise MemoryFault(f"global memory: {size} bytes at {self._describe(at)}")

    def _describe(self, at):
        buffer = bisect.bisect_right(self.starts, at) - 1
        if buffer < 0:
            return f"offset {at}, below every buffer"
        return (
            f"offset {at - self.starts[buffer]} of buffer {buffer}, which has {self.ends[buffer] - self.starts[buffer]}"
        )

    def slice(self, start, size):
        return self.bytes[start : start + size]


class SharedMemory(Memory):
    """A block's. A byte counts as unwritten until a store, or the landing of an asynchronous copy."""

    name = "shared"

    def __init__(self, size):
        super().__init__(size)
        self.bytes[:] = 0xFF
        self.known = np.zeros(len(self.bytes), np.uint8)

    def _units(self, where, size):
        unit = np.gcd(size, 8)
        while unit > 1 and (where % unit).any():
            unit //= 2
        return unit, (where // unit)[:, None] + np.arange(size // unit)

    def check_read(self, where, size):
        unit, at = self._units(where, size)
        complete = self.known.view(BITS[8 * unit])[at] == int("01" * unit, 16)
        if not complete.all():
            bad = where[~complete.all(1)][0]
            raise MemoryFault(
                f"shared memory: {size} bytes read at {int(bad)} were never written, or a copy to them is on its way"
            )

    def written(self, where, size):
        self.mark(where, size, True)

    def mark(self, where, size, is_known):
        unit, at = self._units(where, size)
        self.known.view(BITS[8 * unit])[at] = int("01" * unit, 16) if is_known else 0


class LocalMemory(Memory):
    """The stacks of all threads of a block, one behind the other."""

    name = "local"

    def __init__(self, threads, size_per_thread):
        super().__init__(threads * size_per_thread)
        self.bytes[:] = 0xFF
        self.per_thread = size_per_thread
        self.base = np.arange(threads, dtype=np.int64) * size_per_thread

    def index(self, offsets, mask, size, alignment):
        where = offsets[mask]
        bad = (where < 0) | (where + size > self.per_thread)
        if bad.any():
            raise MemoryFault(f"local memory: {size} bytes at {int(where[bad][0])}, and a thread has {self.per_thread}")
        return super().index(offsets + self.base, mask, size, alignment)


class ParameterMemory(Memory):
    """The kernel's parameters, the same for all threads."""

    name = "parameter"

    def __init__(self, data):
        super().__init__(len(data))
        self.bytes[: len(data)] = np.frombuffer(data, np.uint8)

    def written(self, where, size):
        raise MemoryFault("a kernel's parameters are constant")
