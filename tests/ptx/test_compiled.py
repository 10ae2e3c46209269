"""Kernels compiled by nvcc, run from their PTX: CUB and nvcuda::wmma, whose results are known, and this project's idioms."""

import math
import unittest

import numpy as np

from harness import NVCC, bfloat_bits, compiled, from_bfloat, rounded


@unittest.skipUnless(NVCC, "nvcc is not installed")
class Compiled:
    """The tests, for the architecture that a subclass names."""

    @classmethod
    def setUpClass(cls):
        cls.machine = compiled("kernels.cu", cls.architecture)
        cls.rng = np.random.default_rng(0)

    def launch(self, kernel, grid, block, *parameters, **options):
        """Arrays are buffers; they come back."""
        buffers = [self.machine.buffer(p) if isinstance(p, np.ndarray) else p for p in parameters]
        self.machine.launch(kernel, grid, block, buffers, **options)
        return [self.machine.read(b) for b, p in zip(buffers, parameters) if isinstance(p, np.ndarray)]

    def test_everything_is_known(self):
        for name in self.machine.module.entries:
            self.assertEqual(self.machine.check(name), [], name)

    def test_block_scan(self):
        values = self.rng.integers(-1000, 1000, 256).astype(np.int32)
        for apart in (False, True):
            _, prefix, totals = self.launch(
                "block_scan", 2, 128, values, np.zeros(256, np.int32), np.zeros(2, np.int32), warps_apart=apart
            )
            rows = values.reshape(2, 128)
            np.testing.assert_array_equal(prefix.reshape(2, 128), np.cumsum(rows, 1) - rows)
            np.testing.assert_array_equal(totals, rows.sum(1))

    def test_block_reduce(self):
        values = self.rng.integers(-1000, 1000, 160).astype(np.float32)
        for algorithm in ("2", "1"):
            name = rf"block_reduce<\(cub::.*BlockReduceAlgorithm\){algorithm}>"
            for apart in (False, True):
                _, total, largest = self.launch(
                    name,
                    1,
                    160,
                    values,
                    np.zeros(1, np.float32),
                    np.zeros(1, np.float32),
                    np.int32(97),
                    warps_apart=apart,
                )
                self.assertEqual(total[0], values[:97].sum())
                self.assertEqual(largest[0], values[:97].max())

    def test_block_sort(self):
        keys = self.rng.integers(-(2**31), 2**31, 128).astype(np.int32)
        (found,) = self.launch("block_sort", 1, 64, keys)
        np.testing.assert_array_equal(found, np.sort(keys))

    def test_wmma(self):
        for name, steps, k, store, load in (
            ("__half", 3, 16, lambda x: x.astype(np.float16), lambda x: x.astype(float)),
            ("bfloat16", 3, 16, lambda x: (x.view(np.uint32) >> 16).astype(np.uint16), from_bfloat),
            ("tf32", 4, 8, lambda x: x, None),
        ):
            a, b = (store(self.rng.normal(size=(16, k * steps)).astype(np.float32)) for _ in range(2))
            _, _, c = self.launch(
                f"wmma_product<.*{name}", 1, 32, a, b, np.zeros((16, 16), np.float32), np.int32(steps)
            )
            if load is None:
                load = lambda x: (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
            wanted = (1 + load(a).astype(float) @ load(b).astype(float).T) / 2
            np.testing.assert_allclose(c, wanted, rtol=1e-6, atol=1e-6, err_msg=name)

    def test_tensor_product(self):
        a, b = (bfloat_bits(self.rng.integers(-8, 9, (rows, 32)).astype(np.float32)) for rows in (32, 8))
        for apart in (False, True):
            *_, c = self.launch(
                "tensor_product", 1, 64, a, b, np.zeros((32, 8), np.float32), np.int32(27), warps_apart=apart
            )
            wanted = from_bfloat(a) @ from_bfloat(b).T
            wanted[27:] = 0
            np.testing.assert_array_equal(c, wanted)

    def test_collatz(self):
        start = np.arange(1, 101, dtype=np.uint32)
        _, steps = self.launch("collatz", 4, 32, start, np.zeros(100, np.uint32), np.int32(100))

        def count(x):
            n = 0
            while x != 1:
                x = x // 2 if x % 2 == 0 else 3 * x + 1
                n += 1
            return n

        np.testing.assert_array_equal(steps, [count(int(x)) for x in start])

    def test_transposed(self):
        matrix = self.rng.normal(size=(40, 70)).astype(np.float32)
        for apart in (False, True):
            _, found = self.launch(
                "transposed",
                (3, 2),
                (32, 8),
                matrix,
                np.zeros((70, 40), np.float32),
                np.int32(40),
                np.int32(70),
                warps_apart=apart,
            )
            np.testing.assert_array_equal(found, matrix.T)

    def test_functions(self):
        x = self.rng.normal(size=128).astype(np.float32)
        buffer = self.machine.buffer(x)
        coefficients = np.array([1.5, 2.5, -3.0])
        problem = np.uint64(buffer.address).tobytes() + np.int64(100).tobytes() + coefficients.tobytes()
        self.machine.launch("functions", 2, 64, [problem, np.int32(3)])

        def mixed(v, depth):
            here = v * (depth & 7) + coefficients[depth % 3]
            return here + mixed(0.5 * v, depth - 1) if depth > 0 else here

        wanted = [
            mixed(v, 3)
            + 1
            + i % 4
            + math.sin(v)
            + math.exp(v)
            + math.tanh(v)
            + math.log1p(v * v)
            + abs(v) ** 1.5
            + math.erf(v)
            + math.exp(v) * np.cbrt(v)
            + math.atan2(v, 2)
            for i, v in enumerate(x[:100].astype(float))
        ]
        found = self.machine.read(buffer)
        np.testing.assert_allclose(found[:100], wanted, rtol=2e-6, atol=2e-6)
        np.testing.assert_array_equal(found[100:], x[100:])

    def test_halves(self):
        from fractions import Fraction

        a, b = (self.rng.normal(size=64).astype(np.float16) for _ in range(2))
        c, d = (bfloat_bits(self.rng.integers(-200, 200, 64).astype(np.float32)) for _ in range(2))
        _, found, _, sums = self.launch("halves", 1, 32, a, b, c, d)
        fused = [rounded(Fraction(float(x)) ** 2 + Fraction(float(y)), "f16") for x, y in zip(a, b)]
        wanted = np.array(fused, np.float16) + np.exp2(a.astype(float)).astype(np.float16)
        np.testing.assert_allclose(found.astype(float), wanted.astype(float), rtol=2e-3)
        exact = from_bfloat(c).astype(float) + np.maximum(from_bfloat(c), from_bfloat(d))
        np.testing.assert_array_equal(from_bfloat(sums), [rounded(Fraction(v), "bf16") for v in exact])

    def test_tiles(self):
        values = self.rng.integers(0, 5, 64).astype(np.int32)
        _, sums, same = self.launch("tiles", 1, 64, values, np.zeros(64, np.int32), np.zeros(64, np.uint32))
        np.testing.assert_array_equal(sums, np.repeat(values.reshape(4, 16).sum(1), 16))
        np.testing.assert_array_equal(
            same, np.concatenate([[(row == v).sum() for v in row] for row in values.reshape(2, 32)])
        )


class For80(Compiled, unittest.TestCase):
    architecture = "80"


class For90(Compiled, unittest.TestCase):
    architecture = "90"


if __name__ == "__main__":
    unittest.main()
