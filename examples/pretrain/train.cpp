#include "train.hpp"

#include <torch/torch.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <numeric>
#include <selfsame/core/random.hpp>
#include <span>
#include <sstream>

#include "checkpoint.hpp"
#include "error.hpp"
#include "objective.hpp"
#include "progress.hpp"
#include "signals.hpp"

namespace pretrain {
namespace {

constexpr double peak_rate = 2e-3;
constexpr double weight_decay = 1e-4;
constexpr double warm_up = 0.05;  // share of all steps
constexpr double checkpoint_interval = 15;
constexpr std::uint32_t shuffle_view = 0xff;  // views count from 0, so the shuffle's random numbers are its own

/// The learning rate climbs in a line, then falls as half a cosine.
double learning_rate(std::int64_t step, std::int64_t total) {
    const double progress = (static_cast<double>(step) + 0.5) / static_cast<double>(total);
    if (progress < warm_up) return peak_rate * progress / warm_up;
    return peak_rate * 0.5 * (1 + std::cos(std::numbers::pi * (progress - warm_up) / (1 - warm_up)));
}

/// Fisher-Yates on counter-based random numbers: the order of any epoch can be had without those before it.
std::vector<std::int64_t> epoch_order(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(count));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i-- > 1;) {
        selfsame::random_stream random(seed, static_cast<std::uint32_t>(epoch), i, shuffle_view, 0);
        std::swap(order[i], order[random.below(static_cast<std::uint32_t>(i + 1))]);
    }
    return order;
}

/// What the objective trains is of a length of its own and does not decay.
torch::optim::AdamW make_optimizer(encoder_impl& network, objective& task) {
    std::vector<torch::Tensor> weights;
    std::vector<torch::Tensor> without_decay;
    for (const torch::Tensor& parameter : network.parameters()) {
        (parameter.dim() > 1 ? weights : without_decay).push_back(parameter);
    }
    for (const torch::Tensor& parameter : task.parameters()) {
        if (parameter.requires_grad()) without_decay.push_back(parameter);
    }
    const auto with_decay = [](double decay) {
        return std::make_unique<torch::optim::AdamWOptions>(
            torch::optim::AdamWOptions(peak_rate).betas({0.9, 0.99}).weight_decay(decay));
    };
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(weights, with_decay(weight_decay));
    groups.emplace_back(without_decay, with_decay(0));
    return torch::optim::AdamW(std::move(groups), torch::optim::AdamWOptions(peak_rate));
}

template <class Value>
std::string to_archive(const Value& value) {
    std::ostringstream stream;
    torch::save(value, stream);
    return stream.str();
}

template <class Value>
void from_archive(const std::string& bytes, Value& value) {
    std::istringstream stream(bytes);
    torch::load(value, stream);
}

/// What decides the course of a run, the content of the images included.
std::string describe(const options& settings, const image_set& images, std::uint64_t seed) {
    const uLong content = crc32_z(0, images.pixels.data(), images.pixels.size());
    std::ostringstream text;
    text << "objective " << settings.objective;
    if (settings.prototypes > 0) {
        text << " with " << settings.prototypes << " prototypes and " << settings.local_views << " local views";
    }
    text << ", seed " << seed << ", epochs " << settings.epochs << ", batch " << settings.batch << ", threads "
         << settings.threads << ", images " << images.size() << " of " << images.height << "x" << images.width << "x"
         << images.channels << " with CRC " << std::hex << content;
    return text.str();
}

std::uint32_t weights_checksum(const encoder_impl& network) {
    uLong sum = 0;
    for (const torch::Tensor& weight : network.parameters()) {
        const torch::Tensor dense = weight.contiguous();
        sum = crc32_z(sum, static_cast<const Bytef*>(dense.data_ptr()), dense.nbytes());
    }
    return static_cast<std::uint32_t>(sum);
}

class trainer {
  public:
    trainer(const options& settings, const image_set& images, const channel_statistics& statistics, std::uint64_t seed,
            std::filesystem::path path)
        : settings_(settings), images_(images), statistics_(statistics), seed_(seed), path_(std::move(path)),
          description_(describe(settings, images, seed)), batch_(std::min(settings.batch, images.size())),
          steps_per_epoch_(images.size() / batch_), total_(settings.epochs * steps_per_epoch_),
          network_(std::make_shared<encoder_impl>(images.channels, seed)),
          objective_(find_objective(settings.objective)->make(settings, images.channels, batch_, seed)),
          optimizer_(make_optimizer(*network_, *objective_)),
          views_{empty_views(view_kind::global, 2), empty_views(view_kind::local, settings.local_views)} {}

    training run() {
        if (settings_.resume) resume();
        progress_line line("seed " + std::to_string(seed_));
        const double start = now() - seconds_;
        const std::int64_t first_step = step_;
        const double first_time = now();
        double saved_at = now();
        std::vector<std::int64_t> order;
        network_->train();
        while (step_ < total_ && !stop_requested()) {
            const std::int64_t epoch = step_ / steps_per_epoch_;
            const std::int64_t position = step_ % steps_per_epoch_;
            if (order.empty() || position == 0) order = epoch_order(images_.size(), seed_, epoch);
            take_step(epoch, std::span(order).subspan(static_cast<std::size_t>(position * batch_),
                                                      static_cast<std::size_t>(batch_)));
            ++step_;
            seconds_ = now() - start;

            const bool is_epoch_end = step_ % steps_per_epoch_ == 0;
            const double per_step = (now() - first_time) / static_cast<double>(step_ - first_step);
            line.update(status(epoch, per_step), is_epoch_end);
            if (is_epoch_end || stop_requested() || now() - saved_at > checkpoint_interval) {
                save_state();
                saved_at = now();
            }
        }
        line.finish();
        const encoder kept = objective_->kept(network_);
        kept->eval();
        return {kept,
                objective_->prototypes(),
                losses_,
                mean_loss(steps_per_epoch_),
                weights_checksum(*kept),
                seconds_,
                step_ < total_};
    }

  private:
    /// Undefined if there are to be none.
    [[nodiscard]] torch::Tensor empty_views(view_kind kind, std::int64_t views) const {
        if (views < 1) return {};
        const view_size size = size_of(kind, images_);
        return torch::empty({views * batch_, images_.channels, size.height, size.width});
    }

    void draw_views(std::int64_t epoch, std::span<const std::int64_t> indices) {
        std::uint32_t view = 0;
        const auto fill = [&](view_kind kind, const torch::Tensor& target) {
            if (!target.defined()) return;
            for (torch::Tensor& part : target.split(batch_)) {
                make_views(kind, images_, statistics_, indices, seed_, epoch, view++, part.data_ptr<float>());
            }
        };
        fill(view_kind::global, views_.global);
        fill(view_kind::local, views_.local);
    }

    void take_step(std::int64_t epoch, std::span<const std::int64_t> indices) {
        draw_views(epoch, indices);
        const progress_point at{step_, total_};
        const torch::Tensor loss = objective_->loss(*network_, views_, at);
        optimizer_.zero_grad();
        loss.backward();
        for (torch::optim::OptimizerParamGroup& group : optimizer_.param_groups()) {
            group.options().set_lr(learning_rate(step_, total_));
        }
        optimizer_.step();
        objective_->after_step(*network_, at);
        losses_.push_back(loss.item<float>());
        if (!std::isfinite(losses_.back()))
            throw std::runtime_error("the loss is not finite at step " + std::to_string(step_));
    }

    /// Of the last `steps` steps, or all if there are fewer.
    [[nodiscard]] double mean_loss(std::int64_t steps) const {
        const auto count = std::min(static_cast<std::ptrdiff_t>(steps), static_cast<std::ptrdiff_t>(losses_.size()));
        return std::accumulate(losses_.end() - count, losses_.end(), 0.0) /
               static_cast<double>(std::max<std::ptrdiff_t>(count, 1));
    }

    [[nodiscard]] std::string status(std::int64_t epoch, double seconds_per_step) const {
        char text[160];
        std::snprintf(text, sizeof text, "epoch %lld/%lld  loss %.4f  %.0f images/s  %s left",
                      static_cast<long long>(epoch + 1), static_cast<long long>(settings_.epochs), mean_loss(50),
                      static_cast<double>(batch_) / seconds_per_step,
                      minutes(static_cast<double>(total_ - step_) * seconds_per_step).c_str());
        return text;
    }

    void save_state() const {
        save({description_, step_, seconds_, losses_, to_archive(network_), to_archive(objective_),
              to_archive(optimizer_)},
             path_);
    }

    void resume() {
        const std::optional<checkpoint> state = load(path_);
        if (!state) return;
        if (state->settings != description_) {
            throw user_error("checkpoint " + path_.string() + " belongs to another run (" + state->settings +
                             "), this one has " + description_);
        }
        step_ = state->step;
        seconds_ = state->seconds;
        losses_ = state->losses;
        from_archive(state->model, network_);
        from_archive(state->objective, objective_);
        from_archive(state->optimizer, optimizer_);
    }

    const options& settings_;
    const image_set& images_;
    const channel_statistics& statistics_;
    std::uint64_t seed_;
    std::filesystem::path path_;
    std::string description_;
    std::int64_t batch_;
    std::int64_t steps_per_epoch_;
    std::int64_t total_;
    encoder network_;
    std::shared_ptr<objective> objective_;
    torch::optim::AdamW optimizer_;
    view_batch views_;
    std::int64_t step_ = 0;
    double seconds_ = 0;
    std::vector<float> losses_;
};

}  // namespace

training train(const options& settings, const dataset& data, const channel_statistics& statistics, std::uint64_t seed,
               const std::filesystem::path& path) {
    return trainer(settings, data.train, statistics, seed, path).run();
}

}  // namespace pretrain
