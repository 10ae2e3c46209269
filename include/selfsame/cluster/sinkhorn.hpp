#pragma once

#include <limits>

#include "selfsame/cluster/sinkhorn_iteration.hpp"
#include "selfsame/core/aliasing.hpp"
#include "selfsame/policy/marginals.hpp"

/// \file
/// Assignment of samples to prototypes by entropic optimal transport.

namespace selfsame::inline SELFSAME_ISA {

/// Exponentials of scores under the logarithm of their prototype's factor, so that none overflows, added up as they
/// are. A sample whose sum is too small or too large for that is done again under its own maximum, for which its row
/// is read once more from cache.
struct exponential_domain {
    static constexpr bool logarithmic = false;
};

/// Every sample under its own maximum from the start: for epsilon so small that the exponential domain would do most
/// samples twice.
struct log_domain {
    static constexpr bool logarithmic = true;
};

/// The codes are the transport plan's rows, of sum 1.
struct soft_codes {
    static constexpr bool one_hot = false;
};

/// The codes are 1 at a row's largest element, the first of equal ones, and 0 elsewhere (SEER).
struct hard_codes {
    static constexpr bool one_hot = true;
};

/// Codes of B samples from their scores with K prototypes, x B x K.
///
///     Q = exp(x / epsilon); repeat: Q_bk *= c_k / sum_b Q_bk, then Q_bk *= r / sum_k Q_bk; codes = Q / r
///
/// with r = 1 / B and the marginals c, of sum 1: Caron et al. 2020 (SwAV), in that order, so that codes sum to 1 for
/// each sample even where the iteration is cut short. SwAV's options are the defaults; SEER takes epsilon 0.03 and 10
/// iterations, CAPI 0.06 with scores P x B x K. A call is `assign` below.
template <class Domain = exponential_domain, class Marginals = marginals::uniform, class Codes = soft_codes>
struct sinkhorn {
    using domain = Domain;
    using codes = Codes;

    double epsilon = 0.05;
    int iterations = 3;    ///< at most, if there is a tolerance
    double tolerance = 0;  ///< stop when the marginal error is no larger; 0: never
    Marginals marginals{};

    void check(index_t prototypes) const {
        if (!(epsilon > 0 && epsilon < std::numeric_limits<double>::infinity())) fail("epsilon", epsilon, "> 0");
        if (iterations < 1) fail("iterations", iterations, ">= 1");
        if (!(tolerance >= 0)) fail("tolerance", tolerance, ">= 0");
        marginals.check(prototypes);
    }
};

namespace detail {

template <class X>
constexpr auto matrix_at(const X& x, index_t position) {
    if constexpr (X::rank() == 2) {
        return x;
    } else {
        return strided<memory_space::host>(x.data_handle() + position * x.stride(0),
                                           std::array<index_t, 2>{x.extent(1), x.extent(2)},
                                           std::array<index_t, 2>{x.stride(1), x.stride(2)});
    }
}

/// What does it, specialized for devices in cluster/device_sinkhorn.hpp.
template <class Context>
struct sinkhorn_engine {
    template <class T, class Options, class S, class Q, class Mask>
    static sinkhorn_report run(const Context& c, const Options& options, index_t positions, index_t samples,
                               index_t prototypes, const S& scores, const Q& codes, const Mask& mask) {
        if (positions * samples == 0) return {0, 0, true};
        // What is small stays in a cache until it is read; what takes the place of its scores is there already.
        constexpr index_t cached = index_t(16) << 20;
        const bool in_place =
            static_cast<const void*>(scores.data_handle()) == static_cast<const void*>(codes.data_handle());
        const index_t bytes = positions * samples * prototypes * static_cast<index_t>(sizeof(T));
        using scores_type = decltype(matrix_at(scores, 0));
        using codes_type = decltype(matrix_at(codes, 0));
        sinkhorn_call<T, Options, scores_type, codes_type> call(options, positions, samples, prototypes);
        const auto run = [&](const std::uint8_t* counts) {
            return call.run(
                c, [&](index_t p) { return matrix_at(scores, p); }, [&](index_t p) { return matrix_at(codes, p); },
                counts, bytes > cached && !in_place);
        };
        if constexpr (is_none<Mask>) {
            return run(nullptr);
        } else {
            using M = typename Mask::value_type;
            scratch<decltype(c.policy)> memory(c.policy, scratch_bytes<std::uint8_t>(positions * samples));
            auto* counts = memory.template take<std::uint8_t>(positions * samples);
            for (index_t p = 0; p < positions; ++p) {
                for (index_t b = 0; b < samples; ++b) {
                    if constexpr (Mask::rank() == 2) {
                        counts[p * samples + b] = mask(p, b) != M(0) ? 1 : 0;
                    } else {
                        counts[b] = mask(b) != M(0) ? 1 : 0;
                    }
                }
            }
            return run(counts);
        }
    }
};

template <std::size_t Rank, execution C, class Options, class S, class Q, class Mask>
auto assign(const C& ctx, const Options& options, const S& scores, const Q& codes, const Mask& mask) {
    constexpr memory_space space = memory_of<decltype(context_of<C>::policy)>;
    check_space<space, S>();
    check_space<space, Q>();
    static_assert(real_element<typename S::value_type> && real_element<typename Q::value_type>,
                  "selfsame: scores and codes are of float, double, half or bfloat16");
    constexpr bool wide =
        std::is_same_v<typename S::value_type, double> || std::is_same_v<typename Q::value_type, double>;
    using T = std::conditional_t<wide, double, float>;
    for (std::size_t r = 0; r < Rank; ++r) {
        if (scores.extent(r) != codes.extent(r)) fail("codes", std::string_view(shape_text(codes)), shape_text(scores));
    }
    const index_t positions = Rank == 3 ? scores.extent(0) : 1;
    const index_t samples = scores.extent(Rank - 2), prototypes = scores.extent(Rank - 1);
    if (prototypes < 1) fail("scores", std::string_view(shape_text(scores)), "at least one prototype");
    aliasing_rules rules;
    rules.input("scores", scores);
    rules.input("mask", mask);
    rules.output("codes", codes, "scores");
    options.check(prototypes);
    const auto c = as_context(ctx);
    if constexpr (!is_none<Mask>) {
        check_space<space, Mask>();
        bool right = true;
        for (std::size_t r = 0; r + 1 < Rank; ++r) right = right && mask.extent(r) == scores.extent(r);
        if (!right)
            fail("mask", std::string_view(shape_text(mask)), "a value for each sample of " + shape_text(scores));
    }
    return sinkhorn_engine<context_of<C>>::template run<T>(c, options, positions, samples, prototypes, scores, codes,
                                                           mask);
}

}  // namespace detail

/// Codes of scores B x K, or of P x B x K: P problems of their own, one for each position (CAPI). Returns how far it
/// came, a `sinkhorn_report`; on a device (cluster/sinkhorn.cuh) nothing, without a wait.
///
/// `mask`: B (or P x B) values; a sample of value 0 (false) does not count and gets the code 0. Scores are read once
/// for each iteration and once more, and once more again where a tolerance ends the iteration early; memory beyond them
/// is that of some K values for each of a few dozen chunks of samples. The codes may take the place of the scores (the
/// same elements, not shifted ones); nothing else is written. The result does not depend on the number of threads.
///
/// Any epsilon will do: a code's relative error is about 2^-24 |x| / epsilon, 2^-53 in double. A sample or a prototype
/// whose scores are all -inf has the codes 0. NaN or +inf in a score that counts makes all codes of its position NaN,
/// and the error. No sample: nothing is done, which has converged.
template <execution C, class Domain, class Marginals, class Form, class Scores, class Codes, class Mask = none>
auto assign(const C& ctx, const sinkhorn<Domain, Marginals, Form>& options, const Scores& scores, Codes&& codes,
            const Mask& mask = {}) {
    constexpr std::size_t rank = tensor_like<const Scores, 3> && !tensor_like<const Scores, 2> ? 3 : 2;
    if constexpr (is_none<Mask>) {
        return detail::assign<rank>(ctx, options, as_tensor<rank>(scores), as_tensor<rank>(codes), mask);
    } else {
        return detail::assign<rank>(ctx, options, as_tensor<rank>(scores), as_tensor<rank>(codes),
                                    as_tensor<rank - 1>(mask));
    }
}

}  // namespace selfsame::inline SELFSAME_ISA
