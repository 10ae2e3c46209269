#include <gtest/gtest.h>

#include <iostream>

#include "evaluate.hpp"

// Every wait in a kernel is there for a reason: without it something must fail.

namespace {

using namespace selfsame_tests;

std::string outcome_of(const std::vector<problem>& problems) {
    try {
        for (const auto& p : problems) {
            const answer a = evaluate_in_fibers(p);
            const std::string wrong = complaints(a.apart, reference(a.rounded), p.how, {});
            if (!wrong.empty()) return wrong;
        }
    } catch (const kernel_error& e) {
        return e.what();
    }
    return "";
}

TEST(cuda_mutations, no_wait_can_be_deleted) {
    // Several tiles, slices of depth and splits; more losses than a thread of the sum.
    std::vector<problem> problems = {random_problem(contrast::both_views, 70, 40, 0, 1),
                                     random_problem(contrast::two_way, 140, 20, 0, 2)};
    waits::seen.clear();
    ASSERT_EQ(outcome_of(problems), "");
    const std::vector<site> all = waits::seen;
    ASSERT_GE(all.size(), 5u);
    for (const site& at : all) {
        waits::deleted = at;
        const std::string what = outcome_of(problems);
        waits::deleted = {};
        EXPECT_NE(what, "") << "nothing fails without the wait at " << at.text();
        std::cout << at.text() << ": " << what << "\n";
    }
}

}  // namespace
