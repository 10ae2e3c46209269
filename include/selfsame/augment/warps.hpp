#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Several warps as one.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Warps one after the other (rotation, affine, perspective), composed into one resampling: no pixel is interpolated
/// twice, and what leaves the image in between is not lost. The first one's fill and method count.
template <warping_op First, warping_op... Rest>
struct warps {
    record<First, Rest...> operations;
    channel_values fill;
    interpolation method;

    using parameters = record<typename First::parameters, typename Rest::parameters...>;

    constexpr warps(const First& first, const Rest&... rest)
        : operations(make_record(first, rest...)), fill(first.fill), method(first.method) {}

    void check(std::int32_t channels) const {
        each([&](const auto& op, auto) { op.check(channels); });
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        parameters p{};
        each([&](const auto& op, auto k) { get<k()>(p) = op.draw(random, image); });
        return p;
    }
    void check_drawn(const parameters& p, image_shape image) const {
        each([&](const auto& op, auto k) {
            if constexpr (requires { op.check_drawn(get<k()>(p), image); }) op.check_drawn(get<k()>(p), image);
        });
    }
    constexpr projective_map source(const parameters& p, image_shape image) const {
        projective_map all;
        each([&](const auto& op, auto k) { all = after(op.source(get<k()>(p), image), all); });
        return all;
    }

  private:
    template <class F>
    constexpr void each(F&& f) const {
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            (f(get<Index>(operations), std::integral_constant<std::size_t, Index>()), ...);
        }(std::index_sequence_for<First, Rest...>());
    }
    /// First `inner`, then `outer`.
    static constexpr projective_map after(const projective_map& inner, const projective_map& outer) {
        const double a[3][3] = {{outer.x_by_x, outer.x_by_y, outer.x_offset},
                                {outer.y_by_x, outer.y_by_y, outer.y_offset},
                                {outer.z_by_x, outer.z_by_y, outer.z_offset}};
        const double b[3][3] = {{inner.x_by_x, inner.x_by_y, inner.x_offset},
                                {inner.y_by_x, inner.y_by_y, inner.y_offset},
                                {inner.z_by_x, inner.z_by_y, inner.z_offset}};
        double c[3][3] = {};
        for (int r = 0; r < 3; ++r) {
            for (int k = 0; k < 3; ++k) {
                c[r][k] = exact::fma(a[r][0], b[0][k], exact::fma(a[r][1], b[1][k], a[r][2] * b[2][k]));
            }
        }
        return {c[0][0], c[0][1], c[0][2], c[1][0], c[1][1], c[1][2], c[2][0], c[2][1], c[2][2]};
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
