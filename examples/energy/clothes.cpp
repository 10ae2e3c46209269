#include "clothes.hpp"

#include <torch/linalg.h>
#include <torch/nn/functional/pixelshuffle.h>
#include <torch/nn/functional/upsampling.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/utils.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "image_sheet.hpp"
#include "progress.hpp"
#include "selfsame/interop/torch.hpp"
#include "signals.hpp"
#include "torch_energy.hpp"

namespace example {
namespace {

using selfsame::torch_view;

constexpr std::int64_t side = 28, pixels = side * side;
constexpr std::uint32_t choice_op = 0x92, blur_op = 0x93;

torch::nn::Conv2d convolution(std::int64_t from, std::int64_t to, std::int64_t stride = 1) {
    return torch::nn::Conv2d(torch::nn::Conv2dOptions(from, to, 3).padding(1).stride(stride));
}

/// Two convolutions beside a shortcut, shifted and scaled by what is known of the noise.
struct block_impl : torch::nn::Module {
    torch::nn::GroupNorm first_norm, second_norm;
    torch::nn::Conv2d first, second;
    torch::nn::Linear level;

    block_impl(std::int64_t channels, std::int64_t code)
        : first_norm(torch::nn::GroupNormOptions(8, channels)), second_norm(torch::nn::GroupNormOptions(8, channels)),
          first(convolution(channels, channels)), second(convolution(channels, channels)), level(code, 2 * channels) {
        register_module("first_norm", first_norm);
        register_module("second_norm", second_norm);
        register_module("first", first);
        register_module("second", second);
        register_module("level", level);
        torch::NoGradGuard no_graph;
        second->weight.zero_();
        second->bias.zero_();
    }
    at::Tensor forward(const at::Tensor& x, const at::Tensor& code) {
        const at::Tensor h = second_norm(first(at::silu(first_norm(x))));
        const auto parts = level(code).unsqueeze(2).unsqueeze(3).chunk(2, 1);
        return x + second(at::silu(h * (1 + parts[0]) + parts[1]));
    }
};

/// A Gaussian of the pictures' mean and covariance. Its own denoiser is linear: what a network has to add is only what
/// is not Gaussian.
class reference {
  public:
    explicit reference(const at::Tensor& data) : mean_(data.mean(0)) {
        const at::Tensor centred = data - mean_;
        std::tie(variances_, axes_) =
            torch::linalg::eigh(centred.t().mm(centred) / static_cast<double>(data.size(0)), "L");
        variances_ = variances_.clamp_min(0);
    }
    const at::Tensor& mean() const { return mean_; }
    double deviation() const { return std::sqrt(variances_.mean().item<double>()); }
    /// The mean of the clean picture behind x, less that of all.
    at::Tensor clean(const at::Tensor& x, const at::Tensor& sigmas) const {
        const at::Tensor kept = variances_ / (variances_ + sigmas.square().unsqueeze(1));
        return (x - mean_).mm(axes_).mul(kept).mm(axes_.t());
    }
    /// Coordinates of unit variance along the `count` widest principal axes, and back.
    at::Tensor components(const at::Tensor& x, std::int64_t count) const {
        return (x - mean_).mm(widest(axes_, count)) / widest(variances_, count).sqrt();
    }
    at::Tensor picture(const at::Tensor& z) const {
        return mean_ + (z * widest(variances_, z.size(1)).sqrt()).mm(widest(axes_, z.size(1)).t());
    }
    /// The standard deviation of a pixel of the clean picture, given x.
    double left(double sigma) const {
        return std::sqrt((variances_ * sigma * sigma / (variances_ + sigma * sigma)).mean().item<double>());
    }
    at::Tensor left(const at::Tensor& sigmas) const {
        const at::Tensor square = sigmas.square().unsqueeze(1);
        return (variances_ * square / (variances_ + square)).mean(1, true).sqrt();
    }

  private:
    static at::Tensor widest(const at::Tensor& x, std::int64_t count) { return x.slice(-1, pixels - count); }

    at::Tensor mean_, variances_, axes_;  // variances ascend
};

/// Predicts what the reference's clean picture lacks, in quarters of the resolution: 2 x 2 pixels of the noisy picture
/// and of the reference's are eight channels. Sized for two processor cores.
struct denoiser_impl : torch::nn::Module {
    static constexpr std::int64_t narrow = 40, wide = 96, code = 64;
    const reference& gaussian;
    double deviation;
    torch::nn::Linear code_hidden, code_output;
    torch::nn::Conv2d input, down, up, output;
    torch::nn::GroupNorm norm;
    std::vector<std::shared_ptr<block_impl>> blocks;

    explicit denoiser_impl(const reference& of_data)
        : gaussian(of_data), deviation(of_data.deviation()), code_hidden(16, code), code_output(code, code),
          input(convolution(8, narrow)), down(convolution(narrow, wide, 2)), up(convolution(wide, narrow)),
          output(convolution(narrow, 4)), norm(torch::nn::GroupNormOptions(8, narrow)) {
        register_module("code_hidden", code_hidden);
        register_module("code_output", code_output);
        register_module("input", input);
        register_module("down", down);
        register_module("up", up);
        register_module("output", output);
        register_module("norm", norm);
        for (const std::int64_t channels : {narrow, wide, wide, wide, narrow}) {
            blocks.push_back(
                register_module("block" + std::to_string(blocks.size()), std::make_shared<block_impl>(channels, code)));
        }
        torch::NoGradGuard no_graph;
        output->weight.zero_();
        output->bias.zero_();
    }

    /// The score of the noisy density, N x 784 and N to N x 784: (clean picture - x) / sigma^2. Inputs and outputs of
    /// the network are of unit size at every level.
    at::Tensor forward(const at::Tensor& x, const at::Tensor& sigmas) {
        namespace F = torch::nn::functional;
        const F::PixelUnshuffleFuncOptions quarters(2);
        const at::Tensor square = sigmas.square().unsqueeze(1), linear = gaussian.clean(x, sigmas);
        const at::Tensor scaled = (x - gaussian.mean()) / (square + deviation * deviation).sqrt();
        const at::Tensor images = at::stack({scaled, linear / deviation}, 1).view({-1, 2, side, side});
        const at::Tensor waves = (sigmas.log() / 4).unsqueeze(1) * at::exp2(at::arange(8, at::kFloat)).unsqueeze(0);
        const at::Tensor c = at::silu(code_output(at::silu(code_hidden(at::cat({waves.sin(), waves.cos()}, 1)))));
        const at::Tensor fine = blocks[0]->forward(input(F::pixel_unshuffle(images, quarters)), c);
        at::Tensor h = down(fine);
        for (std::size_t k = 1; k <= 3; ++k) h = blocks[k]->forward(h, c);
        h = up(at::upsample_nearest2d(h, {side / 2, side / 2}));
        h = blocks[4]->forward(h + fine, c);
        h = F::pixel_shuffle(output(at::silu(norm(h))), F::PixelShuffleFuncOptions(2)).reshape({-1, pixels});
        return (gaussian.mean() + linear + gaussian.left(sigmas) * h - x) / square;
    }
};

class bytes_of_pictures {
  public:
    explicit bytes_of_pictures(const at::Tensor& x)
        : bytes_(((x.clamp(-1, 1) + 1) * 127.5).round().to(at::kByte).contiguous()) {}
    [[nodiscard]] const std::uint8_t* at(std::int64_t i) const { return bytes_.data_ptr<std::uint8_t>() + i * pixels; }

  private:
    at::Tensor bytes_;
};

at::Tensor to_pictures(const pretrain::image_set& images) {
    return at::from_blob(const_cast<std::uint8_t*>(images.pixels.data()), {images.size(), pixels}, at::kByte)
                   .to(at::kFloat) /
               127.5 -
           1;
}

constexpr std::int64_t sheet_rows = 8, sheet_columns = 16;

std::string sheet_of(const at::Tensor& x, const std::string& description) {
    const bytes_of_pictures bytes(x);
    pretrain::image_sheet sheet(sheet_rows, sheet_columns, side, side, 1);
    for (std::int64_t i = 0; i < sheet_rows * sheet_columns; ++i) {
        sheet.place(i / sheet_columns, i % sheet_columns, bytes.at(i));
    }
    return sheet.to_html(2, description);
}

/// Pictures of the data set, drawn with replacement.
at::Tensor draw(const at::Tensor& data, std::uint64_t seed, std::uint32_t iteration, index_t count) {
    std::vector<float> share(static_cast<std::size_t>(count));
    selfsame::random_row(seed, iteration, 0, choice_op).uniform(share.data(), count, 0.0f, 1.0f);
    at::Tensor index = at::empty({count}, at::kLong);
    for (index_t i = 0; i < count; ++i) {
        const double place = double(share[static_cast<std::size_t>(i)]) * static_cast<double>(data.size(0));
        index.data_ptr<std::int64_t>()[i] = std::min(data.size(0) - 1, static_cast<std::int64_t>(place));
    }
    return data.index_select(0, index);
}

/// Ten chains from the first to the last, a column each time that `show` is called.
class chain_sheet {
  public:
    explicit chain_sheet(std::int64_t columns) : sheet_(10, columns, side, side, 1) {}
    void show(const at::Tensor& x) {
        const bytes_of_pictures bytes(x);
        for (std::int64_t i = 0; i < 10; ++i) sheet_.place(i, column_, bytes.at(i));
        ++column_;
    }
    [[nodiscard]] std::string to_html() const { return sheet_.to_html(2, "ten chains, from noise to clothes"); }

  private:
    pretrain::image_sheet sheet_;
    std::int64_t column_ = 0;
};

std::string nearest_of(const at::Tensor& x, const at::Tensor& data) {
    const at::Tensor closest = data.index_select(0, at::cdist(x, data).argmin(1));
    pretrain::image_sheet pairs(2, x.size(0), side, side, 1);
    const bytes_of_pictures above(x), below(closest);
    for (std::int64_t i = 0; i < x.size(0); ++i) {
        pairs.place(0, i, above.at(i));
        pairs.place(1, i, below.at(i));
    }
    return pairs.to_html(2, "samples above the training images nearest to them");
}

constexpr index_t sample_count = sheet_rows * sheet_columns;

clothes_result by_contrastive_divergence(const at::Tensor& data, const reference& gaussian, std::uint64_t seed,
                                         std::int64_t iterations) {
    using torch::nn::Linear, torch::nn::SiLU;
    constexpr std::int64_t components = 40, width = 256;
    constexpr double blur = 0.3;  // of components: what chains can still cross
    clothes_result result;
    result.method = "persistent contrastive divergence";
    result.about =
        "A perceptron's energy of 40 principal components, trained on chains of a replay buffer. Ends of 128 MALA "
        "chains, none picked, begun at the Gaussian of the pictures' mean and covariance.";
    torch::manual_seed(seed);
    torch::nn::Sequential net(Linear(components, width), SiLU(), Linear(width, width), SiLU(), Linear(width, width),
                              SiLU(), Linear(width, 1));
    const auto energy = [&](const at::Tensor& z) { return net->forward(z).squeeze(1) + z.square().sum(1) / 2; };
    const at::Tensor clean = gaussian.components(data, components);
    const selfsame::mala sampler{.step = 0.025};
    result.training =
        contrast({.title = "clothes, contrastive divergence",
                  .seed = seed,
                  .iterations = iterations,
                  .batch = 128,
                  .rate = 7e-4,
                  .average = 0.995},
                 {.sampler = sampler, .steps = 20, .capacity = 4096, .restart = 0.02, .regularization = 2e-4}, *net,
                 energy, [&](std::uint32_t iteration, index_t count) {
                     at::Tensor z = draw(clean, seed, iteration, count);
                     const at::Tensor noise = at::empty_like(z);
                     selfsame::random_row(seed, iteration, 0, blur_op).normal(noise.data_ptr<float>(), noise.numel());
                     return z + blur * noise;
                 });
    result.divergences = result.training.divergences;

    constexpr index_t looks = 10;
    const double began = pretrain::now();
    at::Tensor z = at::empty({sample_count, components});
    const auto rows = torch_view<float, 2>(z);
    selfsame::replay_buffer<float>(components, 1, 1).draw({.seed = seed + 1}, rows, selfsame::normal_start{});
    chain_sheet sheet(2 + looks);
    sheet.show(gaussian.picture(z));
    selfsame::chain_key key{.seed = seed + 1};
    pretrain::progress_line progress("clothes, MALA");
    const auto go = [&](const auto& with, index_t steps) {
        const auto report = selfsame::sample(ctx, with, as_callable(energy), rows, key, steps);
        result.divergences += static_cast<std::int64_t>(report.divergences.size());
        key.step = key.step_after(steps);
        sheet.show(gaussian.picture(z));
    };
    for (index_t k = 0; k < looks; ++k) {
        go(sampler, index_t{4} << k);  // ever longer
        progress.update(std::to_string(k + 1) + " of " + std::to_string(looks), k + 1 == looks);
    }
    // The mean of what lies behind the blur.
    go(selfsame::langevin{.step = blur * blur, .noise = 0}, 1);
    progress.finish();
    result.sampling_seconds = pretrain::now() - began;
    const at::Tensor x = gaussian.picture(z);
    result.chains = sheet.to_html();
    result.samples = sheet_of(x, "128 samples");
    result.nearest = nearest_of(x.slice(0, 0, sheet_columns), data);
    return result;
}

clothes_result by_score_matching(const at::Tensor& data, const reference& gaussian, std::uint64_t seed,
                                 std::int64_t iterations) {
    clothes_result result;
    result.method = "denoising score matching";
    result.about =
        "A convolutional score network of all 784 pixels and all levels of noise. Ends of 128 chains, none picked, "
        "from "
        "noise through falling levels.";
    torch::manual_seed(seed);
    const auto net = std::make_shared<denoiser_impl>(gaussian);
    const auto score = [&](const at::Tensor& x, const at::Tensor& sigmas) { return net->forward(x, sigmas); };
    constexpr selfsame::annealed_langevin schedule{
        .highest = 20, .lowest = 0.04, .levels = 40, .steps = 0, .ancestral = true};
    result.training = match_scores(
        {.title = "clothes, score matching",
         .seed = seed,
         .iterations = iterations,
         .batch = 32,
         .rate = 2e-3,
         .average = 0.998},
        // Errors are measured in what the reference leaves open, at every level.
        {.lowest = schedule.lowest,
         .highest = schedule.highest,
         .middle = 0.5,
         .spread = 1.4,
         .weight = [&](double sigma) { return std::pow(sigma / gaussian.left(sigma), 2); }},
        *net, score, [&](std::uint32_t iteration, index_t count) { return draw(data, seed, iteration, count); });

    result.divergences = result.training.divergences;

    // Levels at which chains are looked at: there is little to see in the first ones.
    constexpr std::array<index_t, 9> looks{13, 17, 20, 23, 26, 29, 32, 36, schedule.levels};
    const double began = pretrain::now();
    at::Tensor x = at::empty({sample_count, pixels});
    const auto rows = torch_view<float, 2>(x);
    selfsame::replay_buffer<float>(pixels, 1, 1)
        .draw({.seed = seed + 1}, rows, selfsame::normal_start{0, schedule.highest});
    chain_sheet sheet(1 + looks.size());
    sheet.show(x);
    pretrain::progress_line progress("clothes, annealed Langevin");
    index_t first = 0;
    for (const index_t last : looks) {
        const auto report = selfsame::sample(ctx, schedule, score_as_callable(score), rows,
                                             selfsame::chain_key{.seed = seed + 1}, first, last);
        result.divergences += static_cast<std::int64_t>(report.divergences.size());
        sheet.show(x);
        progress.update("level " + std::to_string(last) + " of " + std::to_string(schedule.levels),
                        last == schedule.levels);
        first = last;
    }
    progress.finish();
    result.sampling_seconds = pretrain::now() - began;
    result.chains = sheet.to_html();
    result.samples = sheet_of(x, "128 samples");
    result.nearest = nearest_of(x.slice(0, 0, sheet_columns), data);
    return result;
}

}  // namespace

std::vector<clothes_result> learn_clothes(const pretrain::image_set& images, std::uint64_t seed,
                                          std::int64_t iterations, std::int64_t chain_iterations) {
    const at::Tensor data = to_pictures(images);
    const reference gaussian(data);
    clothes_result itself;
    itself.method = "data";
    itself.samples = sheet_of(data, "128 training images");
    itself.about = "Fashion-MNIST, training pictures.";
    std::vector<clothes_result> all{itself, by_contrastive_divergence(data, gaussian, seed, chain_iterations)};
    if (!pretrain::stop_requested()) all.push_back(by_score_matching(data, gaussian, seed, iterations));
    return all;
}

}  // namespace example
