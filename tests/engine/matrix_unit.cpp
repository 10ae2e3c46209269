#include "selfsame/engine/host/matrix_unit.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#if !defined(SELFSAME_AMX)
TEST(MatrixUnit, Products) { GTEST_SKIP() << "compiled for a processor without AMX"; }
#else

namespace {

using namespace selfsame::host;
using selfsame::index_t;

std::vector<float> random_floats(index_t count, int bits, std::mt19937& random) {
    std::normal_distribution<float> normal;
    std::uniform_int_distribution<int> exponent(-bits, bits);
    std::vector<float> x(static_cast<std::size_t>(count));
    for (float& v : x) v = std::ldexp(normal(random), exponent(random));
    return x;
}

/// a (rows x depth) . b (depth x columns), where b lies in memory as it is or with its columns as rows.
struct product_case {
    index_t rows, columns, depth;
    bool turned_left, turned_right, adds;
    std::vector<float> a, b, c;

    double left(index_t i, index_t k) const {
        return double(a[std::size_t(turned_left ? k * rows + i : i * depth + k)]);
    }
    double right(index_t k, index_t j) const {
        return double(b[std::size_t(turned_right ? j * depth + k : k * columns + j)]);
    }
};

template <int Parts>
std::vector<float> multiplied(const product_case& p, bool in_tiles) {
    const auto units = [&](index_t n) { return std::vector<std::int32_t>(std::size_t(n * p.depth / 2 * Parts)); };
    auto left = units(p.rows), right = units(p.columns);
    if (p.turned_left) {
        pack_tiles<Parts, along::depth_in_columns, true>(p.a.data(), p.rows, p.rows, p.depth, left.data());
    } else {
        pack_tiles<Parts, along::depth_in_rows, true>(p.a.data(), p.depth, p.rows, p.depth, left.data());
    }
    if (p.turned_right) {
        pack_tiles<Parts, along::depth_in_rows, false>(p.b.data(), p.depth, p.columns, p.depth, right.data());
    } else {
        pack_tiles<Parts, along::depth_in_columns, false>(p.b.data(), p.columns, p.columns, p.depth, right.data());
    }
    auto c = p.c;
    const tiles_open open;
    int calls = 0;
    for (index_t i = 0; i < p.rows; i += tiled_side) {
        for (index_t j = 0; j < p.columns; j += tiled_side) {
            const std::int32_t *x = left.data() + i * p.depth / 2 * Parts, *y = right.data() + j * p.depth / 2 * Parts;
            float* to = c.data() + i * p.columns + j;
            if (in_tiles) {
                multiply_tiles<Parts>(x, y, p.depth, p.adds, to, p.columns, [&] { ++calls; });
            } else {
                multiply_without_tiles<Parts>(x, y, p.depth, p.adds, to, p.columns);
            }
        }
    }
    if (in_tiles) {
        EXPECT_EQ(calls, p.rows * p.columns * p.depth / (tiled_side * tiled_side * tiled_depth) * products_in<Parts>);
    }
    return c;
}

/// The largest error, relative to the sum of absolute products.
template <int Parts>
double error_of(const product_case& p, bool in_tiles) {
    const auto c = multiplied<Parts>(p, in_tiles);
    double worst = 0;
    for (index_t i = 0; i < p.rows; ++i) {
        for (index_t j = 0; j < p.columns; ++j) {
            const auto at = std::size_t(i * p.columns + j);
            double sum = p.adds ? double(p.c[at]) : 0, size = std::fabs(sum);
            for (index_t k = 0; k < p.depth; ++k) {
                sum += p.left(i, k) * p.right(k, j);
                size += std::fabs(p.left(i, k) * p.right(k, j));
            }
            worst = (std::max)(worst, std::fabs(double(c[at]) - sum) / size);
        }
    }
    return worst;
}

RC_GTEST_PROP(MatrixUnit, ThreePartsAreAsExactAsFloats, ()) {
    std::mt19937 random(*rc::gen::arbitrary<unsigned>());
    product_case p{};
    p.rows = tiled_side * *rc::gen::inRange(1, 4);
    p.columns = tiled_side * *rc::gen::inRange(1, 4);
    p.depth = tiled_depth * *rc::gen::inRange(1, 6);
    p.turned_left = *rc::gen::arbitrary<bool>();
    p.turned_right = *rc::gen::arbitrary<bool>();
    p.adds = *rc::gen::arbitrary<bool>();
    const int bits = *rc::gen::element(0, 3, 30);
    p.a = random_floats(p.rows * p.depth, bits, random);
    p.b = random_floats(p.depth * p.columns, bits, random);
    p.c = random_floats(p.rows * p.columns, bits, random);
    for (const bool in_tiles : {true, false}) {
        // A sum of so many roundings to 24 bits; of bfloat16, rounded before.
        RC_ASSERT(error_of<3>(p, in_tiles) < 0x1p-22 * std::sqrt(double(p.depth)));
        const double one = error_of<1>(p, in_tiles);
        RC_ASSERT(one < 0x1p-7);
        if (bits == 0) RC_ASSERT(one > 0x1p-16);
    }
}

TEST(MatrixUnit, PartsAddUpToTheValue) {
    std::mt19937 random(3);
    auto x = random_floats(tiled_side * tiled_depth, 80, random);
    x[0] = 0.0f;
    x[1] = -0.0f;
    x[2] = std::numeric_limits<float>::min() * 0x1p24f;
    x[3] = 1.0f - 0x1p-24f;
    x[4] = -(2.0f - 0x1p-23f);
    std::vector<std::int32_t> units(x.size() / 2 * 3);
    pack_tiles<3, along::depth_in_rows, true>(x.data(), tiled_depth, tiled_side, tiled_depth, units.data());
    const auto upper = [](std::uint32_t bits) {
        float f;
        std::memcpy(&f, &bits, sizeof(f));
        return f;
    };
    for (std::size_t row = 0; row < std::size_t(tiled_side); ++row) {
        for (std::size_t u = 0; u < std::size_t(tile_side); ++u) {
            float first = 0, second = 0;
            for (std::size_t part = 3; part-- > 0;) {
                const auto unit = static_cast<std::uint32_t>(units[(part * tiled_side + row) * tile_side + u]);
                first += upper(unit << 16);
                second += upper(unit & 0xffff0000u);
            }
            EXPECT_EQ(first, x[row * tiled_depth + u]);
            EXPECT_EQ(second, x[row * tiled_depth + tile_side + u]);
        }
    }
}

// Of every NaN, also one whose bits a rounding would carry over into the sign, and of values too small for three parts.
TEST(MatrixUnit, NaNStaysAndNothingElseArises) {
    for (const std::uint32_t bits : {0x7fc00000u, 0xffffffffu, 0x7fffffffu, 0x7f800001u}) {
        product_case p{tiled_side, tiled_side, tiled_depth, false, false, false, {}, {}, {}};
        std::mt19937 random(9);
        p.a = random_floats(p.rows * p.depth, 0, random);
        for (float& v : p.a) v *= 0x1p-125f;
        p.b.assign(std::size_t(p.depth * p.columns), -3e-39f);
        p.c.assign(std::size_t(p.rows * p.columns), 7.0f);
        std::memcpy(&p.a[std::size_t(5 * p.depth + 19)], &bits, sizeof(bits));
        for (const bool in_tiles : {true, false}) {
            for (const auto& c : {multiplied<1>(p, in_tiles), multiplied<3>(p, in_tiles)}) {
                for (std::size_t e = 0; e < c.size(); ++e) {
                    if (e / tiled_side == 5) {
                        EXPECT_TRUE(std::isnan(c[e]));
                    } else {
                        EXPECT_LE(std::fabs(c[e]), 1e-36f);
                    }
                }
            }
        }
    }
}

}  // namespace

#endif
