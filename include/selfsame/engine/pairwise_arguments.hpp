#pragma once

#include <string>

#include "selfsame/core/aliasing.hpp"
#include "selfsame/core/execution.hpp"
#include "selfsame/policy/accumulate.hpp"
#include "selfsame/policy/reduction.hpp"

/// \file
/// The arguments of a call over pairs: which there are, and whether they fit, for the engines of every memory space.

namespace selfsame::inline SELFSAME_ISA {

namespace detail {

template <class X>
constexpr bool holds_double() {
    if constexpr (is_none<X>) {
        return false;
    } else {
        return std::is_same_v<element_t<X, 2>, double>;
    }
}

/// Rows of the matrix, rows and columns together where both have a loss.
template <class Objective>
constexpr index_t saved_rows(index_t anchors) {
    return Objective::negatives::one_set || Objective::negatives::two_way ? 2 * anchors : anchors;
}

/// Values that a row keeps.
template <class Objective>
inline constexpr int kept_fields = [] {
    using row = typename Objective::template row<float>;
    return std::is_empty_v<row> ? 0 : static_cast<int>(sizeof(row) / sizeof(float));
}();

struct no_pair_gradients_t {
    none anchors, positives, queue, temperature;
};
inline constexpr no_pair_gradients_t no_pair_gradients{};

/// The view of a gradient, or none.
template <class G>
auto target(G&& gradient) {
    if constexpr (is_none<G>) {
        return none{};
    } else {
        return as_tensor<2>(gradient);
    }
}

}  // namespace detail

/// The type that a call over pairs computes in: float, or double if an input is.
template <class Inputs>
using pair_value = std::conditional_t<detail::holds_double<decltype(Inputs::anchors)>() ||
                                          detail::holds_double<decltype(Inputs::positives)>() ||
                                          detail::holds_double<decltype(Inputs::queue)>(),
                                      double, float>;

template <memory_space Space, class Objective, class Inputs, class Gradients>
class pairwise_arguments {
  public:
    using T = pair_value<Inputs>;
    using negatives = typename Objective::negatives;
    using wanted = std::remove_cvref_t<decltype(host::unwrap(std::declval<const Gradients&>()))>;

    static constexpr bool one_set = negatives::one_set, two_way = negatives::two_way, own_queue = negatives::own_queue;
    static constexpr bool adds = host::adds<Gradients>;
    static constexpr bool wants_anchors = !is_none<decltype(wanted::anchors)>;
    static constexpr bool wants_positives = !is_none<decltype(wanted::positives)>;
    static constexpr bool wants_queue = !is_none<decltype(wanted::queue)>;
    static constexpr bool wants_temperature = [] {
        if constexpr (requires(const wanted& w) { w.temperature; }) {
            return !is_none<decltype(wanted::temperature)>;
        } else {
            return false;
        }
    }();
    static constexpr bool wants_any = wants_anchors || wants_positives || wants_queue || wants_temperature;
    static_assert(own_queue == !is_none<decltype(Inputs::queue)>,
                  "selfsame: an objective over from_queue takes pairs{anchors, positives, queue}, others take "
                  "pairs{anchors, positives}");
    static_assert(own_queue || !wants_queue, "selfsame: a gradient of a queue was asked for, and there is no queue");

    pairwise_arguments(const Objective& objective, const Inputs& inputs)
        : objective_(objective), n_(as_tensor<2>(inputs.anchors).extent(0)), d_(as_tensor<2>(inputs.anchors).extent(1)),
          m_(queue_length(inputs)) {}

    template <class Loss>
    void check_loss(const Loss& loss) const {
        detail::check_space<Space, Loss>();
        check_writable("loss", loss);
        const bool each = how() == reduction::per_sample;
        if (loss.size() != static_cast<std::size_t>(each ? n_ : 1)) {
            fail("loss", shape_text(loss), each ? "one value a sample" : "one value");
        }
    }

    template <class Saved>
    void check_saved(const Saved& saved) const {
        detail::check_space<Space, Saved>();
        static_assert(Saved::rank() == 1 && std::is_same_v<typename Saved::value_type, T>,
                      "selfsame: saved is a vector of float, or of double where an input is double");
        const index_t expected = detail::saved_rows<Objective>(n_) * detail::kept_fields<Objective>;
        if (saved.extent(0) != expected)
            fail("saved", saved.extent(0), std::to_string(expected) + " values (saved_size)");
    }

    template <class Upstream>
    void check_upstream(const Upstream& upstream) const {
        if (upstream.size() != static_cast<std::size_t>(each_upstream(upstream) ? n_ : 1)) {
            fail("upstream", std::string_view(shape_text(upstream)), "one value, or one a sample for per_sample");
        }
    }

  protected:
    void check(const Inputs& inputs, const wanted& g) const {
        if constexpr (requires { objective_.check(); }) objective_.check();
        const auto a = as_tensor<2>(inputs.anchors);
        check_matrix("anchors", a, n_, "as given");
        check_matrix("positives", as_tensor<2>(inputs.positives), n_, "the shape of anchors");
        if (d_ == 0 && n_ > 0) fail("anchors", std::string_view(shape_text(a)), "at least one column");
        if constexpr (own_queue) check_matrix("queue", as_tensor<2>(inputs.queue), m_, "the width of anchors");
        // Inputs are packed before anything is written: gradients may be their memory in any way, unless they are
        // added.
        aliasing_rules rules;
        if constexpr (adds) {
            rules.input("anchors", a);
            rules.input("positives", as_tensor<2>(inputs.positives));
            if constexpr (own_queue) rules.input("queue", as_tensor<2>(inputs.queue));
        }
        check_gradient(rules, "gradient of anchors", detail::target(g.anchors), n_);
        check_gradient(rules, "gradient of positives", detail::target(g.positives), n_);
        check_gradient(rules, "gradient of queue", detail::target(g.queue), m_);
        if constexpr (wants_temperature) {
            const auto t = as_tensor<1>(g.temperature);
            detail::check_space<Space, std::remove_const_t<decltype(t)>>();
            if (t.size() != 1) fail("gradient of temperature", std::string_view(shape_text(t)), "one value");
        }
    }

    reduction how() const {
        if constexpr (requires { objective_.reduction; }) {
            return objective_.reduction;
        } else {
            return reduction::mean;
        }
    }

    template <class Upstream>
    bool each_upstream(const Upstream& upstream) const {
        return how() == reduction::per_sample && upstream.size() != 1;
    }

    /// The share of a row's loss in the output.
    double share_of_row() const {
        const double rows_of_a_sample = one_set || two_way ? 2 : 1;
        return 1 / (rows_of_a_sample * (how() == reduction::mean ? double(n_) : 1));
    }

    const Objective& objective_;
    index_t n_, d_, m_;  ///< anchors, their width, and rows of the other set

  private:
    static index_t queue_length(const Inputs& inputs) {
        if constexpr (own_queue) {
            return as_tensor<2>(inputs.queue).extent(0);
        } else {
            return as_tensor<2>(inputs.anchors).extent(0);
        }
    }

    template <class X>
    void check_matrix(std::string_view name, const X& x, index_t rows, std::string_view expected_rows) const {
        static_assert(real_element<std::remove_const_t<typename X::element_type>>,
                      "selfsame: embeddings are float, double, half or bfloat16");
        detail::check_space<Space, X>();
        if (x.extent(0) != rows || x.extent(1) != d_) {
            std::string expected = std::to_string(rows) + " x " + std::to_string(d_);
            expected.append(" (").append(expected_rows).append(")");
            fail(name, std::string_view(shape_text(x)), expected);
        }
    }

    template <class G>
    void check_gradient(aliasing_rules& rules, std::string_view name, const G& g, index_t rows) const {
        if constexpr (!is_none<G>) {
            check_matrix(name, g, rows, "the shape of its input");
            rules.output(name, g);
        }
    }
};

}  // namespace selfsame::inline SELFSAME_ISA
