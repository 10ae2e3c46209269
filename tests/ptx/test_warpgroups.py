"""wgmma from PTX text, with shared memory laid out as the ISA's figures of 128-byte swizzle have it."""

import unittest

import numpy as np

from harness import bfloat_bits, kernel, machine_of
from interpreter.errors import DivergenceError, MemoryFault, UnsupportedError

COLUMNS, LINES = 16, 64  # of the right matrix; of either image
DESCRIPTOR = 1 << 62 | (1024 >> 4) << 32 | (8192 >> 4) << 16


def image(matrix):
    """Lines of 64 bfloats, the piece number p of line i at p ^ (i % 8)."""
    lines = np.zeros((LINES, 8, 8), np.uint16)
    given = np.zeros((LINES, 64))
    given[: matrix.shape[0], : matrix.shape[1]] = matrix
    bits = bfloat_bits(given).reshape(LINES, 8, 8)
    for i in range(LINES):
        for p in range(8):
            lines[i, p ^ (i % 8)] = bits[i, p]
    return lines


def product_text(transposed, adds, first_depth, threads_that_go="true", bytes_known=16384):
    copies = "".join(
        f"  ld.global.v4.b32 {{%r3, %r4, %r5, %r6}}, [%rd0 + {2048 * k}];\n"
        f"  st.shared.v4.b32 [%r2 + {2048 * k}], {{%r3, %r4, %r5, %r6}};\n"
        for k in range(bytes_known // 2048)
    )
    sums = ", ".join(f"%f{k}" for k in range(COLUMNS // 2))
    stores = "".join(f"  st.global.f32 [%rd1 + {4 * k}], %f{k};\n" for k in range(COLUMNS // 2))
    starts = "".join(f"  mov.f32 %f{k}, 0f3F800000;\n" for k in range(COLUMNS // 2))
    right = (16384 + (first_depth * 128 if transposed else first_depth * 2)) >> 4
    left = first_depth * 2 >> 4
    return kernel(
        "  .shared .align 1024 .b8 s[32768];\n  mov.u32 %r0, %tid.x;\n  mov.u32 %r1, s;\n"
        "  mad.lo.u32 %r2, %r0, 16, %r1;\n  mad.wide.u32 %rd0, %r0, 16, %source;\n"
        + copies
        + "  bar.sync 0;\n  cvt.u64.u32 %rd2, %r1;\n  shr.u64 %rd2, %rd2, 4;\n"
        + f"  or.b64 %rd3, %rd2, {DESCRIPTOR};\n  add.s64 %rd4, %rd3, {right};\n  add.s64 %rd3, %rd3, {left};\n"
        + starts
        + f"  setp.ne.u32 %p0, {int(adds)}, 0;\n"
        + ("  setp.eq.u32 %p1, %r0, 7;\n  @%p1 bra DONE;\n" if threads_that_go != "true" else "")
        + "  fence.proxy.async;\n  wgmma.fence.sync.aligned;\n"
        + f"  wgmma.mma_async.sync.aligned.m64n{COLUMNS}k16.f32.bf16.bf16 {{{sums}}}, %rd3, %rd4, %p0, 1, 1, 0, "
        + f"{int(transposed)};\n"
        + "  wgmma.commit_group.sync.aligned;\n  wgmma.wait_group.sync.aligned 0;\nDONE:\n"
        + f"  mad.wide.u32 %rd1, %r0, {2 * COLUMNS}, %out;\n"
        + stores,
        ["source", "out"],
        registers="  .reg .b32 %r<8>;\n  .reg .b64 %rd<6>;\n  .reg .f32 %f<8>;\n  .reg .pred %p<2>;\n",
        architecture="90a",
    )


class Wgmma(unittest.TestCase):
    def run_product(self, transposed, adds, first_depth, **options):
        random = np.random.default_rng(3)
        a, b = random.integers(-4, 5, (64, 64)).astype(float), random.integers(-4, 5, (64, 64)).astype(float)
        machine = machine_of(product_text(transposed, adds, first_depth, **options))
        memory = np.zeros((4, LINES * 64), np.uint16)  # of 8192 bytes each
        memory[0], memory[2] = image(a).ravel(), image(b).ravel()
        out = machine.buffer(np.zeros((128, COLUMNS // 2), np.float32))
        machine.launch("kernel", 1, 128, [machine.buffer(memory), out])
        depth = slice(first_depth, first_depth + 16)
        wanted = a[:, depth] @ (b[depth, :COLUMNS] if transposed else b[:COLUMNS, depth].T) + adds
        found = machine.read(out)
        for thread in range(128):
            for e in range(COLUMNS // 2):
                row = thread // 32 * 16 + thread % 32 // 4 + e % 4 // 2 * 8
                column = e // 4 * 8 + thread % 4 * 2 + e % 2
                self.assertEqual(found[thread, e], wanted[row, column], (thread, e))

    def test_products(self):
        for transposed in (False, True):
            for adds in (False, True):
                for first_depth in (0, 16, 48):
                    self.run_product(transposed, adds, first_depth, bytes_known=32768)

    def test_threads_that_stay_away(self):
        with self.assertRaises(DivergenceError):
            self.run_product(False, False, 0, bytes_known=32768, threads_that_go="but one")

    def test_operands_that_nobody_wrote(self):
        with self.assertRaises(MemoryFault):
            self.run_product(False, False, 0, bytes_known=16384)

    def test_other_forms(self):
        text = product_text(False, False, 0).replace("%p0, 1, 1, 0,", "%p0, -1, 1, 0,")
        machine = machine_of(text)
        buffers = [machine.buffer(np.zeros(size, np.uint8)) for size in (32768, 128 * 2 * COLUMNS)]
        with self.assertRaises(UnsupportedError):
            machine.launch("kernel", 1, 128, buffers)


if __name__ == "__main__":
    unittest.main()
