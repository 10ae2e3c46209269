"""Launches that a C++ test wrote down (record.hpp), run from PTX and compared with what the test expects.

A recording is text, a line each:

    case NAME
    buffer NAME TYPE COUNT HEX|-           "-": not initialised
    launch|cooperative GX,GY,GZ BX,BY,BZ SHARED KERNEL
    parameter HEX [OFFSET BUFFER INTO]...  the 8 bytes at OFFSET point INTO bytes behind BUFFER's begin
    expect BUFFER TOLERANCE HEX            the distance relative to the expected values, in the 2-norm

KERNEL is a kernel's name, or a part of it that no other's has, as c++filt shows it.
"""

import re
from dataclasses import dataclass, field

import numpy as np

from .errors import PtxError
from .numerics import INTEGERS, widen, width_of


@dataclass
class Launch:
    grid: tuple
    block: tuple
    shared: int
    kernel: str
    cooperative: bool = False
    parameters: list = field(default_factory=list)


@dataclass
class Case:
    name: str
    buffers: dict = field(default_factory=dict)
    launches: list = field(default_factory=list)
    expected: list = field(default_factory=list)


def read(lines):
    """The cases of a recording."""
    cases = []
    for number, line in enumerate(lines, 1):
        kind, _, rest = line.strip().partition(" ")
        try:
            if kind == "case":
                cases.append(Case(rest))
            elif kind == "buffer":
                name, type_name, count, data = rest.split()
                size = int(count) * width_of(type_name) // 8
                raw = np.full(size, 0xFF, np.uint8) if data == "-" else np.frombuffer(bytes.fromhex(data), np.uint8)
                if len(raw) != size:
                    raise PtxError(f"buffer {name}: {size} bytes expected, {len(raw)} found")
                cases[-1].buffers[name] = (type_name, raw)
            elif kind in ("launch", "cooperative"):
                grid, block, shared, kernel = rest.split(" ", 3)
                extents = [tuple(map(int, text.split(","))) for text in (grid, block)]
                cases[-1].launches.append(Launch(*extents, int(shared), kernel, kind == "cooperative"))
            elif kind == "parameter":
                data, *pointers = rest.split()
                targets = [(int(o), b, int(i)) for o, b, i in zip(pointers[::3], pointers[1::3], pointers[2::3])]
                cases[-1].launches[-1].parameters.append((bytes.fromhex(data), targets))
            elif kind == "expect":
                name, tolerance, data = rest.split()
                cases[-1].expected.append((name, float(tolerance), np.frombuffer(bytes.fromhex(data), np.uint8)))
            elif kind:
                raise PtxError(f"{kind!r} is not known")
        except (ValueError, IndexError, KeyError, PtxError) as error:
            raise PtxError(f"line {number} of the recording: {error}") from error
    return cases


def values(type_name, raw):
    """Bytes as numbers in float64."""
    raw = np.ascontiguousarray(raw)
    if type_name in INTEGERS:
        return raw.view(INTEGERS[type_name]).astype(np.float64)
    return widen(raw.view(f"u{width_of(type_name) // 8}"), type_name)


def distance(found, wanted):
    """|found - wanted| / |wanted| in the 2-norm; NaN must stand where NaN is expected, infinities too."""
    finite = np.isfinite(wanted)
    if not np.array_equal(found[~finite], wanted[~finite], equal_nan=True):
        return np.inf
    if not np.isfinite(found[finite]).all():
        return np.inf
    size = np.linalg.norm(wanted[finite])
    off = np.linalg.norm(found[finite] - wanted[finite])
    return off / size if size > 0 else off


def plain(name):
    """A C++ name without blanks that compilers set differently, and without the namespace of an instruction set."""
    return re.sub(r"\s+", "", re.sub(r"selfsame::(avx\w*|neon|baseline)::", "selfsame::", name))


def kernel_named(machine, name):
    """The kernel whose readable name holds this one."""
    found = [
        mangled
        for mangled, readable in machine.demangled().items()
        if plain(name) in plain(readable) or mangled == name
    ]
    if len(found) != 1:
        raise PtxError(f"kernel {name}: one expected, found {len(found)}")
    return found[0]


def execute(machine, case, cooperative=False, **options):
    """Runs a case's launches, with all blocks at once where a launch or the caller says so. Returns its buffers by name, and the kernels that ran."""
    buffers = {name: machine.buffer(raw) for name, (_, raw) in case.buffers.items()}
    ran = []
    for launch in case.launches:
        parameters = []
        for data, pointers in launch.parameters:
            data = bytearray(data)
            for offset, name, into in pointers:
                data[offset : offset + 8] = (buffers[name].address + into).to_bytes(8, "little")
            parameters.append(bytes(data))
        kernel = kernel_named(machine, launch.kernel)
        machine.launch(kernel, launch.grid, launch.block, parameters, launch.shared, cooperative or launch.cooperative, **options)
        ran.append(kernel)
    return {name: machine.read(buffer) for name, buffer in buffers.items()}, ran


def compare(case, found):
    """[(buffer, distance, tolerance)] of what a case expects."""
    results = []
    for name, tolerance, wanted in case.expected:
        type_name = case.buffers[name][0]
        results.append((name, distance(values(type_name, found[name]), values(type_name, wanted)), tolerance))
    return results
