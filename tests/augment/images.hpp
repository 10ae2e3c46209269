#pragma once

#include <gtest/gtest.h>

#include <thrust/execution_policy.h>
#include <algorithm>
#include <array>
#include <random>
#include <vector>

#include "augment/reference.hpp"

/// \file
/// Random images, and pipelines run on them.

namespace test_images {

using namespace selfsame;
using namespace selfsame::augment;

/// A batch of bytes N x H x W x C.
struct bytes {
    int count, height, width, channels;
    std::vector<std::uint8_t> values;

    bytes(int n, int h, int w, int c, unsigned seed = 1)
        : count(n), height(h), width(w), channels(c), values(std::size_t(n * h * w * c)) {
        std::mt19937 random(seed);
        for (auto& v : values) v = std::uint8_t(random());
    }
    tensor<const std::uint8_t, 4> tensor4() const {
        return view(values.data(), std::array<index_t, 4>{count, height, width, channels});
    }
    std::uint8_t at(int n, int y, int x, int c) const {
        return values[std::size_t(((n * height + y) * width + x) * channels + c)];
    }
    reference::picture picture(int n) const {
        const reference::picture shape(channels, height, width);
        return shape.map([&](int c, int y, int x) { return at(n, y, x, c) / 255.0; });
    }
};

/// Where nothing has been written.
inline constexpr float untouched = -12345.5f;

/// A float tensor N x C x H x W with room around it that must stay as it is.
struct result {
    int count, channels, height, width;
    std::vector<float> values;
    static constexpr std::size_t guard = 100;

    result(int n, int c, int h, int w)
        : count(n), channels(c), height(h), width(w), values(std::size_t(n * c * h * w) + 2 * guard, untouched) {}
    tensor<float, 4> tensor4() {
        return view(values.data() + guard, std::array<index_t, 4>{count, channels, height, width});
    }
    float at(int n, int c, int y, int x) const {
        return values[guard + std::size_t(((n * channels + c) * height + y) * width + x)];
    }
    bool guards_untouched() const {
        const auto whole = [](float v) { return v == untouched; };
        return std::all_of(values.begin(), values.begin() + guard, whole) &&
               std::all_of(values.end() - guard, values.end(), whole);
    }
    double difference(int n, const reference::picture& p) const {
        EXPECT_EQ(channels, p.channels);
        EXPECT_EQ(height, p.height);
        EXPECT_EQ(width, p.width);
        double most = 0;
        for (int c = 0; c < channels; ++c) {
            for (int y = 0; y < height; ++y) {
                for (int x = 0; x < width; ++x) {
                    const double d = std::abs(double(at(n, c, y, x)) - p.at(c, y, x));
                    most = d <= most ? most : d;  // NaN counts
                }
            }
        }
        return most;
    }
};

/// The pipeline on a batch of bytes, with an output of its own.
template <class... Ops>
result run(const pipeline<Ops...>& p, const bytes& in, key k = {.seed = 1}, sample_ids ids = 0) {
    image_shape s{in.channels, in.height, in.width};
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((s = output_shape(get<I>(p.operations), s)), ...);
    }(std::index_sequence_for<Ops...>());
    result out(in.count, s.channels, s.height, s.width);
    apply(thrust::seq, p, in.tensor4(), ids, k, out.tensor4());
    EXPECT_TRUE(out.guards_untouched());
    return out;
}

/// The same with given parameters for every image.
template <class... Ops>
result run_given(const pipeline<Ops...>& p, const bytes& in,
                 const std::vector<typename pipeline<Ops...>::parameters>& given) {
    image_shape s{in.channels, in.height, in.width};
    [&]<std::size_t... I>(std::index_sequence<I...>) {
        ((s = output_shape(get<I>(p.operations), s)), ...);
    }(std::index_sequence_for<Ops...>());
    result out(in.count, s.channels, s.height, s.width);
    apply(thrust::seq, p, in.tensor4(), given, out.tensor4());
    EXPECT_TRUE(out.guards_untouched());
    return out;
}

/// The largest difference between what the pipeline makes of a batch and the reference with the drawn parameters.
template <class... Ops>
double difference_from_reference(const pipeline<Ops...>& p, const bytes& in, key k = {.seed = 1}) {
    const result out = run(p, in, k, 10);
    double most = 0;
    for (int n = 0; n < in.count; ++n) {
        const auto drawn = draw(p, {in.channels, in.height, in.width}, std::uint64_t(10 + n), k);
        const double d = out.difference(n, reference::operate(p, drawn, in.picture(n)));
        most = d <= most ? most : d;
    }
    return most;
}

}  // namespace test_images
