"""cvt, against Python's integers and exact fractions."""

import math
import unittest
from fractions import Fraction

import numpy as np

from harness import bfloat_bits, evaluate, from_bfloat, half_bits, interesting, rounded, wrapped

N = 128
INTEGERS = {
    "s8": np.int8,
    "u8": np.uint8,
    "s16": np.int16,
    "u16": np.uint16,
    "s32": np.int32,
    "u32": np.uint32,
    "s64": np.int64,
    "u64": np.uint64,
}
ROUND = {"rni": round, "rzi": math.trunc, "rmi": math.floor, "rpi": math.ceil}


def to_integer(x, type_name, rounding, source):
    limits = np.iinfo(INTEGERS[type_name])
    if math.isnan(x):
        if source == "f64" or limits.bits == 64:
            return limits.min if limits.min else 1 << (limits.bits - 1)
        return 0
    if math.isinf(x):
        return limits.max if x > 0 else limits.min
    return max(limits.min, min(limits.max, ROUND[rounding](Fraction(x))))


class FromFloats(unittest.TestCase):
    def test_to_integers_saturate(self):
        edges = [
            0.5,
            1.5,
            2.5,
            -0.5,
            -1.5,
            2.0**31,
            -(2.0**31),
            2.0**32,
            2.0**63,
            2.0**64,
            -(2.0**63),
            1e30,
            -1e30,
            np.nan,
            np.inf,
            -np.inf,
            255.5,
            -128.5,
            65535.5,
        ]
        for source, dtype in (("f32", np.float32), ("f64", np.float64)):
            x = interesting(dtype, N, 3)
            x[: len(edges)] = edges
            for target in ("s32", "u32", "s64", "u64", "s16", "u16"):
                for rounding in ROUND:
                    found = evaluate(f"cvt.{rounding}.{target}.{source} %d, %a;", INTEGERS[target], a=x)
                    wanted = wrapped([to_integer(float(v), target, rounding, source) for v in x], INTEGERS[target])
                    np.testing.assert_array_equal(found, wanted, f"{rounding} {target} {source}")

    def test_to_bytes_fill_the_register(self):
        x = np.float32([-3, -1, 0, 1, 127.6, 128, 254.5, 255.5, 300, np.nan] * 4)
        np.testing.assert_array_equal(
            evaluate("cvt.rni.u8.f32 %d, %a;", np.uint32, a=x)[:10], [0, 0, 0, 1, 128, 128, 254, 255, 255, 0]
        )
        np.testing.assert_array_equal(
            evaluate("cvt.rni.s8.f32 %d, %a;", np.int32, a=x)[:10], [-3, -1, 0, 1, 127, 127, 127, 127, 127, 0]
        )

    def test_to_whole_floats(self):
        x = interesting(np.float32, N, 4)
        for rounding, function in (("rni", np.rint), ("rzi", np.trunc), ("rmi", np.floor), ("rpi", np.ceil)):
            found = evaluate(f"cvt.{rounding}.f32.f32 %d, %a;", np.float32, a=x)
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(found, function(x))
            number = ~np.isnan(x)
            np.testing.assert_array_equal(np.signbit(found)[number], np.signbit(x)[number])

    def test_to_narrower_floats(self):
        x = interesting(np.float32, N, 5)
        x[:12] = [
            65504,
            65519.99,
            65520,
            1e30,
            2.0**-24,
            2.0**-25,
            2.0**-25 * 1.5,
            6e-8,
            1 + 2.0**-11,
            1 + 3 * 2.0**-11,
            3.39e38,
            -65520,
        ]
        number = np.isfinite(x)
        for target, decode, roundings in (
            ("f16", lambda b: b.view(np.float16).astype(float), ("rn", "rz")),
            ("bf16", lambda b: from_bfloat(b).astype(float), ("rn", "rz")),
        ):
            for rounding in roundings:
                found = decode(evaluate(f"cvt.{rounding}.{target}.f32 %d, %a;", np.uint16, a=x))
                wanted = [rounded(Fraction(float(v)), target, rounding) for v in x[number]]
                np.testing.assert_array_equal(found[number], wanted, f"{rounding} {target}")
                np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
                self.assertTrue((found[np.isposinf(x)] == np.inf).all())
        d = interesting(np.float64, N, 6)
        number = np.isfinite(d)
        for rounding in ("rn", "rz", "rm", "rp"):
            found = evaluate(f"cvt.{rounding}.f32.f64 %d, %a;", np.float32, a=d).astype(float)
            np.testing.assert_array_equal(
                found[number], [rounded(Fraction(v), "f32", rounding) for v in d[number]], rounding
            )

    def test_to_wider_floats(self):
        h = interesting(np.float16, N, 7)
        np.testing.assert_array_equal(
            evaluate("cvt.f32.f16 %d, %a;", np.float32, a=h.view(np.uint16)), h.astype(np.float32)
        )
        b = (interesting(np.float32, N, 8).view(np.uint32) >> 16).astype(np.uint16)
        np.testing.assert_array_equal(evaluate("cvt.f32.bf16 %d, %a;", np.float32, a=b), from_bfloat(b))
        f = interesting(np.float32, N, 9)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(evaluate("cvt.f64.f32 %d, %a;", np.float64, a=f), f.astype(np.float64))

    def test_pairs(self):
        """The first operand is the upper half."""
        high, low = np.float32([1.5, -2, 65504, 3] * 8), np.float32([7, 0.25, -1, 2] * 8)
        found = evaluate("cvt.rn.f16x2.f32 %d, %a, %b;", np.uint32, a=high, b=low)
        np.testing.assert_array_equal(found, half_bits(low).astype(np.uint32) | half_bits(high).astype(np.uint32) << 16)
        high = np.float32([1.5, -2, 3, 3] * 8)
        found = evaluate("cvt.rn.bf16x2.f32 %d, %a, %b;", np.uint32, a=high, b=low)
        np.testing.assert_array_equal(
            found, bfloat_bits(low).astype(np.uint32) | bfloat_bits(high).astype(np.uint32) << 16
        )
        found = evaluate("cvt.rn.relu.bf16x2.f32 %d, %a, %b;", np.uint32, a=high, b=low)
        np.testing.assert_array_equal(
            found,
            bfloat_bits(np.maximum(low, 0)).astype(np.uint32)
            | bfloat_bits(np.maximum(high, 0)).astype(np.uint32) << 16,
        )

    def test_tf32_ties_go_away_from_zero(self):
        x = np.float32([1 + 2.0**-11, -(1 + 2.0**-11), 1 + 2.0**-12, 1 + 3 * 2.0**-11, 0.1, -0.0] * 8)
        found = evaluate("cvt.rna.tf32.f32 %d, %a;", np.float32, a=x)
        np.testing.assert_array_equal(found, [rounded(Fraction(float(v)), "tf32", "rna") for v in x])

    def test_saturation(self):
        x = np.float32([-1, 0.5, 2, np.nan] * 8)
        np.testing.assert_array_equal(
            evaluate("cvt.sat.f32.f32 %d, %a;", np.float32, a=x)[:4], np.float32([0, 0.5, 1, 0])
        )


class FromIntegers(unittest.TestCase):
    def test_to_floats(self):
        for source, dtype in (
            ("s32", np.int32),
            ("u32", np.uint32),
            ("s64", np.int64),
            ("u64", np.uint64),
            ("s16", np.int16),
            ("u16", np.uint16),
        ):
            x = interesting(dtype, N, 10)
            if np.dtype(dtype).itemsize == 8:
                # Just above a tie of float32, by what float64 does not see.
                x[-3:] = [2**62 + 2**38 + 1, 2**62 + 2**38, 2**62 + 2**38 - 1]
            for target, result in (("f32", np.float32), ("f64", np.float64)):
                found = evaluate(f"cvt.rn.{target}.{source} %d, %a;", result, a=x)
                np.testing.assert_array_equal(
                    found.astype(float), [rounded(Fraction(int(v)), target) for v in x], f"{target} {source}"
                )
            for rounding in ("rz", "rm", "rp"):
                found = evaluate(f"cvt.{rounding}.f32.{source} %d, %a;", np.float32, a=x)
                np.testing.assert_array_equal(
                    found.astype(float), [rounded(Fraction(int(v)), "f32", rounding) for v in x], rounding
                )
        x = interesting(np.int32, N, 11)
        found = evaluate("cvt.rn.f16.s32 %d, %a;", np.uint16, a=x).view(np.float16).astype(float)
        np.testing.assert_array_equal(found, [rounded(Fraction(int(v)), "f16") for v in x])

    def test_between_widths(self):
        for source, dtype in INTEGERS.items():
            if source[1:] == "8":
                continue
            x = interesting(dtype, N, 12)
            for target, result in INTEGERS.items():
                register = np.dtype(result) if np.dtype(result).itemsize > 1 else np.dtype(f"{np.dtype(result).kind}2")
                found = evaluate(f"cvt.{target}.{source} %d, %a;", register, a=x)
                np.testing.assert_array_equal(found, x.astype(result).astype(register), f"{target} {source}")
                limits, own = np.iinfo(result), np.iinfo(dtype)
                if limits.min <= own.min and own.max <= limits.max:
                    continue
                found = evaluate(f"cvt.sat.{target}.{source} %d, %a;", register, a=x)
                wanted = np.array([max(limits.min, min(limits.max, int(v))) for v in x], result).astype(register)
                np.testing.assert_array_equal(found, wanted, f"sat {target} {source}")

    def test_the_low_part_of_a_register(self):
        x = interesting(np.uint32, N, 13)
        np.testing.assert_array_equal(evaluate("cvt.s32.s8 %d, %a;", np.int32, a=x), x.astype(np.int8).astype(np.int32))
        np.testing.assert_array_equal(evaluate("cvt.u64.u8 %d, %a;", np.uint64, a=x), x.astype(np.uint8))

    def test_packing(self):
        a, b, c = interesting(np.int32, N, 14), interesting(np.int32, N, 15), interesting(np.uint32, N, 16)
        found = evaluate("cvt.pack.sat.u8.s32.b32 %d, %a, %b, %c;", np.uint32, a=a, b=b, c=c)
        wanted = [
            (max(0, min(255, int(x))) << 8 | max(0, min(255, int(y))) | int(z) << 16) % 2**32
            for x, y, z in zip(a, b, c)
        ]
        np.testing.assert_array_equal(found, np.array(wanted, np.uint32))
        found = evaluate("cvt.pack.sat.s16.s32 %d, %a, %b;", np.uint32, a=a, b=b)
        clamp = lambda v: max(-(2**15), min(2**15 - 1, int(v))) % 2**16
        np.testing.assert_array_equal(found, np.array([clamp(x) << 16 | clamp(y) for x, y in zip(a, b)], np.uint32))


if __name__ == "__main__":
    unittest.main()
