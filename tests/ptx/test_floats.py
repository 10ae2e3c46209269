"""Floating-point arithmetic, against exact fractions rounded once."""

import math
import unittest
from fractions import Fraction

import numpy as np

from harness import bfloat_bits, evaluate, from_bfloat, half_bits, interesting, rounded

N = 128
NUMPY = {"f16": np.float16, "f32": np.float32, "f64": np.float64}
OPERATIONS = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}


def values_of(type_name, seed):
    """(bits or floats as PTX takes them, the same as floats)."""
    if type_name == "bf16":
        bits = (interesting(np.float32, N, seed).view(np.uint32) >> 16).astype(np.uint16)
        return bits, from_bfloat(bits).astype(float)
    values = interesting(NUMPY[type_name], N, seed)
    with np.errstate(all="ignore"):
        return (values.view(np.uint16) if type_name == "f16" else values), values.astype(float)


def as_floats(found, type_name):
    if type_name == "bf16":
        return from_bfloat(found).astype(float)
    return found.view(NUMPY[type_name]).astype(float)


def special_or(function, operation):
    """IEEE's rules for NaN, infinities and zeros by Python's float; everything else exactly."""

    def apply(*operands):
        with np.errstate(all="ignore"):
            plain = operation(*[np.float64(x) for x in operands])
        if any(math.isnan(x) or math.isinf(x) for x in operands):
            return float(plain)
        exact = operation(*[Fraction(x) for x in operands])
        return function(exact) if exact != 0 else float(plain) if plain == 0 else 0.0

    return apply


class Arithmetic(unittest.TestCase):
    def check(self, text, type_name, expected, *operands):
        names = dict(zip("abc", [bits for bits, _ in operands]))
        storage = {"f16": np.uint16, "bf16": np.uint16}.get(type_name) or NUMPY[type_name]
        found = as_floats(evaluate(text, storage, **names), type_name)
        wanted = np.array([expected(*row) for row in zip(*[floats for _, floats in operands])])
        np.testing.assert_array_equal(found, wanted, text)
        zero = wanted == 0
        np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(wanted[zero]), f"{text}: signs of zeros")

    def test_sums_and_products_round_once(self):
        for type_name in ("f16", "bf16", "f32", "f64"):
            for opcode, operation in OPERATIONS.items():
                expected = special_or(lambda x, t=type_name: rounded(x, t), operation)
                self.check(
                    f"{opcode}.rn.{type_name} %d, %a, %b;",
                    type_name,
                    expected,
                    values_of(type_name, 1),
                    values_of(type_name, 2),
                )

    def test_directed_roundings(self):
        for rounding in ("rz", "rm", "rp"):
            for opcode, operation in OPERATIONS.items():
                a, b = values_of("f32", 3), values_of("f32", 4)
                finite = np.isfinite(a[1]) & np.isfinite(b[1])
                # Whether an exact zero is -0 depends on the rounding; these have none.
                ok = finite & (operation(a[1], b[1]) != 0)
                a, b = [(bits[ok], floats[ok]) for bits, floats in (a, b)]
                self.check(
                    f"{opcode}.{rounding}.f32 %d, %a, %b;",
                    "f32",
                    lambda x, y: rounded(operation(Fraction(x), Fraction(y)), "f32", rounding),
                    a,
                    b,
                )

    def test_fused(self):
        for type_name in ("f16", "bf16", "f32", "f64"):
            expected = special_or(lambda x, t=type_name: rounded(x, t), lambda a, b, c: a * b + c)
            self.check(
                f"fma.rn.{type_name} %d, %a, %b, %c;",
                type_name,
                expected,
                *[values_of(type_name, seed) for seed in (1, 2, 3)],
            )

    def test_fused_is_not_rounded_twice(self):
        """a b is just above half an ulp of c, by less than float64 shows beside c."""
        a, b = np.float32(1 + 2.0**-23), np.float32(2.0**-24 * (1 + 2.0**-23))
        c = np.float32(1.0)
        found = evaluate("fma.rn.f32 %d, %a, %b, %c;", np.float32, a=np.full(32, a), b=np.full(32, b), c=np.full(32, c))
        self.assertTrue((found == np.float32(1 + 2.0**-23)).all())
        tiny = np.float32(2.0**-60)
        found = evaluate(
            "fma.rn.f32 %d, %a, %b, %c;",
            np.float32,
            a=np.full(32, tiny),
            b=np.full(32, tiny),
            c=np.full(32, np.float32(1)),
        )
        self.assertTrue((found == 1).all())
        found = evaluate(
            "fma.rp.f32 %d, %a, %b, %c;",
            np.float32,
            a=np.full(32, tiny),
            b=np.full(32, tiny),
            c=np.full(32, np.float32(1)),
        )
        self.assertTrue((found == np.float32(1 + 2.0**-23)).all())

    def test_fused_beside_a_tie(self):
        """c is odd in its last place and a b half of that place, but for what is lost where the sum is rounded twice."""
        for dtype, type_name in ((np.float32, "f32"), (np.float64, "f64")):
            ulp = np.finfo(dtype).eps
            a, b, c = 1 + ulp, ulp / 2 * (1 - ulp), 1 + ulp
            operands = {name: np.full(32, value, dtype) for name, value in (("a", a), ("b", b), ("c", c))}
            found = evaluate(f"fma.rn.{type_name} %d, %a, %b, %c;", dtype, **operands)
            self.assertTrue((found == dtype(c)).all(), type_name)

    def test_quotients_and_roots(self):
        for type_name in ("f32", "f64"):
            a, b = values_of(type_name, 5), values_of(type_name, 6)
            ok = np.isfinite(a[1]) & np.isfinite(b[1]) & (a[1] != 0) & (b[1] != 0)
            a, b = [(bits[ok], floats[ok]) for bits, floats in (a, b)]
            self.check(
                f"div.rn.{type_name} %d, %a, %b;",
                type_name,
                lambda x, y, t=type_name: rounded(Fraction(x) / Fraction(y), t),
                a,
                b,
            )
            self.check(
                f"rcp.rn.{type_name} %d, %b;", type_name, lambda x, y, t=type_name: rounded(1 / Fraction(y), t), a, b
            )

            def root(x, _, t=type_name):
                scaled = Fraction(abs(x)) * 4**1200
                return rounded(Fraction(math.isqrt(scaled.numerator // scaled.denominator * 2**60) * 2 + 1, 2**1231), t)

            self.check(f"abs.{type_name} %a, %a; sqrt.rn.{type_name} %d, %a;", type_name, root, a, b)
        special = np.array([0.0, -0.0, np.inf, -1.0, np.nan, 4.0] + [1.0] * 26, np.float32)
        found = evaluate("sqrt.rn.f32 %d, %a;", np.float32, a=special)
        np.testing.assert_array_equal(found[:6], np.float32([0, -0.0, np.inf, np.nan, np.nan, 2]))
        self.assertTrue(np.signbit(found[1]))
        found = evaluate("div.rn.f32 %d, %b, %a;", np.float32, a=special, b=np.ones(32, np.float32))
        np.testing.assert_array_equal(found[:5], np.float32([np.inf, -np.inf, 0, -1, np.nan]))

    def test_approximations_are_the_exact_value_rounded(self):
        x = np.linspace(-20, 20, N, dtype=np.float32)
        wide = x.astype(float)
        for opcode, function, domain in (
            ("ex2", np.exp2, wide < 99),
            ("lg2", np.log2, wide > 0),
            ("sin", np.sin, wide < 99),
            ("cos", np.cos, wide < 99),
            ("tanh", np.tanh, wide < 99),
            ("rsqrt", lambda v: 1 / np.sqrt(v), wide > 0),
            ("rcp", lambda v: 1 / v, wide < 99),
        ):
            found = evaluate(f"{opcode}.approx.f32 %d, %a;", np.float32, a=x)
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(found[domain], function(wide[domain]), rtol=2.0**-24 * 1.01, err_msg=opcode)
        edges = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 128.0, -150.0] + [1] * 25, np.float32)
        np.testing.assert_array_equal(
            evaluate("ex2.approx.f32 %d, %a;", np.float32, a=edges)[:7],
            np.float32([np.inf, 0, np.nan, 1, 1, np.inf, 0]),
        )
        np.testing.assert_array_equal(
            evaluate("lg2.approx.f32 %d, %a;", np.float32, a=edges)[:5],
            np.float32([np.inf, np.nan, np.nan, -np.inf, -np.inf]),
        )

    def test_extremes(self):
        a = np.array([np.nan, 1, np.nan, -0.0, 0.0, np.inf, -np.inf, 2] * 4, np.float32)
        b = np.array([1, np.nan, np.nan, 0.0, -0.0, 1, 1, -3] * 4, np.float32)
        found = evaluate("min.f32 %d, %a, %b;", np.float32, a=a, b=b)[:8]
        np.testing.assert_array_equal(found, np.float32([1, 1, np.nan, 0, 0, 1, -np.inf, -3]))
        self.assertTrue(np.signbit(found[3]) and np.signbit(found[4]))
        found = evaluate("max.f32 %d, %a, %b;", np.float32, a=a, b=b)[:8]
        np.testing.assert_array_equal(found, np.float32([1, 1, np.nan, 0, 0, np.inf, 1, 2]))
        self.assertFalse(np.signbit(found[3]) or np.signbit(found[4]))
        found = evaluate("max.NaN.f32 %d, %a, %b;", np.float32, a=a, b=b)[:8]
        np.testing.assert_array_equal(np.isnan(found), [True, True, True] + [False] * 5)
        found = evaluate("min.f16 %d, %a, %b;", np.uint16, a=half_bits(a), b=half_bits(b))[:8].view(np.float16)
        np.testing.assert_array_equal(found, np.float16([1, 1, np.nan, 0, 0, 1, -np.inf, -3]))

    def test_canonical_nan(self):
        a = np.full(32, np.nan, np.float32)
        for text in ("add.f32 %d, %a, %a;", "fma.rn.f32 %d, %a, %a, %a;", "max.f32 %d, %a, %a;", "sqrt.rn.f32 %d, %a;"):
            self.assertTrue((evaluate(text, np.uint32, a=a) == 0x7FFFFFFF).all(), text)

    def test_flush_to_zero(self):
        tiny = np.float32(2.0**-126)
        a = np.array([tiny / 2, -tiny / 2, tiny, 1] * 8, np.float32)
        one = np.ones(32, np.float32)
        found = evaluate("mul.ftz.f32 %d, %a, %b;", np.float32, a=a, b=one)[:4]
        np.testing.assert_array_equal(found, np.float32([0, -0.0, tiny, 1]))
        self.assertTrue(np.signbit(found[1]))
        np.testing.assert_array_equal(
            evaluate("mul.ftz.f32 %d, %a, %b;", np.float32, a=a, b=one / 2)[:4], np.float32([0, 0, 0, 0.5])
        )
        np.testing.assert_array_equal(evaluate("mul.f32 %d, %a, %b;", np.float32, a=a, b=one)[:4], a[:4])

    def test_saturation(self):
        a = np.array([-1, 0.25, 7, np.nan, np.inf, -np.inf, -0.0, 1] * 4, np.float32)
        found = evaluate("add.sat.f32 %d, %a, %b;", np.float32, a=a, b=np.zeros(32, np.float32))[:8]
        np.testing.assert_array_equal(found, np.float32([0, 0.25, 1, 0, 1, 0, 0, 1]))
        self.assertFalse(np.signbit(found).any())

    def test_signs(self):
        a = interesting(np.float32, N, 8)
        np.testing.assert_array_equal(
            evaluate("neg.f32 %d, %a;", np.uint32, a=a), a.view(np.uint32) ^ np.uint32(1 << 31)
        )
        np.testing.assert_array_equal(
            evaluate("abs.f32 %d, %a;", np.uint32, a=a), a.view(np.uint32) & np.uint32(0x7FFFFFFF)
        )
        b = interesting(np.float32, N, 9)
        np.testing.assert_array_equal(evaluate("copysign.f32 %d, %a, %b;", np.float32, a=a, b=b), np.copysign(b, a))

    def test_pairs_are_two_numbers(self):
        for type_name in ("f16", "bf16"):
            operands = [values_of(type_name, seed) for seed in (11, 12, 13)]
            pairs = [np.ascontiguousarray(bits).view(np.uint32) for bits, _ in operands]
            found = evaluate(f"fma.rn.{type_name}x2 %d, %a, %b, %c;", np.uint32, a=pairs[0], b=pairs[1], c=pairs[2])
            expected = special_or(lambda x, t=type_name: rounded(x, t), lambda a, b, c: a * b + c)
            wanted = [expected(*row) for row in zip(*[floats for _, floats in operands])]
            np.testing.assert_array_equal(as_floats(found.view(np.uint16), type_name), wanted)
            found = evaluate(f"neg.{type_name}x2 %d, %a;", np.uint32, a=pairs[0])
            np.testing.assert_array_equal(found, pairs[0] ^ np.uint32(0x80008000))

    def test_bfloat_largest(self):
        """The largest finite bfloat16 plus half its ulp goes to infinity, plus less does not."""
        largest = from_bfloat(np.uint16([0x7F7F]))[0]
        a = bfloat_bits(np.full(32, largest))
        for addend, wanted in ((2.0**119, np.inf), (2.0**118, largest)):
            found = evaluate("add.rn.bf16 %d, %a, %b;", np.uint16, a=a, b=bfloat_bits(np.full(32, addend, np.float32)))
            self.assertTrue((from_bfloat(found) == wanted).all())


class Comparisons(unittest.TestCase):
    def test_with_nan(self):
        a = np.array([1, 2, np.nan, 1, 0.0] * 8, np.float32)
        b = np.array([2, 2, 1, np.nan, -0.0] * 8, np.float32)
        nan = np.isnan(a) | np.isnan(b)
        for name, function in (
            ("eq", np.equal),
            ("ne", np.not_equal),
            ("lt", np.less),
            ("le", np.less_equal),
            ("gt", np.greater),
            ("ge", np.greater_equal),
        ):
            with np.errstate(all="ignore"):
                plain = function(a, b)
            np.testing.assert_array_equal(
                evaluate(f"setp.{name}.f32 %d, %a, %b;", "pred", a=a, b=b), plain & ~nan, name
            )
            np.testing.assert_array_equal(
                evaluate(f"setp.{name}u.f32 %d, %a, %b;", "pred", a=a, b=b), plain | nan, name
            )
        np.testing.assert_array_equal(evaluate("setp.num.f32 %d, %a, %b;", "pred", a=a, b=b), ~nan)
        np.testing.assert_array_equal(evaluate("setp.nan.f32 %d, %a, %b;", "pred", a=a, b=b), nan)

    def test_combined_and_complement(self):
        a, b = interesting(np.int32, N, 1), interesting(np.int32, N, 2)
        c = np.arange(N) % 3 == 0
        for name, function in (("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)):
            np.testing.assert_array_equal(
                evaluate(f"setp.lt.{name}.s32 %d, %a, %b, %c;", "pred", a=a, b=b, c=c), function(a < b, c)
            )
            np.testing.assert_array_equal(
                evaluate(f"setp.lt.{name}.s32 %p|%d, %a, %b, !%c;", "pred", a=a, b=b, c=c), function(~(a < b), ~c)
            )

    def test_signedness(self):
        a, b = interesting(np.uint32, N, 3), interesting(np.uint32, N, 4)
        np.testing.assert_array_equal(evaluate("setp.lo.u32 %d, %a, %b;", "pred", a=a, b=b), a < b)
        np.testing.assert_array_equal(evaluate("setp.hs.u32 %d, %a, %b;", "pred", a=a, b=b), a >= b)
        np.testing.assert_array_equal(
            evaluate("setp.lt.s32 %d, %a, %b;", "pred", a=a, b=b), a.view(np.int32) < b.view(np.int32)
        )

    def test_selection(self):
        a, b, c = interesting(np.uint64, N, 5), interesting(np.uint64, N, 6), np.arange(N) % 2 == 0
        np.testing.assert_array_equal(evaluate("selp.b64 %d, %a, %b, %c;", np.uint64, a=a, b=b, c=c), np.where(c, a, b))
        s = interesting(np.int32, N, 7)
        np.testing.assert_array_equal(
            evaluate("slct.u64.s32 %d, %a, %b, %c;", np.uint64, a=a, b=b, c=s), np.where(s >= 0, a, b)
        )
        f = interesting(np.float32, N, 8)
        np.testing.assert_array_equal(
            evaluate("set.gt.u32.f32 %d, %a, 0f3F800000;", np.uint32, a=f), np.where(f > 1, 2**32 - 1, 0)
        )

    def test_pairs(self):
        a, b = np.float16([1, 2, np.nan, 4] * 16), np.float16([2, 2, 1, 3] * 16)
        pairs = {"a": a.view(np.uint32), "b": b.view(np.uint32)}
        np.testing.assert_array_equal(evaluate("setp.lt.f16x2 %d|%p, %a, %b;", "pred", **pairs), (a < b)[::2])
        np.testing.assert_array_equal(evaluate("setp.lt.f16x2 %p|%d, %a, %b;", "pred", **pairs), (a < b)[1::2])

    def test_kinds_of_numbers(self):
        a = interesting(np.float32, N, 1)
        tiny = np.finfo(np.float32).tiny
        for name, wanted in (
            ("finite", np.isfinite(a)),
            ("infinite", np.isinf(a)),
            ("number", ~np.isnan(a)),
            ("notanumber", np.isnan(a)),
            ("subnormal", (a != 0) & (abs(a) < tiny)),
        ):
            np.testing.assert_array_equal(evaluate(f"testp.{name}.f32 %d, %a;", "pred", a=a), wanted, name)


if __name__ == "__main__":
    unittest.main()
