"""run.py: kernels by name, structs as arguments, recordings that agree and that do not."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np

from harness import HERE, assemble
from interpreter.replay import distance

SCALE = """.version 8.4
.target sm_80
.address_size 64
.visible .entry _Z5scale7problemf(.param .align 8 .b8 p[32], .param .f32 factor)
{
  .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f32 %f<9>; .reg .pred %p;
  ld.param.u64 %rd0, [p];
  ld.param.u64 %rd1, [p+8];
  ld.param.u64 %rd2, [p+16];
  ld.param.u32 %r1, [p+24];
  ld.param.f32 %f0, [factor];
  mov.u32 %r0, %tid.x;
  cvt.u64.u32 %rd3, %r0;
  setp.ge.u64 %p, %rd3, %rd2;
  @%p ret;
  mad.wide.u32 %rd4, %r0, 4, %rd0;
  mad.wide.u32 %rd5, %r0, 4, %rd1;
  ld.global.f32 %f1, [%rd4];
  cvt.rn.f32.s32 %f2, %r1;
  fma.rn.f32 %f3, %f0, %f1, %f2;
  st.global.f32 [%rd5], %f3;
  ret;
}
.visible .entry _Z5otherv()
{
  ret;
}
"""


class Run(unittest.TestCase):
    def setUp(self):
        assemble(SCALE)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "scale.ptx").write_text(SCALE)

    def run_tool(self, *arguments):
        return subprocess.run(
            [sys.executable, "-B", HERE / "run.py", *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_list(self):
        result = self.run_tool("list", "scale.ptx")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("16 instructions  scale(problem, float)", result.stdout)
        (self.folder / "bad.ptx").write_text(SCALE.replace("fma.rn.f32 %f3", "fma.rx.f32 %f3"))
        result = self.run_tool("list", "bad.ptx")
        self.assertEqual(result.returncode, 1)
        self.assertIn("modifier .rx of fma at bad.ptx:20: fma.rx.f32", result.stdout)

    def test_run(self):
        x = np.arange(10, dtype=np.float32)
        np.savez(self.folder / "in.npz", x=x, y=np.zeros(10, np.float32))
        result = self.run_tool(
            "run",
            "scale.ptx",
            r"scale\(",
            "--grid",
            1,
            "--block",
            "32,1",
            "--arrays",
            "in.npz",
            "--out",
            "out.npz",
            "--arguments",
            "struct(array:x,array:y,i64:9,i32:-4)",
            "f32:0.5",
        )
        self.assertEqual(result.returncode, 0, result.stderr)
        np.testing.assert_array_equal(np.load(self.folder / "out.npz")["y"], np.append(x[:9] / 2 - 4, 0))
        result = self.run_tool("run", "scale.ptx", "scale", "--grid", 1, "--block", 32, "--arguments", "f32:1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: _Z5scale7problemf has 2 parameters, given 1", result.stderr)

    def recording(self, expected, tolerance=0.0):
        x = np.arange(4, dtype=np.float32)
        struct = bytes(16) + np.int64(3).tobytes() + np.int32([2, 0]).tobytes()
        return (
            "\n".join(
                [
                    "case scaled twice",
                    f"buffer x f32 4 {x.tobytes().hex()}",
                    f"buffer y f32 6 {bytes(24).hex()}",
                    "launch 1,1,1 32,1,1 0 scale(problem, float)",
                    f"parameter {struct.hex()} 0 x 0 8 y 4",
                    f"parameter {np.float32(3).tobytes().hex()}",
                    "launch 1,1,1 32,1,1 0 scale(problem,float)",
                    f"parameter {struct.hex()} 0 y 4 8 y 4",
                    f"parameter {np.float32(1).tobytes().hex()}",
                    f"expect y {tolerance} {np.float32(expected).tobytes().hex()}",
                ]
            )
            + "\n"
        )

    def test_cases_of_the_same_code_are_left_out(self):
        (self.folder / "good.txt").write_text(self.recording([0, 4, 7, 10, 0, 0]))
        located = SCALE.replace("  mov.u32 %r0, %tid.x;\n", "$L__tmp1:\n  .loc 1 7 3\n  mov.u32 %r0, %tid.x;\n")
        for name, text, leaves_out in (
            ("located.ptx", located.replace("sm_80", "sm_90a"), True),
            ("changed.ptx", SCALE.replace("mov.u32 %r0, %tid.x", "mov.u32 %r0, %ctaid.x"), False),
            ("less.ptx", SCALE.replace("_Z5scale7problemf", "_Z6scales7problemf"), False),
        ):
            (self.folder / name).write_text(text)
            result = self.run_tool("replay", "scale.ptx", "good.txt", "--same-code-in", name, "--every", "scale")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual("1 cases left out" in result.stdout, leaves_out, name)
            self.assertEqual("scaled twice: 2 launches" in result.stdout, not leaves_out, name)

    def test_replay(self):
        (self.folder / "good.txt").write_text(self.recording([0, 4, 7, 10, 0, 0]))
        result = self.run_tool("replay", "scale.ptx", "good.txt")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("scaled twice: 2 launches", result.stdout)
        self.assertIn("1 of 2 kernels run", result.stdout)
        result = self.run_tool("replay", "scale.ptx", "good.txt", "--every", "scale|other")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: not run: other()", result.stderr)
        self.assertEqual(self.run_tool("replay", "scale.ptx", "good.txt", "--every", "scale").returncode, 0)
        self.assertIn(
            "no kernel is called gone", self.run_tool("replay", "scale.ptx", "good.txt", "--every", "gone").stderr
        )

    def test_replay_of_a_wrong_result(self):
        (self.folder / "near.txt").write_text(self.recording([0, 4, 7, 10.001, 0, 0], 1e-3))
        self.assertEqual(self.run_tool("replay", "scale.ptx", "near.txt").returncode, 0)
        (self.folder / "off.txt").write_text(self.recording([0, 4, 7, 10.001, 0, 0], 1e-6))
        result = self.run_tool("replay", "scale.ptx", "off.txt")
        self.assertEqual(result.returncode, 1)
        self.assertIn("error: scaled twice: y is off by 7.8e-05, allowed 1e-06", result.stderr)
        (self.folder / "nan.txt").write_text(self.recording([0, 4, 7, np.nan, 0, 0], 1))
        self.assertEqual(self.run_tool("replay", "scale.ptx", "nan.txt").returncode, 1)
        (self.folder / "none.txt").write_text("\n".join(self.recording([0] * 6).splitlines()[:-1]))
        self.assertIn("nothing is expected", self.run_tool("replay", "scale.ptx", "none.txt").stderr)

    def test_distance(self):
        self.assertAlmostEqual(distance(np.array([3.0, 4.5]), np.array([3.0, 4.0])), 0.1)
        self.assertEqual(distance(np.array([0.5]), np.array([0.0])), 0.5)
        for found, wanted in (
            ([1, np.nan], [1, 2]),
            ([1, np.inf], [1, 2]),
            ([1, 2], [1, np.nan]),
            ([np.inf], [-np.inf]),
        ):
            self.assertEqual(distance(np.array(found, float), np.array(wanted, float)), np.inf)
        self.assertEqual(distance(np.array([np.nan, np.inf, 1]), np.array([np.nan, np.inf, 1])), 0)

    def test_replay_past_a_buffer(self):
        text = self.recording([0, 4, 7, 10, 0, 0]).replace("8 y 4", "8 y 16")
        (self.folder / "past.txt").write_text(text)
        result = self.run_tool("replay", "scale.ptx", "past.txt")
        self.assertEqual(result.returncode, 1)
        self.assertIn("4 bytes at offset 24 of buffer 1, which has 24", result.stderr)
        self.assertIn("scale.ptx:21: st.global.f32", result.stderr)


if __name__ == "__main__":
    unittest.main()
