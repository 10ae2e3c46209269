#pragma once

#include <algorithm>
#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#define SELFSAME_TESTS_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SELFSAME_TESTS_ADDRESS_SANITIZER 1
#endif
#endif
#if defined(SELFSAME_TESTS_ADDRESS_SANITIZER)
#include <sanitizer/common_interface_defs.h>
#endif

/// \file
/// A block of threads on the host: each is a fiber that runs until it waits for others. What threads do together is
/// done once, by the scheduler, when all that take part are waiting.

namespace selfsame_tests {

/// Where a kernel called the context.
struct site {
    const char* file = "";
    int line = 0;

    friend bool operator==(const site& a, const site& b) {
        return a.line == b.line && std::string_view(a.file) == b.file;
    }
    std::string text() const {
        const std::string path = file;
        return path.substr(path.rfind('/') + 1) + ":" + std::to_string(line);
    }
};

/// What a kernel must not do.
struct kernel_error : std::logic_error {
    using logic_error::logic_error;
};

/// In which order the threads of a block run, as far as they may.
struct thread_order {
    enum kind { forward, reverse, shuffled } how = forward;
    unsigned seed = 1;
};

/// Waits that kernels were seen to make, and the one that they are not to make: a test that deletes each in turn.
struct waits {
    static inline std::vector<site> seen{};
    static inline site deleted{};

    static void note(const site& at) {
        if (std::find(seen.begin(), seen.end(), at) == seen.end()) seen.push_back(at);
    }
    static bool is_deleted(const site& at) { return at.line == deleted.line && at == deleted; }
};

class fiber_block {
  public:
    static constexpr int warp = 32;
    /// Done by the scheduler for a warp, on what each lane gave to `with_warp`.
    using warp_operation = void (*)(void* const* lanes);

    explicit fiber_block(int threads)
        : threads_(static_cast<std::size_t>(threads)), stacks_(new char[threads_.size() * stack_bytes]),
          order_(threads_.size()) {
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            threads_[i].fiber = boost::context::detail::make_fcontext(stack_of(i) + stack_bytes, stack_bytes, enter);
        }
    }

    /// Lets every thread run body() once: by steps, until one says that all have returned.
    template <class Body>
    void begin(const Body& body, thread_order order) {
        body_ = [](const void* b) { (*static_cast<const Body*>(b))(); };
        body_argument_ = &body;
        error_ = nullptr;
        epoch_ = 0;
        for (std::size_t i = 0; i < order_.size(); ++i) {
            order_[i] = order.how == thread_order::reverse ? order_.size() - 1 - i : i;
        }
        shuffles_ = order.how == thread_order::shuffled;
        random_.seed(order.seed);
        for (thread& t : threads_) t.now = state::ready;
    }
    enum class progress { made, none, done };
    progress step() {
        progress p = progress::none;
        if (shuffles_) std::shuffle(order_.begin(), order_.end(), random_);
        for (const std::size_t i : order_) {
            if (threads_[i].now != state::ready && threads_[i].now != state::listening) continue;
            const bool listened = threads_[i].now == state::listening;
            resume(i);
            if (error_) std::rethrow_exception(error_);
            if (!listened || threads_[i].now != state::listening) p = progress::made;
        }
        return release(p);
    }
    template <class Body>
    void run(const Body& body, thread_order order) {
        begin(body, order);
        progress p = progress::made;
        while (p == progress::made) p = step();
        if (p == progress::none) throw kernel_error(unheard());
    }
    /// Of a thread that waits for what other blocks tell.
    std::string unheard() const {
        std::size_t i = 0;
        while (i + 1 < threads_.size() && threads_[i].now != state::listening) ++i;
        return "blocks that wait for what nobody tells: " + tell(i);
    }

    int current() const { return static_cast<int>(current_); }
    int count() const { return static_cast<int>(threads_.size()); }
    /// Barriers that the block has passed.
    int epoch() const { return epoch_; }

    void wait_for_block(const site& at) { park(state::at_barrier, nullptr, nullptr, at); }
    void listen(const site& at) { park(state::listening, nullptr, nullptr, at); }
    void with_warp(warp_operation operation, void* lane, const site& at) { park(state::in_warp, operation, lane, at); }

  private:
    enum class state { ready, at_barrier, in_warp, listening, done };
    struct thread {
        state now = state::ready;
        site at{};
        warp_operation operation = nullptr;
        void* lane = nullptr;
        boost::context::detail::fcontext_t fiber = nullptr;
    };
    static constexpr std::size_t stack_bytes = 128 << 10;

    char* stack_of(std::size_t i) const { return stacks_.get() + i * stack_bytes; }

    static void enter(boost::context::detail::transfer_t from) {
        auto* block = static_cast<fiber_block*>(from.data);
        block->arrived_in_fiber(from.fctx);
        for (;;) {
            try {
                block->body_(block->body_argument_);
            } catch (...) {
                block->error_ = std::current_exception();
            }
            block->threads_[block->current_].now = state::done;
            block->leave();
        }
    }

    void resume(std::size_t i) {
        current_ = i;
#if defined(SELFSAME_TESTS_ADDRESS_SANITIZER)
        void* mine = nullptr;
        __sanitizer_start_switch_fiber(&mine, stack_of(i), stack_bytes);
#endif
        threads_[i].fiber = boost::context::detail::jump_fcontext(threads_[i].fiber, this).fctx;
#if defined(SELFSAME_TESTS_ADDRESS_SANITIZER)
        __sanitizer_finish_switch_fiber(mine, nullptr, nullptr);
#endif
    }
    void leave() {
#if defined(SELFSAME_TESTS_ADDRESS_SANITIZER)
        void* mine = nullptr;
        __sanitizer_start_switch_fiber(&mine, scheduler_stack_, scheduler_bytes_);
        const auto from = boost::context::detail::jump_fcontext(scheduler_, this);
        __sanitizer_finish_switch_fiber(mine, nullptr, nullptr);
        scheduler_ = from.fctx;
#else
        scheduler_ = boost::context::detail::jump_fcontext(scheduler_, this).fctx;
#endif
    }
    void arrived_in_fiber(boost::context::detail::fcontext_t scheduler) {
#if defined(SELFSAME_TESTS_ADDRESS_SANITIZER)
        __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack_, &scheduler_bytes_);
#endif
        scheduler_ = scheduler;
    }

    void park(state how, warp_operation operation, void* lane, const site& at) {
        thread& t = threads_[current_];
        t.now = how;
        t.operation = operation;
        t.lane = lane;
        t.at = at;
        leave();
    }

    std::string tell(std::size_t i) const {
        return "thread " + std::to_string(i) +
               (threads_[i].now == state::done ? " has returned" : " is at " + threads_[i].at.text());
    }

    // Nobody runs: does what whole warps wait for, else lets the block pass its barrier. Those that listen may still
    // come.
    progress release(progress p) {
        bool any = false;
        for (std::size_t first = 0; first < threads_.size(); first += warp) any = release_warp(first) || any;
        if (any) return progress::made;

        const auto is_done = [](const thread& t) { return t.now == state::done; };
        if (std::all_of(threads_.begin(), threads_.end(), is_done)) return progress::done;
        if (std::any_of(threads_.begin(), threads_.end(), listens)) return p;
        std::size_t waiting = 0;
        while (threads_[waiting].now == state::done) ++waiting;
        for (std::size_t i = 0; i < threads_.size(); ++i) {
            if (is_done(threads_[i]) || !(threads_[i].at == threads_[waiting].at)) {
                throw kernel_error("a barrier that not all threads reach: " + tell(waiting) + ", " + tell(i));
            }
        }
        waits::note(threads_[waiting].at);
        ++epoch_;
        for (thread& t : threads_) t.now = state::ready;
        return progress::made;
    }
    static bool listens(const thread& t) { return t.now == state::listening; }

    bool release_warp(std::size_t first) {
        const std::size_t end = (std::min)(first + warp, threads_.size());
        std::size_t leader = first;
        while (leader < end && threads_[leader].now != state::in_warp) ++leader;
        if (leader == end) return false;
        const auto at = [&](std::size_t i) { return threads_.begin() + static_cast<std::ptrdiff_t>(i); };
        if (std::any_of(at(first), at(end), listens)) return false;
        void* lanes[warp] = {};
        for (std::size_t i = first; i < first + warp; ++i) {
            const bool there = i < end && threads_[i].now == state::in_warp && threads_[i].at == threads_[leader].at &&
                               threads_[i].operation == threads_[leader].operation;
            if (!there) {
                throw kernel_error("an operation of a warp that not all lanes reach: " + tell(leader) + ", " +
                                   (i < end ? tell(i) : "thread " + std::to_string(i) + " does not exist"));
            }
            lanes[i - first] = threads_[i].lane;
        }
        threads_[leader].operation(lanes);
        for (std::size_t i = first; i < end; ++i) threads_[i].now = state::ready;
        return true;
    }

    std::vector<thread> threads_;
    std::unique_ptr<char[]> stacks_;
    std::vector<std::size_t> order_;
    std::size_t current_ = 0;
    int epoch_ = 0;
    bool shuffles_ = false;
    std::mt19937 random_;
    void (*body_)(const void*) = nullptr;
    const void* body_argument_ = nullptr;
    std::exception_ptr error_;
    boost::context::detail::fcontext_t scheduler_ = nullptr;
#if defined(SELFSAME_TESTS_ADDRESS_SANITIZER)
    const void* scheduler_stack_ = nullptr;
    std::size_t scheduler_bytes_ = 0;
#endif
};

}  // namespace selfsame_tests
