#include "selfsame/objective/embedding_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

namespace {

using selfsame::embedding_queue;
using selfsame::index_t;
using selfsame::matrix;

// Rows in some order: compare as sorted first columns, which name the rows.
std::vector<float> names(const embedding_queue<float>& queue) {
    std::vector<float> all;
    const auto rows = queue.rows();
    for (index_t i = 0; i < rows.extent(0); ++i) {
        all.push_back(rows(i, 0));
        EXPECT_EQ(rows(i, 1), -rows(i, 0)) << "the columns of a row were torn apart";
    }
    std::sort(all.begin(), all.end());
    return all;
}

TEST(EmbeddingQueue, HoldsTheNewestRowsWhateverTheBatchSizes) {
    std::mt19937 random(3);
    for (int trial = 0; trial < 200; ++trial) {
        const index_t capacity = 1 + static_cast<index_t>(random() % 40);
        embedding_queue<float> queue(capacity, 2);
        std::deque<float> expected;
        float next = 0;
        for (int step = 0; step < 12; ++step) {
            const index_t n = static_cast<index_t>(random() % 60);
            std::vector<float> batch;
            for (index_t i = 0; i < n; ++i, ++next) {
                batch.insert(batch.end(), {next, -next});
                expected.push_back(next);
                if (static_cast<index_t>(expected.size()) > capacity) expected.pop_front();
            }
            queue.enqueue(matrix(batch.data(), n, 2));
            ASSERT_EQ(queue.size(), static_cast<index_t>(expected.size()));
            ASSERT_EQ(names(queue), std::vector<float>(expected.begin(), expected.end()));
        }
    }
}

TEST(EmbeddingQueue, ConvertsElementTypes) {
    embedding_queue<selfsame::half> queue(3, 1);
    const std::vector<double> batch{0.5, 2};
    queue.enqueue(matrix(batch.data(), 2, 1));
    EXPECT_EQ(static_cast<float>(queue.rows()(1, 0)), 2.0f);
}

TEST(EmbeddingQueue, RefusesBadSizes) {
    EXPECT_THROW(embedding_queue<float>(0, 4), std::invalid_argument);
    EXPECT_THROW(embedding_queue<float>(4, 0), std::invalid_argument);
    embedding_queue<float> queue(4, 3);
    const std::vector<float> batch(8);
    EXPECT_THROW(queue.enqueue(matrix(batch.data(), 4, 2)), std::invalid_argument);
    EXPECT_EQ(queue.size(), 0);
}

}  // namespace
