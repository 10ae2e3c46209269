#include "selfsame/core/aliasing.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "helpers.hpp"

namespace {

using namespace selfsame;

double block[4096];

/// Views of rank 2, of elements of a type, over one buffer.
template <class T>
auto some_view(index_t first, index_t rows, index_t columns, index_t row_step, index_t column_step) {
    // In elements of T; anchored in the middle so that negative steps stay inside.
    return view(reinterpret_cast<T*>(block) + 2048 + first, std::array<index_t, 2>{rows, columns},
                std::array<index_t, 2>{row_step, column_step});
}

template <class V>
std::set<const char*> bytes_of(const V& x) {
    std::set<const char*> bytes;
    for (index_t i = 0; i < x.extent(0); ++i) {
        for (index_t j = 0; j < x.extent(1); ++j) {
            const char* p = reinterpret_cast<const char*>(&x(i, j));
            for (std::size_t b = 0; b < sizeof(typename V::value_type); ++b) bytes.insert(p + b);
        }
    }
    return bytes;
}

// May say yes where none is shared, never no where some are.
RC_GTEST_PROP(Aliasing, SharedBytesAreNeverMissed, ()) {
    const auto draw = [](int low, int high) { return static_cast<index_t>(*rc::gen::inRange(low, high)); };
    const auto x = some_view<float>(draw(-30, 30), draw(0, 5), draw(0, 5), draw(-12, 13), draw(-4, 5));
    const auto y = some_view<float>(draw(-30, 30), draw(0, 5), draw(0, 5), draw(-12, 13), draw(-4, 5));
    const auto a = bytes_of(x), b = bytes_of(y);
    bool shared = false;
    for (const char* p : a) shared = shared || b.count(p) > 0;
    const bool said = may_overlap(footprint_of(x), footprint_of(y));
    RC_ASSERT(said == may_overlap(footprint_of(y), footprint_of(x)));
    RC_CLASSIFY(shared);
    if (shared) RC_ASSERT(said);
    RC_ASSERT(!same_elements(footprint_of(x), footprint_of(x)) || x.size() == 0 ||
              may_overlap(footprint_of(x), footprint_of(x)));
}

TEST(Aliasing, PartsOfOneMatrixAreApart) {
    const auto apart = [](const auto& x, const auto& y) {
        return !may_overlap(footprint_of(x), footprint_of(y)) && !may_overlap(footprint_of(y), footprint_of(x));
    };
    // Left and right columns, even and odd columns, even and odd rows, upper and lower rows, of rows of 20.
    EXPECT_TRUE(apart(some_view<double>(0, 9, 10, 20, 1), some_view<double>(10, 9, 10, 20, 1)));
    EXPECT_FALSE(apart(some_view<double>(0, 9, 11, 20, 1), some_view<double>(10, 9, 10, 20, 1)));
    EXPECT_TRUE(apart(some_view<double>(0, 9, 10, 20, 2), some_view<double>(1, 9, 10, 20, 2)));
    EXPECT_TRUE(apart(some_view<double>(0, 9, 20, 40, 1), some_view<double>(20, 9, 20, 40, 1)));
    EXPECT_TRUE(apart(some_view<double>(0, 9, 20, 20, 1), some_view<double>(180, 9, 20, 20, 1)));
    EXPECT_FALSE(apart(some_view<double>(0, 9, 20, 20, 1), some_view<double>(179, 9, 20, 20, 1)));
    // The left columns backwards, the transposed right ones.
    EXPECT_TRUE(apart(some_view<double>(160, 9, 10, -20, 1), some_view<double>(10, 10, 9, 1, 20)));
    // Types of different sizes.
    EXPECT_TRUE(apart(some_view<float>(0, 1, 2, 2, 1), some_view<float>(2, 1, 2, 2, 1)));
    EXPECT_FALSE(apart(view(block, std::array<index_t, 1>{4}),
                       view(reinterpret_cast<float*>(block) + 7, std::array<index_t, 1>{4})));
    EXPECT_TRUE(apart(view(block, std::array<index_t, 1>{0}), view(block, std::array<index_t, 1>{4})));
}

TEST(Aliasing, OutputsHaveMemoryOfTheirOwn) {
    const auto x = some_view<double>(0, 3, 4, 4, 1), moved = some_view<double>(1, 3, 4, 4, 1),
               turned = some_view<double>(0, 4, 3, 1, 4), other = some_view<double>(100, 3, 4, 4, 1);
    aliasing_rules rules;
    rules.input("x", x);
    rules.input("y", other);
    EXPECT_EQ(selfsame_tests::refusal([&] { aliasing_rules(rules).output("gradient of x", x, "x"); }), "");
    EXPECT_EQ(selfsame_tests::refusal([&] { aliasing_rules(rules).output("gradient of x", moved, "x"); }),
              "selfsame: gradient of x: got a part of the memory of the x, expected all of it, element by element, or "
              "memory of its own");
    EXPECT_NE(selfsame_tests::refusal([&] { aliasing_rules(rules).output("gradient of x", turned, "x"); }), "");
    EXPECT_EQ(selfsame_tests::refusal([&] { aliasing_rules(rules).output("gradient of y", x, "y"); }),
              "selfsame: gradient of y: got the memory of the x, expected memory of its own");
    EXPECT_NE(selfsame_tests::refusal([&] { aliasing_rules(rules).output("sum", x); }), "");
    EXPECT_EQ(selfsame_tests::refusal([&] {
                  rules.output("gradient of x", x, "x");
                  rules.output("loss", moved);
              }),
              "selfsame: loss: got the memory of the x, expected memory of its own");
}

}  // namespace
