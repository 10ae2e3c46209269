#include "inspect.hpp"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "image_sheet.hpp"
#include "tsne.hpp"

namespace pretrain {
namespace {

constexpr std::uint32_t views_shown = 11;
constexpr std::uint32_t local_views_shown = 5;
constexpr std::int64_t images_shown = 8;
constexpr std::int64_t images_compared = 512;
constexpr std::int64_t images_mapped = 2000;
constexpr std::int64_t queries = 10;
constexpr std::int64_t neighbours_shown = 11;
constexpr std::size_t bins = 80;

std::vector<std::int64_t> first_indices(const image_set& images, std::int64_t count) {
    std::vector<std::int64_t> indices(static_cast<std::size_t>(std::min(count, images.size())));
    std::iota(indices.begin(), indices.end(), 0);
    return indices;
}

torch::Tensor draw_views(view_kind kind, const image_set& images, const channel_statistics& statistics,
                         const std::vector<std::int64_t>& indices, std::uint64_t seed, std::uint32_t view) {
    const view_size size = size_of(kind, images);
    torch::Tensor batch =
        torch::empty({static_cast<std::int64_t>(indices.size()), images.channels, size.height, size.width});
    make_views(kind, images, statistics, indices, seed, 0, view, batch.data_ptr<float>());
    return batch;
}

/// Undoes the normalization: HWC bytes.
std::vector<std::uint8_t> to_bytes(const torch::Tensor& image, const channel_statistics& statistics) {
    const torch::Tensor planes = image.contiguous();
    const std::int64_t channels = planes.size(0);
    const std::int64_t area = planes.size(1) * planes.size(2);
    const auto* value = planes.data_ptr<float>();
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(channels * area));
    for (std::int64_t channel = 0; channel < channels; ++channel) {
        const auto index = static_cast<std::size_t>(channel);
        for (std::int64_t i = 0; i < area; ++i) {
            const float level = value[channel * area + i] * statistics.deviation[index] + statistics.mean[index];
            bytes[static_cast<std::size_t>(i * channels + channel)] =
                static_cast<std::uint8_t>(std::lround(255 * std::clamp(level, 0.0f, 1.0f)));
        }
    }
    return bytes;
}

histogram count_bins(const std::string& name, const torch::Tensor& values) {
    histogram result{name, std::vector<double>(bins, 0)};
    const torch::Tensor flat = values.flatten().contiguous();
    const auto* value = flat.data_ptr<float>();
    for (std::int64_t i = 0; i < flat.numel(); ++i) {
        const auto bin = static_cast<std::int64_t>((value[i] + 1) / 2 * static_cast<float>(bins));
        result.shares[static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, bins - 1))] += 1;
    }
    for (double& share : result.shares) share /= static_cast<double>(flat.numel());
    return result;
}

/// Zoom so that a sheet of `columns` images is some 900 pixels wide.
std::int64_t zoom_for(std::int64_t columns, std::int64_t width) {
    return std::max<std::int64_t>(1, 900 / (columns * (width + 2)));
}

}  // namespace

std::string view_sheet(const image_set& images, const channel_statistics& statistics, bool has_local_views,
                       std::uint64_t seed) {
    const std::vector<std::int64_t> indices = first_indices(images, images_shown);
    const auto rows = static_cast<std::int64_t>(indices.size());
    image_sheet sheet(rows, views_shown + 1, images.height, images.width, images.channels);
    for (std::int64_t row = 0; row < rows; ++row) sheet.place(row, 0, images.image(row));
    for (std::uint32_t view = 0; view < views_shown; ++view) {
        const bool is_local = has_local_views && view >= views_shown - local_views_shown;
        const torch::Tensor batch =
            draw_views(is_local ? view_kind::local : view_kind::global, images, statistics, indices, seed, view);
        for (std::int64_t row = 0; row < rows; ++row)
            sheet.place(row, view + 1, to_bytes(batch[row], statistics).data(), batch.size(2), batch.size(3));
    }
    return sheet.to_html(zoom_for(views_shown + 1, images.width), "training images and random views of them");
}

std::vector<histogram> view_similarities(encoder_impl& network, const image_set& images,
                                         const channel_statistics& statistics, std::uint64_t seed) {
    const torch::NoGradGuard no_grad;
    network.eval();
    const std::vector<std::int64_t> indices = first_indices(images, images_compared);
    const auto projected = [&](std::uint32_t view) {
        const torch::Tensor rows =
            network.project(draw_views(view_kind::global, images, statistics, indices, seed, view));
        return rows / rows.norm(2, {1}, true).clamp_min(1e-12);
    };
    const torch::Tensor similarity = torch::mm(projected(0), projected(1).t());
    const torch::Tensor is_pair = torch::eye(similarity.size(0)).to(torch::kBool);
    return {count_bins("views of different images", similarity.masked_select(~is_pair)),
            count_bins("two views of one image", similarity.diagonal())};
}

embedding_map map_test_images(const feature_set& features) {
    const std::int64_t count = std::min(images_mapped, features.test.size(0));
    const torch::Tensor labels = features.test_labels.narrow(0, 0, count).contiguous();
    const auto* label = labels.data_ptr<std::int64_t>();
    return {tsne(to_unit(features).test.narrow(0, 0, count)), {label, label + count}};
}

std::string neighbour_sheet(const feature_set& features, const dataset& data) {
    const torch::NoGradGuard no_grad;
    std::vector<std::int64_t> chosen;
    for (std::int64_t wanted = 0; wanted < std::min(features.classes, queries); ++wanted) {
        const auto found = std::find(data.test.labels.begin(), data.test.labels.end(), wanted);
        if (found != data.test.labels.end()) chosen.push_back(found - data.test.labels.begin());
    }
    const unit_features unit = to_unit(features);
    const std::int64_t k = std::min(neighbours_shown, unit.train.size(0));
    const torch::Tensor query = unit.test.index_select(0, torch::tensor(chosen, torch::kInt64));
    const torch::Tensor nearest = std::get<1>(torch::mm(query, unit.train.t()).topk(k, 1)).contiguous();
    const auto* index = nearest.data_ptr<std::int64_t>();

    const auto rows = static_cast<std::int64_t>(chosen.size());
    image_sheet sheet(rows, k + 1, data.test.height, data.test.width, data.test.channels);
    for (std::int64_t row = 0; row < rows; ++row) {
        sheet.place(row, 0, data.test.image(chosen[static_cast<std::size_t>(row)]));
        for (std::int64_t column = 0; column < k; ++column) {
            sheet.place(row, column + 1, data.train.image(index[row * k + column]));
        }
    }
    return sheet.to_html(zoom_for(k + 1, data.test.width), "test images and their nearest training images");
}

}  // namespace pretrain
