// Elements of other types reach the rowwise engine as what they are.
#include "selfsame/engine/host/row_source.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace {

using selfsame::bfloat16;
using selfsame::half;
using selfsame::index_t;

template <class E>
void expect_every_value(index_t columns) {
    std::vector<E> x(65536);
    for (std::size_t k = 0; k < x.size(); ++k) x[k].bits = static_cast<std::uint16_t>(k);
    const index_t rows = 65536 / columns;
    const auto matrix = selfsame::matrix(static_cast<const E*>(x.data()), rows, columns);
    const selfsame::host::row_source<float, const E> source(matrix);
    std::vector<float> buffer(static_cast<std::size_t>(columns));
    for (index_t r = 0; r < rows; ++r) {
        const float* row = source.read(r, 0, columns, buffer.data());
        for (index_t k = 0; k < columns; ++k) {
            const E e = x[static_cast<std::size_t>(r * columns + k)];
            const auto expected = static_cast<float>(e);
            if (std::isnan(expected)) {
                ASSERT_TRUE(std::isnan(row[k])) << e.bits;
            } else {
                ASSERT_EQ(row[k], expected) << e.bits;
                ASSERT_EQ(std::signbit(row[k]), std::signbit(expected)) << e.bits;
            }
        }
    }
}

TEST(RowSource, EveryHalfAndBfloat16) {
    for (const index_t columns : {65536, 1021, 3}) {
        expect_every_value<half>(columns);
        expect_every_value<bfloat16>(columns);
    }
}

template <class T>
void expect_transposed() {
    constexpr int n = selfsame::lanes<T>;
    selfsame::batch<T> x[n];
    for (int r = 0; r < n; ++r) {
        for (int l = 0; l < n; ++l) x[r].v[l] = T(100 * r + l);
    }
    selfsame::transpose(x);
    for (int r = 0; r < n; ++r) {
        for (int l = 0; l < n; ++l) ASSERT_EQ(x[r][l], T(100 * l + r)) << r << " " << l;
    }
}

TEST(RowSource, RegistersAreTransposed) {
    expect_transposed<float>();
    expect_transposed<double>();
}

}  // namespace
