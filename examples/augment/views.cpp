#include "views.hpp"

#include <thrust/system/omp/execution_policy.h>
#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <ostream>
#include <selfsame/augment/augment.hpp>

#include "parameters.hpp"
#include "progress.hpp"

namespace {

namespace augment = selfsame::augment;
namespace recipes = augment::recipes;
using selfsame::index_t;

constexpr int row_height = 128;               // of the sheet, in pixels
constexpr double shown = row_height / 224.0;  // size of a view on the sheet, of its own

struct no_mask {};

/// Views of a picture by one pipeline of a recipe.
template <class Pipeline, class Mask = no_mask>
struct views {
    const Pipeline& pipeline;
    std::uint32_t count;
    Mask mask;             ///< of patches that an encoder is not shown
    std::int32_t patches;  ///< along a side

    explicit views(const Pipeline& p, std::uint32_t times = 1, const Mask& hidden = {}, std::int32_t side = 14)
        : pipeline(p), count(times), mask(hidden), patches(side) {}
};

cv::Mat resized(const cv::Mat& picture, double scale) {
    const auto length = [&](int pixels) { return std::max(1, static_cast<int>(std::lround(pixels * scale))); };
    cv::Mat result;
    cv::resize(picture, result, {length(picture.cols), length(picture.rows)}, 0, 0, cv::INTER_AREA);
    return result;
}

/// Normalized floats as bytes again.
cv::Mat bytes_of(const float* normalized, int height, int width) {
    const auto& [mean, deviation] = recipes::imagenet;
    cv::Mat values(height, width, CV_32FC3, const_cast<float*>(normalized)), plain, bytes;
    cv::multiply(values, cv::Scalar(deviation[0], deviation[1], deviation[2]), plain);
    cv::add(plain, cv::Scalar(mean[0], mean[1], mean[2]), plain);
    plain.convertTo(bytes, CV_8U, 255);
    return bytes;
}

/// Patches that a mask hides, in gray.
void hide(cv::Mat& picture, const std::uint8_t* masked, int patches) {
    const int side = picture.cols / patches;
    for (int k = 0; k < patches * patches; ++k) {
        if (masked[k] == 0) continue;
        picture(cv::Rect(k % patches * side, k / patches * side, side, side)).setTo(cv::Scalar::all(127));
    }
}

template <class... Ops>
selfsame::image_shape shape_of_view(const augment::pipeline<Ops...>& p) {
    selfsame::image_shape shape{3, 1, 1};  // of any picture: all begin with a crop
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        ((shape = selfsame::output_shape(selfsame::get<Index>(p.operations), shape)), ...);
    }(std::index_sequence_for<Ops...>());
    return shape;
}

template <class Pipeline>
auto drawn(const Pipeline& p, selfsame::image_shape picture, std::uint64_t sample, augment::key k) {
    return draw(p, picture, sample, k);
}
/// RotNet learns from all four turns of the same crop.
auto drawn(const std::remove_const_t<decltype(recipes::rotnet)>& p, selfsame::image_shape picture, std::uint64_t sample,
           augment::key k) {
    auto parameters = draw(p, picture, sample, {.seed = k.seed});
    selfsame::get<3>(parameters).quarters = static_cast<std::int32_t>(k.view);
    return parameters;
}

template <class Pipeline, class Mask>
void add_view(studio& s, const batch& b, const views<Pipeline, Mask>& kind, std::uint32_t number) {
    const Pipeline& p = kind.pipeline;
    const augment::key key{.seed = s.seed, .view = number};
    const std::size_t count = b.pictures.size();
    const selfsame::image_shape shape = shape_of_view(p);
    const std::size_t values = static_cast<std::size_t>(3) * static_cast<std::size_t>(shape.height * shape.width);
    std::vector<selfsame::image<std::uint8_t>> images;
    for (const cv::Mat& m : b.pictures) images.push_back(selfsame::interleaved(m.data, m.rows, m.cols, 3));
    std::vector<float> out(count * values);

    const double began = pretrain::now();
    std::vector<typename Pipeline::parameters> parameters;
    for (std::size_t n = 0; n < count; ++n) {
        parameters.push_back(drawn(p, {3, b.pictures[n].rows, b.pictures[n].cols}, b.first + n, key));
    }
    const auto pixels =
        selfsame::view<float, 4>(out.data(), {static_cast<index_t>(count), shape.height, shape.width, 3});
    augment::apply(thrust::omp::par, p, selfsame::image_batch{images, 3}, parameters, augment::channels_first(pixels));
    s.seconds += pretrain::now() - began;
    s.views += count;

    constexpr bool is_masked = !std::is_same_v<Mask, no_mask>;
    const auto patches = static_cast<std::size_t>(kind.patches) * static_cast<std::size_t>(kind.patches);
    std::vector<std::uint8_t> masks(is_masked ? count * patches : 0);
    if constexpr (is_masked) {
        augment::draw_masks(
            thrust::omp::par, kind.mask, b.first, key,
            selfsame::view<std::uint8_t, 3>(masks.data(), {static_cast<index_t>(count), kind.patches, kind.patches}));
    }
    for (std::size_t n = 0; n < count; ++n) {
        const std::size_t sample = b.first + n;
        const std::uint8_t* masked = is_masked ? masks.data() + n * patches : nullptr;
        if (s.parameters != nullptr) {
            *s.parameters << "picture " << sample << ", view " << number << ":";
            show::print_all(*s.parameters, p, parameters[n]);
            if (is_masked) {
                *s.parameters << " masked " << std::count(masked, masked + patches, 1) << " of " << patches;
            }
            *s.parameters << "\n";
        }
        if (sample >= s.sheet.rows()) continue;
        cv::Mat picture = bytes_of(out.data() + n * values, shape.height, shape.width);
        s.sheet.add(sample, resized(picture, shown));
        if (is_masked) {
            hide(picture, masked, kind.patches);
            s.sheet.add(sample, resized(picture, shown));
        }
    }
}

template <class... Kinds>
recipe views_of(Kinds... kinds) {
    return [... kinds = kinds](studio& s, const batch& b) {
        std::uint32_t number = 0;
        const auto add_all = [&](const auto& kind) {
            for (std::uint32_t k = 0; k < kind.count; ++k) add_view(s, b, kind, number++);
        };
        (add_all(kinds), ...);
    };
}

}  // namespace

const std::map<std::string, recipe>& recipes_by_name() {
    static const std::map<std::string, recipe> all{
        {"simclr", views_of(views{recipes::simclr, 4})},  // two pairs, for a better look
        {"moco_v2", views_of(views{recipes::moco_v2, 4})},
        {"byol", views_of(views{recipes::byol_first}, views{recipes::byol_second})},
        {"swav", views_of(views{recipes::swav_global, 2}, views{recipes::swav_local, 6})},
        {"dino", views_of(views{recipes::dino_first}, views{recipes::dino_second}, views{recipes::dino_local, 8})},
        {"dino_v2",
         views_of(views{recipes::dino_v2_first, 1, recipes::dino_v2_mask, 16},
                  views{recipes::dino_v2_second, 1, recipes::dino_v2_mask, 16}, views{recipes::dino_v2_local, 8})},
        {"ibot", views_of(views{recipes::ibot_first, 1, recipes::ibot_mask},
                          views{recipes::ibot_second, 1, recipes::ibot_mask}, views{recipes::ibot_local, 10})},
        {"mae", views_of(views{recipes::mae, 1, recipes::mae_mask})},
        {"pirl", views_of(views{recipes::pirl})},
        {"rotnet", views_of(views{recipes::rotnet, 4})},
    };
    return all;
}

cv::Mat thumbnail(const cv::Mat& picture) {
    const double widest = 1.5 * row_height;
    return resized(picture, std::min(double{row_height} / picture.rows, widest / picture.cols));
}
