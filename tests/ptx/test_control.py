"""Divergence and reconvergence, calls, barriers, and what lanes do together."""

import unittest

import numpy as np

from harness import kernel, machine_of
from interpreter.control_flow import meeting_points
from interpreter.errors import DivergenceError, PtxError
from interpreter.syntax import Module

REGISTERS = "  .reg .b32 %r<20>; .reg .b64 %rd<9>; .reg .pred %p<9>;\n"
RANK = "  mov.u32 %r0, %tid.x;\n"
STORE = "\n  mad.wide.u32 %rd0, %r0, 4, %out;\n  st.global.u32 [%rd0], %r1;"


def run(body, block=64, scope="", grid=1, **options):
    """%r1 of every thread."""
    machine = machine_of(kernel(RANK + body + STORE, ["out"], registers=REGISTERS, file_scope=scope))
    count = int(np.prod(block))
    out = machine.buffer(np.zeros(count, np.uint32))
    machine.launch("kernel", grid, block, [out], **options)
    return machine.read(out)


ACTIVE = "  activemask.b32 {0};\n"
LOOP = """
  mov.u32 %r1, 0;
  and.b32 %r2, %r0, 7;
AGAIN:
  setp.ge.u32 %p0, %r1, %r2;
  @%p0 bra DONE;
  add.u32 %r1, %r1, 1;
  bra AGAIN;
DONE:
"""


class Branches(unittest.TestCase):
    def test_threads_meet_behind_the_branch(self):
        found = run(
            "  and.b32 %r2, %r0, 3;\n  setp.eq.u32 %p0, %r2, 1;\n  @%p0 bra ODD;\n  mov.u32 %r3, 10;\n  bra JOIN;\nODD:\n  mov.u32 %r3, 20;\n"
            "JOIN:\n" + ACTIVE.format("%r4") + "  popc.b32 %r4, %r4;\n  mad.lo.u32 %r1, %r4, 100, %r3;"
        )
        np.testing.assert_array_equal(found, np.where(np.arange(64) % 4 == 1, 3220, 3210))

    def test_loop_of_different_lengths(self):
        found = run(LOOP + ACTIVE.format("%r4") + "  popc.b32 %r4, %r4;\n  mad.lo.u32 %r1, %r4, 100, %r1;")
        np.testing.assert_array_equal(found, 3200 + np.arange(64) % 8)

    def test_loop_makes_no_chain_of_groups(self):
        """Each thread leaves at its own iteration, and the active lanes get fewer."""
        body = LOOP.replace("and.b32 %r2, %r0, 7", "mov.u32 %r2, %r0").replace(
            "  add.u32 %r1", ACTIVE.format("%r5") + "  add.u32 %r1"
        )
        found = run(body + "  popc.b32 %r1, %r5;", block=32)
        np.testing.assert_array_equal(found[1:], 32 - np.arange(1, 32))

    def test_a_branch_that_parts_within_another(self):
        found = run(
            "  mov.u32 %r1, 0;\n  setp.lt.u32 %p0, %r0, 40;\n  @!%p0 bra JOIN;\n  and.b32 %r2, %r0, 1;\n  setp.eq.u32 %p1, %r2, 0;\n"
            "  @%p1 bra EVEN;\n  add.u32 %r1, %r1, 5;\n  bra INNER;\nEVEN:\n  add.u32 %r1, %r1, 7;\nINNER:\n"
            + ACTIVE.format("%r4")
            + "  popc.b32 %r4, %r4;\n  mad.lo.u32 %r1, %r4, 100, %r1;\nJOIN:\n  add.u32 %r1, %r1, 1;"
        )
        rank = np.arange(64)
        inside = np.where(rank < 32, 3200, 800) + np.where(rank % 2, 5, 7)
        np.testing.assert_array_equal(found, np.where(rank < 40, inside, 0) + 1)

    def test_return_of_some(self):
        found = run("  mov.u32 %r1, 9;\n  setp.ge.u32 %p0, %r0, 50;\n  @%p0 ret;\n  bar.sync 0;")
        np.testing.assert_array_equal(found, np.where(np.arange(64) < 50, 9, 0))
        found = run("  mov.u32 %r1, 9;\n  setp.ge.u32 %p0, %r0, 50;\n  @%p0 exit;\n  bar.sync 0;")
        np.testing.assert_array_equal(found, np.where(np.arange(64) < 50, 9, 0))

    def test_table_of_branches(self):
        found = run(
            "  and.b32 %r2, %r0, 3;\nTABLE: .branchtargets A, B, C, A;\n  brx.idx %r2, TABLE;\nA:\n  mov.u32 %r1, 1;\n  bra J;\nB:\n  mov.u32 %r1, 2;\n"
            "  bra J;\nC:\n  mov.u32 %r1, 3;\nJ:\n  add.u32 %r1, %r1, 10;"
        )
        np.testing.assert_array_equal(found, np.tile([11, 12, 13, 11], 16))

    def test_meeting_points(self):
        """A loop with a way out in its middle, inside an if."""
        text = kernel(
            "@%p0 bra OUT;\nL: @%p1 bra B;\n@%p2 bra OUT;\nB: @%p3 bra L;\nOUT: mov.u32 %r1, 0;", registers=REGISTERS
        )
        self.assertEqual(meeting_points(Module(text).functions["kernel"].body), {0: 4, 1: 4, 2: 4, 3: 4})

    def test_trap_and_endless_loop(self):
        with self.assertRaisesRegex(PtxError, "trap, by 1 threads, the first 5"):
            run("  setp.eq.u32 %p0, %r0, 5;\n  @%p0 trap;")
        with self.assertRaisesRegex(PtxError, "more than 1000 instructions"):
            run("L:\n  add.u32 %r1, %r1, 1;\n  bra L;", step_limit=1000)

    def test_scopes_of_names(self):
        found = run(
            "  { .reg .b32 t; mov.u32 t, 5; { .reg .b32 t; mov.u32 t, 6; } add.u32 %r1, t, %r0; }\n"
            "  { .reg .b32 t; setp.eq.u32 %p0, %r0, 0; @%p0 bra IN; mov.u32 t, 1; add.u32 %r1, %r1, t; IN: }\n"
            "  { setp.eq.u32 %p0, %r0, 0; @%p0 bra IN; add.u32 %r1, %r1, 1; IN: }"
        )
        np.testing.assert_array_equal(found, np.arange(64) + np.where(np.arange(64) == 0, 5, 7))

    def test_special_registers(self):
        found = run(
            "  mov.u32 %r0, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z; mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y;\n"
            "  mad.lo.u32 %r0, %r2, %r4, %r0; mul.lo.u32 %r6, %r4, %r5; mad.lo.u32 %r0, %r3, %r6, %r0;\n"
            "  mov.u32 %r1, %warpid; mov.u32 %r7, %laneid; mad.lo.u32 %r1, %r1, 100, %r7; mov.u32 %r8, %lanemask_lt; popc.b32 %r8, %r8;\n"
            "  mad.lo.u32 %r1, %r8, 10000, %r1;",
            block=(5, 4, 3),
        )
        rank = np.arange(60)
        np.testing.assert_array_equal(found, rank // 32 * 100 + rank % 32 + rank % 32 * 10000)


class Calls(unittest.TestCase):
    FACTORIAL = """
.func (.param .b32 result) factorial(.param .b32 n)
{
  .local .align 4 .b8 saved[4];
  .reg .b32 %r<6>; .reg .pred %p<2>;
  ld.param.u32 %r1, [n];
  mov.u32 %r2, 1;
  setp.lt.u32 %p1, %r1, 2;
  @%p1 bra END;
  st.local.u32 [saved], %r1;
  sub.u32 %r3, %r1, 1;
  {
  .param .b32 a; .param .b32 b;
  st.param.b32 [a], %r3;
  call (b), factorial, (a);
  ld.param.b32 %r4, [b];
  }
  ld.local.u32 %r1, [saved];
  mul.lo.u32 %r2, %r1, %r4;
END:
  st.param.b32 [result], %r2;
  ret;
}
"""

    def test_recursion_of_different_depths(self):
        found = run(
            "  and.b32 %r2, %r0, 7;\n  { .param .b32 x; .param .b32 y; st.param.b32 [x], %r2; call (y), factorial, (x); ld.param.b32 %r1, [y]; }\n"
            + ACTIVE.format("%r4")
            + "  popc.b32 %r4, %r4;\n  add.u32 %r1, %r1, %r4;",
            scope=self.FACTORIAL,
        )
        np.testing.assert_array_equal(found, 32 + np.tile([1, 1, 2, 6, 24, 120, 720, 5040], 8))

    def test_call_by_some_threads(self):
        found = run(
            "  mov.u32 %r1, 0;\n  setp.lt.u32 %p0, %r0, 3;\n  { .param .b32 x; .param .b32 y; st.param.b32 [x], 5; @%p0 call (y), factorial, (x);\n"
            "  ld.param.b32 %r2, [y]; }\n  selp.u32 %r1, %r2, 0, %p0;",
            scope=self.FACTORIAL,
        )
        np.testing.assert_array_equal(found, np.where(np.arange(64) < 3, 120, 0))

    def test_depth_has_an_end(self):
        endless = self.FACTORIAL.replace("setp.lt.u32 %p1, %r1, 2", "setp.gt.u32 %p1, 0, %r1")
        with self.assertRaisesRegex(PtxError, "stack is deeper"):
            run(
                "  { .param .b32 x; .param .b32 y; st.param.b32 [x], 5; call (y), factorial, (x); ld.param.b32 %r1, [y]; }",
                scope=endless,
            )

    def test_unknown_function(self):
        scope = ".extern .func nothing(.param .b32 x);\n"
        with self.assertRaisesRegex(PtxError, "call of nothing, which this file does not define"):
            run("  { .param .b32 x; st.param.b32 [x], 5; call nothing, (x); }", scope=scope)


class Barriers(unittest.TestCase):
    def test_warps_in_different_branches(self):
        """Warp 0 gives and warp 1 takes, each with its own barrier instructions."""
        for apart in (False, True):
            found = run(
                "  .shared .align 4 .b32 s;\n  mov.u32 %r1, 0;\n  setp.lt.u32 %p0, %r0, 32;\n  @%p0 bra GIVE;\n  bar.sync 1, 64;\n  ld.shared.u32 %r1, [s];\n"
                "  bra JOIN;\nGIVE:\n  st.shared.u32 [s], 42;\n  bar.arrive 1, 64;\nJOIN:\n",
                warps_apart=apart,
            )
            np.testing.assert_array_equal(found, np.where(np.arange(64) < 32, 0, 42))

    def test_missing_barrier_shows_when_warps_run_apart(self):
        body = (
            "  .shared .align 4 .b8 s[256];\n  mov.u32 %r2, s;\n  mad.lo.u32 %r3, %r0, 4, %r2;\n  st.shared.u32 [%r3], %r0;\n{}  sub.u32 %r4, 63, %r0;\n"
            "  mad.lo.u32 %r4, %r4, 4, %r2;\n  ld.shared.u32 %r1, [%r4];"
        )
        for apart in (False, True):
            np.testing.assert_array_equal(run(body.format("  bar.sync 0;\n"), warps_apart=apart), 63 - np.arange(64))
        with self.assertRaisesRegex(PtxError, "never written"):
            run(body.format(""), warps_apart=True)

    def test_not_all_threads_come(self):
        with self.assertRaisesRegex(DivergenceError, r"barrier 0: 32 of 64 threads \(0 ended\)(.|\n)*wait for thread"):
            run(
                "  setp.lt.u32 %p0, %r0, 32;\n  @%p0 bra L;\n  bar.sync 0;\n  bra J;\nL:\n  bar.warp.sync 0xFFFFFFFF;\n  setp.eq.u32 %p1, %r0, 0;\n"
                "  @!%p1 bra J;\n  bar.warp.sync 0xFFFFFFFF;\nJ:\n  mov.u32 %r1, 0;"
            )
        with self.assertRaisesRegex(DivergenceError, "warp 0 comes to a barrier in parts"):
            run(
                "  and.b32 %r2, %r0, 1;\n  setp.eq.u32 %p0, %r2, 0;\n  @%p0 bra L;\n  bar.sync 0;\n  bra J;\nL:\n  bar.sync 0;\nJ:\n  mov.u32 %r1, 0;"
            )

    def test_reductions(self):
        found = run(
            "  setp.gt.u32 %p0, %r0, 60;\n  bar.red.popc.u32 %r2, 0, %p0;\n  bar.red.and.pred %p1, 0, %p0;\n  bar.red.or.pred %p2, 0, %p0;\n"
            "  selp.u32 %r3, 100, 0, %p1;\n  selp.u32 %r4, 10, 0, %p2;\n  add.u32 %r1, %r2, %r3;\n  add.u32 %r1, %r1, %r4;"
        )
        np.testing.assert_array_equal(found, 13)

    def test_reduction_from_two_places(self):
        """Warps vote at different instructions, each with a predicate of its own."""
        found = run(
            "  setp.lt.u32 %p0, %r0, 32;\n  setp.lt.u32 %p1, %r0, 5;\n  setp.lt.u32 %p2, %r0, 40;\n  @%p0 bra L;\n"
            "  bar.red.popc.u32 %r1, 0, %p2;\n  bra J;\nL:\n  bar.red.popc.u32 %r1, 0, %p1;\nJ:\n"
        )
        np.testing.assert_array_equal(found, 13)

    def test_cooperative_grid(self):
        """Every block waits for all others: only a grid whose blocks live together ends."""
        scope = ".global .align 4 .u32 arrived;\n"
        body = (
            "  mov.u32 %r5, %ctaid.x;\n  atom.global.add.u32 %r2, [arrived], 1;\nWAIT:\n  ld.volatile.global.u32 %r1, [arrived];\n  setp.lt.u32 %p0, %r1, 128;\n"
            "  @%p0 bra WAIT;"
        )
        np.testing.assert_array_equal(run(body, scope=scope, grid=2, cooperative=True), 128)
        with self.assertRaisesRegex(PtxError, "more than 50000 instructions"):
            run(body, scope=scope, grid=2, step_limit=50000)


class Warps(unittest.TestCase):
    def test_shuffles(self):
        lane, rank = np.arange(64) % 32, np.arange(64)
        for text, source, valid in (
            ("up.b32 %r2|%p0, %r3, 3, 0", lane - 3, lane >= 3),
            ("down.b32 %r2|%p0, %r3, 5, 31", lane + 5, lane < 27),
            ("bfly.b32 %r2|%p0, %r3, 16, 31", lane ^ 16, lane >= 0),
            ("idx.b32 %r2|%p0, %r3, 7, 31", 0 * lane + 7, lane >= 0),
            # Segments of eight: bits 8 to 12 of the clamp.
            ("down.b32 %r2|%p0, %r3, 2, 0x181F", lane + 2, lane % 8 < 6),
            ("idx.b32 %r2|%p0, %r3, 3, 0x181F", lane // 8 * 8 + 3, lane >= 0),
        ):
            found = run(
                f"  add.u32 %r3, %r0, 500;\n  shfl.sync.{text}, 0xFFFFFFFF;\n  selp.u32 %r4, 1000, 0, %p0;\n  add.u32 %r1, %r2, %r4;"
            )
            wanted = np.where(valid, rank - lane + np.where(valid, source, 0) + 1000, rank) + 500
            np.testing.assert_array_equal(found, wanted, text)

    def test_lanes_that_take_no_part_give_ones(self):
        found = run(
            "  mov.u32 %r1, 3;\n  setp.lt.u32 %p0, %r0, 16;\n  @%p0 shfl.sync.down.b32 %r1, %r0, 8, 31, 0xFFFF;",
            block=32,
        )
        np.testing.assert_array_equal(found, [8 + i if i < 8 else 2**32 - 1 if i < 16 else 3 for i in range(32)])

    def test_votes(self):
        found = run("  setp.gt.u32 %p0, %r0, 40;\n  vote.sync.ballot.b32 %r1, %p0, 0xFFFFFFFF;")
        np.testing.assert_array_equal(found, np.where(np.arange(64) < 32, 0, (1 << 32) - (1 << 9)))
        for name, wanted in (("all", [0, 0]), ("any", [0, 1]), ("uni", [1, 0])):
            found = run(
                f"  setp.gt.u32 %p0, %r0, 40;\n  vote.sync.{name}.pred %p1, %p0, 0xFFFFFFFF;\n  selp.u32 %r1, 1, 0, %p1;"
            )
            np.testing.assert_array_equal(found, np.repeat(wanted, 32), name)

    def test_member_masks_of_half_warps(self):
        """Lanes with different masks in one instruction are different votes."""
        found = run(
            "  and.b32 %r2, %r0, 16;\n  setp.eq.u32 %p0, %r2, 0;\n  selp.b32 %r3, 0xFFFF, 0xFFFF0000, %p0;\n  setp.lt.u32 %p1, %r0, 16;\n"
            "  vote.sync.all.pred %p2, %p1, %r3;\n  selp.u32 %r1, 1, 0, %p2;",
            block=32,
        )
        np.testing.assert_array_equal(found, np.arange(32) < 16)

    def test_matches(self):
        found = run("  and.b32 %r2, %r0, 3;\n  match.any.sync.b32 %r1, %r2, 0xFFFFFFFF;")
        np.testing.assert_array_equal(found, 0x11111111 << (np.arange(64) % 4))
        found = run("  shr.u32 %r2, %r0, 5;\n  match.all.sync.b32 %r1|%p0, %r2, 0xFFFFFFFF;")
        np.testing.assert_array_equal(found, 2**32 - 1)

    def test_reductions(self):
        values = (np.arange(64) * 37 % 50 - 20).reshape(2, 32)
        prepare = "  mul.lo.u32 %r2, %r0, 37;\n  rem.u32 %r2, %r2, 50;\n  sub.s32 %r2, %r2, 20;\n"
        for name, function, dtype in (
            ("add.s32", np.sum, np.int64),
            ("min.s32", np.min, np.int64),
            ("max.s32", np.max, np.int64),
            ("max.u32", np.max, np.uint32),
            ("xor.b32", np.bitwise_xor.reduce, np.int64),
        ):
            found = run(f"{prepare}  redux.sync.{name} %r1, %r2, 0xFFFFFFFF;")
            wanted = (
                [int(function(row)) % 2**32 for row in values.astype(np.int64).astype(np.uint32).astype(dtype) if True]
                if dtype == np.uint32
                else [int(function(row)) % 2**32 for row in values]
            )
            np.testing.assert_array_equal(found, np.repeat(np.array(wanted, np.uint32), 32), name)

    def test_lanes_from_both_sides_of_a_branch(self):
        """Where the member mask names lanes that come another way, they are waited for."""
        body = (
            "  and.b32 %r2, %r0, 1;\n  setp.eq.u32 %p0, %r2, 0;\n  mov.u32 %r3, 0;\nTOP:\n  @%p0 bra EVEN;\n  add.u32 %r3, %r3, 1;\n  setp.lt.u32 %p1, %r3, 5;\n"
            "  @%p1 bra TOP;\nEVEN:\n  shfl.sync.bfly.b32 %r1, %r3, 1, 31, 0xFFFFFFFF;"
        )
        np.testing.assert_array_equal(run(body), np.where(np.arange(64) % 2, 0, 5))

    def test_lanes_that_come_in_two_groups(self):
        """Some threads may return, so the branch's ways meet at the end alone: the vote waits for both."""
        found = run(
            "  mov.u32 %r1, 0;\n  and.b32 %r2, %r0, 1;\n  setp.eq.u32 %p0, %r2, 0;\n  @%p0 bra L;\n  setp.eq.u32 %p1, %r0, 1;\n"
            "  @%p1 ret;\nL:\n  vote.sync.ballot.b32 %r1, 1, 0xFFFFFFFF;",
            block=32,
        )
        np.testing.assert_array_equal(found, np.where(np.arange(32) == 1, 0, 2**32 - 3))

    def test_a_lane_that_never_comes(self):
        with self.assertRaisesRegex(DivergenceError, "31 threads wait for thread 4, which its member mask names"):
            run(
                "  mov.u32 %r1, 0;\n  setp.eq.u32 %p0, %r0, 4;\n  @!%p0 shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xFFFFFFFF;\n  bar.sync 0;",
                block=32,
            )
        with self.assertRaisesRegex(PtxError, "thread 0 is not in its own member mask"):
            run("  shfl.sync.bfly.b32 %r1, %r0, 1, 31, 0xFFFFFFFE;", block=32)

    def test_ended_lanes_are_not_waited_for(self):
        found = run(
            "  mov.u32 %r1, 0;\n  setp.ge.u32 %p0, %r0, 20;\n  @%p0 ret;\n  vote.sync.ballot.b32 %r1, 1, 0xFFFFFFFF;",
            block=32,
        )
        np.testing.assert_array_equal(found, np.where(np.arange(32) < 20, 2**20 - 1, 0))

    def test_election(self):
        found = run(
            "  mov.u32 %r1, 0;\n  setp.gt.u32 %p0, %r0, 3;\n  @!%p0 bra J;\n  elect.sync %r2|%p1, 0xFFFFFFF0;\n  selp.u32 %r1, 1, 0, %p1;\nJ:\n",
            block=32,
        )
        np.testing.assert_array_equal(found, np.arange(32) == 4)


if __name__ == "__main__":
    unittest.main()
