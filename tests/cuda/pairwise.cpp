#include "evaluate.hpp"

#include <gtest/gtest.h>

#include <ostream>

// The device's pairwise engine against the dense float64 reference, every thread a fiber.

namespace {

using namespace selfsame_tests;

const thread_order orders[] = {
    {thread_order::forward}, {thread_order::reverse}, {thread_order::shuffled, 1}, {thread_order::shuffled, 2}};

std::string complaints_of(const problem& p, closeness c = {}) {
    const answer a = evaluate_in_fibers(p);
    problem of_one = a.rounded;
    of_one.upstream = {1.0};
    const reference_result expected = reference(a.rounded), expected_of_one = reference(of_one);
    std::string text = complaints(a.apart, expected, p.how, c) + complaints(a.apart_of_one, expected_of_one, p.how, c) +
                       complaints(a.fused, expected_of_one, p.how, c);
    if (!same(a.fused, a.apart_of_one)) text += "value_and_grad differs from forward and backward; ";
    return text.empty() ? text : describe(p) + ": " + text;
}

TEST(cuda_pairwise, agrees_with_the_reference_for_ragged_shapes) {
    std::mt19937_64 random(7);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const std::size_t rows[] = {1, 2, 31, 64, 65, 130}, widths[] = {1, 5, 16, 17, 33, 64}, queues[] = {1, 63, 64, 200};
    for (const contrast against : {contrast::both_views, contrast::in_batch, contrast::two_way, contrast::queue}) {
        for (int k = 0; k < 6; ++k) {
            const auto at = static_cast<std::size_t>(k);
            problem p = random_problem(against, rows[at], widths[below(6)], queues[below(4)], random());
            p.normalize = k % 3 != 1;
            p.temperature = p.normalize ? 0.1 : double(p.anchors.width);
            p.how = static_cast<total>(k % 3);
            if (p.how == total::per_sample) p.upstream.assign(p.anchors.rows, 0.5), p.upstream[0] = -2;
            for (auto& l : p.in) l = static_cast<layout>(below(input_layouts - 2));
            for (auto& l : p.out) l = static_cast<layout>(below(output_layouts));
            order_of_threads = orders[below(4)];
            closeness c;
            if (p.anchors.width == 1) c.rounding = 1e-6;  // gradients of directions on a line are zero
            EXPECT_EQ(complaints_of(p, c), "");
        }
    }
    order_of_threads = {};
}

TEST(cuda_pairwise, agrees_with_the_reference_for_every_element_type) {
    for (const contrast against : {contrast::both_views, contrast::queue}) {
        for (const elements types : {elements::doubles, elements::halves, elements::bfloats}) {
            problem p = random_problem(against, 37, 21, 90, 3);
            p.types = types;
            closeness c;
            if (types == elements::doubles) c = {1e-13, 1e-12};
            if (types == elements::halves) c = {1e-6, 6e-4};
            if (types == elements::bfloats) c = {1e-6, 4e-3};
            EXPECT_EQ(complaints_of(p, c), "");
        }
    }
}

// Wider than a chunk of a gradient, and than the float and the double chunk together.
TEST(cuda_pairwise, agrees_with_the_reference_for_wide_rows) {
    for (const elements types : {elements::floats, elements::doubles}) {
        problem p = random_problem(contrast::two_way, 20, 200, 0, 5);
        p.types = types;
        EXPECT_EQ(complaints_of(p), "");
    }
}

TEST(cuda_pairwise, agrees_with_the_reference_in_tensor_cores) {
    std::mt19937_64 random(17);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const std::size_t rows[] = {2, 63, 64, 90}, widths[] = {3, 16, 33, 72, 150};
    for (const contrast against : {contrast::both_views, contrast::in_batch, contrast::two_way, contrast::queue}) {
        for (std::size_t k = 0; k < 4; ++k) {
            problem p = random_problem(against, rows[k], widths[below(5)], 1 + below(150), random());
            p.bfloat_products = true;
            p.types = k % 2 == 0 ? elements::bfloats : elements::floats;
            p.normalize = k != 1;
            p.temperature = p.normalize ? 0.1 : double(p.anchors.width);
            order_of_threads = orders[below(4)];
            // Elements of bfloats are multiplied as they are, so the loss is as exact as that of floats.
            const closeness c{p.types == elements::bfloats ? 2e-6 : 5e-3, 8e-3, 3e-3};
            EXPECT_EQ(complaints_of(p, c), "");
        }
    }
    order_of_threads = {};
}

// Norms whose squares or products no float can hold.
TEST(cuda_pairwise, takes_rows_of_any_length) {
    for (const bool bfloat_products : {false, true}) {
        for (const double size : {1e-20, 1e25}) {
            problem p = random_problem(contrast::both_views, 20, 10, 0, 19);
            for (auto* x : {&p.anchors, &p.positives}) {
                for (double& v : x->values) v *= size;
            }
            p.bfloat_products = bfloat_products;
            EXPECT_EQ(complaints_of(p, bfloat_products ? closeness{5e-3, 8e-3} : closeness{}), "");
        }
    }
}

TEST(cuda_pairwise, passes_on_nan) {
    for (const bool bfloat_products : {false, true}) {
        problem p = random_problem(contrast::two_way, 9, 10, 0, 23);
        p.positives.row(4)[3] = std::nan("");
        p.bfloat_products = bfloat_products;
        EXPECT_TRUE(std::isnan(evaluate_in_fibers(p).fused.loss[0]));
    }
}

// Few rows against many columns, one block a tile or all of them in one.
TEST(cuda_pairwise, shares_columns_among_any_number_of_blocks) {
    for (const index_t blocks : {1, 3, 1000}) {
        enough_blocks = blocks;
        for (const bool bfloat_products : {false, true}) {
            problem p = random_problem(contrast::queue, 20, 18, 500, 29);
            p.bfloat_products = bfloat_products;
            EXPECT_EQ(complaints_of(p, bfloat_products ? closeness{5e-3, 8e-3} : closeness{}), "");
        }
    }
    enough_blocks = 4;
}

TEST(cuda_pairwise, gives_the_same_bits_in_every_thread_order) {
    const problem p = random_problem(contrast::both_views, 70, 24, 0, 11);
    order_of_threads = orders[0];
    const answer first = evaluate_in_fibers(p);
    for (const auto& order : orders) {
        order_of_threads = order;
        const answer other = evaluate_in_fibers(p);
        EXPECT_TRUE(same(first.apart, other.apart));
        EXPECT_TRUE(same(first.fused, other.fused));
    }
    order_of_threads = {};
}

TEST(cuda_pairwise, agrees_with_the_host_at_extreme_temperatures) {
    for (const double temperature : {1e-3, 1e3}) {
        for (const contrast against : {contrast::both_views, contrast::two_way}) {
            problem p = random_problem(against, 40, 16, 0, 13, 0.9);
            p.temperature = temperature;
            EXPECT_EQ(complaints_of(p, {1e-6, 2e-5, 1e-5}), "");
        }
    }
}

TEST(cuda_pairwise, refuses_what_does_not_fit) {
    std::vector<float> a(12), b(12), loss(2), gradient(12);
    const auto rows = [](auto& v, index_t n, index_t d) {
        return selfsame::matrix<selfsame::memory_space::device>(v.data(), n, d);
    };
    using selfsame::pairs;
    const selfsame::nt_xent o{.reduction = selfsame::reduction::per_sample};
    EXPECT_EQ(refusal([&] { forward(fibers{}, o, pairs{rows(a, 3, 4), rows(b, 4, 3)}, on_device(loss)); }),
              "selfsame: positives: got 4 x 3, expected 3 x 4 (the shape of anchors)");
    EXPECT_EQ(refusal([&] { forward(fibers{}, o, pairs{rows(a, 3, 4), rows(b, 3, 4)}, on_device(loss)); }),
              "selfsame: loss: got 2, expected one value a sample");
    const std::vector<float> upstream(2);
    EXPECT_EQ(refusal([&] {
                  value_and_grad(fibers{}, o, pairs{rows(a, 2, 4), rows(b, 2, 4)}, on_device(loss),
                                 selfsame::pair_gradients{rows(gradient, 2, 4), selfsame::none{}}, upstream);
              }),
              "selfsame: upstream: got a tensor of the host, expected one of the device, or a value");
}

TEST(cuda_pairwise, of_nothing_is_zero) {
    const problem p = random_problem(contrast::both_views, 0, 4, 0, 1);
    EXPECT_EQ(evaluate_in_fibers(p).fused.loss, std::vector<double>{0.0});
    const problem no_queue = random_problem(contrast::queue, 3, 4, 0, 1);
    EXPECT_EQ(evaluate_in_fibers(no_queue).fused.loss, std::vector<double>{0.0});
}

}  // namespace
