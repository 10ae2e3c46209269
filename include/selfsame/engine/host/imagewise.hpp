#pragma once

#include <limits>
#include <string>

#include "selfsame/engine/host/imagewise_run.hpp"

/// \file
/// The host's imagewise engine: every image of a batch goes through all operations while it is in a core's cache.

namespace selfsame::inline SELFSAME_ISA::host {

/// The images of a batch: those of a tensor N x H x W x C, or each by itself.
template <class T>
class image_list {
  public:
    explicit image_list(const image_batch<T>& batch)
        : list_(batch.images), count_(static_cast<index_t>(batch.images.size())), channels_(batch.channels) {
        check();
    }
    explicit image_list(const tensor<const T, 4>& t)
        : first_{t.data_handle(), t.extent(1), t.extent(2), t.stride(1), t.stride(2), t.stride(3)},
          stride_(t.stride(0)), count_(t.extent(0)), channels_(t.extent(3)) {
        check();
    }

    index_t count() const { return count_; }
    std::int32_t channels() const { return static_cast<std::int32_t>(channels_); }
    image<T> operator[](index_t n) const {
        if (list_.data() != nullptr) return list_[static_cast<std::size_t>(n)];
        image<T> one = first_;
        one.data += n * stride_;
        return one;
    }
    image_shape shape(index_t n) const {
        const image<T> one = (*this)[n];
        return {channels(), static_cast<std::int32_t>(one.height), static_cast<std::int32_t>(one.width)};
    }

  private:
    void check() const {
        if (count_ == 0) return;
        if (channels_ != 1 && channels_ != 3) fail("images: channels", channels_, "1 or 3");
        constexpr index_t most = 1 << 24;
        const bool same = list_.data() == nullptr;
        for (index_t n = 0; n < (same ? 1 : count_); ++n) {
            const image<T> one = (*this)[n];
            if (one.data != nullptr && one.height >= 1 && one.height <= most && one.width >= 1 && one.width <= most)
                continue;
            const std::string name = same ? joined("images") : joined("images[", n, "]");
            if (one.data == nullptr) fail(name, "a null pointer", "pixels");
            fail(name, joined(one.height, " x ", one.width), joined("height and width from 1 to ", most));
        }
    }

    std::span<const image<T>> list_;
    image<T> first_{};
    index_t stride_ = 0, count_, channels_;
};

template <class T>
image_list<T> image_source(const image_batch<T>& batch) {
    return image_list<T>(batch);
}
template <class Images>
auto image_source(const Images& images) {
    const auto t = as_tensor<4>(images);
    using tensor_type = std::remove_cvref_t<decltype(t)>;
    using T = typename tensor_type::value_type;
    static_assert(tensor_type::rank() == 4, "selfsame: images: a tensor N x height x width x channels is expected");
    static_assert(std::is_same_v<T, std::uint8_t> || std::is_same_v<T, float>,
                  "selfsame: images: elements of std::uint8_t or float are expected");
    static_assert(tensor_type::accessor_type::space == memory_space::host, "selfsame: images: host memory is expected");
    return image_list<T>(tensor<const T, 4>(t.data_handle(), t.mapping(), {}));
}

/// Calls f(op, index) for each operation.
template <class... Ops, class F>
void for_each_operation(const record<Ops...>& operations, F&& f) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (f(get<Index>(operations), std::integral_constant<std::size_t, Index>()), ...);
    }(std::index_sequence_for<Ops...>());
}

template <class... Ops>
void check_operations(const record<Ops...>& operations, std::int32_t channels) {
    for_each_operation(operations, [&](const auto& op, auto) { op.check(channels); });
}

namespace detail {

template <class Op>
void check_drawn(const Op& op, const typename Op::parameters& p, image_shape shape) {
    if constexpr (composite_op<Op>) {
        op.visit(p, [&](const auto& inner, const auto& q) { check_drawn(inner, q, shape); });
    } else if constexpr (requires { op.check_drawn(p, shape); }) {  // an operation's own conditions
        op.check_drawn(p, shape);
    } else if constexpr (resampling_op<Op>) {
        const window w = op.crop(p);
        const bool inside = w.height >= 1 && w.width >= 1 && w.top >= 0 && w.left >= 0 && w.height <= shape.height &&
                            w.width <= shape.width && w.top <= shape.height - w.height &&
                            w.left <= shape.width - w.width;
        if (!inside) {
            fail("parameters: crop", joined(w.height, " x ", w.width, " at (", w.top, ", ", w.left, ")"),
                 joined("a window of the image, ", shape.height, " x ", shape.width));
        }
    }
}

template <class Op>
void absorb_reach(const Op& op, image_limits& limits) {
    if constexpr (composite_op<Op>) {
        op.each([&](const auto& inner) { absorb_reach(inner, limits); });
    } else if constexpr (convolving_op<Op>) {
        limits.reach = (std::max)(limits.reach, index_t{op.reach()});
    }
}

}  // namespace detail

/// Refuses parameters that were not drawn for an image of this shape.
template <class... Ops>
void check_parameters(const record<Ops...>& operations, const record<typename Ops::parameters...>& p,
                      image_shape shape) {
    for_each_operation(operations, [&](const auto& op, auto index) {
        detail::check_drawn(op, get<index()>(p), shape);
        shape = output_shape(op, shape);
    });
}

/// Runs the operations on every image, with the parameters that draw(n) gives.
template <class Policy, class... Ops, class T, class Out, class Draw>
void imagewise(const context<Policy>& ctx, const record<Ops...>& operations, const image_list<T>& images,
               const Out& out, Draw&& draw) {
    static_assert(std::is_same_v<typename Out::element_type, float> && Out::rank() == 4,
                  "selfsame: out: a float tensor N x channels x height x width is expected");
    static_assert(Out::accessor_type::space == memory_space::host, "selfsame: out: host memory is expected");
    const index_t count = images.count();
    if (index_t{out.extent(0)} != count) fail("out", shape_text(out), joined(count, " images"));
    if (count == 0) return check_operations(operations, static_cast<std::int32_t>(out.extent(1)));
    check_operations(operations, images.channels());
    check_writable("out", out);

    constexpr bool resized_first = [] {
        bool first = true, result = sizeof...(Ops) > 0;
        ((result = first ? resampling_op<Ops> : result, first = false), ...);
        return result;
    }();
    image_limits limits;
    limits.channels = images.channels();
    for_each_operation(operations, [&](const auto& op, auto) { detail::absorb_reach(op, limits); });
    for (index_t n = 0; n < count; ++n) {
        image_shape shape = images.shape(n);
        resized_first ? limits.absorb_source(shape) : limits.absorb(shape);
        for_each_operation(operations, [&](const auto& op, auto) { limits.absorb(shape = output_shape(op, shape)); });
        if (shape.channels != out.extent(1) || shape.height != out.extent(2) || shape.width != out.extent(3)) {
            fail("out", shape_text(out),
                 joined(count, " x ", shape.channels, " x ", shape.height, " x ", shape.width,
                        " (what becomes of image ", n, ")"));
        }
    }

    const auto each = [&]<int C>(std::integral_constant<int, C>) {
        const int threads = static_cast<int>((std::min)(index_t{workers(ctx)}, count));
        const std::size_t bytes = limits.bytes();
        scratch<Policy> memory(ctx.policy, bytes * static_cast<std::size_t>(threads));
        std::uint8_t* base = memory.template take<std::uint8_t>(static_cast<index_t>(bytes) * threads);
        // Some ten thousand values a task, so that small images do not make much ado.
        const index_t values = C * out.extent(2) * out.extent(3);
        const index_t block = (std::clamp)(index_t{16384} / values, index_t{1}, (count + threads - 1) / threads);
        auto bounded = ctx;
        bounded.threads = threads;
        parallel_for(bounded, (count + block - 1) / block, [&](index_t task, int worker) {
            piece_cursor pieces{base + static_cast<std::size_t>(worker) * bytes};
            image_runner<T, C> runner(image_workspace(limits, pieces));
            for (index_t n = task * block; n < (std::min)(count, (task + 1) * block); ++n) {
                const record<typename Ops::parameters...> parameters = draw(n);
                constexpr int most = step_count_v<Ops...>;
                step steps[most > 0 ? most : 1];
                step* end = steps;
                image_shape shape = images.shape(n);
                for_each_operation(operations, [&](const auto& op, auto index) {
                    append_steps<C>(end, op, get<index()>(parameters), shape);
                });
                runner.run(steps, end, images[n],
                           {out.data_handle() + n * out.stride(0), out.stride(1), out.stride(2), out.stride(3)});
            }
        });
    };
    if (images.channels() == 1) {
        each(std::integral_constant<int, 1>());
    } else {
        each(std::integral_constant<int, 3>());
    }
}

}  // namespace selfsame::inline SELFSAME_ISA::host
