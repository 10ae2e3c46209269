#include "chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

namespace pretrain::chart {
namespace {

constexpr const char* palette[] = {"#3366cc", "#e6772e", "#2f9e5b", "#c83c4b", "#8a5fc7",
                                   "#8c6239", "#d865b0", "#6b7280", "#b5a21b", "#1ba3b8"};
constexpr std::size_t palette_size = std::size(palette);

std::string format(const char* pattern, double a, double b = 0, double c = 0, double d = 0) {
    char text[256];
    std::snprintf(text, sizeof text, pattern, a, b, c, d);
    return text;
}

std::string open(double width, double height) {
    return format("<svg viewBox=\"0 0 %g %g\" role=\"img\">", width, height);
}

std::string label(double x, double y, const std::string& anchor, const std::string& text) {
    return format("<text x=\"%.1f\" y=\"%.1f\"", x, y) + " text-anchor=\"" + anchor + "\">" + text + "</text>";
}

/// The drawing area of a chart with axes, in data coordinates.
struct frame {
    double left, right, top, bottom;
    double x_low, x_high, y_low, y_high;

    [[nodiscard]] double x(double value) const { return left + (value - x_low) / (x_high - x_low) * (right - left); }
    [[nodiscard]] double y(double value) const { return bottom - (value - y_low) / (y_high - y_low) * (bottom - top); }
};

/// A step of 1, 2 or 5 times a power of ten that divides a span into about `parts`.
double tick_step(double span, int parts) {
    const double raw = span / parts;
    const double power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (raw <= factor * power * 1.0001) return factor * power;
    }
    return 10 * power;
}

/// Without the last digits of a sum of steps, and without the sign of zero.
double tidy(double value) { return std::round(value * 1e6) / 1e6 + 0.0; }

std::string axes(const frame& area, const std::string& title, bool has_y) {
    std::string svg;
    if (has_y) {
        const double step = tick_step(area.y_high - area.y_low, 5);
        for (double value = std::ceil(area.y_low / step) * step; value <= area.y_high + 1e-9; value += step) {
            svg += format("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", area.left,
                          area.right, area.y(value), area.y(value));
            svg += label(area.left - 8, area.y(value) + 4, "end", format("%g", tidy(value)));
        }
    }
    const double step = tick_step(area.x_high - area.x_low, 8);
    for (double value = std::ceil(area.x_low / step) * step; value <= area.x_high + 1e-9; value += step) {
        svg += label(area.x(value), area.bottom + 18, "middle", format("%g", tidy(value)));
    }
    svg += format("<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", area.left, area.right,
                  area.bottom, area.bottom);
    return svg + label((area.left + area.right) / 2, area.bottom + 36, "middle", title);
}

/// Means of equal stretches, so that a curve has at most `most` points.
std::vector<double> thinned(const std::vector<float>& values, std::size_t most) {
    const std::size_t count = std::min(most, values.size());
    std::vector<double> result;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t first = i * values.size() / count;
        const std::size_t last = (i + 1) * values.size() / count;
        double sum = 0;
        for (std::size_t j = first; j < last; ++j) sum += values[j];
        result.push_back(sum / static_cast<double>(last - first));
    }
    return result;
}

std::string swatch(double x, double y, const char* color, const std::string& name) {
    return format("<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" rx=\"3\"", x, y) + " fill=\"" + color +
           "\"/>" + label(x + 18, y + 10.5, "start", name);
}

}  // namespace

std::string curves(const std::vector<std::vector<float>>& values, const std::vector<std::string>& names,
                   std::int64_t epochs, const std::string& title) {
    double low = INFINITY;
    double high = -INFINITY;
    std::vector<std::vector<double>> lines;
    for (const std::vector<float>& one : values) {
        lines.push_back(thinned(one, 300));
        for (const double value : lines.back()) {
            low = std::min(low, value);
            high = std::max(high, value);
        }
    }
    const double margin = std::max(1e-3, 0.05 * (high - low));
    const frame area{52, 700, 16, 270, 0, static_cast<double>(epochs), low - margin, high + margin};
    std::string svg = open(720, 320) + axes(area, title, true);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const char* color = palette[i % palette_size];
        svg += std::string("<polyline class=\"curve\" stroke=\"") + color + "\" points=\"";
        for (std::size_t j = 0; j < lines[i].size(); ++j) {
            const double at =
                (static_cast<double>(j) + 0.5) / static_cast<double>(lines[i].size()) * static_cast<double>(epochs);
            svg += format("%.1f,%.1f ", area.x(at), area.y(lines[i][j]));
        }
        svg += "\"/>";
        if (lines.size() > 1 && i < 12) svg += swatch(600, 24 + 20 * static_cast<double>(i), color, names[i]);
    }
    return svg + "</svg>";
}

std::string histograms(const std::vector<histogram>& parts, const value_range& range) {
    double high = 1e-9;
    for (const histogram& part : parts)
        high = std::max(high, *std::max_element(part.shares.begin(), part.shares.end()));
    // A sharp peak of one part would flatten the others: heights are drawn as square roots.
    const frame area{12, 468, 34, 200, range.low, range.high, 0, std::sqrt(high)};
    const double between_names = std::min(190.0, 460 / static_cast<double>(parts.size()));
    std::string svg = open(480, 244) + axes(area, range.title, false);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const char* color = palette[i == 0 ? 7 : (i - 1) % palette_size];
        const std::size_t bins = parts[i].shares.size();
        svg += std::string("<path class=\"area\" fill=\"") + color + "\" stroke=\"" + color + "\" d=\"" +
               format("M%.1f,%.1f", area.x(range.low), area.y(0));
        for (std::size_t bin = 0; bin < bins; ++bin) {
            const double step = (range.high - range.low) / static_cast<double>(bins);
            const double from = range.low + step * static_cast<double>(bin);
            const double height = area.y(std::sqrt(parts[i].shares[bin]));
            svg += format("L%.1f,%.1fL%.1f,%.1f", area.x(from), height, area.x(from + step), height);
        }
        svg += format("L%.1f,%.1fZ", area.x(range.high), area.y(0)) + "\"/>";
        svg += swatch(16 + between_names * static_cast<double>(i), 8, color, parts[i].name);
    }
    return svg + "</svg>";
}

std::string ranked(std::vector<std::int64_t> counts, const std::string& title) {
    std::sort(counts.begin(), counts.end(), std::greater<>());
    const double mean =
        std::max(1e-9, std::accumulate(counts.begin(), counts.end(), 0.0) / static_cast<double>(counts.size()));
    const double high = std::max(1.0, static_cast<double>(counts.front()) / mean);
    const frame area{52, 700, 16, 200, 0, static_cast<double>(counts.size()), 0, 1.05 * high};
    std::string svg = open(720, 250) + axes(area, title, true);
    svg += std::string("<path class=\"area\" fill=\"") + palette[0] + "\" stroke=\"" + palette[0] + "\" d=\"" +
           format("M%.1f,%.1f", area.x(0), area.y(0));
    for (std::size_t i = 0; i < counts.size(); ++i) {
        const double height = area.y(static_cast<double>(counts[i]) / mean);
        svg += format("L%.2f,%.1fL%.2f,%.1f", area.x(static_cast<double>(i)), height,
                      area.x(static_cast<double>(i + 1)), height);
    }
    svg += format("L%.1f,%.1fZ", area.right, area.y(0)) + "\"/>";
    return svg +
           format("<line class=\"axis\" stroke-dasharray=\"5 4\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                  area.left, area.right, area.y(1), area.y(1)) +
           label(area.right, area.y(1) - 6, "end", "all used equally") + "</svg>";
}

std::string scatter(const std::vector<point>& points, const std::vector<std::int64_t>& classes,
                    const std::vector<std::string>& names) {
    point low{INFINITY, INFINITY};
    point high{-INFINITY, -INFINITY};
    for (const point& at : points) {
        low = {std::min(low.x, at.x), std::min(low.y, at.y)};
        high = {std::max(high.x, at.x), std::max(high.y, at.y)};
    }
    constexpr double side = 640;
    constexpr double margin = 14;
    const double span = std::max({static_cast<double>(high.x - low.x), static_cast<double>(high.y - low.y), 1e-9});
    const auto place = [&](float value, float from, float to) {
        return side / 2 + (static_cast<double>(value) - (static_cast<double>(from) + static_cast<double>(to)) / 2) /
                              span * (side - 2 * margin);
    };
    std::string svg = open(side + 180, side);
    for (std::size_t i = 0; i < points.size(); ++i) {
        svg += format("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\"", place(points[i].x, low.x, high.x),
                      place(points[i].y, low.y, high.y));
        svg += std::string(" fill=\"") + palette[static_cast<std::size_t>(classes[i]) % palette_size] + "\"/>";
    }
    for (std::size_t i = 0; i < names.size() && i < 25; ++i) {
        svg += swatch(side + 24, 24 + 24 * static_cast<double>(i), palette[i % palette_size], names[i]);
    }
    return svg + "</svg>";
}

}  // namespace pretrain::chart
