#pragma once

#include <cstdint>

#include "selfsame/engine/host/row_source.hpp"

/// \file
/// The loops along a few rows at once in which rows meet values of their columns; what they compute, and with which
/// policy, stands in rowwise_columns.hpp.

namespace selfsame::inline SELFSAME_ISA::host {

/// Whether elements are written, and past the caches where rows of the target lie in memory as they are computed.
enum class output { none, cached, past_caches };

/// The loops over columns, which know rows as pointers only.
template <class T, class Policy>
struct row_column_kernels {
    using V = batch<T>;
    static constexpr int L = lanes<T>;

    template <int N>
    struct stretch {
        const T* from[N];
        T* to[N];
        T factor[N];
        T* terms;
        index_t step;
        const T* column;
        T* sums;
        index_t n;
        index_t next;
    };

    // Not inlined: in a larger function compilers run out of registers.
    template <int N, bool First, bool Second, output Out>
    [[gnu::noinline]] static void walk(const Policy& policy_, const stretch<N>& s, V* row_sums) {
        const Policy policy = policy_;
        V row[N], f[N];
        T *terms[N], *to[N];
        const T* from[N];
        index_t ahead[N];
        const index_t next = s.next;
        SELFSAME_UNROLL(8)
        for (int j = 0; j < N; ++j) {
            row[j] = V(T(0));
            f[j] = V(s.factor[j]);
            terms[j] = s.terms + j * s.step;
            to[j] = s.to[j];
            from[j] = s.from[j];
            ahead[j] = 0;
        }
        if constexpr (Out == output::past_caches) {
            // Only whole registers at addresses that are multiples of them go past the caches, so each row writes a
            // little ahead of what the loop is at. Terms there are not overwritten yet.
            for (int j = 0; j < N; ++j) {
                const auto off = static_cast<index_t>(reinterpret_cast<std::uintptr_t>(to[j]) % sizeof(V) / sizeof(T));
                ahead[j] = (std::min)((L - off) % L, s.n);
                if (ahead[j] > 0) store_some(to[j], policy.element(load<V>(terms[j]), f[j]), ahead[j]);
            }
        }
        const auto step = [&]<bool Full, bool Writes>(index_t k, std::bool_constant<Full>,
                                                      std::bool_constant<Writes>) __attribute__((always_inline)) {
            const V c = load<V>(s.column + k);
            [[maybe_unused]] V total;
            if constexpr (Second) total = load<V>(s.sums + k);
            SELFSAME_UNROLL(8)
            for (int j = 0; j < N; ++j) {
                if constexpr (Second) {
                    if constexpr (Writes && Out == output::past_caches) {
                        stream(to[j] + ahead[j] + k, policy.element(load<V>(terms[j] + ahead[j] + k), f[j]));
                    }
                    const V e = policy.element(load<V>(terms[j] + k), f[j]);
                    total += e;
                    if constexpr (Writes && Out == output::cached) store(to[j] + k, e);
                }
                if constexpr (First) {
                    V x;
                    if constexpr (Full) {
                        x = load<V>(from[j] + k);
                    } else {
                        x = load_some<V>(from[j] + k, s.n - k);
                    }
                    __builtin_prefetch(from[j] + k + next, 0, 2);
                    const V t = policy.term(x, c);
                    store(terms[j] + k, t);
                    row[j] += t;
                }
            }
            if constexpr (Second) store(s.sums + k, total);
        };
        using yes = std::true_type;
        using no = std::false_type;
        const index_t full = s.n / L * L;
        index_t k = 0;
        if constexpr (Out == output::none) {
            for (; k < full; k += L) step(k, yes(), no());
        } else {
            for (; k + 2 * L <= s.n; k += L) step(k, yes(), yes());
            for (int j = 0; j < N; ++j) {
                for (index_t p = k + ahead[j]; p < s.n; p += L) {
                    store_some(to[j] + p, policy.element(load<V>(terms[j] + p), f[j]), (std::min)(index_t(L), s.n - p));
                }
            }
            for (; k < full; k += L) step(k, yes(), no());
        }
        if (k < s.n) step(k, no(), no());
        if constexpr (First) {
            for (int j = 0; j < N; ++j) row_sums[j] += row[j];
        }
    }

    /// Adds the terms of N rows to their columns. A column's level is raised when its sum grows large.
    template <int N>
    [[gnu::noinline]] static void absorb(const Policy& policy_, const T* const (&from_)[N], index_t n, index_t next,
                                         T* levels, T* sums) {
        constexpr T large = sizeof(T) == 4 ? T(1ll << 60) : T(1ll << 60) * T(1ll << 60);
        const Policy policy = policy_;
        const T* from[N];
        for (int j = 0; j < N; ++j) from[j] = from_[j];
        const auto step = [&](index_t k, auto&& at) __attribute__((always_inline)) {
            const V level = load<V>(levels + k), c = policy.relative(level);
            const V before = load<V>(sums + k);
            V total = before;
            SELFSAME_UNROLL(8)
            for (int j = 0; j < N; ++j) {
                total += policy.term(at(j, k), c);
                __builtin_prefetch(from[j] + k + next, 0, 2);
            }
            if (math::any_greater(total, V(large))) {
                V top = level;
                const V zero = policy.relative(V(T(0)));
                for (int j = 0; j < N; ++j) top = (math::max)(top, policy.logit(at(j, k), zero));
                total = before * policy.map(level, top);
                for (int j = 0; j < N; ++j) total += policy.map(policy.logit(at(j, k), zero), top);
                store(levels + k, top);
            }
            store(sums + k, total);
        };
        index_t k = 0;
        for (; k + L <= n; k += L) {
            step(k, [&](int j, index_t at) __attribute__((always_inline)) { return load<V>(from[j] + at); });
        }
        if (k < n) {
            step(k,
                 [&](int j, index_t at) __attribute__((always_inline)) { return load_some<V>(from[j] + at, n - at); });
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::host
