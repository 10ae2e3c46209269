#pragma once

#include <vector>

#include "selfsame/core/tensor.hpp"

namespace selfsame::inline SELFSAME_ISA {

/// The newest `capacity` embeddings, first in, first out: negatives for `from_queue` (He et al. 2020; there 65536).
/// Rows are in no particular order. A batch that wraps around the end goes on at the beginning, and one larger than the
/// queue leaves its last rows. Enqueue after the loss: a batch must not be its own negative.
template <class T = float>
class embedding_queue {
  public:
    embedding_queue(index_t capacity, index_t width) : capacity_(capacity), width_(width) {
        if (capacity < 1) fail("capacity", capacity, ">= 1");
        if (width < 1) fail("width", width, ">= 1");
        data_.resize(static_cast<std::size_t>(capacity * width));
    }

    /// Appends the rows of an N x width tensor.
    template <class Batch>
    void enqueue(const Batch& batch) {
        const auto x = as_tensor<2>(batch);
        if (x.extent(1) != width_) fail("batch", std::string_view(shape_text(x)), std::to_string(width_) + " columns");
        for (index_t i = 0; i < x.extent(0); ++i) {
            T* row = data_.data() + next_ * width_;
            for (index_t k = 0; k < width_; ++k) row[k] = element_cast<T>(x(i, k));
            next_ = next_ + 1 == capacity_ ? 0 : next_ + 1;
            size_ = size_ < capacity_ ? size_ + 1 : capacity_;
        }
    }

    index_t size() const { return size_; }
    index_t capacity() const { return capacity_; }
    /// size() x width; valid until the next enqueue.
    tensor<const T, 2> rows() const { return matrix(data_.data(), size_, width_); }

  private:
    index_t capacity_, width_, next_ = 0, size_ = 0;
    std::vector<T> data_;
};

}  // namespace selfsame::inline SELFSAME_ISA
