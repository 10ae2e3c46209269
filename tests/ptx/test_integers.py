"""Integer arithmetic and bits, against Python's integers."""

import unittest

import numpy as np

from harness import evaluate, interesting, wrapped

N = 96
TYPES = {"s16": np.int16, "u16": np.uint16, "s32": np.int32, "u32": np.uint32, "s64": np.int64, "u64": np.uint64}


def toward_zero(a, b):
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


class Arithmetic(unittest.TestCase):
    def check(self, text, dtype, function, result=None, seeds=(1, 2, 3), nonzero=False):
        a, b, c = (interesting(dtype, N, seed) for seed in seeds)
        if nonzero:
            b = np.where(b == 0, np.dtype(dtype).type(7), b)
        result = np.dtype(result or dtype)
        operands = {"a": a, "b": b}
        if "%c" in text:
            operands["c"] = c if result == dtype else interesting(result, N, seeds[2])
        found = evaluate(text, result, **operands)
        expected = wrapped([function(*map(int, row)) for row in zip(*operands.values())], result)
        np.testing.assert_array_equal(found, expected, text)

    def test_sums_wrap(self):
        for name, dtype in TYPES.items():
            self.check(f"add.{name} %d, %a, %b;", dtype, lambda a, b: a + b)
            self.check(f"sub.{name} %d, %a, %b;", dtype, lambda a, b: a - b)

    def test_saturating_sum(self):
        clamp = lambda x: max(-(2**31), min(2**31 - 1, x))
        self.check("add.sat.s32 %d, %a, %b;", np.int32, lambda a, b: clamp(a + b))
        self.check("sub.sat.s32 %d, %a, %b;", np.int32, lambda a, b: clamp(a - b))

    def test_products(self):
        for name, dtype in TYPES.items():
            bits = 8 * np.dtype(dtype).itemsize
            self.check(f"mul.lo.{name} %d, %a, %b;", dtype, lambda a, b: a * b)
            self.check(f"mul.hi.{name} %d, %a, %b;", dtype, lambda a, b, bits=bits: a * b >> bits)
            self.check(f"mad.lo.{name} %d, %a, %b, %c;", dtype, lambda a, b, c: a * b + c)
            self.check(f"mad.hi.{name} %d, %a, %b, %c;", dtype, lambda a, b, c, bits=bits: (a * b >> bits) + c)
            if bits < 64:
                wide = f"{np.dtype(dtype).kind}{bits // 4}"
                self.check(f"mul.wide.{name} %d, %a, %b;", dtype, lambda a, b: a * b, wide)
                self.check(f"mad.wide.{name} %d, %a, %b, %c;", dtype, lambda a, b, c: a * b + c, wide)

    def test_quotients(self):
        for name, dtype in TYPES.items():
            self.check(f"div.{name} %d, %a, %b;", dtype, toward_zero, nonzero=True)
            self.check(f"rem.{name} %d, %a, %b;", dtype, lambda a, b: a - toward_zero(a, b) * b, nonzero=True)

    def test_extremes_and_differences(self):
        for name, dtype in TYPES.items():
            self.check(f"min.{name} %d, %a, %b;", dtype, min)
            self.check(f"max.{name} %d, %a, %b;", dtype, max)
            self.check(f"sad.{name} %d, %a, %b, %c;", dtype, lambda a, b, c: abs(a - b) + c)

    def test_signs(self):
        for name in ("s16", "s32", "s64"):
            self.check(f"abs.{name} %d, %a;", TYPES[name], lambda a, b: abs(a))
            self.check(f"neg.{name} %d, %a;", TYPES[name], lambda a, b: -a)

    def test_carry_makes_128_bits(self):
        low, high = interesting(np.uint64, N, 1), interesting(np.uint64, N, 2)
        for opcode, sign in (("add", 1), ("sub", -1)):
            text = f"{opcode}.cc.u64 %d, %a, %b; {opcode}c.u64 %d, %b, %a;"
            found = evaluate(text, np.uint64, a=low, b=high)
            expected = [
                ((int(a) + (int(b) << 64) + sign * (int(b) + (int(a) << 64))) >> 64) % 2**64 for a, b in zip(low, high)
            ]
            np.testing.assert_array_equal(found, np.array(expected, np.uint64))

    def test_carry_through_a_middle_of_ones(self):
        """The middle word overflows by the carry alone."""
        low, ones = interesting(np.uint32, N, 1), np.full(N, 2**32 - 1, np.uint32)
        found = evaluate("add.cc.u32 %w0, %a, %a; addc.cc.u32 %w0, %b, 0; addc.u32 %d, 7, 0;", np.uint32, a=low, b=ones)
        np.testing.assert_array_equal(found, 7 + (low.astype(np.int64) * 2 >= 2**32))
        found = evaluate("sub.cc.u32 %w0, %a, 5; subc.cc.u32 %w0, 0, 0; subc.u32 %d, 7, 0;", np.uint32, a=low, b=ones)
        np.testing.assert_array_equal(found, 7 - (low < 5).astype(int))

    def test_dot_of_bytes(self):
        a, b, c = interesting(np.uint32, N, 1), interesting(np.uint32, N, 2), interesting(np.uint32, N, 3)
        found = evaluate("dp4a.s32.u32 %d, %a, %b, %c;", np.uint32, a=a, b=b, c=c)
        parts = a.view(np.int8).reshape(-1, 4).astype(int) * b.view(np.uint8).reshape(-1, 4)
        np.testing.assert_array_equal(found, wrapped(parts.sum(1) + c.astype(int), np.uint32))


class Bits(unittest.TestCase):
    def setUp(self):
        self.a, self.b, self.c = (interesting(np.uint32, N, seed) for seed in (4, 5, 6))

    def expect(self, text, function, result=np.uint32, **operands):
        found = evaluate(text, result, **operands)
        expected = wrapped([function(*map(int, row)) for row in zip(*operands.values())], result)
        np.testing.assert_array_equal(found, expected, text)

    def test_logic(self):
        self.expect("and.b32 %d, %a, %b;", lambda a, b: a & b, a=self.a, b=self.b)
        self.expect("or.b32 %d, %a, %b;", lambda a, b: a | b, a=self.a, b=self.b)
        self.expect("xor.b32 %d, %a, %b;", lambda a, b: a ^ b, a=self.a, b=self.b)
        self.expect("not.b32 %d, %a;", lambda a: ~a, a=self.a)
        self.expect("cnot.b32 %d, %a;", lambda a: a == 0, a=self.a)
        self.expect(
            "lop3.b32 %d, %a, %b, %c, 0xE8;", lambda a, b, c: (a & b) | (a & c) | (b & c), a=self.a, b=self.b, c=self.c
        )

    def test_shifts_beyond_the_width(self):
        amounts = np.tile(np.array([0, 1, 7, 31, 32, 33, 63, 64, 200], np.uint32), N)[:N]
        self.expect("shl.b32 %d, %a, %b;", lambda a, b: a << b, a=self.a, b=amounts)
        self.expect("shr.u32 %d, %a, %b;", lambda a, b: a >> b, a=self.a, b=amounts)
        self.expect("shr.s32 %d, %a, %b;", lambda a, b: a >> min(b, 31), np.int32, a=self.a.view(np.int32), b=amounts)
        wide = interesting(np.int64, N, 9)
        self.expect("shr.s64 %d, %a, %b;", lambda a, b: a >> min(b, 63), np.int64, a=wide, b=amounts)
        self.expect("shl.b64 %d, %a, %b;", lambda a, b: a << b, np.int64, a=wide, b=amounts)

    def test_funnel_shifts(self):
        amounts = np.tile(np.array([0, 1, 31, 32, 40], np.uint32), N)[:N]
        pair = lambda a, b: b << 32 | a
        for mode, limit in (("wrap", lambda c: c & 31), ("clamp", lambda c: min(c, 32))):
            self.expect(
                f"shf.l.{mode}.b32 %d, %a, %b, %c;",
                lambda a, b, c: (pair(a, b) << limit(c)) >> 32,
                a=self.a,
                b=self.b,
                c=amounts,
            )
            self.expect(
                f"shf.r.{mode}.b32 %d, %a, %b, %c;",
                lambda a, b, c: pair(a, b) >> limit(c),
                a=self.a,
                b=self.b,
                c=amounts,
            )

    def test_fields(self):
        position = np.tile(np.array([0, 1, 5, 31, 32, 40, 255], np.uint32), N)[:N]
        length = np.tile(np.array([0, 1, 8, 16, 31, 32, 33, 200], np.uint32), N)[:N]
        self.expect("bfe.u32 %d, %a, %b, %c;", lambda a, p, n: a >> p & ((1 << n) - 1), a=self.a, b=position, c=length)

        def signed(a, p, n):
            """Bits past the word are those of its sign; so is the sign of a field that reaches there."""
            if n == 0:
                return 0
            extended = a >> min(p, 31) if p < 32 else -(a < 0)
            field = extended & ((1 << n) - 1)
            return field - (1 << n) if field >> (n - 1) & 1 else field

        self.expect("bfe.s32 %d, %a, %b, %c;", signed, np.int32, a=self.a.view(np.int32), b=position, c=length)

        def inserted(a, b, p, n):
            ones = ((1 << n) - 1) << p
            return (a << p & ones) | (b & ~ones)

        found = evaluate("bfi.b32 %d, %a, %b, %c, %e;", np.uint32, a=self.a, b=self.b, c=position, e=length)
        expected = wrapped([inserted(*map(int, row)) for row in zip(self.a, self.b, position, length)], np.uint32)
        np.testing.assert_array_equal(found, expected)

    def test_counts(self):
        wide = interesting(np.uint64, N, 7)
        for width, values in ((32, self.a), (64, wide)):
            self.expect(f"popc.b{width} %d, %a;", lambda a: bin(a).count("1"), a=values)
            self.expect(f"clz.b{width} %d, %a;", lambda a, width=width: width - a.bit_length(), a=values)
            self.expect(
                f"brev.b{width} %d, %a;", lambda a, width=width: int(f"{a:0{width}b}"[::-1], 2), values.dtype, a=values
            )
            self.expect(f"bfind.u{width} %d, %a;", lambda a: a.bit_length() - 1, a=values)
        self.expect("bfind.s32 %d, %a;", lambda a: (~a if a < 0 else a).bit_length() - 1, a=self.a.view(np.int32))
        self.expect("bfind.shiftamt.u32 %d, %a;", lambda a: 32 - a.bit_length() if a else -1, a=self.a)

    def test_permutation(self):
        def permuted(a, b, selector):
            source = [(b << 32 | a) >> 8 * i & 255 for i in range(8)]
            result = 0
            for k in range(4):
                nibble = selector >> 4 * k & 15
                byte = source[nibble & 7]
                result |= (byte if nibble < 8 else 255 * (byte >> 7)) << 8 * k
            return result

        self.expect("prmt.b32 %d, %a, %b, %c;", permuted, a=self.a, b=self.b, c=self.c)

    def test_masks_and_extension(self):
        position = np.tile(np.array([0, 3, 31, 32], np.uint32), N)[:N]
        length = np.tile(np.array([0, 1, 8, 32, 40], np.uint32), N)[:N]
        self.expect("bmsk.clamp.b32 %d, %a, %b;", lambda p, n: ((1 << min(n, 32)) - 1) << p, a=position, b=length)
        self.expect("szext.clamp.u32 %d, %a, %b;", lambda a, n: a & ((1 << min(n, 32)) - 1), a=self.a, b=length)

    def test_nth_one(self):
        def nth(mask, base, n):
            ones = [i for i in (range(base, 32) if n >= 0 else range(base, -1, -1)) if mask >> i & 1]
            if n == 0:
                return base if mask >> base & 1 else -1
            return ones[abs(n) - 1] if len(ones) >= abs(n) else -1

        base = np.arange(N, dtype=np.uint32) % 32
        steps = np.tile(np.array([0, 1, 2, -1, -3, 20], np.int32), N)[:N]
        self.expect("fns.b32 %d, %a, %b, %c;", nth, a=self.a, b=base, c=steps)

    def test_moves_pack_and_unpack(self):
        halves = [interesting(np.uint16, N, seed) for seed in (1, 2)]
        self.expect("mov.b32 %d, {%a, %b};", lambda a, b: b << 16 | a, a=halves[0], b=halves[1])
        self.expect("mov.b32 {%h0, %h1}, %a; mov.b32 %d, {%h1, %h0};", lambda a: a >> 16 | a << 16, a=self.a)
        self.expect(
            "mov.b64 {%w0, %w1}, %a; sub.u32 %d, %w1, %w0;", lambda a: (a >> 32) - a, a=interesting(np.uint64, N, 3)
        )


if __name__ == "__main__":
    unittest.main()
