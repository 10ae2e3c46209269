#include "tsne.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

namespace pretrain {
namespace {

constexpr int iterations = 500;
constexpr int exaggerated_iterations = 120;
constexpr float exaggeration = 12;
constexpr double perplexity = 30;

/// Symmetric neighbour probabilities, n x n, that sum to 1.
std::vector<float> neighbour_probabilities(const torch::Tensor& rows) {
    const std::int64_t n = rows.size(0);
    const torch::Tensor squares = rows.square().sum(1);
    const torch::Tensor distances =
        (squares.unsqueeze(1) + squares.unsqueeze(0) - 2 * torch::mm(rows, rows.t())).clamp_min(0).contiguous();
    const auto* distance = distances.data_ptr<float>();
    const double target = std::log(std::min(perplexity, static_cast<double>(n - 1) / 3));
    std::vector<float> conditional(static_cast<std::size_t>(n * n), 0.0f);

#pragma omp parallel for schedule(static)
    for (std::int64_t i = 0; i < n; ++i) {
        const float* row = distance + i * n;
        float* out = conditional.data() + i * n;
        float nearest = INFINITY;
        for (std::int64_t j = 0; j < n; ++j) {
            if (j != i) nearest = std::min(nearest, row[j]);
        }
        // Bisection for the precision whose entropy is that of `perplexity` equal neighbours.
        double precision = 1;
        double least = 0;
        double most = INFINITY;
        double sum = 1;
        for (int trial = 0; trial < 60; ++trial) {
            sum = 0;
            double moment = 0;
            for (std::int64_t j = 0; j < n; ++j) {
                const double excess = row[j] - nearest;
                const double weight = j == i ? 0 : std::exp(-precision * excess);
                out[j] = static_cast<float>(weight);
                sum += weight;
                moment += weight * excess;
            }
            const double entropy = std::log(sum) + precision * moment / sum;
            if (std::abs(entropy - target) < 1e-5) break;
            (entropy > target ? least : most) = precision;
            precision = std::isinf(most) ? precision * 2 : (least + most) / 2;
        }
        for (std::int64_t j = 0; j < n; ++j) out[j] = static_cast<float>(out[j] / sum);
    }

    std::vector<float> joint(conditional.size());
    const auto scale = static_cast<float>(1 / (2.0 * static_cast<double>(n)));
    for (std::int64_t i = 0; i < n; ++i) {
        for (std::int64_t j = 0; j < n; ++j) {
            const auto at = [n](std::int64_t r, std::int64_t c) { return static_cast<std::size_t>(r * n + c); };
            joint[at(i, j)] = (conditional[at(i, j)] + conditional[at(j, i)]) * scale;
        }
    }
    return joint;
}

torch::Tensor principal_plane(const torch::Tensor& rows) {
    const torch::Tensor centred = rows - rows.mean(0);
    const auto [values, vectors] = torch::linalg_eigh(torch::mm(centred.t(), centred));
    const torch::Tensor plane = torch::mm(centred, vectors.narrow(1, vectors.size(1) - 2, 2));
    return 1e-2 * plane / plane.std(0, false).clamp_min(1e-12);
}

}  // namespace

std::vector<point> tsne(const torch::Tensor& rows) {
    const torch::NoGradGuard no_grad;
    const auto n = rows.size(0);
    const auto count = static_cast<std::size_t>(n);
    if (n < 5 || rows.size(1) < 2) return std::vector<point>(count);
    const std::vector<float> probability = neighbour_probabilities(rows);
    const torch::Tensor plane = principal_plane(rows).t().contiguous();

    std::vector<float> x(plane.data_ptr<float>(), plane.data_ptr<float>() + n);
    std::vector<float> y(plane.data_ptr<float>() + n, plane.data_ptr<float>() + 2 * n);
    std::vector<float> attract_x(count), attract_y(count), repel_x(count), repel_y(count), weight(count);
    std::vector<float> step_x(count, 0), step_y(count, 0), gain_x(count, 1), gain_y(count, 1);
    const float rate = std::max(50.0f, static_cast<float>(n) / exaggeration);

    for (int iteration = 0; iteration < iterations; ++iteration) {
#pragma omp parallel for schedule(static)
        for (std::int64_t i = 0; i < n; ++i) {
            const auto at = static_cast<std::size_t>(i);
            const float* p = probability.data() + i * n;
            const float* px = x.data();
            const float* py = y.data();
            float ax = 0, ay = 0, rx = 0, ry = 0, total = 0;
#pragma omp simd reduction(+ : ax, ay, rx, ry, total)
            for (std::int64_t j = 0; j < n; ++j) {
                const float dx = px[i] - px[j];
                const float dy = py[i] - py[j];
                const float kernel = 1 / (1 + dx * dx + dy * dy);
                const float pull = p[j] * kernel;
                const float push = kernel * kernel;
                ax += pull * dx;
                ay += pull * dy;
                rx += push * dx;
                ry += push * dy;
                total += kernel;
            }
            attract_x[at] = ax;
            attract_y[at] = ay;
            repel_x[at] = rx;
            repel_y[at] = ry;
            weight[at] = total - 1;  // without the point itself
        }
        double sum = 0;
        for (const float value : weight) sum += value;
        const auto repulsion = static_cast<float>(1 / sum);
        const float attraction = iteration < exaggerated_iterations ? exaggeration : 1;
        const float momentum = iteration < exaggerated_iterations ? 0.5f : 0.8f;
        const auto move = [&](std::vector<float>& place, std::vector<float>& step, std::vector<float>& gain,
                              const std::vector<float>& attract, const std::vector<float>& repel) {
            double mean = 0;
            for (std::size_t i = 0; i < count; ++i) {
                const float gradient = 4 * (attraction * attract[i] - repulsion * repel[i]);
                gain[i] = std::max(0.01f, (gradient > 0) == (step[i] > 0) ? gain[i] * 0.8f : gain[i] + 0.2f);
                step[i] = momentum * step[i] - rate * gain[i] * gradient;
                place[i] += step[i];
                mean += place[i];
            }
            for (float& value : place) value -= static_cast<float>(mean / static_cast<double>(n));
        };
        move(x, step_x, gain_x, attract_x, repel_x);
        move(y, step_y, gain_y, attract_y, repel_y);
    }
    std::vector<point> result(count);
    for (std::size_t i = 0; i < count; ++i) result[i] = {x[i], y[i]};
    return result;
}

}  // namespace pretrain
