#include "selfsame/policy/reducer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace {

using selfsame::log_sum_exp;
using selfsame::sum_of;

template <class T>
class Reducer : public testing::Test {};
using scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(Reducer, scalars);

template <class T>
long double expected(const std::vector<T>& x) {
    if (x.empty()) return -std::numeric_limits<long double>::infinity();
    const long double top = *std::max_element(x.begin(), x.end());
    long double s = 0;
    for (const T v : x) s += std::exp(static_cast<long double>(v) - top);
    return top + std::log(s);
}

/// Splits terms among states at random, absorbing two at a time where there are two, and merges them at random.
template <class T>
log_sum_exp<T> reduce(std::vector<T> x, std::mt19937& random) {
    std::shuffle(x.begin(), x.end(), random);
    std::vector<log_sum_exp<T>> states(1 + random() % 5);
    for (std::size_t k = 0; k < x.size();) {
        auto& s = states[random() % states.size()];
        if (k + 1 < x.size() && random() % 2 == 0) {
            s.absorb({x[k], x[k + 1]});
            k += 2;
        } else {
            s.absorb({x[k]});
            k += 1;
        }
    }
    log_sum_exp<T> all;
    for (const auto& s : states) all.merge(s);
    return all;
}

TYPED_TEST(Reducer, LogSumExpInAnyOrder) {
    using T = TypeParam;
    std::mt19937 random(3);
    for (const double spread : {1e-3, 1.0, 30.0, 1e3, 1e6}) {
        for (int round = 0; round < 50; ++round) {
            std::uniform_real_distribution<double> any(-spread, spread);
            std::vector<T> x(random() % 100);
            for (T& v : x) v = static_cast<T>(any(random));
            const T got = reduce(x, random).value();
            const long double e = expected(x);
            if (x.empty()) {
                EXPECT_EQ(got, -std::numeric_limits<T>::infinity());
            } else {
                const double bound = 8 * static_cast<double>(std::numeric_limits<T>::epsilon());
                EXPECT_NEAR(got, static_cast<double>(e), bound * (std::max)(1.0, std::fabs(static_cast<double>(e))))
                    << spread;
            }
        }
    }
}

TYPED_TEST(Reducer, LogSumExpOfMappedTerms) {
    using T = TypeParam;
    using state = log_sum_exp<T>;
    const T level = T(3);
    T sum = T(0);
    const std::vector<T> x = {T(1), T(2.5), T(-4)};
    for (const T v : x) sum += state::map(v, level);
    state s = state::from_sum(sum, level);
    s.absorb({T(10)});
    std::vector<T> all = x;
    all.push_back(T(10));
    EXPECT_NEAR(s.value(), static_cast<double>(expected(all)), 1e-5);
    static_assert(state::largest_sum > 0 && state::largest_sum < std::numeric_limits<T>::infinity());
}

// What a state expects is a hint: terms far from it must not be lost.
TYPED_TEST(Reducer, AStateThatExpectedOtherTerms) {
    using T = TypeParam;
    for (const T hint : {T(1000), T(-1000), T(2000)}) {
        for (const T at : {T(-1000), T(0), T(1000)}) {
            log_sum_exp<T> s = log_sum_exp<T>::around(hint), terms;
            terms.absorb({at, at});
            s.merge(terms);
            EXPECT_NEAR(s.value(), static_cast<double>(at) + std::log(2.0), 1e-3) << hint << " " << at;
            log_sum_exp<T> direct = log_sum_exp<T>::around(hint);
            direct.absorb({at, at});
            EXPECT_NEAR(direct.value(), static_cast<double>(at) + std::log(2.0), 1e-3) << hint << " " << at;
        }
    }
}

// A row of a large batch is merged a thousand times: a rounding that always goes one way would show.
TYPED_TEST(Reducer, ManyMergesDoNotDrift) {
    using T = TypeParam;
    log_sum_exp<T> s = log_sum_exp<T>::around(T(2));
    for (int k = 0; k < 4096; ++k) s.merge(log_sum_exp<T>::from_sum(T(1), T(2)));
    EXPECT_NEAR(s.value(), 2 + std::log(4096.0), 8 * static_cast<double>(std::numeric_limits<T>::epsilon()));
    log_sum_exp<T> absorbed = log_sum_exp<T>::around(T(2));
    for (int k = 0; k < 2048; ++k) absorbed.absorb({T(2), T(2)});
    EXPECT_NEAR(absorbed.value(), 2 + std::log(4096.0), 16 * static_cast<double>(std::numeric_limits<T>::epsilon()));
}

TYPED_TEST(Reducer, EmptyStatesChangeNothing) {
    using T = TypeParam;
    log_sum_exp<T> s, empty;
    s.absorb({T(-500)});
    s.merge(empty);
    EXPECT_EQ(s.value(), T(-500));
    empty.merge(s);
    EXPECT_EQ(empty.value(), T(-500));
    log_sum_exp<T> nothing;
    nothing.merge(log_sum_exp<T>{});
    EXPECT_EQ(nothing.value(), -std::numeric_limits<T>::infinity());
    EXPECT_EQ(log_sum_exp<T>::around(T(7)).value(), -std::numeric_limits<T>::infinity());
}

TYPED_TEST(Reducer, NaNStays) {
    using T = TypeParam;
    const T nan = std::numeric_limits<T>::quiet_NaN();
    std::mt19937 random(5);
    for (int round = 0; round < 50; ++round) {
        std::vector<T> x = {T(1), T(-300), T(20), nan, T(5)};
        EXPECT_TRUE(std::isnan(reduce(x, random).value()));
    }
}

TYPED_TEST(Reducer, Sum) {
    using T = TypeParam;
    sum_of<T> a = sum_of<T>::around(T(100)), b = sum_of<T>::from_sum(T(3), T(50));
    EXPECT_EQ(a.value(), T(0));
    a.merge(b);
    a.merge(sum_of<T>::from_sum(T(4), T(0)));
    EXPECT_EQ(a.value(), T(7));
    EXPECT_EQ(sum_of<T>::map(T(2), T(9)), T(2));
}

constexpr bool constant() {
    log_sum_exp<double> s;
    s.absorb({0.0, 0.0});
    const double off = s.value() - 0.693147180559945309;
    return off < 1e-12 && off > -1e-12;
}
static_assert(constant());

}  // namespace
