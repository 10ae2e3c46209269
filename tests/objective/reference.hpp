#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

/// \file
/// InfoNCE in float64, straight from its formulas: a list of rows, each with an anchor, a positive and negatives, all
/// taken from one list of embeddings. Nothing of the library is used, and nothing is clever.

namespace selfsame_tests {

struct dense {
    std::size_t rows = 0, width = 0;
    std::vector<double> values{};

    dense() = default;
    dense(std::size_t r, std::size_t w) : rows(r), width(w), values(r * w) {}
    double* row(std::size_t i) { return values.data() + i * width; }
    const double* row(std::size_t i) const { return values.data() + i * width; }
};

enum class contrast { both_views, in_batch, two_way, queue };
inline constexpr contrast contrasts[] = {contrast::both_views, contrast::in_batch, contrast::two_way, contrast::queue};
enum class total { mean, sum, per_sample };

struct reference_result {
    std::vector<double> losses{};           ///< one a sample
    double loss = 0;                        ///< their mean or sum
    dense anchors{}, positives{}, queue{};  ///< gradients of upstream . losses
    double temperature = 0;
    /// What the gradients would be (Frobenius norm) if nothing cancelled: the measure of rounding errors.
    double anchors_scale = 0, positives_scale = 0, queue_scale = 0, temperature_scale = 0;
};

namespace detail {

struct row_of_loss {
    std::size_t anchor, positive, first, last, sample;  // negatives: [first, last) but for anchor and positive
};

inline std::vector<row_of_loss> rows_of(contrast against, std::size_t n, std::size_t m) {
    std::vector<row_of_loss> rows;
    for (std::size_t i = 0; i < n; ++i) {
        switch (against) {
            case contrast::both_views:
                rows.push_back({i, n + i, 0, 2 * n, i});
                rows.push_back({n + i, i, 0, 2 * n, i});
                break;
            case contrast::in_batch:
                rows.push_back({i, n + i, n, 2 * n, i});
                break;
            case contrast::two_way:
                rows.push_back({i, n + i, n, 2 * n, i});
                rows.push_back({n + i, i, 0, n, i});
                break;
            case contrast::queue:
                rows.push_back({i, n + i, 2 * n, 2 * n + m, i});
                break;
        }
    }
    return rows;
}

inline double inner(const double* a, const double* b, std::size_t width) {
    double s = 0;
    for (std::size_t k = 0; k < width; ++k) s += a[k] * b[k];
    return s;
}

}  // namespace detail

/// `upstream`: one value, or one a sample for total::per_sample. Without gradients it costs a third.
inline reference_result reference(contrast against, bool normalize, double temperature, total how, const dense& anchors,
                                  const dense& positives, const dense& queue, const std::vector<double>& upstream,
                                  bool gradients = true) {
    using detail::inner;
    const std::size_t n = anchors.rows, width = anchors.width, m = queue.rows;
    dense x(2 * n + m, width);
    std::copy(anchors.values.begin(), anchors.values.end(), x.values.begin());
    std::copy(positives.values.begin(), positives.values.end(), x.row(n));
    std::copy(queue.values.begin(), queue.values.end(), x.row(2 * n));
    dense unit = x;
    std::vector<double> norm(x.rows, 1);
    std::vector<bool> clamped(x.rows, false);
    if (normalize) {
        for (std::size_t i = 0; i < x.rows; ++i) {
            double largest = 0;
            for (std::size_t k = 0; k < width; ++k) largest = (std::max)(largest, std::fabs(x.row(i)[k]));
            long double squares = 0;
            for (std::size_t k = 0; k < width && largest > 0; ++k) {
                const long double scaled = static_cast<long double>(x.row(i)[k]) / largest;
                squares += scaled * scaled;
            }
            const double length = static_cast<double>(largest * std::sqrt(squares));
            clamped[i] = length < 1e-12;
            norm[i] = clamped[i] ? 1e-12 : length;
            for (std::size_t k = 0; k < width; ++k) unit.row(i)[k] /= norm[i];
        }
    }

    reference_result result;
    result.losses.assign(n, 0.0);
    dense slope(x.rows, width);                  // with respect to unit
    std::vector<double> magnitude(x.rows, 0.0);  // of the terms of a row of slope
    const auto rows = detail::rows_of(against, n, m);
    const double rows_a_sample = n > 0 ? static_cast<double>(rows.size()) / static_cast<double>(n) : 1;
    std::vector<double> logit;
    std::vector<std::size_t> negative;
    for (const auto& r : rows) {
        logit.clear();
        negative.clear();
        for (std::size_t j = r.first; j < r.last; ++j) {
            if (j == r.anchor || j == r.positive) continue;
            negative.push_back(j);
            logit.push_back(inner(unit.row(r.anchor), unit.row(j), width) / temperature);
        }
        if (negative.empty()) continue;
        const double mine = inner(unit.row(r.anchor), unit.row(r.positive), width) / temperature;
        const double top = *std::max_element(logit.begin(), logit.end());
        double sum = 0;
        for (const double l : logit) sum += std::exp(l - top);
        const double all = top + std::log(sum);  // log of the negatives' sum
        const double over = all - mine;
        result.losses[r.sample] +=
            (over > 0 ? over + std::log1p(std::exp(-over)) : std::log1p(std::exp(over))) / rows_a_sample;
        if (!gradients) continue;

        // The probability of all negatives together: 1 - that of the positive, which would cancel.
        const double wrong = over > 0 ? 1 / (1 + std::exp(-over)) : std::exp(over) / (1 + std::exp(over));
        const double share = (how == total::mean ? 1 / static_cast<double>(n) : 1.0) / rows_a_sample *
                             upstream[upstream.size() == 1 ? 0 : r.sample];
        const auto pair = [&](std::size_t j, double l, double weight) {
            const double w = share * weight / temperature;
            const double* a = unit.row(r.anchor);
            const double* b = unit.row(j);
            double* da = slope.row(r.anchor);
            double* db = slope.row(j);
            for (std::size_t k = 0; k < width; ++k) da[k] += w * b[k];
            for (std::size_t k = 0; k < width; ++k) db[k] += w * a[k];
            magnitude[r.anchor] += std::fabs(w) * std::sqrt(inner(b, b, width));
            magnitude[j] += std::fabs(w) * std::sqrt(inner(a, a, width));
            result.temperature -= w * l;
            result.temperature_scale += std::fabs(w * l);
        };
        for (std::size_t e = 0; e < negative.size(); ++e) pair(negative[e], logit[e], wrong * std::exp(logit[e] - all));
        pair(r.positive, mine, -wrong);
    }
    for (const double l : result.losses) result.loss += l;
    if (how == total::mean && n > 0) result.loss /= static_cast<double>(n);

    for (std::size_t i = 0; i < x.rows && normalize; ++i) {
        double* g = slope.row(i);
        const double along = clamped[i] ? 0 : inner(g, unit.row(i), width);
        for (std::size_t k = 0; k < width; ++k) g[k] = (g[k] - along * unit.row(i)[k]) / norm[i];
    }
    const auto part = [&](std::size_t first, std::size_t count, dense& gradient, double& scale) {
        gradient = dense(count, width);
        std::copy(slope.row(first), slope.row(first) + count * width, gradient.values.begin());
        for (std::size_t i = first; i < first + count; ++i) scale += magnitude[i] / norm[i] * (magnitude[i] / norm[i]);
        scale = std::sqrt(scale);
    };
    part(0, n, result.anchors, result.anchors_scale);
    part(n, n, result.positives, result.positives_scale);
    part(2 * n, m, result.queue, result.queue_scale);
    return result;
}

}  // namespace selfsame_tests
