#!/usr/bin/env python3
"""Executes kernels from the PTX that nvcc emitted, without a GPU.

    run.py list FILE.ptx
        The kernels, and what of them is not known to the interpreter (then the exit status is 1).

    run.py run FILE.ptx KERNEL --grid X,Y,Z --block X,Y,Z [--shared BYTES] [--arrays IN.npz] [--out OUT.npz]
            --arguments ARGUMENT...
        KERNEL: mangled, or a regular expression for the demangled name. An ARGUMENT is array:NAME (a pointer to an
        array of IN.npz), TYPE:VALUE (i8 ... i64, u8 ... u64, f16, f32, f64), hex:BYTES, or struct(ARGUMENT,...) laid
        out as C++ does. All arrays are written to OUT.npz.

    run.py replay FILE.ptx RECORDING... [--every REGEX] [--same-code-in OTHER.ptx]
        Runs what tests wrote with record.hpp. Fails where a result differs by more than the recording tolerates, and
        if a kernel whose demangled name --every is found in was not run. A kernel whose code is that of another file,
        which is run too, counts as run; cases of such kernels alone are left out.

--apart runs the warps of a block one after the other between barriers, --cooperative all blocks at once.
"""

import argparse
import gc
import pathlib
import re
import sys
import time

try:
    import numpy as np
except ImportError:
    sys.exit("error: this needs Python's NumPy (Debian: python3-numpy)")

from interpreter import replay
from interpreter.errors import PtxError
from interpreter.machine import Machine

# Instructions are many objects and no garbage: looking for some among them less often saves a sixth of the time.
gc.set_threshold(50_000, 20, 20)


def load(path):
    return Machine(pathlib.Path(path).read_text(encoding="utf-8"), path)


def split_arguments(text):
    """At the commas outside of parentheses."""
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def argument(text, buffers):
    """(bytes, alignment) of a kernel's argument."""
    if match := re.fullmatch(r"struct\((.*)\)", text):
        data, widest = b"", 1
        for part in split_arguments(match.group(1)):
            raw, alignment = argument(part, buffers)
            data += bytes(-len(data) % alignment) + raw
            widest = max(widest, alignment)
        return data + bytes(-len(data) % widest), widest
    kind, _, value = text.partition(":")
    if kind == "array":
        if value not in buffers:
            raise PtxError(f"argument {text}: the arrays are {', '.join(buffers) or 'none'}")
        return int(buffers[value].address).to_bytes(8, "little"), 8
    if kind == "hex":
        return bytes.fromhex(value), 1
    if match := re.fullmatch(r"([iuf])(8|16|32|64)", kind):
        dtype = np.dtype(f"{match.group(1)}{int(match.group(2)) // 8}")
        return dtype.type(float(value) if dtype.kind == "f" else int(value, 0)).tobytes(), dtype.itemsize
    raise PtxError(f"argument {text!r}: array:NAME, TYPE:VALUE, hex:BYTES or struct(...)")


def list_kernels(options):
    machine, unknown = load(options.file), False
    for name, readable in machine.demangled().items():
        problems = machine.check(name)
        print(f"{len(machine.module.functions[name].body.code):6} instructions  {readable}")
        for problem in problems:
            print("        " + " ".join(problem.split()))
        unknown |= bool(problems)
    return int(unknown)


def run_kernel(options):
    machine = load(options.file)
    arrays = dict(np.load(options.arrays)) if options.arrays else {}
    buffers = {name: machine.buffer(array) for name, array in arrays.items()}
    parameters = [argument(text, buffers)[0] for text in options.arguments]
    extents = [tuple(map(int, text.split(","))) for text in (options.grid, options.block)]
    steps = machine.launch(options.kernel, *extents, parameters, options.shared, options.cooperative, options.apart)
    print(f"{steps} instructions, each of all threads of a group")
    if options.out:
        np.savez(options.out, **{name: machine.read(buffer) for name, buffer in buffers.items()})
    return 0


def same_code(machine, path):
    """Kernels that are in both files, line by line, and call no function."""
    other = load(path).module
    entries = ((name, machine.module.functions[name].code) for name in machine.module.entries)
    return {
        name
        for name, code in entries
        if name in other.entries and code == other.functions[name].code and not re.search(r"^\s*(@\S+\s+)?call\b", code, re.M)
    }


def replay_recordings(options, also=lambda case, found: []):
    """`also(case, found)`: more results (name, distance, tolerance) of the buffers that a case left."""
    machine = load(options.file)
    known = same_code(machine, options.same_code_in) if options.same_code_in else set()
    failed, ran, left_out = 0, set(known), 0
    for path in options.recordings:
        with open(path, encoding="utf-8") as lines:
            cases = replay.read(lines)
        for case in cases:
            started = time.monotonic()
            try:
                if known.issuperset(replay.kernel_named(machine, launch.kernel) for launch in case.launches):
                    left_out += 1
                    continue
                found, kernels = replay.execute(
                    machine, case, cooperative=options.cooperative, warps_apart=options.apart
                )
                results = replay.compare(case, found) + also(case, found)
            except PtxError as error:
                print(f"error: {case.name}: {error}", file=sys.stderr)
                failed += 1
                continue
            ran.update(kernels)
            wrong = [
                f"{name} is off by {off:.2g}, allowed {tolerance:.2g}"
                for name, off, tolerance in results
                if not off <= tolerance
            ]
            if not results:
                wrong = ["nothing is expected of it"]
            largest = max((off for _, off, _ in results), default=0)
            print(
                f"{case.name}: {len(kernels)} launches, {time.monotonic() - started:.1f} s, largest distance {largest:.2g}"
            )
            for text in wrong:
                print(f"error: {case.name}: {text}", file=sys.stderr)
            failed += bool(wrong)
        if not cases:
            print(f"error: {path} holds no case", file=sys.stderr)
            failed += 1
    wanted = {
        name for name, readable in machine.demangled().items() if options.every and re.search(options.every, readable)
    }
    if known:
        print(f"{left_out} cases left out, whose kernels are those of {options.same_code_in}")
    print(f"{len(ran)} of {len(machine.module.entries)} kernels run")
    if options.every and not wanted:
        print(f"error: no kernel is called {options.every}", file=sys.stderr)
    for name in sorted(wanted - ran):
        print(f"error: not run: {machine.demangled()[name]}", file=sys.stderr)
    failed += len(wanted - ran) + bool(options.every and not wanted)
    return int(failed > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name, function):
        added = commands.add_parser(name)
        added.add_argument("file")
        added.set_defaults(function=function)
        return added

    command("list", list_kernels)
    run = command("run", run_kernel)
    run.add_argument("kernel")
    run.add_argument("--grid", required=True)
    run.add_argument("--block", required=True)
    run.add_argument("--shared", type=int, default=0)
    run.add_argument("--arrays")
    run.add_argument("--arguments", nargs="*", default=[])
    run.add_argument("--out")
    again = command("replay", replay_recordings)
    again.add_argument("recordings", nargs="+")
    again.add_argument("--every", metavar="REGEX")
    again.add_argument("--same-code-in", metavar="OTHER.ptx")
    for added in (run, again):
        added.add_argument("--cooperative", action="store_true")
        added.add_argument("--apart", action="store_true")
    options = parser.parse_args()
    try:
        return options.function(options)
    except (PtxError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
