#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "objective/views.hpp"
#include "selfsame/objective/device_soft_cross_entropy.hpp"
#include "where.hpp"

// Cross-entropy with soft targets on the device beside its definition in float64.

namespace soft_cross_entropy_tests {
namespace {

using selfsame::reduction;
using selfsame_tests::dense;
using selfsame_tests::layout;
using selfsame_tests::on_device;
using selfsame_tests::order_of_threads;
using selfsame_tests::refusal;
using selfsame_tests::stored;
using selfsame_tests::where;

dense matrix_of(const doubles& values, index_t rows, index_t columns) {
    dense m(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns));
    m.values = values;
    return m;
}

template <class T>
auto device_rows(std::vector<T>& v, index_t rows, index_t columns) {
    return selfsame::matrix<selfsame::memory_space::device>(v.data(), rows, columns);
}

/// Calls f(views) with the problem's center and weights beside the teacher and the students.
template <class Objective, class T, class S, class F>
void with_views(const problem& p, const Objective&, const T& teacher, const S& students, F&& f) {
    const std::vector<float> weights = as<float>(p.weights), center = as<float>(p.center);
    const auto with_center = [&](const auto& c) {
        if (p.weights.empty()) {
            f(selfsame::views{teacher, students, c});
        } else {
            f(selfsame::views{teacher, students, c, on_device(weights)});
        }
        where::wait();
    };
    if constexpr (requires { Objective{}.targets.temperature; }) {
        if (!p.center.empty()) return with_center(on_device(center));
    }
    with_center(selfsame::none{});
}

struct layouts {
    layout teacher = layout::packed, students = layout::packed, gradient = layout::packed;
};

/// The loss and gradient of the objective beside the definition's; forward and backward beside value_and_grad.
template <class E, class S = E, class Objective>
void expect_definition(const problem& p, Objective o, const layouts& in = {}) {
    stored<E> teacher(matrix_of(p.teacher, p.teachers * p.samples, p.columns), in.teacher);
    stored<S> students(matrix_of(p.student, p.students * p.samples, p.columns), in.students);
    constexpr bool wide = std::is_same_v<E, double> || std::is_same_v<S, double>;
    const double unit = wide ? 2e-7 : 2e-6;  // losses are floats
    const double rounding = std::is_same_v<S, selfsame::bfloat16> ? 0x1p-8
                            : std::is_same_v<S, selfsame::half>   ? 0x1p-11
                            : wide                                ? 1e-14
                                                                  : 1e-6;
    doubles each;
    reference(p, &each);
    double total_weight = 0;
    for (const double w : p.weights) total_weight += w;
    if (p.weights.empty()) total_weight = static_cast<double>(p.samples);

    for (const reduction how : {reduction::mean, reduction::sum, reduction::per_sample}) {
        o.reduction = how;
        doubles expected = each;
        if (how != reduction::per_sample) {
            const double sum = std::accumulate(each.begin(), each.end(), 0.0);
            expected = {how == reduction::mean ? sum / total_weight : sum};
        }
        std::vector<float> loss(expected.size(), 9.0f), again = loss, upstream;
        doubles factors;
        for (index_t b = 0; b < p.samples; ++b) {
            const double w = p.weights.empty() ? 1 : p.weights[static_cast<std::size_t>(b)];
            const float up = how == reduction::per_sample ? 0.5f - static_cast<float>(b) : 1.5f;
            if (upstream.size() < loss.size()) upstream.push_back(up);
            factors.push_back(up * w / (how == reduction::mean ? total_weight : 1));
        }
        const doubles slopes = reference_gradient(p, factors);
        double largest = 0.5;  // of a single class nothing is left but rounding
        for (const double g : slopes) largest = (std::max)(largest, std::fabs(g));

        stored<S> gradient(static_cast<std::size_t>(p.students * p.samples), static_cast<std::size_t>(p.columns),
                           in.gradient);
        stored<S> apart(static_cast<std::size_t>(p.students * p.samples), static_cast<std::size_t>(p.columns));
        with_views(p, o, on_device(std::as_const(teacher).view()), on_device(std::as_const(students).view()),
                   [&](const auto& inputs) {
                       const auto policy = where::policy();
                       selfsame::value_and_grad(policy, o, inputs, on_device(loss), on_device(gradient.view()),
                                                on_device(std::as_const(upstream)));
                       selfsame::forward(policy, o, inputs, on_device(again));
                       if (how == reduction::per_sample) {
                           selfsame::backward(policy, o, inputs, on_device(std::as_const(upstream)),
                                              on_device(apart.view()));
                       } else {
                           selfsame::backward(policy, o, inputs, 1.5, on_device(apart.view()));
                       }
                   });
        EXPECT_TRUE(teacher.untouched() && students.untouched() && gradient.untouched());
        for (std::size_t b = 0; b < expected.size(); ++b) {
            ASSERT_NEAR(loss[b], expected[b], unit * (std::max)(1.0, std::fabs(expected[b]))) << p.columns;
            EXPECT_EQ(again[b], loss[b]);
        }
        const doubles got = gradient.get().values;
        EXPECT_EQ(apart.get().values, got);
        for (std::size_t e = 0; e < got.size(); ++e) {
            ASSERT_NEAR(got[e], slopes[e], rounding * std::fabs(slopes[e]) + unit * largest)
                << p.columns << " columns, element " << e;
        }
    }
}

selfsame::dino dino_of(const problem& p) {
    return {.targets = {.temperature = p.target_temperature},
            .pairing = {.teachers = static_cast<int>(p.teachers), .students = static_cast<int>(p.students)},
            .temperature = p.temperature};
}

TEST(cuda_soft_cross_entropy, of_dino_is_the_definition) {
    order_of_threads = 2;
    unsigned seed = 1;
    for (const index_t columns : {1, 7, 33, 130, 1024, 1025, 2100}) {
        const bool odd = ++seed % 2 == 1;
        const problem p = random_problem(2, columns > 1000 ? 3 : 6, 3, columns, odd, !odd, seed);
        expect_definition<float>(p, dino_of(p));
    }
    order_of_threads = 1;
    const problem p = random_problem(3, 4, 2, 70, true, true, 10);
    expect_definition<float>(p, dino_of(p), {layout::transposed, layout::upside_down, layout::spread});
    expect_definition<selfsame::bfloat16>(p, dino_of(p), {layout::padded, layout::spread, layout::transposed});
    expect_definition<float, selfsame::half>(p, dino_of(p));
    order_of_threads = 0;
}

TEST(cuda_soft_cross_entropy, of_given_targets_is_the_definition) {
    problem p = random_problem(2, 5, 3, 150, false, true, 11);
    p.target_temperature = 0;  // as given, and not even normalized
    const selfsame::swapped_prediction o{.pairing = {.teachers = 2, .students = 5}, .temperature = p.temperature};
    expect_definition<double>(p, o, {layout::mirrored, layout::packed, layout::padded});
    expect_definition<float>(p, o);
}

TEST(cuda_soft_cross_entropy, of_ibot_is_the_definition) {
    problem p = random_problem(1, 1, 9, 90, true, true, 12);
    p.others = false;
    expect_definition<selfsame::half>(
        p, selfsame::ibot{.targets = {.temperature = p.target_temperature}, .temperature = p.temperature});
}

/// DINO of floats: the loss, and the gradient into `to`.
float call(const problem& p, std::vector<float>& students, const auto& to) {
    std::vector<float> teacher = as<float>(p.teacher), loss(1);
    selfsame::value_and_grad(where::policy(), dino_of(p),
                             selfsame::views{device_rows(teacher, p.teachers * p.samples, p.columns),
                                             device_rows(students, p.students * p.samples, p.columns)},
                             on_device(loss), to);
    where::wait();
    return loss[0];
}

TEST(cuda_soft_cross_entropy, gradients_may_be_added_and_be_the_memory_of_the_students) {
    for (const index_t columns : {50, 1300}) {
        const problem p = random_problem(2, 3, 2, columns, false, false, 13);
        std::vector<float> students = as<float>(p.student), apart(students.size()), sums(students.size(), 1.0f);
        const index_t rows = p.students * p.samples;
        call(p, students, device_rows(apart, rows, columns));
        call(p, students, selfsame::accumulate{device_rows(sums, rows, columns)});
        for (std::size_t e = 0; e < sums.size(); ++e) ASSERT_EQ(sums[e], 1.0f + apart[e]);
        call(p, students, device_rows(students, rows, columns));
        EXPECT_EQ(students, apart);
    }
}

TEST(cuda_soft_cross_entropy, is_the_same_in_any_order_of_threads) {
    const problem p = random_problem(2, 4, 3, 1100, false, false, 14);
    std::vector<float> students = as<float>(p.student), first(students.size());
    const float loss = call(p, students, device_rows(first, 12, 1100));
    for (order_of_threads = 1; order_of_threads < selfsame_tests::thread_orders; ++order_of_threads) {
        std::vector<float> again(students.size());
        EXPECT_EQ(call(p, students, device_rows(again, 12, 1100)), loss);
        EXPECT_EQ(again, first);
    }
    order_of_threads = 0;
}

TEST(cuda_soft_cross_entropy, of_extreme_logits_is_the_limit) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    problem p = random_problem(2, 3, 2, 200, false, false, 15);
    for (double& x : p.student) x *= 1e4;
    p.target_temperature = 1e-3;
    const double expected = reference(p);
    std::vector<float> students = as<float>(p.student), gradient(students.size());
    EXPECT_NEAR(call(p, students, device_rows(gradient, 6, 200)), expected, 2e-6 * expected);
    for (const float g : gradient) ASSERT_TRUE(std::isfinite(g));

    // A class that no target has costs nothing, even where the student rules it out; one that a target has costs all.
    const auto given = [&](std::vector<float> q, std::vector<float> z) {
        std::vector<float> loss(1), to(z.size());
        const auto columns = static_cast<index_t>(z.size());
        selfsame::value_and_grad(
            where::policy(),
            selfsame::soft_cross_entropy<selfsame::given_targets, selfsame::same_row>{.temperature = 1},
            selfsame::views{device_rows(q, 1, columns), device_rows(z, 1, columns)}, on_device(loss),
            device_rows(to, 1, columns));
        where::wait();
        to.push_back(loss[0]);
        return to;
    };
    const auto ruled_out = given({0.5f, 0, 0.5f}, {1, -inf, 1});
    EXPECT_NEAR(ruled_out[3], std::log(2.0), 1e-6);
    EXPECT_EQ(ruled_out[1], 0);
    EXPECT_EQ(given({0.5f, 0.5f, 0}, {1, -inf, 1})[3], inf);
    EXPECT_TRUE(std::isnan(given({0.5f, 0.5f, 0}, {1, std::nanf(""), 1})[3]));
    EXPECT_NEAR(given({1}, {1e4f})[1], 0, 3e-7);
}

TEST(cuda_soft_cross_entropy, of_nothing_is_zero_and_refuses_what_does_not_fit) {
    std::vector<float> t(40), s(80), g(80), c(9), loss(1, 9.0f), two(2);
    const selfsame::dino o{.pairing = {.teachers = 2, .students = 4}};
    const auto T = device_rows(t, 4, 10), S = device_rows(s, 8, 10), G = device_rows(g, 8, 10);
    const auto gpu = where::policy();
    selfsame::value_and_grad(gpu, o, selfsame::views{device_rows(t, 0, 10), device_rows(s, 0, 10)}, on_device(loss),
                             device_rows(g, 0, 10));
    where::wait();
    EXPECT_EQ(loss[0], 0);
    EXPECT_EQ(refusal([&] { selfsame::forward(gpu, o, selfsame::views{T, S, on_device(c)}, on_device(loss)); }),
              "selfsame: center: got 9, expected 10 values, one a column");
    EXPECT_EQ(refusal([&] { selfsame::forward(gpu, o, selfsame::views{S, S}, on_device(loss)); }),
              "selfsame: teacher: got 8 x 10, expected 2 x 2 rows of 10 (views of each sample, view after view)");
    EXPECT_EQ(refusal([&] { selfsame::forward(gpu, o, selfsame::views{T, S}, on_device(two)); }),
              "selfsame: loss: got 2, expected one value");
    EXPECT_EQ(refusal([&] { selfsame::value_and_grad(gpu, o, selfsame::views{T, S}, on_device(loss), T); }),
              "selfsame: gradient: got 4 x 10, expected the shape of students");
    selfsame::dino each = o;
    each.reduction = reduction::per_sample;
    EXPECT_EQ(refusal([&] { selfsame::backward(gpu, each, selfsame::views{T, S}, two, G); }),
              "selfsame: upstream: got a tensor of the host, expected one of the device, or a value");
}

/// A center after a step with two tensors of teachers.
template <class E, class C>
void expect_center(index_t first, index_t second, index_t columns, layout how) {
    const problem p = random_problem(1, 1, first + second, columns, true, false, 16);
    const auto rest = matrix_of({p.teacher.begin(), p.teacher.begin() + first * columns}, first, columns);
    stored<E> apart(rest, how);
    std::vector<E> together = as<E>({p.teacher.begin() + first * columns, p.teacher.end()});
    std::vector<C> center = as<C>(p.center);
    selfsame::update_center(where::policy(), on_device(center), 0.75, on_device(std::as_const(apart).view()),
                            device_rows(together, second, columns));
    where::wait();
    for (index_t k = 0; k < columns; ++k) {
        double sum = 0;
        for (index_t r = 0; r < first + second; ++r) sum += p.teacher[static_cast<std::size_t>(r * columns + k)];
        const auto at = static_cast<std::size_t>(k);
        const double expected = 0.75 * p.center[at] + 0.25 * sum / static_cast<double>(first + second);
        const double rounding = std::is_same_v<C, selfsame::bfloat16> ? 0x1p-8 : 1e-7;
        ASSERT_NEAR(selfsame::element_cast<double>(center[at]), expected, rounding * (1e-2 + std::fabs(expected))) << k;
    }
}

TEST(cuda_update_center, is_the_definition) {
    expect_center<float, float>(37, 5, 300, layout::transposed);
    expect_center<selfsame::bfloat16, selfsame::bfloat16>(20, 0, 130, layout::padded);
    selfsame_tests::enough_blocks = 1;
    expect_center<selfsame::half, float>(700, 300, 3, layout::upside_down);
    selfsame_tests::enough_blocks = 4;
}

TEST(cuda_update_center, keeps_what_is_no_number_in_its_column_and_refuses_what_does_not_fit) {
    constexpr float inf = std::numeric_limits<float>::infinity();
    std::vector<float> rows(20 * 33, 1.0f), center(33, 0.0f);
    rows[7 * 33 + 2] = std::nanf("");
    rows[9 * 33 + 5] = -inf;
    const auto gpu = where::policy();
    const auto update = [&](double momentum, index_t count, index_t columns) {
        selfsame::update_center(gpu, on_device(center), momentum, device_rows(rows, count, columns));
        where::wait();
    };
    update(0.5, 0, 33);
    EXPECT_EQ(center, std::vector<float>(33, 0.0f)) << "a step without rows";
    EXPECT_EQ(refusal([&] { update(0.5, 22, 30); }),
              "selfsame: teacher: got 22 x 30, expected 33 columns, as the center has");
    EXPECT_EQ(refusal([&] { update(1.5, 20, 33); }), "selfsame: momentum: got 1.5, expected from 0 to 1");
    update(0.5, 20, 33);
    for (std::size_t k = 0; k < 33; ++k) {
        if (k == 2) {
            EXPECT_TRUE(std::isnan(center[k]));
        } else {
            EXPECT_EQ(center[k], k == 5 ? -inf : 0.5f) << k;
        }
    }
}

}  // namespace
}  // namespace soft_cross_entropy_tests
