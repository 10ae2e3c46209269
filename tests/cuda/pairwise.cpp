#include <gtest/gtest.h>

#include <ostream>

#include "device.hpp"

// The device's pairwise engine against the dense float64 reference.

namespace {

using namespace selfsame_tests;

std::string complaints_of(const problem& p, closeness c = {}) {
    const answer a = evaluate_on_device(p);
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
            order_of_threads = static_cast<int>(below(thread_orders));
            closeness c;
            if (p.anchors.width == 1) c.rounding = 1e-6;  // gradients of directions on a line are zero
            EXPECT_EQ(complaints_of(p, c), "");
        }
    }
    order_of_threads = 0;
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

void check_tensor_cores(std::size_t first, bool floats_too) {
    std::mt19937_64 random(17);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    const std::size_t rows[] = {2, 64, 140, sanitized ? 150 : 260}, widths[] = {3, 16, 64, 72, 150};
    for (const contrast against : {contrast::both_views, contrast::in_batch, contrast::two_way, contrast::queue}) {
        for (std::size_t k = first; k < 4; ++k) {
            // Every contrast and every number of rows, but not with one another.
            if (sanitized && (k + static_cast<std::size_t>(against)) % 2 != 0) continue;
            problem p = random_problem(against, rows[k], widths[below(5)], 1 + below(300), random());
            p.bfloat_products = true;
            p.types = k % 2 == 0 || !floats_too ? elements::bfloats : elements::floats;
            p.normalize = k != 1;
            p.temperature = p.normalize ? 0.1 : double(p.anchors.width);
            order_of_threads = static_cast<int>(below(thread_orders));
            // Elements of bfloats are multiplied as they are, so the loss is as exact as that of floats.
            const closeness c{p.types == elements::bfloats ? 2e-6 : 5e-3, 8e-3, 3e-3};
            EXPECT_EQ(complaints_of(p, c), "");
        }
    }
    order_of_threads = 0;
}

TEST(cuda_pairwise, agrees_with_the_reference_in_tensor_cores) { check_tensor_cores(0, true); }

TEST(cuda_pairwise, agrees_with_the_reference_in_warpgroups) {
    warpgroups = true;
    check_tensor_cores(2, false);
    warpgroups = false;
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
        EXPECT_TRUE(std::isnan(evaluate_on_device(p).fused.loss[0]));
    }
}

// Few rows against many columns, one block a tile or all of them in one; the second slab of weights is narrower.
TEST(cuda_pairwise, shares_columns_among_any_number_of_blocks) {
    slab_columns = 512;
    for (const index_t blocks : {1, 3, 1000}) {
        if (sanitized && blocks == 3) continue;
        enough_blocks = blocks;
        for (const int how : {0, 1, 2}) {
            problem p = random_problem(contrast::queue, 20, 18, sanitized ? 540 : 700, 29);
            p.bfloat_products = how > 0;
            warpgroups = how == 2;
            if (warpgroups) p.types = elements::bfloats;
            EXPECT_EQ(complaints_of(p, how > 0 ? closeness{5e-3, 8e-3} : closeness{}), "");
        }
    }
    warpgroups = false;
    enough_blocks = 4;
    slab_columns = 256;
}

TEST(cuda_pairwise, gives_the_same_bits_in_every_thread_order) {
    const problem p = random_problem(contrast::both_views, 70, 24, 0, 11);
    order_of_threads = 0;
    const answer first = evaluate_on_device(p);
    for (order_of_threads = 0; order_of_threads < thread_orders; ++order_of_threads) {
        const answer other = evaluate_on_device(p);
        EXPECT_TRUE(same(first.apart, other.apart));
        EXPECT_TRUE(same(first.fused, other.fused));
    }
    order_of_threads = 0;
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

TEST(cuda_pairwise, of_nothing_is_zero) {
    const problem p = random_problem(contrast::both_views, 0, 4, 0, 1);
    EXPECT_EQ(evaluate_on_device(p).fused.loss, std::vector<double>{0.0});
    const problem no_queue = random_problem(contrast::queue, 3, 4, 0, 1);
    EXPECT_EQ(evaluate_on_device(no_queue).fused.loss, std::vector<double>{0.0});
}

}  // namespace
