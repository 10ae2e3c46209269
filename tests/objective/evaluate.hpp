#pragma once

#include <thrust/system/omp/execution_policy.h>

#include "helpers.hpp"

/// \file
/// How a problem is given to the library; instantiated in evaluate_*.cpp alone.

namespace selfsame_tests {

template <class Anchors, class Positives, class Queue, class ToAnchors, class ToPositives, class ToQueue>
struct types_of {
    using anchors = Anchors;
    using positives = Positives;
    using queue = Queue;
    using to_anchors = ToAnchors;
    using to_positives = ToPositives;
    using to_queue = ToQueue;
};
template <class T>
using types_all = types_of<T, T, T, T, T, T>;

/// Where a problem is evaluated: how calls are led, and the tensors that they are given.
struct on_the_host {
    static auto context(const problem& p) { return selfsame::context{thrust::omp::par, p.threads, p.scratch_bytes}; }
    template <class Tensor>
    static Tensor& place(Tensor& x) {
        return x;
    }
    template <class Tensor>
    static Tensor place(Tensor&& x) {
        return x;
    }
    static void wait() {}
};

template <class Objective, class Types, class Where>
answer evaluate_as(const problem& p, which calls) {
    constexpr bool own_queue = Objective::negatives::own_queue;
    const auto ctx = Where::context(p);
    const auto place = [](auto&& x) -> decltype(auto) { return Where::place(std::forward<decltype(x)>(x)); };
    constexpr selfsame::reduction reductions[] = {selfsame::reduction::mean, selfsame::reduction::sum,
                                                  selfsame::reduction::per_sample};
    const Objective o{.temperature = p.temperature, .reduction = reductions[static_cast<int>(p.how)]};
    const stored<typename Types::anchors> a(p.anchors, p.in[0]);
    const stored<typename Types::positives> b(p.positives, p.in[1]);
    const stored<typename Types::queue> q(p.queue, p.in[2]);
    const auto inputs = [&] {
        if constexpr (own_queue) {
            return selfsame::pairs{place(a.view()), place(b.view()), place(q.view())};
        } else {
            return selfsame::pairs{place(a.view()), place(b.view())};
        }
    }();
    const std::size_t losses = p.how == total::per_sample ? p.anchors.rows : 1;

    answer result;
    result.rounded = p;
    result.rounded.anchors = a.get();
    result.rounded.positives = b.get();
    result.rounded.queue = q.get();

    const auto run = [&](outcome& out, auto&& call) {
        stored<typename Types::to_anchors> da(p.anchors.rows, p.anchors.width, p.out[0]);
        stored<typename Types::to_positives> db(p.positives.rows, p.positives.width, p.out[1]);
        stored<typename Types::to_queue> dq(p.queue.rows, p.queue.width, p.out[2]);
        out.loss.assign(losses, -1.0);
        std::vector<double> temperature{-1.0};
        auto ta = place(da.view());
        auto tb = place(db.view());
        auto tq = place(dq.view());
        auto slope = place(selfsame::vector(temperature.data(), 1));
        if constexpr (own_queue) {
            call(place(out.loss), selfsame::pair_gradients{ta, tb, tq, slope});
        } else {
            call(place(out.loss), selfsame::pair_gradients{ta, tb, selfsame::none{}, slope});
        }
        Where::wait();
        out.temperature = temperature[0];
        out.anchors = da.get();
        out.positives = db.get();
        out.queue = dq.get();
        out.stayed_inside = da.untouched() && db.untouched() && dq.untouched();
    };
    if ((calls & apart) != 0) {
        using value = selfsame::pair_value<std::remove_const_t<decltype(inputs)>>;
        std::vector<value> saved(
            static_cast<std::size_t>(selfsame::saved_size(o, static_cast<index_t>(p.anchors.rows))));
        const auto both = [&](const std::vector<double>& upstream) {
            return [&](auto&& loss, const auto& gradients) {
                selfsame::forward(ctx, o, inputs, loss, place(saved));
                selfsame::backward(ctx, o, inputs, place(saved), place(upstream), gradients);
            };
        };
        run(result.apart, both(p.upstream));
        run(result.apart_of_one, both({1.0}));
    }
    if ((calls & fused) != 0) {
        run(result.fused,
            [&](auto&& loss, const auto& gradients) { selfsame::value_and_grad(ctx, o, inputs, loss, gradients); });
    }
    return result;
}

template <class Types, class Similarity, class Precision = selfsame::full_precision, class Where = on_the_host>
answer evaluate_with(const problem& p, which calls) {
    using namespace selfsame;
    switch (p.against) {
        case contrast::both_views:
            return evaluate_as<info_nce<Similarity, both_views, Precision>, Types, Where>(p, calls);
        case contrast::in_batch:
            return evaluate_as<info_nce<Similarity, in_batch, Precision>, Types, Where>(p, calls);
        case contrast::two_way:
            return evaluate_as<info_nce<Similarity, in_batch_two_way, Precision>, Types, Where>(p, calls);
        case contrast::queue:
            return evaluate_as<info_nce<Similarity, from_queue, Precision>, Types, Where>(p, calls);
    }
    throw std::logic_error("no such contrast");
}

}  // namespace selfsame_tests
