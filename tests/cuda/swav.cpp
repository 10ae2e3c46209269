#include "swav.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "device.hpp"
#include "selfsame/objective/device_swav.hpp"
#include "where.hpp"

// SwAV on the device beside the host's, which is held to the definition elsewhere.

namespace swav_tests {
namespace {

using selfsame_tests::on_device;
using selfsame_tests::order_of_threads;
using selfsame_tests::where;

struct device {
    static constexpr memory_space space = memory_space::device;
    static auto policy() { return where::policy(); }
    template <class Tensor>
    static auto place(const Tensor& x) {
        return on_device(x);
    }
    static void wait() { where::wait(); }
};

template <class E>
void expect_host(const problem& p, const layouts& how = {}) {
    constexpr elements kind = std::is_same_v<E, double>               ? elements::doubles
                              : std::is_same_v<E, selfsame::bfloat16> ? elements::bfloats
                              : std::is_same_v<E, selfsame::half>     ? elements::halves
                                                                      : elements::floats;
    const results host = call_on_host(kind, p, how), device = call<swav_tests::device, E>(p, how);
    constexpr double unit = std::is_same_v<E, double>               ? 1e-13
                            : std::is_same_v<E, selfsame::bfloat16> ? 0x1p-8
                            : std::is_same_v<E, selfsame::half>     ? 0x1p-11
                                                                    : 3e-6;
    ASSERT_EQ(host.ends, device.ends);
    std::size_t begin = 0;
    for (std::size_t part = 0; part < host.ends.size(); ++part) {
        double largest = 0.5;  // of a single prototype nothing is left but rounding
        for (std::size_t e = begin; e < host.ends[part]; ++e) largest = (std::max)(largest, std::fabs(host.values[e]));
        for (std::size_t e = begin; e < host.ends[part]; ++e) {
            ASSERT_NEAR(device.values[e], host.values[e], unit * largest)
                << p.views << " x " << p.samples << ", " << p.prototypes << " prototypes, width " << p.width
                << ", part " << part << ", element " << e - begin;
        }
        begin = host.ends[part];
    }
}

TEST(cuda_swav, is_the_hosts) {
    order_of_threads = 1;
    expect_host<float>({4, 2, 21, 150, 9});
    expect_host<double>({3, 2, 30, 70, 33});
    order_of_threads = 2;
    expect_host<float>({2, 1, 40, 129, 130});
    expect_host<double>({5, 2, 9, 33, 70});
    order_of_threads = 0;
    selfsame_tests::enough_blocks = 132;  // sums in as many parts as there may be
    expect_host<float>({3, 2, 50, 150, 17, 3});
    selfsame_tests::enough_blocks = 4;
    expect_host<float>({3, 3, 2, 1100, 5});
    expect_host<double>({2, 2, 2, 1025, 1});
}

TEST(cuda_swav, with_a_queue_is_the_hosts) {
    expect_host<float>({4, 2, 21, 150, 9, 30});
    order_of_threads = 3;
    expect_host<double>({3, 2, 5, 40, 20, 67});
    expect_host<float>({3, 1, 5, 40, 20, 0});
    order_of_threads = 0;
}

TEST(cuda_swav, of_other_layouts_and_elements_is_the_hosts) {
    expect_host<float>({3, 2, 7, 21, 11, 4}, {layout::transposed, layout::upside_down, layout::spread, layout::padded});
    expect_host<double>({2, 2, 7, 21, 11}, {layout::mirrored, layout::repeated, layout::transposed, layout::spread});
    expect_host<selfsame::half>({3, 2, 9, 40, 24, 6}, {layout::padded, layout::packed, layout::packed, layout::spread});
    expect_host<selfsame::bfloat16>({3, 2, 9, 40, 24});
}

TEST(cuda_swav, of_few_is_the_hosts) {
    expect_host<float>({3, 2, 0, 5, 4});
    expect_host<double>({3, 2, 0, 5, 4, 3});
    expect_host<float>({3, 2, 1, 5, 4});
    expect_host<double>({2, 2, 1, 1, 1});
    expect_host<float>({4, 2, 6, 1, 3, 2});
}

TEST(cuda_swav, is_the_same_in_any_order_of_threads) {
    const problem p{4, 2, 18, 140, 20, 5};
    const results first = call<device, float>(p);
    for (order_of_threads = 1; order_of_threads < selfsame_tests::thread_orders; ++order_of_threads) {
        EXPECT_EQ((call<device, float>(p).values), first.values);
    }
    order_of_threads = 0;
}

template <class E>
auto rows_of(std::vector<E>& v, index_t width) {
    return selfsame::matrix<memory_space::device>(v.data(), static_cast<index_t>(v.size()) / width, width);
}

TEST(cuda_swav, gradients_may_take_the_place_of_what_they_belong_to) {
    const dense f = random_rows(24, 9, 1), c = random_rows(30, 9, 2);
    std::vector<float> features(f.values.begin(), f.values.end()), prototypes(c.values.begin(), c.values.end()),
        to_features(features.size()), to_prototypes(prototypes.size()), loss(1);
    const auto F = rows_of(features, 9), C = rows_of(prototypes, 9);
    const auto o = objective_of({3, 2, 8, 30, 9});
    const auto run = [&](const auto& a, const auto& b) {
        selfsame::value_and_grad(where::policy(), o, prototype_views{F, C}, on_device(loss), prototype_gradients{a, b});
        where::wait();
    };
    run(rows_of(to_features, 9), rows_of(to_prototypes, 9));
    run(F, C);
    EXPECT_EQ(features, to_features);
    EXPECT_EQ(prototypes, to_prototypes);
}

TEST(cuda_swav, rows_of_zeros_and_of_no_numbers_are_the_hosts) {
    std::vector<float> features(60), prototypes(20);
    for (std::size_t e = 10; e < 60; ++e) features[e] = e % 7 < 3 ? 1e20f : 1e-25f;
    for (std::size_t e = 0; e < 20; ++e) prototypes[e] = static_cast<float>(e % 3) - 0.7f;
    for (const float special : {0.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
        features[33] = special;
        const auto a = gradient_on_host(features, prototypes), b = gradient_of<device>(features, prototypes);
        for (std::size_t e = 0; e < a.size(); ++e) {
            if (std::isnan(a[e])) {
                EXPECT_TRUE(std::isnan(b[e])) << e;
            } else {
                EXPECT_NEAR(b[e], a[e], 1e-5 * (std::fabs(a[e]) + 1e-3)) << e;
            }
        }
    }
}

TEST(cuda_swav, normalizes_rows_as_the_host) {
    dense x = random_rows(13, 40, 3);
    x.row(2)[0] = 1e30;
    for (index_t k = 0; k < 40; ++k) x.row(5)[k] = 0;
    std::vector<float> expected(x.values.begin(), x.values.end());
    normalize_on_host(expected, 40);
    for (const layout how : {layout::packed, layout::transposed, layout::upside_down}) {
        stored<float> rows(x, how);
        selfsame::normalize_rows(where::policy(), on_device(rows.view()));
        where::wait();
        EXPECT_TRUE(rows.untouched());
        const auto got = rows.get().values;
        for (std::size_t e = 0; e < got.size(); ++e) ASSERT_NEAR(got[e], expected[e], 1e-7) << e;
    }
}

TEST(cuda_swav, refuses_what_the_host_refuses) {
    const auto host = refusals_on_host(), device = refusals<swav_tests::device>();
    EXPECT_EQ(device, host);
    for (std::size_t k = 0; k < host.size(); ++k) EXPECT_NE(host[k], "") << k;
    std::vector<float> x(48), two(2);
    selfsame::swav<> each{.pairing = {.teachers = 2, .students = 4}, .reduction = reduction::per_sample};
    const auto x_rows = rows_of(x, 6);
    const auto backward = [&](const auto& gradients) {
        selfsame::backward(where::policy(), each, prototype_views{x_rows, x_rows}, two, gradients);
    };
    const char* const expected = "selfsame: upstream: got a tensor of the host, expected one of the device, or a value";
    EXPECT_EQ(refusal([&] { backward(prototype_gradients{x_rows, none{}}); }), expected);
    EXPECT_EQ(refusal([&] { backward(prototype_gradients{none{}, none{}}); }), expected);
}

}  // namespace
}  // namespace swav_tests
