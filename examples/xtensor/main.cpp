// Trains a small perceptron on unlabeled pictures with NT-Xent, in xtensor alone: no other framework.
// Needs Fashion-MNIST as Debian's package dataset-fashion-mnist installs it, or a folder given as the only argument.

#include <zlib.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>
#if __has_include(<xtensor/containers/xtensor.hpp>)
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/generators/xrandom.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xmath.hpp>
#include <xtensor/xrandom.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include "selfsame/augment/augment.hpp"
#include "selfsame/interop/xtensor.hpp"
#include "selfsame/objective/info_nce.hpp"

using matrix = xt::xtensor<float, 2>;
using pictures = xt::xtensor<std::uint8_t, 4>;

namespace {

constexpr std::size_t train_size = 12000, test_size = 2000, batch = 500, pixels = 28 * 28;

// The first `count` items of an IDX file, after its header.
std::vector<std::uint8_t> read_idx(const std::filesystem::path& path, std::size_t header, std::size_t bytes) {
    std::vector<std::uint8_t> data(header + bytes);
    gzFile file = gzopen(path.c_str(), "rb");
    const int got = file == nullptr ? -1 : gzread(file, data.data(), static_cast<unsigned>(data.size()));
    if (file != nullptr) gzclose(file);
    if (got != static_cast<int>(data.size())) throw std::runtime_error(path.string() + " cannot be read");
    return {data.begin() + static_cast<std::ptrdiff_t>(header), data.end()};
}

pictures load(const std::filesystem::path& file, std::size_t count) {
    const auto bytes = read_idx(file, 16, count * pixels);
    pictures images({count, 28, 28, 1});
    std::copy(bytes.begin(), bytes.end(), images.begin());
    return images;
}

// a b, a' b and a b'
matrix product(const matrix& a, const matrix& b) {
    matrix c = xt::zeros<float>({a.shape(0), b.shape(1)});
    for (std::size_t i = 0; i < a.shape(0); ++i) {
        for (std::size_t k = 0; k < a.shape(1); ++k) {
            const float x = a(i, k);
            const float* from = &b(k, 0);
            float* to = &c(i, 0);
            for (std::size_t j = 0; j < b.shape(1); ++j) to[j] += x * from[j];
        }
    }
    return c;
}
matrix transposed_product(const matrix& a, const matrix& b) { return product(xt::transpose(a), b); }
matrix product_transposed(const matrix& a, const matrix& b) { return product(a, xt::transpose(b)); }

// pixels -> hidden (ReLU) -> projection; the hidden layer is what is learnt.
struct perceptron {
    matrix first = xt::random::randn<float>({std::size_t{784}, std::size_t{256}}) * std::sqrt(2.0f / 784);
    matrix second = xt::random::randn<float>({std::size_t{256}, std::size_t{64}}) * std::sqrt(1.0f / 256);

    matrix hidden(const matrix& x) const { return xt::maximum(product(x, first), 0.0f); }
};

struct adam {
    matrix mean, square;
    explicit adam(const matrix& w) : mean(xt::zeros_like(w)), square(xt::zeros_like(w)) {}
    void step(matrix& w, const matrix& g, int t) {
        mean = 0.9f * mean + 0.1f * g;
        square = 0.999f * square + 0.001f * g * g;
        const float rate = 2e-3f * std::sqrt(1 - std::pow(0.999f, float(t))) / (1 - std::pow(0.9f, float(t)));
        w -= rate * mean / (xt::sqrt(square) + 1e-8f);
    }
};

// One random view of every picture, as rows of pixels.
matrix look(const pictures& images, std::uint64_t first, std::uint32_t epoch, std::uint32_t view) {
    using namespace selfsame::augment;
    static const auto views = pipeline{random_resized_crop{28, 28, {0.7f, 1.0f}}, horizontal_flip{}, brightness{0.4f},
                                       contrast{0.4f}, gaussian_noise{0.0f, 0.1f}};
    xt::xtensor<float, 4> seen({images.shape(0), 1, 28, 28});
    apply(thrust::omp::par, views, images, first, key{.seed = 1, .epoch = epoch, .view = view}, seen);
    return xt::reshape_view(seen, {images.shape(0), pixels});
}

// The share of pictures for which, among all second views, their own is the most similar to their first.
double recognized(const perceptron& net, const pictures& images) {
    matrix z[2];
    for (std::uint32_t v = 0; v < 2; ++v) {
        z[v] = product(net.hidden(look(images, 0, 1000, v)), net.second);
        z[v] /= xt::view(xt::sqrt(xt::sum(xt::square(z[v]), {1})), xt::all(), xt::newaxis());
    }
    const matrix similarity = product_transposed(z[0], z[1]);
    std::size_t right = 0;
    for (std::size_t i = 0; i < images.shape(0); ++i) {
        std::size_t best = 0;
        for (std::size_t j = 1; j < images.shape(0); ++j) best = similarity(i, j) > similarity(i, best) ? j : best;
        right += best == i;
    }
    return double(right) / double(images.shape(0));
}

int run(const std::filesystem::path& folder) {
    const pictures train = load(folder / "train-images-idx3-ubyte.gz", train_size);
    const pictures test = load(folder / "t10k-images-idx3-ubyte.gz", test_size);
    xt::random::seed(1);
    perceptron net;
    adam first(net.first), second(net.second);
    const double untrained = recognized(net, test);
    std::printf("untrained: recognizes another view of %.1f%% of %zu unseen pictures\n", 100 * untrained, test_size);

    const selfsame::nt_xent objective{.temperature = 0.2};
    int t = 0;
    for (std::uint32_t epoch = 0; epoch < 6; ++epoch) {
        double total = 0;
        for (std::size_t begin = 0; begin < train_size; begin += batch) {
            const pictures images = xt::view(train, xt::range(begin, begin + batch));
            matrix x[2], h[2], z[2], dz[2];
            for (std::uint32_t v = 0; v < 2; ++v) {
                x[v] = look(images, begin, epoch, v);
                h[v] = net.hidden(x[v]);
                z[v] = product(h[v], net.second);
                dz[v] = xt::empty_like(z[v]);
            }
            total += value_and_grad(thrust::omp::par, objective, selfsame::pairs{z[0], z[1]},
                                    selfsame::pair_gradients{dz[0], dz[1]});
            matrix d_first = xt::zeros_like(net.first), d_second = xt::zeros_like(net.second);
            for (int v = 0; v < 2; ++v) {
                const matrix dh = xt::where(h[v] > 0.0f, product_transposed(dz[v], net.second), 0.0f);
                d_first += transposed_product(x[v], dh);
                d_second += transposed_product(h[v], dz[v]);
            }
            ++t;
            first.step(net.first, d_first, t);
            second.step(net.second, d_second, t);
        }
        std::printf("epoch %u: loss %.4f\n", epoch + 1, total / double(train_size / batch));
    }
    const double trained = recognized(net, test);
    std::printf("trained:   recognizes another view of %.1f%%\n", 100 * trained);
    return trained > untrained ? 0 : 1;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        return run(count > 1 ? arguments[1] : "/usr/share/datasets/fashion-mnist");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}
