#include "clothes.hpp"

#include <torch/nn/functional/pixelshuffle.h>
#include <torch/nn/functional/upsampling.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/optim/adam.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>

#include "image_sheet.hpp"
#include "progress.hpp"
#include "selfsame/energy/energy.hpp"
#include "selfsame/interop/torch.hpp"
#include "torch_energy.hpp"

namespace example {
namespace {

using selfsame::chain_key;
using selfsame::index_t;
using selfsame::none;
using selfsame::torch_view;

constexpr std::int64_t side = 28, pixels = side * side;
constexpr double spread = 0.7;  // of pixels in [-1, 1]
constexpr double lowest = 0.04, highest = 12;
constexpr std::uint32_t noise_op = 0x80, level_op = 0x81, choice_op = 0x82;
const auto ctx = thrust::omp::par;

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

/// Predicts a clean picture from a noisy one and its level of noise, in quarters of the resolution: 2 x 2 pixels are
/// four channels. Sized for two processor cores.
struct denoiser_impl : torch::nn::Module {
    static constexpr std::int64_t narrow = 40, wide = 96, code = 64;
    torch::nn::Linear code_hidden, code_output;
    torch::nn::Conv2d input, down, up, output;
    torch::nn::GroupNorm norm;
    std::vector<std::shared_ptr<block_impl>> blocks;

    denoiser_impl()
        : code_hidden(16, code), code_output(code, code), input(convolution(4, narrow)),
          down(convolution(narrow, wide, 2)), up(convolution(wide, narrow)), output(convolution(narrow, 4)),
          norm(torch::nn::GroupNormOptions(8, narrow)) {
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

    /// N x 784 and N to N x 784. Inputs and outputs of the convolutions are of unit size at every level: with little
    /// noise the picture is mostly the input, with much mostly the network's (Karras et al. 2022).
    at::Tensor forward(const at::Tensor& x, const at::Tensor& sigmas) {
        namespace F = torch::nn::functional;
        const at::Tensor total = (sigmas.square() + spread * spread).unsqueeze(1);
        const at::Tensor scaled = (x / total.sqrt()).view({-1, 1, side, side});
        const at::Tensor waves = (sigmas.log() / 4).unsqueeze(1) * at::exp2(at::arange(8, at::kFloat)).unsqueeze(0);
        const at::Tensor c = at::silu(code_output(at::silu(code_hidden(at::cat({waves.sin(), waves.cos()}, 1)))));
        const at::Tensor fine =
            blocks[0]->forward(input(F::pixel_unshuffle(scaled, F::PixelUnshuffleFuncOptions(2))), c);
        at::Tensor h = down(fine);
        for (std::size_t k = 1; k <= 3; ++k) h = blocks[k]->forward(h, c);
        h = up(at::upsample_nearest2d(h, {side / 2, side / 2}));
        h = blocks[4]->forward(h + fine, c);
        h = F::pixel_shuffle(output(at::silu(norm(h))), F::PixelShuffleFuncOptions(2)).reshape({-1, pixels});
        return spread * spread / total * x + sigmas.unsqueeze(1) * spread / total.sqrt() * h;
    }
    /// (picture - x) / sigma^2 is the score of the noisy density.
    at::Tensor score(const at::Tensor& x, const at::Tensor& sigmas) {
        return (forward(x, sigmas) - x) / sigmas.square().unsqueeze(1);
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

void train(denoiser_impl& net, const at::Tensor& data, std::uint64_t seed, std::int64_t iterations,
           clothes_result& result) {
    constexpr index_t batch = 64;
    torch::optim::Adam optimizer(net.parameters(), torch::optim::AdamOptions(2e-3).betas({0.9, 0.99}));
    weight_average average(net, 0.998);
    const selfsame::denoising_score_matching objective{.weighted = true};
    pretrain::progress_line progress("clothes, score matching");
    const double began = pretrain::now();
    std::vector<float> chosen(batch);
    for (std::int64_t t = 0; t < iterations; ++t) {
        const auto iteration = static_cast<std::uint32_t>(t);
        const double at = static_cast<double>(t) / static_cast<double>(iterations);
        for (auto& group : optimizer.param_groups()) {
            static_cast<torch::optim::AdamOptions&>(group.options())
                .lr(2e-3 * std::min(1.0, static_cast<double>(t + 1) / 200) *
                    (0.02 + 0.98 * (1 + std::cos(3.14159 * at)) / 2));
        }
        selfsame::random_row(seed, iteration, 0, choice_op).uniform(chosen.data(), batch, 0.0f, 1.0f);
        at::Tensor index = at::empty({batch}, at::kLong);
        for (index_t i = 0; i < batch; ++i) {
            const double share = double(chosen[static_cast<std::size_t>(i)]);
            index.data_ptr<std::int64_t>()[i] =
                std::min(data.size(0) - 1, static_cast<std::int64_t>(share * static_cast<double>(data.size(0))));
        }
        at::Tensor noise = at::empty({batch, pixels}), sigmas = at::empty({batch});
        selfsame::random_row(seed, iteration, 0, noise_op).normal(noise.data_ptr<float>(), batch * pixels);
        selfsame::random_row(seed, iteration, 0, level_op)
            .uniform(sigmas.data_ptr<float>(), batch, static_cast<float>(std::log(lowest)),
                     static_cast<float>(std::log(highest)));
        sigmas.exp_();
        const at::Tensor scores = net.score(data.index_select(0, index) + sigmas.unsqueeze(1) * noise, sigmas);
        at::Tensor gradient = at::empty({batch, pixels});
        const at::Tensor values = scores.detach().contiguous();
        const float loss = selfsame::value_and_grad(
            ctx, objective,
            selfsame::noisy_scores{torch_view<const float, 2>(values), torch_view<const float, 2>(noise),
                                   torch_view<const float, 1>(sigmas)},
            selfsame::noisy_scores{torch_view<float, 2>(gradient), none{}});
        optimizer.zero_grad();
        scores.backward(gradient);
        optimizer.step();
        average.update();
        result.losses.push_back(loss);
        if (t % 20 == 0) {
            progress.update(std::to_string(t) + " of " + std::to_string(iterations) + "  loss " + std::to_string(loss),
                            false);
        }
    }
    progress.finish();
    average.apply();
    result.seconds = pretrain::now() - began;
    result.images_seen = iterations * batch;
}

}  // namespace

clothes_result learn_clothes(const pretrain::image_set& images, std::uint64_t seed, std::int64_t iterations) {
    clothes_result result;
    torch::manual_seed(seed);
    const at::Tensor data = to_pictures(images);
    const auto net = std::make_shared<denoiser_impl>();
    train(*net, data, seed, iterations, result);

    constexpr index_t count = sheet_rows * sheet_columns, shown = 10;
    constexpr int levels = 48;
    constexpr index_t corrections = 1;
    const double began = pretrain::now();
    at::Tensor x = at::empty({count, pixels});
    const auto rows = torch_view<float, 2>(x);
    selfsame::replay_buffer<float>(pixels, 1, 1).draw({.seed = seed + 1}, rows, selfsame::normal_start{0, highest});
    pretrain::image_sheet sheet(shown, 2 + levels / 4, side, side, 1);
    const auto show = [&](std::int64_t column) {
        const bytes_of_pictures bytes(x);
        for (std::int64_t i = 0; i < shown; ++i) sheet.place(i, column, bytes.at(i));
    };
    show(0);
    chain_key key{.seed = seed + 1};
    pretrain::progress_line progress("clothes, sampling");
    for (int level = 0; level < levels; ++level) {
        const double sigma = highest * std::pow(lowest / highest, double(level) / (levels - 1));
        const auto score = score_as_callable(
            [&](const at::Tensor& at_x) { return net->score(at_x, at::full({at_x.size(0)}, sigma)); });
        const auto sample = [&](const selfsame::langevin& sampler, index_t n) {
            const auto report = selfsame::sample(ctx, sampler, score, rows, key, n);
            result.divergences += static_cast<std::int64_t>(report.divergences.size());
            key.step = key.step_after(n);
        };
        sample(selfsame::langevin::of(0.08 * sigma * sigma), corrections);
        // To the next level: the part of the noise that it lacks is taken away, with the spread that the noise taken
        // away has given the noisy picture. The last step goes to the mean of the clean pictures behind it.
        const double next = level + 1 < levels ? sigma * std::pow(lowest / highest, 1.0 / (levels - 1)) : 0;
        const double less = sigma * sigma - next * next;
        sample({.step = less, .noise = next / sigma * std::sqrt(less)}, 1);
        if (level % 4 == 3) show(1 + level / 4);
        progress.update("level " + std::to_string(level + 1) + " of " + std::to_string(levels), false);
    }
    progress.finish();
    result.sampling_seconds = pretrain::now() - began;
    show(1 + levels / 4);
    result.chains = sheet.to_html(2, "chains of ten samples, from noise to clothes");
    result.samples = sheet_of(x, "128 samples");
    result.data = sheet_of(data, "128 training images");

    const at::Tensor ends = x.slice(0, 0, sheet_columns);
    const at::Tensor closest = data.index_select(0, at::cdist(ends, data).argmin(1));
    pretrain::image_sheet pairs(2, sheet_columns, side, side, 1);
    const bytes_of_pictures above(ends), below(closest);
    for (std::int64_t i = 0; i < sheet_columns; ++i) {
        pairs.place(0, i, above.at(i));
        pairs.place(1, i, below.at(i));
    }
    result.nearest = pairs.to_html(2, "samples above the training images nearest to them");
    return result;
}

}  // namespace example
