#pragma once

#include "selfsame/core/aliasing.hpp"
#include "selfsame/engine/host/results.hpp"
#include "selfsame/engine/host/rowwise.hpp"
#include "selfsame/policy/accumulate.hpp"
#include "selfsame/policy/softmax.hpp"

/// \file
/// Scores of rows of logits z: how sure, and how far from what was learned. Any set of them takes one read of the
/// logits. With x = z / temperature and p the softmax of x:
///
///     free_energy      -temperature log sum e^x     high when out of distribution (Liu et al. 2020)
///     max_logit        max z                        (Hendrycks et al. 2022)
///     max_probability  max p                        (Hendrycks & Gimpel 2017)
///     entropy          -sum p log p, in nats
///     margin           largest p less the second    (Scheffer et al. 2001); 1 for a single column
///
/// x log2(e) must not overflow: logits beyond 2.3e38 temperature are infinite to float.

namespace selfsame::inline SELFSAME_ISA {

namespace detail {

/// What a score may use of a row, and of the whole set of scores what is gathered.
template <bool Moment, int Ranks>
struct score_needs {
    static constexpr bool moment = Moment;
    static constexpr int ranks = Ranks;
};

/// A row of logits as scores and their gradients see it; one row in each lane.
template <class V>
struct score_row {
    V log_total, entropy, first, first_at, second, second_at;
    V scale, level, bits_of_sum;  ///< of softmax_statistics
    V first_probability = V(math::scalar_t<V>(0)), second_probability = V(math::scalar_t<V>(0));

    /// log2 p of a logit.
    constexpr V bits(V z) const { return softmax_statistics<V>::bits(z, level, scale) - bits_of_sum; }
    constexpr V probability(V z) const { return math::exp2(bits(z)); }
    static constexpr V at(V column, V place, V value) {
        return math::select(column == place, value, V(math::scalar_t<V>(0)));
    }
};

}  // namespace detail

struct free_energy : detail::score_needs<false, 0> {
    template <class V>
    static constexpr V value(const detail::score_row<V>& r, V temperature) {
        return V(math::scalar_t<V>(0)) - temperature * r.log_total;
    }
    template <class V>
    static constexpr V gradient(const detail::score_row<V>&, V, V p, V, V) {
        return V(math::scalar_t<V>(0)) - p;
    }
};

struct max_logit : detail::score_needs<false, 1> {
    template <class V>
    static constexpr V value(const detail::score_row<V>& r, V) {
        return r.first;
    }
    template <class V>
    static constexpr V gradient(const detail::score_row<V>& r, V, V, V column, V) {
        return r.at(column, r.first_at, V(math::scalar_t<V>(1)));
    }
};

struct max_probability : detail::score_needs<false, 1> {
    template <class V>
    static constexpr V value(const detail::score_row<V>& r, V) {
        return r.first_probability;
    }
    template <class V>
    static constexpr V gradient(const detail::score_row<V>& r, V, V p, V column, V inverse_temperature) {
        return r.first_probability * (r.at(column, r.first_at, V(math::scalar_t<V>(1))) - p) * inverse_temperature;
    }
};

struct entropy : detail::score_needs<true, 0> {
    template <class V>
    static constexpr V value(const detail::score_row<V>& r, V) {
        return r.entropy;
    }
    template <class V>
    static constexpr V gradient(const detail::score_row<V>& r, V z, V p, V, V inverse_temperature) {
        using S = math::scalar_t<V>;
        // p log p is 0 where p is.
        const V log_p =
            (math::max)(V(-(std::numeric_limits<S>::max)() / 4), r.bits(z)) * V(softmax_statistics<V>::log_2);
        return V(S(0)) - p * (log_p + r.entropy) * inverse_temperature;
    }
};

struct margin : detail::score_needs<false, 2> {
    template <class V>
    static constexpr V value(const detail::score_row<V>& r, V) {
        return r.first_probability - r.second_probability;
    }
    template <class V>
    static constexpr V gradient(const detail::score_row<V>& r, V, V p, V column, V inverse_temperature) {
        const V one = r.first_probability, two = r.second_probability;
        return (r.at(column, r.first_at, one) - r.at(column, r.second_at, two) - p * (one - two)) * inverse_temperature;
    }
};

/// Scores... of logits, B x K. Their values are a B x scores matrix, or a vector of B for a single one. Of equal logits
/// the one of the lowest column is the largest; gradients go to that one.
template <class... Scores>
struct logit_scores {
    double temperature = 1;
    static constexpr int count = sizeof...(Scores);
    static constexpr bool moment = (Scores::moment || ...);
    static constexpr int ranks = (std::max)({Scores::ranks...});

    void check() const {
        if (!(temperature > 0)) fail("temperature", temperature, "> 0");
    }
};

namespace host {

/// One score in each row, or a matrix of them.
template <class Scores, class Out>
auto score_matrix(Out&& out) {
    if constexpr (Scores::count == 1) {
        const auto v = as_tensor<1>(out);
        return selfsame::view<decltype(v)::accessor_type::space>(
            v.data_handle(), std::array<index_t, 2>{v.extent(0), 1}, std::array<index_t, 2>{v.stride(0), 1});
    } else {
        return as_tensor<2>(out);
    }
}

/// The scores as a policy of rows, computed in T over values V.
template <class T, class V, class Scores, bool Places>
struct score_walk;

template <class T, class V, class... Scores, bool Places>
struct score_walk<T, V, logit_scores<Scores...>, Places> {
    using set = logit_scores<Scores...>;
    using row = selfsame::detail::score_row<V>;
    template <class X>
    using reducer = softmax_statistics<X, set::moment, set::ranks, Places>;

    struct weighted_row : row {
        V upstream[set::count];
    };

    T inverse_temperature, temperature, scale;

    explicit score_walk(const set& s)
        : inverse_temperature(T(1 / s.temperature)), temperature(T(s.temperature)),
          scale(T(1.44269504088896340736 / s.temperature)) {}

    SELFSAME_INLINE constexpr V term(V z) const { return z; }
    SELFSAME_INLINE constexpr V element(V z, const weighted_row& r, V column) const {
        const V p = r.probability(z);
        V g(T(0));
        int s = 0;
        ((g = math::fma(r.upstream[s],
                        Scores::gradient(static_cast<const row&>(r), z, p, column, V(inverse_temperature)), g),
          ++s),
         ...);
        return g;
    }

    template <class R>
    constexpr row row_of(const R& r) const {
        const V none(T(-1));
        row out{r.log_total(scale), none, none, none, none, none, V(scale), r.level, r.bits_of_sum()};
        if constexpr (set::moment) out.entropy = r.entropy();
        if constexpr (set::ranks > 0) {
            out.first = r.first;
            out.first_probability = out.probability(r.first);
        }
        if constexpr (set::ranks > 1) {
            out.second = r.second;
            out.second_probability = out.probability(r.second);
        }
        if constexpr (Places && set::ranks > 0) out.first_at = r.first_at;
        if constexpr (Places && set::ranks > 1) out.second_at = r.second_at;
        return out;
    }
    /// to(score, values) for every score.
    template <class F>
    constexpr void each_score(const row& r, F&& to) const {
        int s = 0;
        ((to(s, Scores::value(r, V(temperature))), ++s), ...);
    }
};

template <class Walk, class Out>
void write_scores(const Walk& walk, const typename Walk::row& r, index_t first, index_t n, const Out& out) {
    using E = typename Out::value_type;
    walk.each_score(r, [&]<class V>(int s, V values) {
        using T = math::scalar_t<V>;
        if constexpr (std::is_same_v<E, T>) {
            if (out.stride(0) == 1) return store_some(&out(first, s), values, n);
        }
        T each[lanes<T>];
        store(each, values);
        for (index_t k = 0; k < n; ++k) out(first + k, s) = element_cast<E>(each[k]);
    });
}

/// `values` and `gradients` on the host, of arguments that have been checked.
struct score_passes {
    template <class C, class Set, class Logits, class Out>
    static void values(const C& ctx, const Set& scores, const Logits& logits, const Out& out) {
        using T = typename compute<typename Logits::value_type>::type;
        using walk = score_walk<T, batch<T>, Set, false>;
        using rows = row_source_of<T, Logits>;
        const walk policy(scores);
        row_walk<T, walk, rows>(policy, rows(logits)).reduce(ctx, [&](index_t first, index_t n, const auto& r) {
            write_scores(policy, policy.row_of(r), first, n, out);
        });
    }

    template <bool Adds, class C, class Set, class Logits, class Values, class Upstream, class Gradient>
    static void gradients(const C& ctx, const Set& scores, const Logits& logits, const Values& values,
                          const Upstream& upstream, const Gradient& gradient) {
        using T = typename compute<typename Logits::value_type>::type;
        using walk = score_walk<T, batch<T>, Set, true>;
        const walk policy(scores);
        const row_source_of<T, Logits> source(logits);
        const auto out = results_of<T, Adds>(gradient);
        row_walk<T, walk, row_source_of<T, Logits>>(policy, source)
            .reduce_and_write(ctx, out, [&](index_t first, index_t n, const auto& r) {
                typename walk::weighted_row row{policy.row_of(r), {}};
                for (int s = 0; s < Set::count; ++s) {
                    row.upstream[s] = batch<T>(T(1));
                    if constexpr (!is_none<Upstream>) {
                        for (index_t k = 0; k < n; ++k) row.upstream[s].v[k] = element_cast<T>(upstream(first + k, s));
                    }
                }
                if constexpr (!is_none<Values>) write_scores(policy, row, first, n, values);
                return row;
            });
    }
};

template <class Context, class... X>
void check_spaces(const X&...) {
    constexpr memory_space space = memory_of<decltype(Context::policy)>;
    const auto check = []<class Y>(std::type_identity<Y>) {
        if constexpr (!is_none<Y>) selfsame::detail::check_space<space, Y>();
    };
    (check(std::type_identity<X>()), ...);
}
template <class X>
auto check_logits(const X& logits) {
    static_assert(real_element<std::remove_const_t<typename X::element_type>>,
                  "selfsame: logits are float, double, half or bfloat16");
    if (logits.extent(1) == 0 && logits.extent(0) > 0)
        fail("logits", std::string_view(shape_text(logits)), "at least one column");
}
template <class X>
void check_shape(std::string_view name, const X& x, index_t rows, index_t columns, std::string_view why) {
    if (x.extent(0) == rows && x.extent(1) == columns) return;
    std::string expected = std::to_string(rows) + " x " + std::to_string(columns);
    expected.append(" (").append(why).append(")");
    fail(name, std::string_view(shape_text(x)), expected);
}

}  // namespace host

/// What computes scores for an execution policy: the host, unless a header that knows of devices says otherwise.
template <class Context>
struct score_engine : host::score_passes {};

/// The scores of every row of `logits`, into `values`.
template <execution C, class... Scores, class Logits, class Values>
void forward(const C& ctx, const logit_scores<Scores...>& scores, const Logits& logits, Values&& values) {
    using set = logit_scores<Scores...>;
    const auto c = as_context(ctx);
    const auto z = as_tensor<2>(logits);
    const auto out = host::score_matrix<set>(values);
    scores.check();
    host::check_spaces<context_of<C>>(z, out);
    host::check_logits(z);
    host::check_shape("values", out, z.extent(0), set::count, "rows of logits x scores");
    aliasing_rules rules;
    rules.input("logits", z);
    rules.output("values", out);
    score_engine<context_of<C>>::values(c, scores, z, out);
}

namespace host {

template <bool Adds, class C, class... Scores, class Logits, class Values, class Upstream, class Gradient>
void score_gradients(const C& ctx, const logit_scores<Scores...>& scores, const Logits& logits, const Values& values,
                     const Upstream& upstream, const Gradient& gradient) {
    using set = logit_scores<Scores...>;
    scores.check();
    check_spaces<C>(logits, values, upstream, gradient);
    check_logits(logits);
    const index_t rows = logits.extent(0);
    aliasing_rules rules;
    rules.input("logits", logits);
    check_shape("gradient", gradient, rows, logits.extent(1), "the shape of logits");
    if constexpr (!is_none<Upstream>) {
        check_shape("upstream", upstream, rows, set::count, "the shape of the scores");
        rules.input("upstream", upstream);
    }
    rules.output("gradient", gradient, Adds ? "" : "logits");
    if constexpr (!is_none<Values>) {
        check_shape("values", values, rows, set::count, "rows of logits x scores");
        rules.output("values", values);
    }
    score_engine<C>::template gradients<Adds>(ctx, scores, logits, values, upstream, gradient);
}

}  // namespace host

/// gradient = d sum(upstream * scores) / d logits, B x K, or `accumulate{gradient}`; it may be the memory of the
/// logits.
template <execution C, class... Scores, class Logits, class Upstream, class Gradient>
void backward(const C& ctx, const logit_scores<Scores...>& scores, const Logits& logits, const Upstream& upstream,
              Gradient&& gradient) {
    host::score_gradients<host::adds<Gradient>>(as_context(ctx), scores, as_tensor<2>(logits), none{},
                                                host::score_matrix<logit_scores<Scores...>>(upstream),
                                                as_tensor<2>(host::unwrap(gradient)));
}

/// Scores and the gradient of their sum at once.
template <execution C, class... Scores, class Logits, class Values, class Gradient>
void value_and_grad(const C& ctx, const logit_scores<Scores...>& scores, const Logits& logits, Values&& values,
                    Gradient&& gradient) {
    host::score_gradients<host::adds<Gradient>>(as_context(ctx), scores, as_tensor<2>(logits),
                                                host::score_matrix<logit_scores<Scores...>>(values), none{},
                                                as_tensor<2>(host::unwrap(gradient)));
}

}  // namespace selfsame::inline SELFSAME_ISA
