"""Runs kernels of a PTX file on buffers.

machine = Machine(open("kernels.ptx").read(), "kernels.ptx")
x = machine.buffer(np.arange(64, dtype=np.float32))
machine.launch("scale", grid=2, block=32, parameters=[x, np.float32(3)])
machine.read(x)
"""

import re
import shutil
import subprocess

import numpy as np

from . import (
    arithmetic,
    atomics,
    bits,
    comparison,
    control,
    conversion,
    matrices,
    warpgroups,
    warps,
)  # noqa: F401  (they register opcodes)
from .block import Block
from .dispatch import decode
from .errors import PtxError
from .memory import GLOBAL_WINDOW, PARAMETER_WINDOW, GlobalMemory, ParameterMemory, round_up
from .syntax import Module


class Buffer:
    """An array in global memory."""

    def __init__(self, offset, dtype, shape):
        self.offset, self.dtype, self.shape = offset, np.dtype(dtype), tuple(shape)
        self.address = GLOBAL_WINDOW + offset

    @property
    def size(self):
        return int(np.prod(self.shape)) * self.dtype.itemsize


def extents(value):
    """A grid's or block's three extents, of an integer or a sequence."""
    value = (value,) if np.isscalar(value) else tuple(value)
    if not 1 <= len(value) <= 3 or any(int(extent) < 1 for extent in value):
        raise PtxError(f"extents {value}: one to three positive numbers are expected")
    return tuple(int(extent) for extent in value) + (1,) * (3 - len(value))


class Machine:
    def __init__(self, text, path="<ptx>"):
        self.module, self.memory = Module(text, path), GlobalMemory()
        self._variables = {}
        self._readable = None

    # Buffers

    def buffer(self, array):
        """Copies an array to global memory."""
        array = np.ascontiguousarray(array)
        offset = self.memory.allocate(array.nbytes)
        self.memory.slice(offset, array.nbytes)[:] = array.reshape(-1).view(np.uint8)
        return Buffer(offset, array.dtype, array.shape)

    def read(self, buffer):
        return self.memory.slice(buffer.offset, buffer.size).view(buffer.dtype).reshape(buffer.shape).copy()

    def module_symbol(self, name):
        """The generic address of a variable of the whole file, which is laid out at its first use."""
        if name not in self._variables:
            variable = self.module.variables.get(name)
            if variable is None or variable.space == "shared":
                raise PtxError(f"{name} is no variable of {self.module.path}")
            offset = self.memory.allocate(variable.size, max(variable.alignment, 1))
            self._variables[name] = GLOBAL_WINDOW + offset
            self.memory.slice(offset, variable.size)[:] = self._initial(variable)
        return self._variables[name]

    def _initial(self, variable):
        data = np.zeros(variable.size, np.uint8)
        if variable.initial:
            for i, item in enumerate(re.findall(r"[^\s{},]+(?:\([^)]*\))?", variable.initial)):
                if match := re.fullmatch(r"(?:generic\()?([A-Za-z_$][\w$]*)\)?", item):
                    value = self.module_symbol(match.group(1))
                elif item[:2] in ("0f", "0F", "0d", "0D"):
                    value = int(item[2:], 16)
                else:
                    value = int(item, 0)
                size = variable.element
                data[i * size : (i + 1) * size] = np.frombuffer(
                    (value % (1 << 8 * size)).to_bytes(size, "little"), np.uint8
                )
        return data

    # Kernels

    def demangled(self):
        """Kernels by mangled name, each with the name that people read."""
        if self._readable is None:
            names = self.module.entries
            tool = shutil.which("cu++filt") or shutil.which("c++filt")
            readable = names
            if tool and names:
                readable = subprocess.run(
                    [tool], input="\n".join(names), text=True, capture_output=True, check=True
                ).stdout.splitlines()
            self._readable = dict(zip(names, readable))
        return self._readable

    def find(self, pattern):
        """The one kernel with this name, mangled, or whose readable name the regular expression is found in."""
        if pattern in self.module.entries:
            return pattern
        found = [
            name
            for name, readable in self.demangled().items()
            if re.search(pattern, readable) or re.search(pattern, name)
        ]
        if len(found) != 1:
            raise PtxError(
                f"kernel {pattern!r}: one expected, found {len(found)}: "
                + "; ".join(self.demangled()[name] for name in found[:8])
            )
        return found[0]

    def check(self, name):
        """Decodes everything a kernel can reach; returns the errors."""
        problems = []
        for function in self._reachable(self.module.functions[self.find(name)]):
            for instruction in function.body.code:
                try:
                    decode(instruction)
                except PtxError as error:
                    problems.append(str(error))
        return problems

    def _reachable(self, function):
        found, waiting = {}, [function]
        while waiting:
            function = waiting.pop()
            if function.name not in found:
                found[function.name] = function
                for instruction in function.body.code:
                    if instruction.opcode == "call":
                        names = [getattr(operand, "name", None) for operand in instruction.operands]
                        waiting += [f for n in names if n and (f := self.module.functions.get(n)) and f.defined]
        return list(found.values())

    def launch(
        self, kernel, grid, block, parameters, shared=0, cooperative=False, warps_apart=False, step_limit=20_000_000
    ):
        """Runs a kernel to its end. Parameters: buffers, NumPy scalars, bytes of structs.

        `shared`: bytes of dynamic shared memory. `warps_apart`: a block's warps run one after the other between
        barriers, not in step. `cooperative`: the blocks live together and take turns.
        """
        run = Launch(
            self, self.find(kernel), extents(grid), extents(block), parameters, shared, warps_apart, step_limit
        )
        x, y, z = run.grid
        blocks = ((i % x, i // x % y, i // (x * y)) for i in range(x * y * z))
        steps = 0
        if not cooperative:
            for index in blocks:
                instance = Block(run, index)
                with np.errstate(all="ignore"):
                    instance.run()
                steps += instance.steps
            return steps
        living = [Block(run, index) for index in blocks]
        everyone = list(living)
        with np.errstate(all="ignore"):
            while living:
                living = [instance for instance in living if not instance.run(5000)]
        return sum(instance.steps for instance in everyone)


class Launch:
    """What all blocks of a launch share."""

    def __init__(self, machine, name, grid, block, parameters, shared, warps_apart, step_limit):
        self.machine, self.memory, self.function = machine, machine.memory, machine.module.functions[name]
        self.grid, self.block, self.dynamic_shared = grid, block, shared
        self.warps_apart, self.step_limit = warps_apart, step_limit
        if int(np.prod(block)) > 1024:
            raise PtxError(f"a block of {int(np.prod(block))} threads; at most 1024")
        self._lay_out_parameters(parameters)
        self._lay_out_variables()

    def module_symbol(self, name):
        if name in self.module_shared:
            return self.module_shared[name]
        return self.machine.module_symbol(name)

    def _lay_out_parameters(self, given):
        formal = self.function.parameters
        if len(given) != len(formal):
            raise PtxError(f"{self.function.name} has {len(formal)} parameters, given {len(given)}")
        self.parameter_symbols, data = {}, bytearray()
        for variable, value in zip(formal, given):
            if isinstance(value, Buffer):
                raw = int(value.address).to_bytes(8, "little")
            elif isinstance(value, (bytes, bytearray)):
                raw = bytes(value)
            elif isinstance(value, (np.generic, np.ndarray)):
                raw = value.tobytes()
            else:
                raise PtxError(
                    f"parameter {variable.name}: a buffer, a NumPy scalar or bytes, not {type(value).__name__}"
                )
            if len(raw) != variable.size:
                raise PtxError(f"parameter {variable.name} has {variable.size} bytes, given {len(raw)}")
            data.extend(bytes(round_up(len(data), variable.alignment) - len(data)))
            self.parameter_symbols[variable.name] = PARAMETER_WINDOW + len(data)
            data.extend(raw)
        self.parameters = ParameterMemory(bytes(data))

    def _lay_out_variables(self):
        """Static shared memory of all functions that can be called, dynamic shared memory behind it; the stack's size."""
        self.shared_offsets, self.module_shared = {}, {}
        functions = self.machine._reachable(self.function)
        top, stack, dynamic, dynamic_alignment = 0, 0, [], 16
        for variable in self.machine.module.variables.values():
            if variable.space == "shared" and variable.size:
                top = round_up(top, variable.alignment)
                self.module_shared[variable.name] = top
                top += variable.size
            elif variable.space == "shared":
                dynamic.append(variable.name)
                dynamic_alignment = max(dynamic_alignment, variable.alignment)
        for position, function in enumerate(functions):
            stack += 32 if position else 0
            for variable in function.body.variables:
                if variable.space == "shared":
                    top = round_up(top, variable.alignment)
                    self.shared_offsets[function.name, variable.name] = top
                    top += variable.size
                else:
                    stack = round_up(stack, variable.alignment) + variable.size
        if dynamic:
            top = round_up(top, dynamic_alignment)
        self.module_shared.update({name: top for name in dynamic})
        self.shared_size = top + self.dynamic_shared
        # Functions that call themselves get room for some depth.
        calls = any(instruction.opcode == "call" for function in functions[1:] for instruction in function.body.code)
        self.local_size = round_up(stack * 16 if calls else stack, 16)
