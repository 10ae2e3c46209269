#include "evaluate.hpp"

#include <torch/torch.h>

#include <cmath>
#include <numeric>
#include <selfsame/core/random.hpp>

#include "logistic.hpp"

namespace pretrain {
namespace {

constexpr std::int64_t neighbours = 20;
constexpr double vote_temperature = 0.07;
constexpr double decay_all = 1e-4;
constexpr double decay_100 = 3e-3;
constexpr double decay_10 = 1e-2;
constexpr int draws = 5;
constexpr std::int64_t rows_at_once = 500;

double share_equal(const torch::Tensor& predictions, const torch::Tensor& labels) {
    return predictions.eq(labels).to(torch::kFloat64).mean().item<double>();
}

/// `count` images of each class, or all of a smaller class, drawn without replacement.
torch::Tensor draw_labelled(const torch::Tensor& labels, std::int64_t classes, std::int64_t count, std::uint64_t seed,
                            std::uint32_t draw) {
    std::vector<std::int64_t> chosen;
    const auto* label = labels.data_ptr<std::int64_t>();
    for (std::int64_t wanted = 0; wanted < classes; ++wanted) {
        std::vector<std::int64_t> members;
        for (std::int64_t i = 0; i < labels.size(0); ++i) {
            if (label[i] == wanted) members.push_back(i);
        }
        const auto taken = std::min(static_cast<std::size_t>(count), members.size());
        for (std::size_t i = 0; i < taken; ++i) {
            selfsame::random_stream random(seed, draw, i, static_cast<std::uint32_t>(wanted), 0xff);
            std::swap(members[i], members[i + random.below(static_cast<std::uint32_t>(members.size() - i))]);
        }
        chosen.insert(chosen.end(), members.begin(), members.begin() + static_cast<std::ptrdiff_t>(taken));
    }
    return torch::tensor(chosen, torch::kInt64);
}

double few_label_accuracy(const feature_set& features, std::int64_t labels_a_class, double decay, std::uint64_t seed) {
    double sum = 0;
    for (int draw = 0; draw < draws; ++draw) {
        const torch::Tensor chosen = draw_labelled(features.train_labels, features.classes, labels_a_class, seed,
                                                   static_cast<std::uint32_t>(1000 * labels_a_class + draw));
        sum += share_equal(
            logistic_predictions(features.train.index_select(0, chosen), features.train_labels.index_select(0, chosen),
                                 features.test, features.classes, decay),
            features.test_labels);
    }
    return sum / draws;
}

torch::Tensor to_unit(const torch::Tensor& rows) { return rows / rows.norm(2, {1}, true).clamp_min(1e-12); }

template <class Make>
torch::Tensor each_part(const image_set& images, const channel_statistics& statistics, Make&& make) {
    std::vector<torch::Tensor> parts;
    for (std::int64_t first = 0; first < images.size(); first += rows_at_once) {
        const std::int64_t last = std::min(images.size(), first + rows_at_once);
        torch::Tensor batch = torch::empty({last - first, images.channels, images.height, images.width});
        normalize_images(images, statistics, first, last, batch.data_ptr<float>());
        parts.push_back(make(batch));
    }
    return torch::cat(parts);
}

torch::Tensor encode_images(encoder_impl& network, const image_set& images, const channel_statistics& statistics) {
    return each_part(images, statistics, [&](const torch::Tensor& batch) { return network.features(batch); });
}

torch::Tensor flat_pixels(const image_set& images) {
    return torch::tensor(torch::ArrayRef<std::uint8_t>(images.pixels), torch::kUInt8)
        .view({images.size(), images.image_bytes()})
        .to(torch::kFloat32)
        .div_(255);
}

feature_set with_labels(const torch::Tensor& train, const torch::Tensor& test, const dataset& data) {
    return {train, test, torch::tensor(data.train.labels, torch::kInt64),
            torch::tensor(data.test.labels, torch::kInt64), static_cast<std::int64_t>(data.class_names.size())};
}

}  // namespace

feature_set encode(encoder_impl& network, const dataset& data, const channel_statistics& statistics) {
    const torch::NoGradGuard no_grad;
    network.eval();
    const torch::Tensor train = encode_images(network, data.train, statistics);
    const torch::Tensor test = encode_images(network, data.test, statistics);
    const torch::Tensor mean = train.mean(0);
    const torch::Tensor scale = 1 / (train.std(0, false) + 1e-5);
    return with_labels((train - mean) * scale, (test - mean) * scale, data);
}

feature_set raw_pixels(const dataset& data) {
    return with_labels(flat_pixels(data.train), flat_pixels(data.test), data);
}

unit_features to_unit(const feature_set& features) {
    const torch::NoGradGuard no_grad;
    return {to_unit(features.train), to_unit(features.test)};
}

double knn_accuracy(const feature_set& features) {
    const torch::NoGradGuard no_grad;
    const unit_features unit = to_unit(features);
    const torch::Tensor bank = unit.train.t();
    const std::int64_t k = std::min(neighbours, bank.size(1));
    double correct = 0;
    for (std::int64_t first = 0; first < unit.test.size(0); first += rows_at_once) {
        const std::int64_t rows = std::min(rows_at_once, unit.test.size(0) - first);
        const auto [similarity, index] = torch::mm(unit.test.narrow(0, first, rows), bank).topk(k, 1);
        torch::Tensor votes = torch::zeros({rows, features.classes});
        votes.scatter_add_(1, features.train_labels.index_select(0, index.flatten()).view_as(index),
                           (similarity / vote_temperature).exp());
        correct += votes.argmax(1).eq(features.test_labels.narrow(0, first, rows)).sum().item<double>();
    }
    return correct / static_cast<double>(unit.test.size(0));
}

std::vector<std::int64_t> count_members(encoder_impl& network, const prototype_set& prototypes, const image_set& images,
                                        const channel_statistics& statistics) {
    const torch::NoGradGuard no_grad;
    network.eval();
    const torch::Tensor nearest = each_part(images, statistics, [&](const torch::Tensor& batch) {
        return (torch::mm(to_unit(network.project(batch)), prototypes.rows.t()) - prototypes.center).argmax(1);
    });
    const torch::Tensor counts = torch::bincount(nearest, {}, prototypes.rows.size(0)).contiguous();
    const auto* count = counts.data_ptr<std::int64_t>();
    return {count, count + counts.numel()};
}

double perplexity(const std::vector<std::int64_t>& counts) {
    const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
    double entropy = 0;
    for (const std::int64_t count : counts) {
        const double share = static_cast<double>(count) / total;
        if (count > 0) entropy -= share * std::log(share);
    }
    return std::exp(entropy);
}

scores evaluate(const feature_set& features, std::uint64_t seed) {
    const torch::NoGradGuard no_grad;
    scores result;
    result.knn = knn_accuracy(features);
    result.linear = share_equal(
        logistic_predictions(features.train, features.train_labels, features.test, features.classes, decay_all),
        features.test_labels);
    result.linear_10 = few_label_accuracy(features, 10, decay_10, seed);
    result.linear_100 = few_label_accuracy(features, 100, decay_100, seed);
    return result;
}

}  // namespace pretrain
