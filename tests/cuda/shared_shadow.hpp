#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "fiber_block.hpp"

/// \file
/// The shared memory of a block, and beside every word of it who wrote and read it since which barrier: a race is found
/// whatever order the threads ran in, and so is a word that nobody wrote.

namespace selfsame_tests {

class shared_memory {
  public:
    static constexpr std::size_t word = 4;

    shared_memory(const fiber_block& block, std::size_t bytes)
        : block_(block), storage_(bytes + alignment), shadow_((bytes + word - 1) / word), bytes_(bytes) {
        void* p = storage_.data();
        std::size_t room = storage_.size();
        memory_ = static_cast<unsigned char*>(std::align(alignment, bytes, p, room));
    }

    /// As at the start of a block: nothing is written, and all bits are set, which makes NaN of floating-point values.
    void forget() {
        std::memset(memory_, 0xff, bytes_);
        std::fill(shadow_.begin(), shadow_.end(), shadow{});
    }
    unsigned char* data() { return memory_; }

    void reads(const void* p, std::size_t bytes, const site& at) {
        for_words(p, bytes, at, [&](shadow& s) { read(s, at); });
    }
    /// By what sees writes from before a certain barrier alone.
    void reads_as_operand(const void* p, std::size_t bytes, int sees_before, const site& at) {
        for_words(p, bytes, at, [&](shadow& s) {
            read(s, at);
            if (s.written >= sees_before) race("multiplies what products may not see yet", s, s.writer, at);
        });
    }
    void writes(const void* p, std::size_t bytes, const site& at) {
        for_words(p, bytes, at, [&](shadow& s) { write(s, at); });
    }
    /// A copy that lands later, at the latest legal moment.
    void begins_copy(const void* p, std::size_t bytes, const site& at) {
        for_words(p, bytes, at, [&](shadow& s) {
            write(s, at);
            s.copier = me();
        });
    }
    void ends_copy(const void* p, std::size_t bytes, const site& at) {
        for_words(p, bytes, at, [&](shadow& s) {
            s.copier = -1;
            s.written = now();
            s.writer = me();
            s.written_at = at;
        });
    }

  private:
    static constexpr std::size_t alignment = 1024;
    static constexpr int several = -2;
    struct shadow {
        int written = -1, writer = -1, read = -1, reader = -1, copier = -1;
        site written_at{}, read_at{};
    };

    int me() const { return block_.current(); }
    int now() const { return block_.epoch(); }

    void read(shadow& s, const site& at) {
        if (s.copier >= 0) race("reads what is still being copied", s, s.copier, at);
        if (s.written < 0) race("reads what nobody wrote", s, me(), at);
        if (s.written == now() && s.writer != me()) race("reads what was written since the last sync", s, s.writer, at);
        s.reader = s.read == now() && s.reader != me() ? several : me();
        s.read = now();
        s.read_at = at;
    }
    void write(shadow& s, const site& at) {
        if (s.copier >= 0) race("writes what is still being copied", s, s.copier, at);
        if (s.written == now() && s.writer != me())
            race("writes what was written since the last sync", s, s.writer, at);
        if (s.read == now() && s.reader != me()) race("writes what was read since the last sync", s, s.reader, at);
        s.written = now();
        s.writer = me();
        s.written_at = at;
    }

    template <class F>
    void for_words(const void* p, std::size_t bytes, const site& at, F&& f) {
        const auto offset = reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(memory_);
        if (offset >= bytes_ || offset + bytes > bytes_) {
            throw kernel_error("an access outside of shared memory at " + at.text());
        }
        for (std::size_t w = offset / word; w <= (offset + bytes - 1) / word; ++w) f(shadow_[w]);
    }

    [[noreturn]] void race(const char* what, const shadow& s, int other, const site& at) const {
        std::string text = "thread " + std::to_string(me()) + " " + what + ", at " + at.text();
        if (other == several) {
            text += ", where several threads did, one at " + s.read_at.text();
        } else if (other != me()) {
            text += ", where thread " + std::to_string(other) + " did at " +
                    (other == s.reader && s.read == now() ? s.read_at : s.written_at).text();
        }
        throw kernel_error(text);
    }

    const fiber_block& block_;
    std::vector<unsigned char> storage_;
    std::vector<shadow> shadow_;
    std::size_t bytes_;
    unsigned char* memory_ = nullptr;
};

}  // namespace selfsame_tests
