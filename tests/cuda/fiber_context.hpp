#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <type_traits>
#include <typeinfo>
#include <vector>

#include "selfsame/engine/cuda/fragments.hpp"
#include "shared_shadow.hpp"

/// \file
/// The block context on the host. It reports a barrier that not all threads reach, an operation of a warp that not all
/// lanes reach, and races in shared memory, each with the kernel's line.

namespace selfsame_tests {

using selfsame::index_t;

/// Warpgroups: whether it is of a machine whose warpgroups multiply.
template <bool Warpgroups>
class fiber_context_of {
  public:
    static constexpr bool warpgroups = Warpgroups;

    fiber_context_of(fiber_block& block, shared_memory& memory) : block_(block), memory_(memory) {}

    void enter_block(index_t rank) {
        rank_ = rank;
        copies_.assign(static_cast<std::size_t>(block_.count()), {});
        products_.assign(static_cast<std::size_t>(block_.count()), {});
        memory_.forget();
    }

    int thread() const { return block_.current(); }
    int lane() const { return block_.current() % fiber_block::warp; }
    int warp() const { return block_.current() / fiber_block::warp; }
    index_t block() const { return rank_; }

    void sync(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        const site at{file, line};
        if (!waits::is_deleted(at)) block_.wait_for_block(at);
    }
    void keep_order() const {}

    void sync_for_warpgroups(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        sync(file, line);
        own(products_).sees_before = block_.epoch();
    }
    void multiply_begin() { own(products_).begun = true; }
    /// Done at the wait, the latest legal moment.
    template <class U, bool Transposed, int N>
    void multiply_warpgroup(float (&x)[2][N], const U* a, const U* b, bool adds, const char* file = __builtin_FILE(),
                            int line = __builtin_LINE()) {
        auto& mine = own(products_);
        if (!mine.begun) throw kernel_error("products that were not begun at " + site{file, line}.text());
        mine.flying.push_back({&x[0][0], N, a, b, adds, Transposed, mine.commits, {file, line}, multiply_now<U>});
    }
    void multiply_commit() {
        ++own(products_).commits;
        own(products_).begun = false;
    }
    template <int Flying, int N>
    void multiply_wait(float (&)[2][N], const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        const site at{file, line};
        waits::note(at);
        if (waits::is_deleted(at)) return;
        auto& mine = own(products_);
        std::erase_if(mine.flying, [&](const product& p) {
            if (p.group + Flying >= mine.commits) return false;
            p.now(*this, p);
            return true;
        });
    }

    template <class T>
    T shuffle_xor(T x, int mask, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        static_assert(std::is_trivially_copyable_v<T>);
        struct registers {
            T given;
            int mask;
            T got;
        } mine{x, mask, x};
        block_.with_warp(
            [](void* const* lanes) {
                for (int l = 0; l < fiber_block::warp; ++l) {
                    auto* to = static_cast<registers*>(lanes[l]);
                    to->got = static_cast<const registers*>(lanes[l ^ to->mask])->given;
                }
            },
            &mine, {file, line});
        return mine.got;
    }

    template <class S>
    S& shared() {
        return *reinterpret_cast<S*>(memory_.data());
    }
    template <class T>
    T read(const T& value, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        memory_.reads(&value, sizeof(T), {file, line});
        return value;
    }
    template <class T>
    void write(T& value, std::type_identity_t<T> x, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        memory_.writes(&value, sizeof(T), {file, line});
        value = x;
    }

    void add_to(std::uint32_t& value, std::uint32_t x) { value += x; }

    void tell(selfsame::device::message& to, selfsame::device::message m) { to = m; }
    selfsame::device::message look(const selfsame::device::message& from) const { return from; }
    float hear(const selfsame::device::message& from, std::uint32_t number, const char* file = __builtin_FILE(),
               int line = __builtin_LINE()) {
        const site at{file, line};
        waits::note(at);
        if (!waits::is_deleted(at)) {
            while (from.number != number) block_.listen(at);
        }
        return from.value;
    }

    /// Lands at the wait, the latest legal moment.
    template <class U>
    void copy_async(U* to, const U* from, bool there, const char* file = __builtin_FILE(),
                    int line = __builtin_LINE()) {
        const site at{file, line};
        if (reinterpret_cast<std::uintptr_t>(to) % 16 != 0 || reinterpret_cast<std::uintptr_t>(from) % 16 != 0) {
            throw kernel_error("a copy of 16 bytes that are not aligned at " + at.text());
        }
        memory_.begins_copy(to, 16, at);
        copy c{to, {}, own(copies_).commits};
        if (there) std::memcpy(c.bytes, from, sizeof(c.bytes));
        own(copies_).flying.push_back(c);
    }
    void copy_commit() { ++own(copies_).commits; }
    template <int Flying>
    void copy_wait(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        const site at{file, line};
        waits::note(at);
        if (waits::is_deleted(at)) return;
        std::erase_if(own(copies_).flying, [&](const copy& c) {
            if (c.group + Flying >= own(copies_).commits) return false;
            memory_.ends_copy(c.to, sizeof(c.bytes), at);
            std::memcpy(c.to, c.bytes, sizeof(c.bytes));
            return true;
        });
    }

    template <bool Transposed, class U>
    void load_matrices(selfsame::device::word (&to)[4], const U* row, const char* file = __builtin_FILE(),
                       int line = __builtin_LINE()) {
        struct registers {
            std::uint16_t row[8];
            selfsame::device::word* to;
        } mine{{}, to};
        static_assert(sizeof(U) == 2);
        if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) {
            throw kernel_error("a row of a matrix that is not aligned at " + site{file, line}.text());
        }
        memory_.reads(row, sizeof(mine.row), {file, line});
        std::memcpy(mine.row, row, sizeof(mine.row));
        block_.with_warp(
            [](void* const* lanes) {
                const auto element = [&](int which, int y, int x) {
                    return selfsame::device::word{static_cast<const registers*>(lanes[8 * which + y])->row[x]};
                };
                for (int l = 0; l < fiber_block::warp; ++l) {
                    const int y = l / 4, x = 2 * (l % 4);
                    for (int m = 0; m < 4; ++m) {
                        static_cast<registers*>(lanes[l])->to[m] = Transposed
                                                                       ? element(m, x, y) | element(m, x + 1, y) << 16
                                                                       : element(m, y, x) | element(m, y, x + 1) << 16;
                    }
                }
            },
            &mine, {file, line});
    }

    template <class U>
    void multiply(float (&x)[4], const selfsame::device::word (&a)[4], selfsame::device::word b0,
                  selfsame::device::word b1, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
        struct registers {
            float* x;
            const selfsame::device::word* a;
            selfsame::device::word b[2];
        } mine{x, a, {b0, b1}};
        block_.with_warp(
            [](void* const* lanes) {
                namespace fragment = selfsame::device::fragment;
                const auto half_of = [](selfsame::device::word w, int upper) {
                    U u;
                    u.bits = static_cast<std::uint16_t>(w >> (16 * upper));
                    return static_cast<float>(u);
                };
                float left[16][16], right[16][8];
                for (int l = 0; l < fiber_block::warp; ++l) {
                    const auto* lane = static_cast<const registers*>(lanes[l]);
                    for (int upper = 0; upper < 2; ++upper) {
                        for (int r = 0; r < 4; ++r) {
                            left[fragment::a_row(l, r)][fragment::a_depth(l, r, upper)] = half_of(lane->a[r], upper);
                        }
                        for (int r = 0; r < 2; ++r) {
                            right[fragment::b_depth(l, r, upper)][fragment::b_column(l)] = half_of(lane->b[r], upper);
                        }
                    }
                }
                for (int l = 0; l < fiber_block::warp; ++l) {
                    auto* lane = static_cast<registers*>(lanes[l]);
                    for (int e = 0; e < 4; ++e) {
                        float sum = 0;
                        for (int k = 0; k < 16; ++k) {
                            sum += left[fragment::c_row(l, e)][k] * right[k][fragment::c_column(l, e)];
                        }
                        lane->x[e] += sum;
                    }
                }
            },
            &mine, {file, line});
    }

    template <class U>
    selfsame::device::word pack(float low, float high) const {
        return static_cast<selfsame::device::word>(U(low).bits) | static_cast<selfsame::device::word>(U(high).bits)
                                                                      << 16;
    }

  private:
    struct copy {
        void* to;
        unsigned char bytes[16];
        int group;
    };
    struct copies {
        std::vector<copy> flying;
        int commits = 0;
    };
    struct product {
        float* x;
        int columns;  // of a thread
        const void* a;
        const void* b;
        bool adds, transposed;
        int group;
        site at;
        void (*now)(fiber_context_of&, const product&);
    };
    struct products {
        std::vector<product> flying;
        int commits = 0, sees_before = 0;
        bool begun = false;
    };
    template <class Of>
    Of& own(std::vector<Of>& of_threads) {
        return of_threads[static_cast<std::size_t>(block_.current())];
    }

    /// Neighbours in a piece of a line of 128 bytes from `lines` on: the hardware swaps pieces by bits of the address.
    template <class U, int N>
    void take(const void* lines, int line, int k, const product& p, float (&to)[N]) {
        auto address = reinterpret_cast<std::uintptr_t>(lines) + static_cast<std::uintptr_t>(128 * line + 2 * k);
        address ^= (address >> 7 & 7) << 4;
        const auto* units = reinterpret_cast<const U*>(address);
        memory_.reads_as_operand(units, N * sizeof(U), own(products_).sees_before, p.at);
        for (int n = 0; n < N; ++n) to[n] = static_cast<float>(units[n]);
    }
    template <class U>
    static void multiply_now(fiber_context_of& c, const product& p) {
        const int row0 = c.warp() % 4 * 16 + c.lane() / 4;
        float left[2][2][8];
        for (int m = 0; m < 2; ++m) {
            for (int h = 0; h < 2; ++h) c.template take<U>(p.a, row0 + 8 * m, 8 * h, p, left[m][h]);
        }
        for (int n = 0; n < p.columns; n += 2) {
            const int column = n / 2 * 8 + c.lane() % 4 * 2;
            float right[2][16];
            if (p.transposed) {
                for (int k = 0; k < 16; ++k) {
                    float two[2];
                    c.template take<U>(p.b, column / 64 * 64 + k, column % 64, p, two);
                    for (int e = 0; e < 2; ++e) right[e][k] = two[e];
                }
            } else {
                for (int e = 0; e < 2; ++e) {
                    for (int h = 0; h < 2; ++h) {
                        float eight[8];
                        c.template take<U>(p.b, column + e, 8 * h, p, eight);
                        std::copy(eight, eight + 8, right[e] + 8 * h);
                    }
                }
            }
            float sum[4] = {};
            for (int k = 0; k < 16; ++k) {
                for (int e = 0; e < 4; ++e) sum[e] += left[e / 2][k / 8][k % 8] * right[e % 2][k];
            }
            for (int e = 0; e < 4; ++e) {
                float& to = p.x[e / 2 * p.columns + n + e % 2];
                to = p.adds ? to + sum[e] : sum[e];
            }
        }
    }

    fiber_block& block_;
    shared_memory& memory_;
    // Of every thread.
    std::vector<copies> copies_;
    std::vector<products> products_;
    index_t rank_ = 0;
};

using fiber_context = fiber_context_of<false>;
static_assert(selfsame::device::matrix_context<fiber_context, selfsame::bfloat16>);
static_assert(selfsame::device::warpgroup_context<fiber_context_of<true>, selfsame::bfloat16>);

/// A block of a kernel, and what its threads see.
template <bool Warpgroups, class Kernel>
class kernel_block {
  public:
    explicit kernel_block(const Kernel& kernel)
        : kernel_(kernel), block_(Kernel::threads), memory_(block_, sizeof(typename Kernel::shared)) {}

    void run(index_t rank, thread_order order) {
        context_.enter_block(rank);
        block_.run(body_, order);
    }
    fiber_block& begin(index_t rank, thread_order order) {
        context_.enter_block(rank);
        block_.begin(body_, order);
        return block_;
    }

  private:
    struct whole {
        kernel_block& of;
        void operator()() const { of.kernel_(of.context_); }
    };
    const Kernel& kernel_;
    fiber_block block_;
    shared_memory memory_;
    fiber_context_of<Warpgroups> context_{block_, memory_};
    const whole body_{*this};
};

/// Runs a kernel, its blocks one after the other, or together where they wait for each other.
template <bool Warpgroups = false, class Kernel>
void run_in_fibers(index_t blocks, const Kernel& kernel, thread_order order = {}) {
    static_assert(std::is_trivially_copyable_v<Kernel>);
    using block = kernel_block<Warpgroups, Kernel>;
    if constexpr (!selfsame::device::lives_together<Kernel>) {
        block one(kernel);
        for (index_t rank = 0; rank < blocks; ++rank) one.run(rank, order);
    } else {
        std::vector<std::unique_ptr<block>> all;
        std::vector<fiber_block*> left;
        for (index_t rank = 0; rank < blocks; ++rank) {
            all.push_back(std::make_unique<block>(kernel));
            left.push_back(&all.back()->begin(rank, order));
        }
        // Each as far as it can go before the next, or a step of any.
        if (order.how == thread_order::reverse) std::reverse(left.begin(), left.end());
        const bool shuffles = order.how == thread_order::shuffled;
        std::mt19937 random(order.seed);
        for (std::size_t in_vain = 0; !left.empty();) {
            if (shuffles) std::swap(left[0], left[random() % left.size()]);
            fiber_block* const now = left[0];
            auto p = now->step();
            while (!shuffles && p == fiber_block::progress::made) p = now->step();
            in_vain = p == fiber_block::progress::none ? in_vain + 1 : 0;
            left.erase(left.begin());
            if (p != fiber_block::progress::done) left.push_back(now);
            if (in_vain > 100 * left.size()) throw kernel_error(left[0]->unheard());
        }
    }
}

}  // namespace selfsame_tests
