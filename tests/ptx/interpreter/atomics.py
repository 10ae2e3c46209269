"""atom and red: one thread after another, in the order of their ranks."""

import numpy as np

from .data_movement import SPACES, address_reader, space_of
from .dispatch import opcode
from .errors import UnsupportedError
from .frames import numpy_type, reader, writer
from .numerics import BITS, PACKED, is_float, narrow, widen, width_of
from .syntax import Symbol, Vector

_HINTS = (
    "relaxed",
    "acquire",
    "release",
    "acq_rel",
    "cta",
    "cluster",
    "gpu",
    "sys",
    "noftz",
    "L2::cache_hint",
    "v2",
    "v4",
    "v8",
)


def _integer_operation(name, dtype):
    unsigned = BITS[8 * dtype.itemsize]
    number = (lambda bits: bits.view(dtype)) if dtype.kind == "i" else (lambda bits: bits)
    if name in ("and", "or", "xor"):
        function = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}[name]
        return lambda old, x: function(old, x)
    if name == "exch":
        return lambda old, x: x
    if name == "add":
        modulus = 1 << (8 * dtype.itemsize)
        return lambda old, x: unsigned((int(old) + int(x)) % modulus)
    if name in ("min", "max"):
        function = min if name == "min" else max
        return lambda old, x: function(old, x, key=number)
    if name == "inc":
        return lambda old, x: unsigned(0) if old >= x else unsigned(old + 1)
    if name == "dec":
        return lambda old, x: x if old == 0 or old > x else unsigned(old - 1)
    raise UnsupportedError(f"atomic operation .{name}")


def _float_operation(name, type_name):
    """On bits, elements of a pair each alone. A sum of two values with at most 53 bits is rounded once by float64's."""
    element = PACKED.get(type_name, type_name)
    functions = {"add": np.add, "min": np.fmin, "max": np.fmax}
    if name not in functions:
        raise UnsupportedError(f"atomic operation .{name} of .{type_name}")
    function, part = functions[name], BITS[width_of(element)]
    if element == "f32" and name == "add":
        return lambda old, x: (old.view(np.float32) + x.view(np.float32)).view(np.uint32)

    def apply(old, x):
        pair = [np.array([value]).view(part) for value in (old, x)]
        return narrow(function(*[widen(bits, element) for bits in pair]), element).view(type(old))[0]

    return apply


@opcode("atom", "red")
def _atomic(instruction):
    modifiers = [m for m in instruction.modifiers[:-1] if m not in _HINTS and m.split("::")[0] not in SPACES]
    type_name = instruction.type
    if len(modifiers) != 1:
        raise UnsupportedError(f"{instruction.opcode}.{'.'.join(instruction.modifiers)}")
    name, space, width = modifiers[0], space_of(instruction), width_of(type_name)
    operands = list(instruction.operands)
    destination = operands.pop(0) if instruction.opcode == "atom" else Symbol("_")
    addresses = address_reader(operands[0])
    bits = f"u{width}"
    vectors = [operand.items if isinstance(operand, Vector) else (operand,) for operand in operands[1:]]
    results = destination.items if isinstance(destination, Vector) else (destination,) * len(vectors[0])
    reads = [[reader(item, bits) for item in vector] for vector in vectors]
    writes = [writer(result, type_name if name in ("exch", "cas") else bits) for result in results]
    if name == "cas":
        operation = None
    elif is_float(PACKED.get(type_name, type_name)):
        operation = _float_operation(name, type_name)
    else:
        operation = _integer_operation(name, numpy_type(type_name))

    def run(block, group, mask):
        frame = group.frame
        where = addresses(frame)
        for k, write in enumerate(writes):
            values = [read[k](frame) for read in reads]
            if operation is None:
                change = lambda old, thread: values[1][thread] if old == values[0][thread] else None
            else:
                change = lambda old, thread: operation(old, values[0][thread])
            found = np.zeros(block.width, BITS[width])
            for memory, offsets, part in block.places(space, where + k * (width // 8), mask):
                old = memory.update(offsets, part, width // 8, change)
                found[part] = old[part]
            write(frame, found, mask)

    return run
