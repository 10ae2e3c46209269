#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <selfsame/core/random.hpp>
#include <set>
#include <vector>

namespace {

using namespace selfsame;

using words = std::array<std::uint32_t, 4>;

// Known answers that Random123 publishes for philox4x32, 10 rounds (kat_vectors).
TEST(Philox, KnownAnswers) {
    EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    constexpr std::uint32_t ones = 0xffffffff;
    EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}), (words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, IsAConstantExpression) {
    static_assert(philox({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
    static_assert(random_stream(1, 2, 3, 4, 5).uniform() < 1);
    SUCCEED();
}

TEST(RandomStream, ReadsBlocksInOrder) {
    random_stream s(0x0123456789abcdef, 7, 0xfedcba9876543210, 3, 9);
    for (std::uint32_t block = 0; block < 3; ++block) {
        const words expected =
            philox({0x76543210, 0xfedcba98, 7, 3u << 24 | 9u << 16 | block}, {0x89abcdef, 0x01234567});
        for (const std::uint32_t w : expected) EXPECT_EQ(s.bits(), w);
    }
}

TEST(RandomStream, EveryPartOfTheNameCounts) {
    const auto first = [](random_stream s) { return (std::uint64_t{s.bits()} << 32) | s.bits(); };
    std::set<std::uint64_t> seen;
    int streams = 0;
    for (const std::uint64_t seed : {0ull, 1ull, 1ull << 32}) {
        for (const std::uint32_t epoch : {0u, 1u}) {
            for (const std::uint64_t sample : {0ull, 1ull, 1ull << 32, ~0ull}) {
                for (const std::uint32_t view : {0u, 1u, 255u}) {
                    for (const std::uint32_t op : {0u, 1u, 255u}) {
                        seen.insert(first(random_stream(seed, epoch, sample, view, op)));
                        ++streams;
                    }
                }
            }
        }
    }
    EXPECT_EQ(seen.size(), std::size_t(streams));
}

/// The largest distance of the sample's distribution from `cumulative`, in units in which 1.95 is passed by one
/// sample in a thousand.
template <class F>
double kolmogorov(std::vector<double> x, F&& cumulative) {
    std::sort(x.begin(), x.end());
    const double n = double(x.size());
    double d = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
        const double c = cumulative(x[k]);
        d = std::max({d, std::abs(c - double(k) / n), std::abs(c - double(k + 1) / n)});
    }
    return d * std::sqrt(n);
}

TEST(RandomStream, UniformIsUniform) {
    random_stream s(1, 0, 0, 0, 0);
    std::vector<double> x;
    for (int k = 0; k < 100000; ++k) {
        const float u = s.uniform();
        ASSERT_TRUE(u >= 0 && u < 1);
        ASSERT_EQ(std::ldexp(u, 24), std::floor(std::ldexp(u, 24)));
        x.push_back(double(u));
    }
    EXPECT_LT(kolmogorov(x, [](double v) { return v; }), 1.95);
    for (auto& v : x) {
        v = double(s.uniform(-3, 5));
        ASSERT_TRUE(v >= -3 && v <= 5);
    }
    EXPECT_LT(kolmogorov(x, [](double v) { return (v + 3) / 8; }), 1.95);
    EXPECT_EQ(s.uniform(2.5f, 2.5f), 2.5f);
}

TEST(RandomStream, StreamsSideBySideAreUniform) {
    std::vector<double> x;
    for (std::uint64_t sample = 0; sample < 50000; ++sample)
        x.push_back(double(random_stream(1, 0, sample, 0, 0).uniform()));
    EXPECT_LT(kolmogorov(x, [](double v) { return v; }), 1.95);
}

TEST(RandomStream, BelowIsUniform) {
    random_stream s(2, 0, 0, 0, 0);
    for (const std::uint32_t n : {1u, 2u, 7u, 100u}) {
        std::vector<double> count(n);
        constexpr int draws = 50000;
        for (int k = 0; k < draws; ++k) {
            const auto i = s.below(n);
            ASSERT_LT(i, n);
            ++count[i];
        }
        double chi_square = 0;
        for (const double c : count) chi_square += std::pow(c - draws / double(n), 2) / (draws / double(n));
        EXPECT_LT(chi_square, n - 1 + 5 * std::sqrt(2.0 * n)) << n;
    }
}

TEST(RandomStream, ChanceKeepsItsPromise) {
    random_stream s(3, 0, 0, 0, 0);
    int count = 0;
    for (int k = 0; k < 50000; ++k) {
        EXPECT_FALSE(s.chance(0));
        EXPECT_TRUE(s.chance(1));
        count += s.chance(0.3f);
    }
    EXPECT_NEAR(count / 50000.0, 0.3, 0.01);
}

TEST(RandomStream, NormalIsNormal) {
    const auto cumulative = [](double z) { return 0.5 * std::erfc(-z / std::sqrt(2.0)); };
    random_stream s(4, 0, 0, 0, 0);
    std::vector<double> single, first, second;
    double product = 0, squares = 0;
    for (int k = 0; k < 60000; ++k) {
        single.push_back(double(s.normal()));
        const std::uint32_t a = s.bits();
        const auto z = exact::normal_pair(a, s.bits());
        first.push_back(double(z[0]));
        second.push_back(double(z[1]));
        product += first.back() * second.back();
        squares += (first.back() * first.back() - 1) * (second.back() * second.back() - 1);
    }
    EXPECT_LT(kolmogorov(single, cumulative), 1.95);
    EXPECT_LT(kolmogorov(first, cumulative), 1.95);
    EXPECT_LT(kolmogorov(second, cumulative), 1.95);
    EXPECT_LT(std::abs(product) / std::sqrt(60000.0), 3.5) << "the two of a pair are not independent";
    EXPECT_LT(std::abs(squares) / (2 * std::sqrt(60000.0)), 3.5) << "the two of a pair are not independent";
}

TEST(Exact, NormalPairIsBoxAndMullers) {
    random_stream s(5, 0, 0, 0, 0);
    const double quarter = std::acos(-1.0) / 2;
    std::vector<std::uint32_t> a{0, 0xffffffff, 0x80000000, 0x7fffffff}, b{0, 0xffffffff, 0x40000000, 0x3fffffff};
    for (int k = 0; k < 20000; ++k) {
        a.push_back(s.bits());
        b.push_back(s.bits());
    }
    for (std::size_t k = 0; k < a.size(); ++k) {
        const double radius = std::sqrt(-2 * std::log((double(a[k] >> 9) + 0.5) / 8388608));
        const double angle = quarter * (double(b[k] >> 30) + double(b[k] & 0x3fffffff) / 1073741824 - 0.5);
        const auto z = exact::normal_pair(a[k], b[k]);
        EXPECT_NEAR(double(z[0]), radius * std::cos(angle), 1e-6 * radius);
        EXPECT_NEAR(double(z[1]), radius * std::sin(angle), 1e-6 * radius);
    }
}

TEST(Exact, FunctionsAreTheUsualOnes) {
    for (int k = -300; k <= 300; ++k) {
        const double x = std::pow(1.1, k);
        EXPECT_NEAR(exact::log(x), std::log(x), 4e-16 * std::max(1.0, std::abs(std::log(x))));
        EXPECT_NEAR(exact::exp(k / 7.0) / std::exp(k / 7.0), 1, 4e-16);
        const double degrees = k * 2.5, radians = degrees * std::acos(-1.0) / 180;
        EXPECT_NEAR(exact::sincos_degrees(degrees)[0], std::sin(radians), 3e-15);
        EXPECT_NEAR(exact::sincos_degrees(degrees)[1], std::cos(radians), 3e-15);
        EXPECT_EQ(exact::round(k / 4.0), std::nearbyint(k / 4.0));
    }
    EXPECT_EQ(exact::sincos_degrees(90), (std::array<double, 2>{1, 0}));
    EXPECT_EQ(exact::sincos_degrees(-180), (std::array<double, 2>{0, -1}));
    EXPECT_EQ(exact::sincos_degrees(270), (std::array<double, 2>{-1, 0}));
    static_assert(exact::exp(exact::log(2.0)) > 1.999999);
}

/// FNV-1a of the bits of numbers.
class digest {
  public:
    template <class T>
    void add(T x) {
        using bits_type = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
        const auto bits = std::uint64_t{__builtin_bit_cast(bits_type, x)};
        for (int k = 0; k < int(sizeof(T)); ++k) value_ = (value_ ^ (bits >> 8 * k & 0xff)) * 0x100000001b3;
    }
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t value_ = 0xcbf29ce484222325;
};

// The same number whatever compiler, options and instruction set made this program.
TEST(Exact, SameBitsEverywhere) {
    random_stream s(6, 0, 0, 0, 0);
    digest d;
    for (int k = 0; k < 20000; ++k) {
        d.add(s.uniform(-0.3f, 1.7f));
        d.add(s.normal());
        const auto u = double(s.uniform());
        d.add(exact::exp(20 * u - 10));
        d.add(exact::log(u + 0.001));
        d.add(exact::sincos_degrees(720 * u)[0]);
    }
    EXPECT_EQ(d.value(), 0x9e0215e98b9779c2);
}

}  // namespace
