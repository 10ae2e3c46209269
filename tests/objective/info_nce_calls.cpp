#include <gtest/gtest.h>

#include <thrust/system/omp/execution_policy.h>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "helpers.hpp"

/// \file
/// The three calls as users write them: which tensors, policies and gradients they take, and what they refuse.

namespace {

using namespace selfsame_tests;
using selfsame::matrix;
using selfsame::none;
using selfsame::pair_gradients;
using selfsame::pairs;

template <class T>
std::vector<T> values(index_t count, unsigned seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    std::vector<T> x(static_cast<std::size_t>(count));
    for (T& v : x) v = selfsame::element_cast<T>(normal(random));
    return x;
}

class InfoNCECalls : public testing::Test {
  public:
    static constexpr index_t n = 37, d = 11, m = 23;
    std::vector<float> a = values<float>(n * d, 1), b = values<float>(n * d, 2), q = values<float>(m * d, 3);
    std::vector<float> da = std::vector<float>(a.size(), 9), db = std::vector<float>(b.size(), 9),
                       dq = std::vector<float>(q.size(), 9);
    selfsame::tensor<float, 2> A = matrix(a.data(), n, d), B = matrix(b.data(), n, d), Q = matrix(q.data(), m, d);
    selfsame::tensor<float, 2> dA = matrix(da.data(), n, d), dB = matrix(db.data(), n, d), dQ = matrix(dq.data(), m, d);
    const selfsame::nt_xent both{};
    const selfsame::clip two{.temperature = 0.07};
    const selfsame::moco own{};
};

TEST_F(InfoNCECalls, ValuesAreReturnedOrWritten) {
    float variable = 0;
    selfsame::forward(thrust::seq, both, pairs{A, B}, variable);
    std::vector<double> one(1);
    selfsame::forward(thrust::seq, both, pairs{A, B}, one);
    const float returned = selfsame::forward(thrust::seq, both, pairs{A, B});
    EXPECT_EQ(variable, returned);
    EXPECT_NEAR(one[0], returned, 1e-6);
    EXPECT_EQ(selfsame::value_and_grad(thrust::seq, both, pairs{A, B}, pair_gradients{dA, dB}), returned);
    std::vector<selfsame::half> narrow(1);
    selfsame::forward(thrust::seq, both, pairs{A, B}, narrow);
    EXPECT_EQ(narrow[0], selfsame::half(returned));
    static_assert(std::is_same_v<decltype(selfsame::forward(thrust::seq, both, pairs{A, B})), float>);
}

TEST_F(InfoNCECalls, SumIsTheSumAndMeanTheMeanOfSamples) {
    using selfsame::reduction;
    std::vector<double> each(n);
    selfsame::forward(thrust::seq, selfsame::clip{.reduction = reduction::per_sample}, pairs{A, B}, each);
    double sum = 0;
    for (const double l : each) sum += l;
    EXPECT_NEAR(selfsame::forward(thrust::seq, selfsame::clip{.reduction = reduction::sum}, pairs{A, B}), sum,
                1e-5 * sum);
    EXPECT_NEAR(selfsame::forward(thrust::seq, selfsame::clip{}, pairs{A, B}), sum / n, 1e-5 * sum / n);
}

// The computation is in double where an input is, whichever it is.
TEST_F(InfoNCECalls, DoubleInAnyInputMakesItDouble) {
    std::vector<double> wide = values<double>(m * d, 3), wide_b(b.begin(), b.end());
    const auto W = matrix(wide.data(), m, d);
    static_assert(std::is_same_v<decltype(selfsame::forward(thrust::seq, own, pairs{A, B, W})), double>);
    static_assert(std::is_same_v<decltype(selfsame::forward(thrust::seq, own, pairs{A, B, Q})), float>);
    const auto WB = matrix(wide_b.data(), n, d);
    static_assert(std::is_same_v<decltype(selfsame::forward(thrust::seq, both, pairs{A, WB})), double>);
    EXPECT_NEAR(selfsame::forward(thrust::seq, own, pairs{A, B, W}),
                selfsame::forward(thrust::seq, own, pairs{A, B, Q}), 1e-5);
}

TEST_F(InfoNCECalls, AnyTensorTypeAndConstInputs) {
    const auto expected = selfsame::value_and_grad(thrust::seq, both, pairs{A, B}, pair_gradients{dA, dB});
    const std::vector<float>& constant = a;
    const auto CA = matrix(constant.data(), n, d);
    using extents = cuda::std::extents<int, n, d>;
    std::vector<float> column_major(b.size());
    for (index_t i = 0; i < n; ++i) {
        for (index_t k = 0; k < d; ++k) column_major[static_cast<std::size_t>(k * n + i)] = B(i, k);
    }
    const cuda::std::mdspan<const float, extents, cuda::std::layout_left> CB(column_major.data());
    std::vector<float> da2(a.size()), db2(b.size());
    const cuda::std::mdspan<float, extents> DB(db2.data());
    EXPECT_EQ(selfsame::value_and_grad(thrust::seq, both, pairs{CA, CB}, pair_gradients{matrix(da2.data(), n, d), DB}),
              expected);
    EXPECT_EQ(da2, da);
    EXPECT_EQ(db2, db);
}

TEST_F(InfoNCECalls, SequentialIsParallel) {
    const auto one = selfsame::value_and_grad(thrust::seq, two, pairs{A, B}, pair_gradients{dA, dB});
    const std::vector<float> da1 = da, db1 = db;
    EXPECT_EQ(selfsame::value_and_grad(thrust::omp::par, two, pairs{A, B}, pair_gradients{dA, dB}), one);
    EXPECT_EQ(da, da1);
    EXPECT_EQ(db, db1);
}

TEST_F(InfoNCECalls, GradientsThatNobodyWants) {
    double dt = 0, dt1 = 0;
    selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, pair_gradients{dA, dB, dQ, dt});
    const std::vector<float> da1 = da, db1 = db, dq1 = dq;
    const auto again = [&](const auto& gradients) {
        std::fill(da.begin(), da.end(), 9.0f);
        std::fill(db.begin(), db.end(), 9.0f);
        std::fill(dq.begin(), dq.end(), 9.0f);
        dt1 = 9;
        selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, gradients);
    };
    again(pair_gradients{dA, none{}, none{}});
    EXPECT_EQ(da, da1);
    again(pair_gradients{none{}, dB});
    EXPECT_EQ(db, db1);
    again(pair_gradients{none{}, none{}, dQ});
    EXPECT_EQ(dq, dq1);
    again(pair_gradients{none{}, none{}, none{}, dt1});
    EXPECT_NEAR(dt1, dt, 1e-6 * std::fabs(dt));
    again(pair_gradients{none{}, none{}});

    selfsame::value_and_grad(thrust::seq, both, pairs{A, B}, pair_gradients{dA, dB, none{}, dt});
    const std::vector<float> da2 = da, db2 = db;
    again(pair_gradients{none{}, none{}});
    selfsame::value_and_grad(thrust::seq, both, pairs{A, B}, pair_gradients{dA, none{}});
    EXPECT_EQ(da, da2);
    selfsame::value_and_grad(thrust::seq, both, pairs{A, B}, pair_gradients{none{}, dB});
    EXPECT_EQ(db, db2);
    selfsame::value_and_grad(thrust::seq, both, pairs{A, B}, pair_gradients{none{}, none{}, none{}, dt1});
    EXPECT_NEAR(dt1, dt, 1e-6 * std::fabs(dt));

    selfsame::value_and_grad(thrust::seq, two, pairs{A, B}, pair_gradients{dA, dB, none{}, dt});
    const std::vector<float> da3 = da, db3 = db;
    again(pair_gradients{none{}, none{}});
    selfsame::value_and_grad(thrust::seq, two, pairs{A, B}, pair_gradients{dA, none{}});
    EXPECT_EQ(da, da3);
    selfsame::value_and_grad(thrust::seq, two, pairs{A, B}, pair_gradients{none{}, dB});
    EXPECT_EQ(db, db3);
    selfsame::value_and_grad(thrust::seq, two, pairs{A, B}, pair_gradients{none{}, none{}, none{}, dt1});
    EXPECT_NEAR(dt1, dt, 1e-6 * std::fabs(dt));
}

TEST_F(InfoNCECalls, Accumulates) {
    float dt = 0, dt1 = 2;
    selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, pair_gradients{dA, dB, dQ, dt});
    const std::vector<float> da1 = da, db1 = db, dq1 = dq;
    std::fill(da.begin(), da.end(), 1.0f);
    std::fill(db.begin(), db.end(), -2.0f);
    std::fill(dq.begin(), dq.end(), 0.5f);
    selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, selfsame::accumulate{pair_gradients{dA, dB, dQ, dt1}});
    for (std::size_t e = 0; e < da.size(); ++e) EXPECT_EQ(da[e], 1.0f + da1[e]);
    for (std::size_t e = 0; e < db.size(); ++e) EXPECT_EQ(db[e], -2.0f + db1[e]);
    for (std::size_t e = 0; e < dq.size(); ++e) EXPECT_EQ(dq[e], 0.5f + dq1[e]);
    EXPECT_NEAR(dt1, 2 + dt, 1e-6 * (2 + std::fabs(dt)));

    // In half precision the sum is rounded once.
    std::vector<selfsame::half> sum(a.size(), selfsame::half(1.0f));
    std::vector<float> saved(static_cast<std::size_t>(selfsame::saved_size(own, n)));
    float loss = 0;
    selfsame::forward(thrust::seq, own, pairs{A, B, Q}, loss, saved);
    selfsame::backward(thrust::seq, own, pairs{A, B, Q}, saved, 8.0f,
                       selfsame::accumulate{pair_gradients{matrix(sum.data(), n, d), none{}}});
    std::vector<float> scaled(a.size());
    selfsame::backward(thrust::seq, own, pairs{A, B, Q}, saved, 8.0f,
                       pair_gradients{matrix(scaled.data(), n, d), none{}});
    for (std::size_t e = 0; e < sum.size(); ++e) EXPECT_EQ(sum[e], selfsame::half(1.0f + scaled[e]));
}

TEST_F(InfoNCECalls, GradientsMayLieOverInputs) {
    const float loss = selfsame::value_and_grad(thrust::omp::par, own, pairs{A, B, Q}, pair_gradients{dA, dB, dQ});
    EXPECT_EQ(selfsame::value_and_grad(thrust::omp::par, own, pairs{A, B, Q}, pair_gradients{A, B, Q}), loss);
    EXPECT_EQ(a, da);
    EXPECT_EQ(b, db);
    EXPECT_EQ(q, dq);
    std::vector<float> c = values<float>(n * d, 1), e = values<float>(n * d, 2), dc(c.size()), de(e.size());
    const auto C = matrix(c.data(), n, d), E = matrix(e.data(), n, d);
    selfsame::value_and_grad(thrust::omp::par, both, pairs{C, E},
                             pair_gradients{matrix(dc.data(), n, d), matrix(de.data(), n, d)});
    selfsame::value_and_grad(thrust::omp::par, both, pairs{C, E}, pair_gradients{E, C});  // crosswise
    EXPECT_EQ(e, dc);
    EXPECT_EQ(c, de);
}

TEST_F(InfoNCECalls, BothViewsMayBeTheSameMemory) {
    const float loss = selfsame::value_and_grad(thrust::seq, both, pairs{A, A}, pair_gradients{dA, dB});
    EXPECT_TRUE(std::isfinite(loss));
    EXPECT_EQ(da, db);
}

TEST_F(InfoNCECalls, UpstreamOfSamples) {
    const selfsame::clip each{.reduction = selfsame::reduction::per_sample};
    std::vector<float> loss(n), saved(static_cast<std::size_t>(selfsame::saved_size(each, n)));
    selfsame::forward(thrust::seq, each, pairs{A, B}, loss, saved);
    const std::vector<double> threes(n, 3.0);
    selfsame::backward(thrust::seq, each, pairs{A, B}, saved, threes, pair_gradients{dA, dB});
    const std::vector<float> da1 = da, db1 = db;
    selfsame::backward(thrust::seq, each, pairs{A, B}, saved, 3.0f, pair_gradients{dA, dB});
    EXPECT_EQ(da, da1);
    EXPECT_EQ(db, db1);

    // A sample without weight leaves no trace of its own rows; others see it as a negative.
    std::vector<double> none_but_one(n, 0.0);
    none_but_one[5] = 1;
    selfsame::value_and_grad(thrust::seq, each, pairs{A, B}, loss, pair_gradients{dA, dB});
    selfsame::backward(
        thrust::seq, selfsame::info_nce<selfsame::cosine, selfsame::in_batch>{.reduction = each.reduction}, pairs{A, B},
        std::vector<float>(saved.begin(), saved.begin() + 2 * n), std::vector<double>(n, 0.0), pair_gradients{dA, dB});
    for (const float g : da) EXPECT_EQ(g, 0);
    for (const float g : db) EXPECT_EQ(g, 0);
}

/// Counts what a policy's allocator hands out.
struct counting_allocator {
    using value_type = char;
    std::map<char*, std::size_t> given;
    std::size_t calls = 0, peak = 0, now = 0;

    char* allocate(std::ptrdiff_t bytes) {
        ++calls;
        char* p = static_cast<char*>(::operator new(static_cast<std::size_t>(bytes)));
        given[p] = static_cast<std::size_t>(bytes);
        now += static_cast<std::size_t>(bytes);
        peak = (std::max)(peak, now);
        return p;
    }
    void deallocate(char* p, std::size_t) {
        now -= given.at(p);
        given.erase(p);
        ::operator delete(p);
    }
};

TEST_F(InfoNCECalls, ScratchComesFromThePolicysAllocatorAndGoesBack) {
    counting_allocator memory;
    const auto policy = thrust::omp::par(memory);
    const float loss = selfsame::value_and_grad(policy, own, pairs{A, B, Q}, pair_gradients{dA, dB, dQ});
    EXPECT_GE(memory.calls, 1u);
    EXPECT_TRUE(memory.given.empty());
    EXPECT_EQ(loss, selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, pair_gradients{dA, dB, dQ}));

    const std::size_t calls = memory.calls;
    EXPECT_THROW(selfsame::forward(policy, selfsame::moco{.temperature = 0}, pairs{A, B, Q}), std::invalid_argument);
    EXPECT_THROW(selfsame::forward(policy, own, pairs{A, Q, Q}), std::invalid_argument);
    std::vector<double> wrong(5);
    EXPECT_THROW(selfsame::forward(policy, own, pairs{A, B, Q}, wrong), std::invalid_argument);
    EXPECT_TRUE(memory.given.empty()) << "after an error too";
    EXPECT_GE(memory.calls, calls);
}

TEST_F(InfoNCECalls, MemoryGrowsWithNAndNotWithItsSquare) {
    if (sanitized) GTEST_SKIP() << "a sanitizer takes a minute for what it cannot see: how much memory was asked for";
    const auto peak = [](index_t rows, std::size_t budget) {
        counting_allocator memory;
        std::vector<float> x = values<float>(rows * 4, 1), dx(x.size()), dy(x.size());
        const auto X = matrix(x.data(), rows, 4);
        selfsame::value_and_grad(selfsame::context{thrust::omp::par(memory), 1, budget}, selfsame::nt_xent{},
                                 pairs{X, X}, pair_gradients{matrix(dx.data(), rows, 4), matrix(dy.data(), rows, 4)});
        return memory.peak;
    };
    const std::size_t small = peak(960, 0), twice = peak(1920, 0), four = peak(3840, 0);
    EXPECT_NEAR(static_cast<double>(four - twice), 2 * static_cast<double>(twice - small), 4096);
    EXPECT_LT(four, std::size_t(3840) * 3840 * 4 / 8);
    const std::size_t budget = 3000000;
    EXPECT_LE(peak(1920, budget), twice + budget);
    EXPECT_GT(peak(1920, budget), twice);
}

// ---- What is refused, and how it reads.

TEST_F(InfoNCECalls, RefusesBeforeItWrites) {
    float loss = 7;
    std::vector<float> saved(1);
    EXPECT_NE(refusal([&] { selfsame::forward(thrust::seq, own, pairs{A, B, Q}, loss, saved); }).find("saved: got 1"),
              std::string::npos);
    EXPECT_EQ(loss, 7);
    saved.resize(static_cast<std::size_t>(selfsame::saved_size(own, A.extent(0))));
    selfsame::forward(thrust::seq, own, pairs{A, B, Q}, loss, saved);
    const std::vector<float> upstream(static_cast<std::size_t>(A.extent(0)) + 1), untouched = da;
    EXPECT_NE(refusal([&] {
                  selfsame::backward(thrust::seq, own, pairs{A, B, Q}, saved, upstream, pair_gradients{dA, dB, dQ});
              }).find("upstream: got"),
              std::string::npos);
    EXPECT_EQ(da, untouched);
}

TEST_F(InfoNCECalls, RefusesTemperaturesThatAreNotPositive) {
    const auto with = [&](double t) {
        return refusal([&] { selfsame::forward(thrust::seq, selfsame::nt_xent{.temperature = t}, pairs{A, B}); });
    };
    EXPECT_EQ(with(0), "selfsame: temperature: got 0, expected > 0");
    EXPECT_EQ(with(-0.5), "selfsame: temperature: got -0.5, expected > 0");
    const std::string nan = with(std::numeric_limits<double>::quiet_NaN());
    EXPECT_TRUE(nan == "selfsame: temperature: got nan, expected > 0" ||
                nan == "selfsame: temperature: got -nan, expected > 0")
        << nan;
    EXPECT_EQ(with(1e-3), "");
}

TEST_F(InfoNCECalls, RefusesShapesThatDoNotFit) {
    const auto forward = [&](const auto& objective, const auto& inputs) {
        return refusal([&] { selfsame::forward(thrust::seq, objective, inputs); });
    };
    EXPECT_EQ(forward(both, pairs{A, Q}), "selfsame: positives: got 23 x 11, expected 37 x 11 (the shape of anchors)");
    EXPECT_EQ(forward(both, pairs{A, matrix(b.data(), n, d - 1)}),
              "selfsame: positives: got 37 x 10, expected 37 x 11 (the shape of anchors)");
    EXPECT_EQ(forward(own, pairs{A, B, matrix(q.data(), m, d - 1)}),
              "selfsame: queue: got 23 x 10, expected 23 x 11 (the width of anchors)");
    EXPECT_EQ(forward(both, pairs{matrix(a.data(), n, 0), matrix(b.data(), n, 0)}),
              "selfsame: anchors: got 37 x 0, expected at least one column");

    const auto gradient = [&](const auto& gradients) {
        return refusal([&] { selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, gradients); });
    };
    EXPECT_EQ(gradient(pair_gradients{dQ, dB}),
              "selfsame: gradient of anchors: got 23 x 11, expected 37 x 11 (the shape of its input)");
    EXPECT_EQ(gradient(pair_gradients{dA, dQ}),
              "selfsame: gradient of positives: got 23 x 11, expected 37 x 11 (the shape of its input)");
    EXPECT_EQ(gradient(pair_gradients{dA, none{}, dB}),
              "selfsame: gradient of queue: got 37 x 11, expected 23 x 11 (the shape of its input)");
    std::vector<double> dt(2);
    EXPECT_EQ(gradient(pair_gradients{dA, dB, dQ, dt}), "selfsame: gradient of temperature: got 2, expected one value");
    for (const float g : da) EXPECT_EQ(g, 9.0f) << "nothing was written";
}

TEST_F(InfoNCECalls, RefusesOutputsThatOverlap) {
    const auto gradient = [&](const auto& gradients) {
        return refusal([&] { selfsame::value_and_grad(thrust::seq, own, pairs{A, B, Q}, gradients); });
    };
    const std::array<index_t, 2> shape{n, d};
    EXPECT_EQ(gradient(pair_gradients{selfsame::view(da.data(), shape, {0, 1}), dB}),
              "selfsame: gradient of anchors: got a stride of 0, expected elements that do not overlap");
    EXPECT_EQ(gradient(pair_gradients{dA, selfsame::view(db.data(), shape, {d, 0})}),
              "selfsame: gradient of positives: got a stride of 0, expected elements that do not overlap");
    EXPECT_EQ(gradient(pair_gradients{dA, dA}),
              "selfsame: gradient of positives: got the memory of the gradient of anchors, expected memory of its own");
    // A queue gradient over another's memory.
    const auto same_shape = [&](const auto& gradients) {
        return refusal([&] { selfsame::value_and_grad(thrust::seq, own, pairs{A, B, B}, gradients); });
    };
    EXPECT_EQ(same_shape(pair_gradients{dA, dB, dA}),
              "selfsame: gradient of queue: got the memory of the gradient of anchors, expected memory of its own");
    EXPECT_EQ(same_shape(pair_gradients{dA, dB, dB}),
              "selfsame: gradient of queue: got the memory of the gradient of positives, expected memory of its own");
}

TEST_F(InfoNCECalls, RefusesLossSavedAndUpstreamOfTheWrongSize) {
    using selfsame::reduction;
    const selfsame::nt_xent each{.reduction = reduction::per_sample};
    std::vector<float> two_values(2), right(n), saved(static_cast<std::size_t>(selfsame::saved_size(both, n)));
    EXPECT_EQ(saved.size(), static_cast<std::size_t>(4 * n));
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, both, pairs{A, B}, two_values); }),
              "selfsame: loss: got 2, expected one value");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, each, pairs{A, B}, two_values); }),
              "selfsame: loss: got 2, expected one value a sample");
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, each, pairs{A, B}, right); }), "");
    float loss = 5;
    EXPECT_EQ(refusal([&] { selfsame::forward(thrust::seq, both, pairs{A, B}, loss, two_values); }),
              "selfsame: saved: got 2, expected 148 values (saved_size)");
    EXPECT_EQ(
        refusal([&] { selfsame::backward(thrust::seq, both, pairs{A, B}, two_values, 1.0f, pair_gradients{dA, dB}); }),
        "selfsame: saved: got 2, expected 148 values (saved_size)");
    selfsame::forward(thrust::seq, both, pairs{A, B}, loss, saved);
    EXPECT_EQ(
        refusal([&] { selfsame::backward(thrust::seq, both, pairs{A, B}, saved, right, pair_gradients{dA, dB}); }),
        "selfsame: upstream: got 37, expected one value, or one a sample for per_sample");
    EXPECT_EQ(
        refusal([&] { selfsame::backward(thrust::seq, each, pairs{A, B}, saved, two_values, pair_gradients{dA, dB}); }),
        "selfsame: upstream: got 2, expected one value, or one a sample for per_sample");
    for (const float g : da) EXPECT_EQ(g, 9.0f) << "nothing was written";
    EXPECT_EQ(refusal([&] { selfsame::forward(selfsame::context{thrust::seq, -1}, both, pairs{A, B}); }),
              "selfsame: threads: got -1, expected >= 0 (0: all)");
}

}  // namespace
