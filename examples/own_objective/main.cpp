// Trains a linear map with an objective that the library does not know (objective.hpp), and checks its gradient.

#include "objective.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

using selfsame::index_t;
using selfsame::matrix;

namespace {

// Two views of n points around 32 centres in 64 dimensions: the centre is what they share, and most directions are
// noise.
constexpr index_t points = 1024, wide = 64, narrow = 16, centres = 32;

struct view_pair {
    std::vector<double> first, second;
};

view_pair make_views() {
    std::mt19937 generator(1);
    std::normal_distribution<double> normal;
    std::vector<double> centre(centres * wide);
    for (double& x : centre) x = normal(generator);
    view_pair views;
    for (index_t i = 0; i < points * wide; ++i) {
        const double shared = centre[static_cast<std::size_t>(i / wide % centres * wide + i % wide)];
        views.first.push_back(shared + 2 * normal(generator));
        views.second.push_back(shared + 2 * normal(generator));
    }
    return views;
}

// y = x w, and the gradient of w from that of y.
void project(const std::vector<double>& x, const std::vector<double>& w, std::vector<double>& y) {
    y.assign(points * narrow, 0);
    for (index_t i = 0; i < points; ++i) {
        for (index_t k = 0; k < wide; ++k) {
            for (index_t c = 0; c < narrow; ++c) {
                y[static_cast<std::size_t>(i * narrow + c)] +=
                    x[static_cast<std::size_t>(i * wide + k)] * w[static_cast<std::size_t>(k * narrow + c)];
            }
        }
    }
}
void add_gradient(const std::vector<double>& x, const std::vector<double>& dy, std::vector<double>& dw) {
    for (index_t i = 0; i < points; ++i) {
        for (index_t k = 0; k < wide; ++k) {
            for (index_t c = 0; c < narrow; ++c) {
                dw[static_cast<std::size_t>(k * narrow + c)] +=
                    x[static_cast<std::size_t>(i * wide + k)] * dy[static_cast<std::size_t>(i * narrow + c)];
            }
        }
    }
}

struct step {
    double loss;
    std::vector<double> gradient;
};

step evaluate(const view_pair& views, const std::vector<double>& w) {
    std::vector<double> a, p, da(points * narrow), dp(points * narrow);
    project(views.first, w, a);
    project(views.second, w, p);
    const double loss = selfsame::value_and_grad(
        thrust::omp::par, margin_contrast{},
        selfsame::pairs{matrix(a.data(), points, narrow), matrix(p.data(), points, narrow)},
        selfsame::pair_gradients{matrix(da.data(), points, narrow), matrix(dp.data(), points, narrow)});
    std::vector<double> dw(wide * narrow, 0);
    add_gradient(views.first, da, dw);
    add_gradient(views.second, dp, dw);
    return {loss, dw};
}

}  // namespace

int main() {
    const view_pair views = make_views();
    std::mt19937 generator(2);
    std::normal_distribution<double> normal;
    std::vector<double> w(wide * narrow);
    for (double& x : w) x = normal(generator);

    const step start = evaluate(views, w);
    double worst = 0;
    for (std::size_t k = 0; k < w.size(); k += 97) {
        auto up = w, down = w;
        up[k] += 1e-5;
        down[k] -= 1e-5;
        const double slope = (evaluate(views, up).loss - evaluate(views, down).loss) / 2e-5;
        worst = std::fmax(worst, std::fabs(slope - start.gradient[k]) / (1e-3 + std::fabs(slope)));
    }
    std::printf("gradient against central differences: %.1e relative\n", worst);

    double loss = start.loss;
    for (int epoch = 0; epoch <= 60; ++epoch) {
        const step now = evaluate(views, w);
        loss = now.loss;
        if (epoch % 20 == 0) std::printf("step %2d: loss %.3f\n", epoch, loss);
        double length = 0;
        for (const double g : now.gradient) length += g * g;
        for (std::size_t k = 0; k < w.size(); ++k) w[k] -= 0.5 * now.gradient[k] / std::sqrt(length);
    }
    const bool good = worst < 1e-5 && loss < 0.7 * start.loss;
    std::printf("%s\n", good ? "ok: the loss fell and the gradient is right" : "FAILED");
    return good ? 0 : 1;
}
