#pragma once

#include <ostream>
#include <selfsame/augment/augment.hpp>

/// \file
/// Drawn parameters in words.

namespace show {

namespace augment = selfsame::augment;

template <class Op>
void print(std::ostream&, const Op&, const typename Op::parameters&) {}

inline void print(std::ostream& to, const augment::random_resized_crop&, const selfsame::window& w) {
    to << " crop " << w.height << "x" << w.width << "+" << w.top << "+" << w.left;
}
inline void print(std::ostream& to, const augment::horizontal_flip&, augment::horizontal_flip::parameters p) {
    if (p.flipped != 0) to << " flip";
}
inline void print(std::ostream& to, const augment::color_jitter&, const augment::color_jitter::parameters& p) {
    for (const int k : p.order) {
        if (k == 0) to << " brightness " << p.of_brightness.factor;
        if (k == 1) to << " contrast " << p.of_contrast.factor;
        if (k == 2) to << " saturation " << p.of_saturation.factor;
        if (k == 3) to << " hue " << p.of_hue.shift;
    }
}
inline void print(std::ostream& to, const augment::grayscale&, augment::grayscale::parameters) { to << " grayscale"; }
inline void print(std::ostream& to, const augment::solarize&, augment::solarize::parameters) { to << " solarize"; }
inline void print(std::ostream& to, const augment::gaussian_blur&, augment::gaussian_blur::parameters p) {
    to << " blur " << p.sigma;
}
inline void print(std::ostream& to, const augment::quarter_turns&, augment::quarter_turns::parameters p) {
    to << " turned by " << 90 * p.quarters;
}
inline void print(std::ostream& to, const augment::patch_shuffle& op, const augment::patch_shuffle::parameters& p) {
    to << " cells";
    for (int k = 0; k < op.rows * op.columns; ++k) to << " " << p.cell[k];
}
template <class Op>
void print(std::ostream& to, const augment::random_apply<Op>& op,
           const typename augment::random_apply<Op>::parameters& p) {
    if (p.applied != 0) print(to, op.operation, p.operation);
}

/// All parameters of a pipeline.
template <class... Ops>
void print_all(std::ostream& to, const augment::pipeline<Ops...>& p,
               const typename augment::pipeline<Ops...>::parameters& drawn) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (print(to, selfsame::get<Index>(p.operations), selfsame::get<Index>(drawn)), ...);
    }(std::index_sequence_for<Ops...>());
}

}  // namespace show
