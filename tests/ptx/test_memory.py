"""Loads, stores, atomics, asynchronous copies; and what must be refused."""

import unittest

import numpy as np

from harness import half_bits, interesting, kernel, machine_of
from interpreter.errors import MemoryFault, PtxError, UnsupportedError

REGISTERS = "  .reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f32 %f<9>; .reg .pred %p<9>; .reg .b16 %rs<9>;\n"
RANK = "  mov.u32 %r0, %tid.x;\n"


def run(body, *arrays, block=32, scope="", shared=0, grid=1, **options):
    """Parameters are %in0, %in1 ...; returns the arrays after the launch."""
    names = [f"in{i}" for i in range(len(arrays))]
    machine = machine_of(kernel(RANK + body, names, registers=REGISTERS, file_scope=scope))
    buffers = [machine.buffer(array) for array in arrays]
    machine.launch("kernel", grid, block, buffers, shared=shared, **options)
    return [machine.read(buffer) for buffer in buffers]


class Access(unittest.TestCase):
    def test_widths_and_extension(self):
        data = interesting(np.uint8, 64, 1)
        for load, dtype, register in (
            ("s8", np.int8, np.int32),
            ("u8", np.uint8, np.uint32),
            ("s16", np.int16, np.int32),
            ("u16", np.uint16, np.uint32),
        ):
            size = np.dtype(dtype).itemsize
            (out,) = run(
                f"  mad.wide.u32 %rd0, %r0, {size}, %in0;\n  ld.global.{load} %r1, [%rd0];\n  mad.wide.u32 %rd1, %r0, 4, %in1;\n"
                "  st.global.b32 [%rd1], %r1;",
                data,
                np.zeros(32, register),
            )[1:]
            np.testing.assert_array_equal(out, data.view(dtype)[:32].astype(register))

    def test_vectors(self):
        data = np.arange(128, dtype=np.float32)
        (out,) = run(
            "  mad.wide.u32 %rd0, %r0, 16, %in0;\n  ld.global.nc.v4.f32 {%f0, %f1, %f2, %f3}, [%rd0];\n"
            "  mad.wide.u32 %rd1, %r0, 16, %in1;\n  st.global.v2.f32 [%rd1+8], {%f0, %f1};\n  st.global.v2.f32 [%rd1], {%f2, %f3};",
            data,
            np.zeros(128, np.float32),
        )[1:]
        np.testing.assert_array_equal(out.reshape(32, 4), data.reshape(32, 4)[:, [2, 3, 0, 1]])

    def test_shared_local_constant(self):
        scope = ".const .align 4 .b32 table[4] = {10, 0x14, 30, 40};\n.global .align 8 .u64 pointer = generic(table);\n"
        (out,) = run(
            "  .shared .align 4 .b8 s[128];\n  .local .align 4 .b8 l[16];\n  shl.b32 %r1, %r0, 2;\n  mov.u32 %r2, s;\n"
            "  add.u32 %r2, %r2, %r1;\n  st.shared.u32 [%r2], %r0;\n  bar.sync 0;\n  xor.b32 %r3, %r1, 124;\n  mov.u32 %r4, s;\n"
            "  add.u32 %r3, %r3, %r4;\n  ld.shared.u32 %r5, [%r3];\n  mov.u64 %rd0, l;\n  st.local.u32 [%rd0+4], %r5;\n"
            "  cvta.local.u64 %rd1, %rd0;\n  ld.u32 %r6, [%rd1+4];\n  ld.global.u64 %rd2, [pointer];\n  and.b32 %r7, %r0, 3;\n"
            "  mad.wide.u32 %rd3, %r7, 4, %rd2;\n  ld.const.u32 %r8, [%rd3];\n  mad.lo.u32 %r9, %r8, 1000, %r6;\n"
            "  mad.wide.u32 %rd4, %r0, 4, %in0;\n  st.global.u32 [%rd4], %r9;",
            np.zeros(32, np.uint32),
            scope=scope,
        )
        np.testing.assert_array_equal(out, (np.arange(32) % 4 * 10 + 10) * 1000 + 31 - np.arange(32))

    def test_generic_addresses_of_several_spaces(self):
        (out,) = run(
            "  .shared .align 4 .b32 s;\n  mov.u64 %rd0, s;\n  cvta.shared.u64 %rd1, %rd0;\n  mov.u32 %r1, 7;\n  st.shared.u32 [s], %r1;\n"
            "  and.b32 %r2, %r0, 1;\n  setp.ne.u32 %p0, %r2, 0;\n  selp.b64 %rd2, %rd1, %in0, %p0;\n  ld.u32 %r3, [%rd2];\n"
            "  isspacep.shared %p1, %rd2;\n  selp.u32 %r4, 100, 0, %p1;\n  add.u32 %r3, %r3, %r4;\n"
            "  mad.wide.u32 %rd4, %r0, 4, %in1;\n  st.global.u32 [%rd4], %r3;",
            np.full(1, 3, np.uint32),
            np.zeros(32, np.uint32),
        )[1:]
        np.testing.assert_array_equal(out, np.where(np.arange(32) % 2, 107, 3))

    def test_dynamic_shared_memory(self):
        scope = ".extern .shared .align 16 .b8 dynamic[];\n"
        body = (
            "  .shared .align 4 .b32 s[3];\n  mov.u32 %r1, dynamic;\n  mad.lo.u32 %r2, %r0, 4, %r1;\n  st.shared.u32 [%r2], %r1;\n"
            "  st.shared.u32 [s], %r1;\n  mad.wide.u32 %rd0, %r0, 4, %in0;\n  ld.shared.u32 %r3, [%r2];\n  st.global.u32 [%rd0], %r3;"
        )
        (out,) = run(body, np.zeros(32, np.uint32), scope=scope, shared=128)
        np.testing.assert_array_equal(out, 16)
        with self.assertRaisesRegex(MemoryFault, "shared memory: 4 bytes at 140, and there are 140"):
            run(body, np.zeros(32, np.uint32), scope=scope, shared=124)


class Refusals(unittest.TestCase):
    def refused(self, message, body, *arrays, error=MemoryFault, **options):
        with self.assertRaisesRegex(error, message) as caught:
            run(body, *arrays, **options)
        self.assertIn("test.ptx:", str(caught.exception))

    def test_out_of_bounds(self):
        for offset, message in ((4, "4 bytes at offset 128 of buffer 0, which has 128"), (-4, "below every buffer")):
            self.refused(
                message,
                f"  mad.wide.u32 %rd0, %r0, 4, %in0;\n  ld.global.u32 %r1, [%rd0+{offset}];",
                np.zeros(32, np.uint32),
            )
        self.refused("is in no buffer", "  mov.u64 %rd0, 0;\n  st.global.u32 [%rd0], %r0;", np.zeros(32, np.uint32))
        self.refused("is in no buffer", "  mov.u64 %rd0, 16;\n  st.u32 [%rd0], %r0;", np.zeros(32, np.uint32))
        self.refused(
            "a thread has 16",
            "  .local .b8 l[16];\n  mov.u64 %rd0, l;\n  ld.local.u8 %r1, [%rd0+16];",
            np.zeros(1, np.uint32),
        )

    def test_only_active_threads_count(self):
        (out,) = run(
            "  setp.lt.u32 %p0, %r0, 20;\n  mad.wide.u32 %rd0, %r0, 4, %in0;\n  @%p0 st.global.u32 [%rd0], %r0;",
            np.zeros(20, np.uint32),
        )
        np.testing.assert_array_equal(out, np.arange(20))

    def test_misaligned(self):
        self.refused("misaligned", "  ld.global.u32 %r1, [%in0+2];", np.zeros(32, np.uint32))
        self.refused("misaligned", "  ld.global.v4.f32 {%f0, %f1, %f2, %f3}, [%in0+8];", np.zeros(32, np.uint32))
        self.refused(
            "misaligned", "  .shared .align 16 .b8 s[64];\n  st.shared.u64 [s+4], %in0;", np.zeros(32, np.uint32)
        )

    def test_shared_memory_that_nobody_wrote(self):
        self.refused(
            "never written",
            "  .shared .align 4 .b8 s[128];\n  st.shared.u16 [s], %r0;\n  ld.shared.u32 %r1, [s];",
            np.zeros(1, np.uint32),
        )
        self.refused(
            "never written",
            "  .shared .align 4 .b8 s[128];\n  mov.u64 %rd0, s;\n  cvta.shared.u64 %rd0, %rd0;\n"
            "  atom.add.u32 %r1, [%rd0], 1;",
            np.zeros(1, np.uint32),
        )

    def test_parameters_are_constant(self):
        self.refused(
            "constant",
            "  mov.u64 %rd0, kernel_in0;\n  cvta.param.u64 %rd0, %rd0;\n  st.u32 [%rd0], %r0;",
            np.zeros(1, np.uint32),
        )

    def test_what_is_not_known(self):
        for text, message in (
            ("  tex.1d.v4.f32.s32 {%f0, %f1, %f2, %f3}, [%in0, {%r0}];", "tex"),
            (
                "  mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.xor.popc {%r1,%r2,%r3,%r4}, {%r5,%r6,%r7,%r8}, "
                "{%r9,%r10}, {%r1,%r2,%r3,%r4};",
                "mma",
            ),
            ("  fma.rm.f64 %rd0, %rd0, %rd0, %rd0;", "rounding .rm of f64"),
            ("  cvt.rn.satfinite.e4m3x2.f32 %rs0, %f0, %f1;", "cvt"),
        ):
            with self.assertRaisesRegex(UnsupportedError, message) as caught:
                run(text, np.zeros(1, np.uint32))
            self.assertIn("test.ptx:", str(caught.exception))


class Atomics(unittest.TestCase):
    def test_each_operation(self):
        start, x = np.uint32(0xFFFFFFF0), np.arange(32, dtype=np.uint32) * 77 % 50
        x[1] = 0
        operations = {
            "add": lambda a, b: (a + b) % 2**32,
            "min": min,
            "max": max,
            "and": lambda a, b: a & b,
            "or": lambda a, b: a | b,
            "xor": lambda a, b: a ^ b,
            "exch": lambda a, b: b,
            "inc": lambda a, b: 0 if a >= b else a + 1,
            "dec": lambda a, b: b if a == 0 or a > b else a - 1,
        }
        for name, function in operations.items():
            type_name = "b32" if name in ("and", "or", "xor", "exch") else "u32"
            total, olds, _ = run(
                f"  mad.wide.u32 %rd0, %r0, 4, %in2;\n  ld.global.u32 %r1, [%rd0];\n  atom.global.{name}.{type_name} %r2, [%in0], %r1;\n"
                "  mad.wide.u32 %rd1, %r0, 4, %in1;\n  st.global.u32 [%rd1], %r2;",
                np.array([start]),
                np.zeros(32, np.uint32),
                x,
            )
            value, seen = int(start), []
            for addend in x:
                seen.append(value)
                value = function(value, int(addend))
            self.assertEqual(int(total[0]), value, name)
            np.testing.assert_array_equal(olds, seen, name)

    def test_signed_extremes(self):
        (total,) = run("  sub.s32 %r1, %r0, 5;\n  red.global.min.s32 [%in0], %r1;", np.array([100], np.int32))
        self.assertEqual(total[0], -5)

    def test_floats(self):
        (total,) = run("  cvt.rn.f32.u32 %f0, %r0;\n  red.global.add.f32 [%in0], %f0;", np.array([0.5], np.float32))
        self.assertEqual(total[0], 496.5)
        (total,) = run(
            "  mov.b32 %r1, 0x3C004000;\n  red.global.add.noftz.f16x2 [%in0], %r1;", half_bits([0.5, 7]).copy()
        )
        np.testing.assert_array_equal(total.view(np.float16), [64.5, 39])
        (total,) = run("  mov.b64 %rd0, 0d3FF8000000000000;\n  red.global.add.f64 [%in0], %rd0;", np.array([1.0]))
        self.assertEqual(total[0], 49)

    def test_compare_and_swap(self):
        total, olds = run(
            "  atom.global.cas.b32 %r1, [%in0], %r0, 7;\n  mad.wide.u32 %rd1, %r0, 4, %in1;\n  st.global.u32 [%rd1], %r1;",
            np.array([3], np.uint32),
            np.zeros(32, np.uint32),
        )
        value, seen = 3, []
        for rank in range(32):
            seen.append(value)
            value = 7 if value == rank else value
        self.assertEqual(total[0], value)
        np.testing.assert_array_equal(olds, seen)

    def test_shared(self):
        (total,) = run(
            "  .shared .align 4 .b32 s;\n  setp.eq.u32 %p0, %r0, 0;\n  @%p0 st.shared.u32 [s], 5;\n  bar.sync 0;\n"
            "  red.shared.add.u32 [s], %r0;\n  bar.sync 0;\n  ld.shared.u32 %r1, [s];\n  st.global.u32 [%in0], %r1;",
            np.zeros(1, np.uint32),
            block=64,
        )
        self.assertEqual(total[0], 5 + 63 * 32)


class AsynchronousCopies(unittest.TestCase):
    START = (
        "  .shared .align 16 .b8 s[1024];\n  mov.u32 %r1, s;\n  mad.lo.u32 %r2, %r0, 16, %r1;\n  mad.wide.u32 %rd0, %r0, 16, %in0;\n"
        "  cp.async.cg.shared.global [%r2], [%rd0], 16;\n  cp.async.commit_group;\n"
        "  cp.async.ca.shared.global [%r2+512], [%rd0], 16, 8;\n  cp.async.commit_group;\n"
    )
    READ = "  ld.shared.v4.u32 {{%r4, %r5, %r6, %r7}}, [%r2{}];\n  mad.wide.u32 %rd1, %r0, 16, %in1;\n  st.global.v4.u32 [%rd1], {{%r4, %r5, %r6, %r7}};"
    DATA = np.arange(128, dtype=np.uint32) + 1

    def test_land_at_the_wait_for_their_group(self):
        (out,) = run(
            self.START + "  cp.async.wait_group 1;\n" + self.READ.format(""), self.DATA, np.zeros(128, np.uint32)
        )[1:]
        np.testing.assert_array_equal(out, self.DATA)
        (out,) = run(
            self.START + "  cp.async.wait_group 0;\n" + self.READ.format("+512"), self.DATA, np.zeros(128, np.uint32)
        )[1:]
        np.testing.assert_array_equal(out.reshape(32, 4), self.DATA.reshape(32, 4) * [1, 1, 0, 0])

    def test_not_before(self):
        for wait, offset in (("", ""), ("  cp.async.wait_group 2;\n", ""), ("  cp.async.wait_group 1;\n", "+512")):
            with self.assertRaisesRegex(MemoryFault, "a copy to them is on its way"):
                run(self.START + wait + self.READ.format(offset), self.DATA, np.zeros(128, np.uint32))

    def test_what_stood_there_is_gone_at_once(self):
        written = self.START.replace(
            "  cp.async.cg", "  st.shared.u32 [%r2], %r0;\n  ld.shared.u32 %r4, [%r2];\n  cp.async.cg", 1
        )
        run(written, self.DATA, np.zeros(128, np.uint32))
        with self.assertRaisesRegex(MemoryFault, "on its way"):
            run(written + "  ld.shared.u32 %r4, [%r2];", self.DATA, np.zeros(128, np.uint32))

    def test_wait_all_takes_what_is_not_committed(self):
        text = self.START.replace("  cp.async.commit_group;\n", "")
        run(text + "  cp.async.wait_all;\n" + self.READ.format("+512"), self.DATA, np.zeros(128, np.uint32))
        with self.assertRaises(MemoryFault):
            run(text + "  cp.async.wait_group 0;\n" + self.READ.format("+512"), self.DATA, np.zeros(128, np.uint32))

    def test_a_thread_waits_for_its_own(self):
        """Half of the threads wait; what the others copied has not landed."""
        body = (
            self.START
            + "  setp.lt.u32 %p0, %r0, 16;\n  @%p0 cp.async.wait_group 0;\n  xor.b32 %r3, %r0, {};\n  mad.lo.u32 %r2, %r3, 16, %r1;\n"
        )
        half = "  @!%p0 bra END;\n" + self.READ.format("") + "\nEND:"
        (out,) = run(body.format(1) + half, self.DATA, np.zeros(128, np.uint32))[1:]
        np.testing.assert_array_equal(out.reshape(32, 4)[:16], self.DATA.reshape(32, 4)[np.arange(16) ^ 1])
        with self.assertRaisesRegex(MemoryFault, "on its way"):
            run(body.format(16) + half, self.DATA, np.zeros(128, np.uint32))

    def test_refusals(self):
        with self.assertRaisesRegex(MemoryFault, "destination is not aligned"):
            run(self.START.replace("[%r2+512]", "[%r2+520]"), self.DATA, np.zeros(128, np.uint32))
        with self.assertRaisesRegex(MemoryFault, "offset 512 of buffer 0"):
            run(self.START.replace("[%rd0], 16;", "[%rd0+16], 16;"), self.DATA, np.zeros(128, np.uint32))
        # What is not copied is not read.
        run(self.START.replace("[%rd0], 16;", "[%rd0+16], 16, 0;"), self.DATA, np.zeros(128, np.uint32))
        with self.assertRaisesRegex(PtxError, "more bytes than its size"):
            run(
                "  add.u32 %r9, %r0, 17;\n" + self.START.replace("16, 8;", "16, %r9;"),
                self.DATA,
                np.zeros(128, np.uint32),
            )


class Parameters(unittest.TestCase):
    def test_structs_and_scalars(self):
        text = (
            ".version 8.4\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u32 a, .param .align 8 .b8 s[24], .param .u64 out)\n{\n"
            "  .reg .b32 %r<9>; .reg .b64 %rd<9>;\n  ld.param.u32 %r0, [a];\n  ld.param.u64 %rd0, [s+8];\n  ld.param.u64 %rd1, [out];\n"
            "  ld.global.u32 %r1, [%rd0];\n  ld.param.u32 %r2, [s+20];\n  add.u32 %r1, %r1, %r0;\n  add.u32 %r1, %r1, %r2;\n  st.global.u32 [%rd1], %r1;\n  ret;\n}\n"
        )
        machine = machine_of(text)
        inside, out = machine.buffer(np.uint32([9, 10])), machine.buffer(np.zeros(1, np.uint32))
        struct = np.int64(5).tobytes() + np.uint64(inside.address + 4).tobytes() + np.uint32([0, 700]).tobytes()
        machine.launch("k", 1, 1, [np.int32(1000), struct, out])
        self.assertEqual(machine.read(out)[0], 1710)
        with self.assertRaisesRegex(PtxError, "has 24 bytes, given 8"):
            machine.launch("k", 1, 1, [np.int32(1000), np.int64(1), out])
        with self.assertRaisesRegex(PtxError, "has 3 parameters, given 1"):
            machine.launch("k", 1, 1, [np.int32(1000)])
        with self.assertRaisesRegex(PtxError, "one expected, found 0"):
            machine.launch("nothing", 1, 1, [])


if __name__ == "__main__":
    unittest.main()
