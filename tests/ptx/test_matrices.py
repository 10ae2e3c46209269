"""mma.sync, ldmatrix, stmatrix, wmma from PTX text: the fragments' layouts are spelled out here as the ISA's figures have them."""

import unittest

import numpy as np

from harness import bfloat_bits, half_bits, kernel, machine_of
from interpreter.errors import DivergenceError, UnsupportedError

GROUP, INSIDE = np.arange(32) // 4, np.arange(32) % 4


def packed(elements, type_name):
    """[lane, element] to [lane, register] as the type's bits, elements of narrow types side by side from the low bits on."""
    if type_name == "f16":
        return np.ascontiguousarray(half_bits(elements)).view(np.uint32)
    if type_name == "bf16":
        return np.ascontiguousarray(bfloat_bits(elements)).view(np.uint32)
    if type_name in ("s8", "u8"):
        return np.ascontiguousarray(
            np.asarray(elements).astype(np.int64).astype(np.int8 if type_name == "s8" else np.uint8)
        ).view(np.uint32)
    if type_name == "s32":
        return np.asarray(elements, np.int64).astype(np.int32).view(np.uint32)
    if type_name == "f64":
        return np.asarray(elements, np.float64).view(np.uint64)
    return np.asarray(elements, np.float32).view(np.uint32)


def layout_a(type_name, k):
    """(row, column) of element i of A, for 16 rows."""
    if type_name in ("f16", "bf16"):
        count = k // 2
        rows = [GROUP if i % 4 < 2 else GROUP + 8 for i in range(count)]
        columns = [INSIDE * 2 + (i & 1) + (0 if i < 4 else 8) for i in range(count)]
    elif type_name in ("s8", "u8"):
        count = k // 2
        rows = [GROUP if (i // 4) % 2 == 0 else GROUP + 8 for i in range(count)]
        columns = [INSIDE * 4 + (i & 3) + (0 if i < 8 else 16) for i in range(count)]
    else:
        count = k // 2
        rows = [GROUP if i % 2 == 0 else GROUP + 8 for i in range(count)]
        columns = [INSIDE + 4 * (i // 2) for i in range(count)]
    return rows, columns


def layout_b(type_name, k):
    if type_name in ("f16", "bf16"):
        rows = [INSIDE * 2 + (i & 1) + (0 if i < 2 else 8) for i in range(k // 4)]
    elif type_name in ("s8", "u8"):
        rows = [INSIDE * 4 + (i & 3) + (0 if i < 4 else 16) for i in range(k // 4)]
    else:
        rows = [INSIDE + 4 * i for i in range(k // 4)]
    return rows, [GROUP] * len(rows)


def layout_c():
    return [GROUP, GROUP, GROUP + 8, GROUP + 8], [INSIDE * 2, INSIDE * 2 + 1, INSIDE * 2, INSIDE * 2 + 1]


def fragment(matrix, layout):
    return np.stack([matrix[row, column] for row, column in zip(*layout)], axis=1)


def multiply(instruction, fragments, widths, count):
    """Runs one mma with fragments [lane, register] loaded; returns D's registers."""
    names, registers, loads = "abc", "  .reg .b32 %rank; .reg .b64 %at;\n", "  mov.u32 %rank, %laneid;\n"
    vectors = {}
    for name, values, width in zip(names, fragments, widths):
        items = [f"%{name}{i}" for i in range(values.shape[1])]
        registers += f"  .reg .b{width} {', '.join(items)};\n"
        for i, item in enumerate(items):
            loads += f"  mad.wide.u32 %at, %rank, {width // 8 * values.shape[1]}, %{name};\n  ld.global.b{width} {item}, [%at+{width // 8 * i}];\n"
        vectors[name] = "{" + ", ".join(items) + "}"
    outputs = [f"%d{i}" for i in range(count)]
    registers += f"  .reg .b{widths[2]} {', '.join(outputs)};\n"
    stores = "".join(
        f"  mad.wide.u32 %at, %rank, {widths[2] // 8 * count}, %d;\n  st.global.b{widths[2]} [%at+{widths[2] // 8 * i}], {item};\n"
        for i, item in enumerate(outputs)
    )
    body = (
        loads + f"  {instruction} {{{', '.join(outputs)}}}, {vectors['a']}, {vectors['b']}, {vectors['c']};\n" + stores
    )
    machine = machine_of(kernel(body, ["a", "b", "c", "d"], registers=registers))
    buffers = [machine.buffer(values) for values in fragments]
    out = machine.buffer(np.zeros((32, count), fragments[2].dtype))
    machine.launch("kernel", 1, 32, buffers + [out])
    return machine.read(out)


class Products(unittest.TestCase):
    def test_documented_layouts(self):
        rng = np.random.default_rng(0)
        for a_type, shapes, c_type in (
            ("f16", (8, 16), "f32"),
            ("bf16", (8, 16), "f32"),
            ("tf32", (4, 8), "f32"),
            ("s8", (16, 32), "s32"),
            ("u8", (16, 32), "s32"),
            ("f64", (4, 8, 16), "f64"),
        ):
            for k in shapes:
                low = 0 if a_type == "u8" else -8
                a, b, c = (rng.integers(low, 9, shape) for shape in ((16, k), (k, 8), (16, 8)))
                layouts = layout_a(a_type, k), layout_b(a_type, k), layout_c()
                fragments = [
                    packed(fragment(m, layout), t) for m, layout, t in zip((a, b, c), layouts, (a_type, a_type, c_type))
                ]
                width = 64 if a_type == "f64" else 32
                found = multiply(
                    f"mma.sync.aligned.m16n8k{k}.row.col.{c_type}.{a_type}.{a_type}.{c_type}",
                    fragments,
                    (width,) * 3,
                    4,
                )
                np.testing.assert_array_equal(found, packed(fragment(a @ b + c, layout_c()), c_type), f"{a_type} {k}")

    def test_half_accumulators(self):
        rng = np.random.default_rng(1)
        a, b, c = (rng.integers(-8, 9, shape) for shape in ((16, 16), (16, 8), (16, 8)))
        fragments = [
            packed(fragment(m, layout), "f16")
            for m, layout in zip((a, b, c), (layout_a("f16", 16), layout_b("f16", 16), layout_c()))
        ]
        found = multiply("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16", fragments, (32,) * 3, 2)
        np.testing.assert_array_equal(found, packed(fragment(a @ b + c, layout_c()), "f16"))

    def test_small_doubles(self):
        rng = np.random.default_rng(2)
        a, b, c = rng.normal(size=(8, 4)), rng.normal(size=(4, 8)), rng.normal(size=(8, 8))
        fragments = [
            a[GROUP, INSIDE][:, None],
            b[INSIDE, GROUP][:, None],
            np.stack([c[GROUP, 2 * INSIDE], c[GROUP, 2 * INSIDE + 1]], 1),
        ]
        found = multiply(
            "mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64",
            [np.ascontiguousarray(f) for f in fragments],
            (64,) * 3,
            2,
        )
        product = a @ b + c
        np.testing.assert_allclose(
            found, np.stack([product[GROUP, 2 * INSIDE], product[GROUP, 2 * INSIDE + 1]], 1), rtol=1e-14, atol=1e-15
        )

    def test_tf32_ignores_low_bits(self):
        """And nothing else: the product is exact and the sum is rounded once."""
        a, b, c = np.zeros((16, 8)), np.zeros((8, 8)), np.zeros((16, 8))
        a[:, 0], b[0, :], c[:] = 1 + 2.0**-10 + 2.0**-11, 1 + 2.0**-10, 2.0**-30
        fragments = [
            packed(fragment(m, layout), "tf32")
            for m, layout in zip((a, b, c), (layout_a("tf32", 8), layout_b("tf32", 8), layout_c()))
        ]
        found = multiply("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32", fragments, (32,) * 3, 4).view(np.float32)
        np.testing.assert_array_equal(found, np.float32((1 + 2.0**-10) ** 2))

    def test_not_a_number(self):
        a, b, c = np.zeros((16, 16)), np.zeros((16, 8)), np.zeros((16, 8))
        a[3, 5], b[5, :] = np.inf, 1.0
        b[5, 2] = 0.0
        fragments = [
            packed(fragment(m, layout), t)
            for m, layout, t in zip(
                (a, b, c), (layout_a("f16", 16), layout_b("f16", 16), layout_c()), ("f16", "f16", "f32")
            )
        ]
        found = multiply("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32", fragments, (32,) * 3, 4).view(np.float32)
        wanted = np.zeros((16, 8))
        wanted[3] = np.inf
        wanted[3, 2] = np.nan
        np.testing.assert_array_equal(found, fragment(wanted, layout_c()))

    def test_a_warp_must_be_whole(self):
        body = (
            "  mov.u32 %r0, %laneid;\n  setp.ne.u32 %p0, %r0, 7;\n  @!%p0 bra J;\n"
            "  mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%r1,%r2,%r3,%r4}, {%r5,%r6,%r7,%r8}, {%r9,%r10}, {%r1,%r2,%r3,%r4};\nJ:"
        )
        machine = machine_of(kernel(body, registers="  .reg .b32 %r<20>; .reg .pred %p<2>;\n"))
        with self.assertRaisesRegex(
            DivergenceError, "31 of 32 lanes of warp 1 are at a matrix operation|31 of 32 lanes of warp 0"
        ):
            machine.launch("kernel", 1, 64, [])

    def test_types_that_do_not_fit(self):
        body = "  mma.sync.aligned.m16n8k16.row.col.f32.f16.bf16.f32 {%r1,%r2,%r3,%r4}, {%r5,%r6,%r7,%r8}, {%r9,%r10}, {%r1,%r2,%r3,%r4};"
        from interpreter.machine import Machine

        machine = Machine(kernel(body, registers="  .reg .b32 %r<20>;\n"))
        with self.assertRaises(UnsupportedError):
            machine.launch("kernel", 1, 32, [])


class Movement(unittest.TestCase):
    REGISTERS = "  .reg .b32 %r<20>; .reg .b64 %rd<9>;\n"

    def moved(self, operation, count, source, stored=False):
        """Loads `count` 8 x 8 matrices through shared memory with pitch 24 bytes; registers [lane, matrix] come back."""
        items = ", ".join(f"%r{10 + i}" for i in range(count))
        body = (
            "  .shared .align 16 .b8 s[1024];\n  mov.u32 %r0, %laneid;\n  mov.u32 %r1, s;\n  mad.lo.u32 %r2, %r0, 32, %r1;\n"
            "  mad.wide.u32 %rd0, %r0, 16, %source;\n  ld.global.v4.b32 {%r3, %r4, %r5, %r6}, [%rd0];\n  st.shared.v4.b32 [%r2], {%r3, %r4, %r5, %r6};\n"
            f"  bar.sync 0;\n  {operation} {{{items}}}, [%r2];\n  mad.wide.u32 %rd1, %r0, {4 * count}, %out;\n"
        )
        body += "".join(f"  st.global.b32 [%rd1+{4 * i}], %r{10 + i};\n" for i in range(count))
        machine = machine_of(kernel(body, ["source", "out"], registers=self.REGISTERS))
        out = machine.buffer(np.zeros((32, count), np.uint32))
        machine.launch("kernel", 1, 32, [machine.buffer(source), out])
        return machine.read(out).view(np.uint16).reshape(32, count, 2)

    def test_ldmatrix(self):
        source = np.arange(4 * 64, dtype=np.uint16).reshape(4, 8, 8)
        for count in (1, 2, 4):
            for trans in ("", ".trans"):
                found = self.moved(f"ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16", count, source)
                for k in range(count):
                    matrix = source[k].T if trans else source[k]
                    for h in (0, 1):
                        np.testing.assert_array_equal(found[:, k, h], matrix[GROUP, 2 * INSIDE + h])

    def test_stmatrix_is_its_reverse(self):
        source = np.arange(4 * 64, dtype=np.uint16).reshape(4, 8, 8)
        for trans in ("", ".trans"):
            body = (
                "  .shared .align 16 .b8 s[512];\n  mov.u32 %r0, %laneid;\n  mov.u32 %r1, s;\n  mad.lo.u32 %r2, %r0, 16, %r1;\n"
                "  mad.wide.u32 %rd0, %r0, 16, %source;\n  ld.global.v4.b32 {%r3, %r4, %r5, %r6}, [%rd0];\n"
                f"  stmatrix.sync.aligned.m8n8.x4{trans}.shared.b16 [%r2], {{%r3, %r4, %r5, %r6}};\n"
                "  ld.shared.v4.b32 {%r7, %r8, %r9, %r10}, [%r2];\n  mad.wide.u32 %rd1, %r0, 16, %out;\n  st.global.v4.b32 [%rd1], {%r7, %r8, %r9, %r10};\n"
            )
            machine = machine_of(kernel(body, ["source", "out"], registers=self.REGISTERS))
            fragments = np.zeros((32, 4, 2), np.uint16)
            for k in range(4):
                for h in (0, 1):
                    fragments[:, k, h] = (source[k].T if trans else source[k])[GROUP, 2 * INSIDE + h]
            out = machine.buffer(np.zeros((4, 8, 8), np.uint16))
            machine.launch("kernel", 1, 32, [machine.buffer(fragments), out])
            np.testing.assert_array_equal(machine.read(out), source)

    def test_movmatrix(self):
        source = np.arange(64, dtype=np.uint16).reshape(8, 8)
        given = np.stack([source[GROUP, 2 * INSIDE], source[GROUP, 2 * INSIDE + 1]], 1)
        body = (
            "  mov.u32 %r0, %laneid;\n  mad.wide.u32 %rd0, %r0, 4, %source;\n  ld.global.b32 %r1, [%rd0];\n  movmatrix.sync.aligned.m8n8.trans.b16 %r2, %r1;\n"
            "  mad.wide.u32 %rd1, %r0, 4, %out;\n  st.global.b32 [%rd1], %r2;"
        )
        machine = machine_of(kernel(body, ["source", "out"], registers=self.REGISTERS))
        out = machine.buffer(np.zeros((32, 2), np.uint16))
        machine.launch("kernel", 1, 32, [machine.buffer(given), out])
        np.testing.assert_array_equal(
            machine.read(out), np.stack([source.T[GROUP, 2 * INSIDE], source.T[GROUP, 2 * INSIDE + 1]], 1)
        )


if __name__ == "__main__":
    unittest.main()
