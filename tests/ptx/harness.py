"""For the interpreter's tests: small PTX texts, kernels compiled by nvcc, exact references."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
from fractions import Fraction

import numpy as np

from interpreter.machine import Machine

HERE = pathlib.Path(__file__).resolve().parent
NVCC = os.environ.get("NVCC") or shutil.which("nvcc")
_HEADER = ".version 8.4\n.target sm_{}\n.address_size 64\n"
_STORAGE = {"u1": "u8", "f2": "b16"}


def kernel(body, parameters=(), name="kernel", registers="", file_scope="", architecture="90"):
    """A file with one kernel; every parameter is a 64-bit one, loaded into the register of its name."""
    listed = ", ".join(f".param .u64 {name}_{p}" for p in parameters)
    loads = "".join(f"  ld.param.u64 %{p}, [{name}_{p}];\n" for p in parameters)
    declared = f"  .reg .b64 {', '.join('%' + p for p in parameters)};\n" if parameters else ""
    return (
        _HEADER.format(architecture)
        + file_scope
        + f"\n.visible .entry {name}({listed})\n{{\n{declared}{registers}{loads}{body}\n"
        + "  ret;\n}\n"
    )


_assembled = set()


def assemble(text):
    """Lets ptxas, where there is one, say whether a text is PTX at all."""
    ptxas = NVCC and shutil.which("ptxas", path=f"{pathlib.Path(NVCC).resolve().parent}:{os.environ.get('PATH', '')}")
    if not ptxas or text in _assembled:
        return
    _assembled.add(text)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "unit.ptx"
        source.write_text(text)
        target = text.split(".target ")[1].split()[0]
        result = subprocess.run(
            [ptxas, f"-arch={target}", "-c", "-O0", "-o", os.devnull, source],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            raise AssertionError(f"ptxas refuses the test's own PTX:\n{result.stderr}\n{text}")


def machine_of(text):
    assemble(text)
    return Machine(text, "test.ptx")


def evaluate(text, result, architecture="90", **operands):
    """Runs instructions for each element: operands are the registers %a, %b ..., the result's register is %d.

    An operand is an array; a register has its element's width, and predicates are given as arrays of bool. `result` is
    the NumPy type of %d; "pred" gives bools.
    """
    count = len(next(iter(operands.values())))
    lines, registers = (
        [],
        "  .reg .b32 %rank; .reg .b64 %at; .reg .pred %p, %q; .reg .b16 %h0, %h1; .reg .b32 %w0, %w1;\n",
    )
    for name, values in operands.items():
        values = np.asarray(values)
        is_predicate = values.dtype == bool
        width = 8 * values.dtype.itemsize
        registers += f"  .reg .b{max(width, 16)} %{name}{'_' if is_predicate else ''};\n"
        if is_predicate:
            registers += f"  .reg .pred %{name};\n"
        target = f"%{name}{'_' if is_predicate else ''}"
        lines.append(f"  mad.wide.u32 %at, %rank, {width // 8}, %{name}_in;\n  ld.global.u{width} {target}, [%at];")
        if is_predicate:
            lines.append(f"  setp.ne.u16 %{name}, {target}, 0;")
    if result == "pred":
        registers += "  .reg .pred %d; .reg .b32 %d_;\n"
        finish, out = (
            "  selp.u32 %d_, 1, 0, %d;\n  mad.wide.u32 %at, %rank, 4, %out;\n  st.global.u32 [%at], %d_;",
            np.uint32,
        )
    else:
        out = np.dtype(result)
        width = 8 * out.itemsize
        registers += f"  .reg .b{max(width, 16)} %d;\n"
        finish = f"  mad.wide.u32 %at, %rank, {width // 8}, %out;\n  st.global.b{width} [%at], %d;"
    body = "  mov.u32 %rank, %tid.x;\n" + "\n".join(lines) + f"\n  {text}\n{finish}"
    machine = machine_of(
        kernel(body, [f"{name}_in" for name in operands] + ["out"], registers=registers, architecture=architecture)
    )
    buffers = [machine.buffer(np.asarray(values)) for values in operands.values()]
    target = machine.buffer(np.zeros(count, out))
    machine.launch("kernel", 1, count, buffers + [target])
    values = machine.read(target)
    return values.astype(bool) if result == "pred" else values


def compiled(source, architecture, *options):
    """A Machine of a .cu file in this folder, compiled by nvcc."""
    if not NVCC:
        raise unittest.SkipTest("nvcc is not installed")
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "unit.ptx"
        command = [
            NVCC,
            "-std=c++20",
            "-O3",
            "--expt-relaxed-constexpr",
            "-lineinfo",
            f"-arch=sm_{architecture}",
            "-ptx",
            "-o",
            target,
            *options,
            HERE / source,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise AssertionError(f"nvcc failed: {result.stderr[-2000:]}")
        return Machine(target.read_text(), source)


# Exact references, with no code in common with the interpreter.

PRECISION = {
    "f16": (11, -24, 16),
    "bf16": (8, -133, 128),
    "f32": (24, -149, 128),
    "f64": (53, -1074, 1024),
    "tf32": (11, -136, 128),
}


def rounded(value, type_name, rounding="rn"):
    """A Fraction as the nearest number of a format, as float; past the largest one, infinity or the largest."""
    precision, smallest, top = PRECISION[type_name]
    if value == 0:
        return 0.0
    magnitude, sign = abs(value), -1 if value < 0 else 1
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    if magnitude < Fraction(2) ** exponent:
        exponent -= 1
    ulp = Fraction(2) ** max(exponent - precision + 1, smallest)
    quotient, rest = divmod(magnitude, ulp)
    half = rest * 2
    up = {
        "rn": half > ulp or (half == ulp and quotient % 2 == 1),
        "rna": half >= ulp,
        "rz": False,
        "rm": rest > 0 and sign < 0,
        "rp": rest > 0 and sign > 0,
    }[rounding]
    result = (quotient + up) * ulp
    if result >= Fraction(2) ** top:
        away = rounding in ("rn", "rna") or (rounding == "rp" and sign > 0) or (rounding == "rm" and sign < 0)
        result = float("inf") if away else float((Fraction(2) ** precision - 1) * Fraction(2) ** (top - precision))
        return sign * result
    return sign * float(result)


def wrapped(values, dtype):
    """Integers modulo a type's range."""
    bits = 8 * np.dtype(dtype).itemsize
    return np.array([int(v) % (1 << bits) for v in values], f"u{bits // 8}").view(dtype)


def half_bits(values):
    return np.asarray(values, np.float16).view(np.uint16)


def bfloat_bits(values):
    """float32 values that bfloat16 holds, as its bits."""
    bits = np.asarray(values, np.float32).view(np.uint32)
    assert not (bits & 0xFFFF).any()
    return (bits >> 16).astype(np.uint16)


def from_bfloat(bits):
    return (np.asarray(bits, np.uint32) << np.uint32(16)).view(np.float32)


def interesting(dtype, count, seed=0):
    """Random bits, with the values at which things go wrong among them."""
    dtype = np.dtype(dtype)
    raw = np.random.default_rng(seed).integers(0, 256, count * dtype.itemsize, np.uint8).view(dtype).copy()
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        edges = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            np.inf,
            -np.inf,
            np.nan,
            limits.max,
            -limits.max,
            limits.tiny,
            -limits.tiny,
            limits.smallest_subnormal,
            -limits.smallest_subnormal,
            0.5,
            1.5,
            2.5,
            -2.5,
            1 + limits.eps,
        ]
        scale = np.random.default_rng(seed + 1).normal(size=count // 2) * 4
        raw[::2] = scale.astype(dtype)[: len(raw[::2])]
    else:
        limits = np.iinfo(dtype)
        edges = [0, 1, limits.max, limits.min, limits.max - 1, limits.min + 1, 2, 31, 32, 33, 63, 64]
        edges += [limits.max - 31, 255, 256 % (limits.max + 1)] if limits.bits > 8 else []
    with np.errstate(all="ignore"):
        raw[: len(edges)] = [dtype.type(edge) for edge in edges]
    return np.random.default_rng(seed + 2).permutation(raw)
