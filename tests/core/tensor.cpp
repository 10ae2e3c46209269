#include "selfsame/core/tensor.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "helpers.hpp"

namespace {

using selfsame::as_tensor;
using selfsame::index_t;
using selfsame::memory_space;
using selfsame_tests::refusal;

/// A type of somebody else, which knows its rank, and one that does not.
struct grid {
    std::vector<float> values;
    index_t rows, columns;
};
struct array_of_any_rank {
    std::vector<double> values;
    std::vector<index_t> shape;
};
struct unknown {};

}  // namespace

template <>
struct selfsame::tensor_traits<grid> {
    template <class G>
    static auto view(G& g) {
        return selfsame::matrix(g.values.data(), g.rows, g.columns);
    }
};
template <>
struct selfsame::tensor_traits<array_of_any_rank> {
    template <std::size_t Rank>
    static auto view(const array_of_any_rank& a) {
        std::array<index_t, Rank> extents{};
        if (a.shape.size() != Rank) {
            selfsame::fail("array", static_cast<index_t>(a.shape.size()), std::to_string(Rank) + " dimensions");
        }
        std::copy(a.shape.begin(), a.shape.end(), extents.begin());
        return selfsame::view(a.values.data(), extents);
    }
};

namespace {

TEST(Tensor, RowMajorByDefault) {
    std::vector<int> x(2 * 3 * 5);
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<int>(k);
    const auto t = selfsame::view(x.data(), std::array<index_t, 3>{2, 3, 5});
    for (index_t i = 0; i < 2; ++i) {
        for (index_t j = 0; j < 3; ++j) {
            for (index_t k = 0; k < 5; ++k) EXPECT_EQ(t(i, j, k), (i * 3 + j) * 5 + k);
        }
    }
    EXPECT_EQ(t.stride(0), 15);
    EXPECT_EQ(t.mapping().required_span_size(), 30);
    EXPECT_EQ(selfsame::shape_text(t), "2 x 3 x 5");
    EXPECT_EQ(selfsame::shape_text(selfsame::vector(x.data(), 7)), "7");
}

RC_GTEST_PROP(Tensor, AnyStridesReachTheElementTheyName, ()) {
    const auto rows = static_cast<index_t>(*rc::gen::inRange(1, 9));
    const auto columns = static_cast<index_t>(*rc::gen::inRange(1, 9));
    const auto down = static_cast<index_t>(*rc::gen::inRange(-20, 21));
    const auto across = static_cast<index_t>(*rc::gen::inRange(-20, 21));
    std::vector<int> memory(800);
    for (std::size_t k = 0; k < memory.size(); ++k) memory[k] = static_cast<int>(k);
    const index_t origin = 400;
    const auto t = selfsame::view(memory.data() + origin, std::array<index_t, 2>{rows, columns},
                                  std::array<index_t, 2>{down, across});
    index_t last = 0;
    for (index_t i = 0; i < rows; ++i) {
        for (index_t j = 0; j < columns; ++j) {
            RC_ASSERT(t(i, j) == static_cast<int>(origin + i * down + j * across));
            last = (std::max)(last, i * down + j * across);
        }
    }
    RC_ASSERT(t.mapping().required_span_size() == last + 1);
    RC_ASSERT(t.stride(0) == down && t.stride(1) == across);

    // An mdspan is its own adapter, whatever its strides.
    const auto again = as_tensor<2>(t);
    RC_ASSERT(again.data_handle() == t.data_handle() && again.mapping() == t.mapping());
}

TEST(Tensor, EmptyExtents) {
    const auto t = selfsame::matrix(static_cast<float*>(nullptr), 0, 5);
    EXPECT_EQ(t.size(), 0u);
    EXPECT_EQ(t.mapping().required_span_size(), 0);
    EXPECT_EQ(selfsame::shape_text(t), "0 x 5");
}

TEST(Tensor, ForeignMdspansKeepTheirLayout) {
    std::vector<double> x(12);
    for (std::size_t k = 0; k < x.size(); ++k) x[k] = static_cast<double>(k);
    using extents = cuda::std::extents<int, 3, 4>;
    const auto right = as_tensor<2>(cuda::std::mdspan<double, extents>(x.data()));
    EXPECT_EQ(right(1, 2), 6);
    EXPECT_EQ(right.stride(0), 4);
    const auto left = as_tensor<2>(cuda::std::mdspan<const double, extents, cuda::std::layout_left>(x.data()));
    EXPECT_EQ(left(1, 2), 7);
    EXPECT_EQ(left.stride(1), 3);
    static_assert(std::is_const_v<decltype(left)::element_type>);
    static_assert(decltype(left)::accessor_type::space == memory_space::host);
}

TEST(Tensor, MemorySpaceStaysWithTheView) {
    using device = selfsame::tensor<float, 2, memory_space::device>;
    static_assert(decltype(as_tensor<2>(std::declval<device&>()))::accessor_type::space == memory_space::device);
    using host_accessor = selfsame::accessor<float, memory_space::host>;
    using host_const = selfsame::accessor<const float, memory_space::host>;
    static_assert(std::is_convertible_v<host_accessor, host_const>);
    static_assert(!std::is_convertible_v<host_const, host_accessor>);
    static_assert(!std::is_convertible_v<host_accessor, selfsame::accessor<const float, memory_space::device>>);
}

TEST(Tensor, StandardTypes) {
    std::vector<float> v = {1, 2, 3};
    const std::vector<float>& constant = v;
    auto t = as_tensor<1>(v);
    t(1) = 5;
    EXPECT_EQ(v[1], 5);
    EXPECT_EQ(as_tensor<1>(constant)(2), 3);
    static_assert(std::is_const_v<decltype(as_tensor<1>(constant))::element_type>);
    std::span<float, 3> s(v.data(), 3);
    EXPECT_EQ(as_tensor<1>(s).extent(0), 3);
    EXPECT_EQ(as_tensor<1>(std::span<const float>(v))(0), 1);
    double x = 2;
    as_tensor<1>(x)(0) = 4;
    EXPECT_EQ(x, 4);
    const float y = 3;
    EXPECT_EQ(as_tensor<1>(y)(0), 3);
    static_assert(std::is_same_v<selfsame::element_t<const std::vector<double>&, 1>, double>);
}

TEST(Tensor, OwnTypesEnterByTheirTraits) {
    grid g{{1, 2, 3, 4, 5, 6}, 2, 3};
    as_tensor<2>(g)(1, 0) = 9;
    EXPECT_EQ(g.values[3], 9);
    const grid& constant = g;
    static_assert(std::is_const_v<decltype(as_tensor<2>(constant))::element_type>);
    array_of_any_rank a{{1, 2, 3, 4}, {2, 2}};
    EXPECT_EQ(as_tensor<2>(a)(1, 0), 3);
    EXPECT_EQ(refusal([&] { as_tensor<1>(a); }), "selfsame: array: got 2, expected 1 dimensions");
}

TEST(Tensor, WhatIsATensorOfWhichRank) {
    static_assert(selfsame::tensor_like<std::vector<float>, 1> && !selfsame::tensor_like<std::vector<float>, 2>);
    static_assert(selfsame::tensor_like<const std::vector<float>, 1> && selfsame::tensor_like<float, 1>);
    static_assert(selfsame::tensor_like<selfsame::tensor<int, 3>, 3> &&
                  !selfsame::tensor_like<selfsame::tensor<int, 3>, 2>);
    static_assert(selfsame::tensor_like<grid, 2> && !selfsame::tensor_like<grid, 1>);
    static_assert(selfsame::tensor_like<array_of_any_rank, 2> && selfsame::tensor_like<array_of_any_rank, 4>);
    static_assert(!selfsame::tensor_like<unknown, 1> && !selfsame::tensor_like<float*, 1>);
    static_assert(selfsame::is_none<selfsame::none&> && !selfsame::is_none<float>);
}

TEST(Tensor, OutputsWhoseElementsShareMemoryAreRefused) {
    std::vector<float> x(10);
    const std::array<index_t, 2> extents{2, 3};
    const auto check = [&](index_t down, index_t across) {
        return refusal([&] {
            selfsame::check_writable("gradient",
                                     selfsame::view(x.data(), extents, std::array<index_t, 2>{down, across}));
        });
    };
    EXPECT_EQ(check(3, 1), "");
    EXPECT_EQ(check(0, 1), "selfsame: gradient: got a stride of 0, expected elements that do not overlap");
    EXPECT_EQ(check(3, 0), "selfsame: gradient: got a stride of 0, expected elements that do not overlap");
    // One row may have any stride: nothing overlaps.
    EXPECT_EQ(refusal([&] {
                  selfsame::check_writable(
                      "gradient", selfsame::view(x.data(), std::array<index_t, 2>{1, 3}, std::array<index_t, 2>{0, 1}));
              }),
              "");
}

TEST(Errors, SayWhatWasGivenAndWhatWasExpected) {
    EXPECT_EQ(refusal([] { selfsame::fail("temperature", 0.0, "> 0"); }), "selfsame: temperature: got 0, expected > 0");
    EXPECT_EQ(refusal([] { selfsame::fail("temperature", -0.25, "> 0"); }),
              "selfsame: temperature: got -0.25, expected > 0");
    EXPECT_EQ(refusal([] { selfsame::fail("threads", -3, ">= 0"); }), "selfsame: threads: got -3, expected >= 0");
    EXPECT_EQ(refusal([] { selfsame::fail("queue", "2 x 3", "2 x 4"); }), "selfsame: queue: got 2 x 3, expected 2 x 4");
    EXPECT_EQ(refusal([] { selfsame::fail("x", 120.0, "less"); }), "selfsame: x: got 120, expected less");
    EXPECT_NE(refusal([] { selfsame::fail("x", std::numeric_limits<double>::quiet_NaN(), "a number"); }).find("nan"),
              std::string::npos);
    // What is refused for being below 0 must not read as 0.
    EXPECT_EQ(refusal([] { selfsame::fail("temperature", -1e-9, "> 0"); }),
              "selfsame: temperature: got -1e-09, expected > 0");
}

}  // namespace
