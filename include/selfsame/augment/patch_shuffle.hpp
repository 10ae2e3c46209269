#pragma once

#include "selfsame/augment/options.hpp"

/// \file
/// Shuffled patches: jigsaws.

namespace selfsame::inline SELFSAME_ISA::augment {

/// Divides the image into rows x columns cells, takes a patch at a random place of each, and puts the patches together
/// in a random order, row by row: PIRL's jigsaw with cells of 85 and patches of 64. A patch size of 0 takes whole
/// cells, of which the image's sides must then be multiples.
struct patch_shuffle {
    std::int32_t rows = 3, columns = 3;  ///< at most 16 cells
    std::int32_t height = 0, width = 0;  ///< of a patch

    struct parameters {
        std::int32_t cell[16];           ///< which cell comes to each place
        std::int32_t top[16], left[16];  ///< of the patch in the image, for each place
    };
    static constexpr bool keeps_shape = false;
    static constexpr float fill = 0;

    void check(std::int32_t) const {
        if (rows < 1 || columns < 1 || rows > 16 || columns > 16 || rows * columns > 16) {
            fail("patch_shuffle", joined(rows, " x ", columns), "1 to 16 cells");
        }
        if (height < 0) fail("patch_shuffle.height", height, ">= 0");
        if (width < 0) fail("patch_shuffle.width", width, ">= 0");
    }
    void check_shape(image_shape image) const {
        const image_shape p = patch(image);
        if (image.height / rows < p.height || image.width / columns < p.width || p.height < 1 || p.width < 1) {
            fail("patch_shuffle", joined("cells of ", image.height / rows, " x ", image.width / columns),
                 joined("at least a patch, ", p.height, " x ", p.width));
        }
    }
    constexpr parameters draw(random_stream& random, image_shape image) const {
        parameters p{};
        const std::int32_t cells = rows * columns;
        for (std::int32_t k = 0; k < cells; ++k) p.cell[k] = k;
        for (std::int32_t k = cells - 1; k > 0; --k) {
            const std::uint32_t other = random.below(static_cast<std::uint32_t>(k) + 1);
            const std::int32_t moved = p.cell[k];
            p.cell[k] = p.cell[other];
            p.cell[other] = moved;
        }
        const image_shape size = patch(image);
        const std::int32_t cell_height = image.height / rows, cell_width = image.width / columns;
        for (std::int32_t k = 0; k < cells; ++k) {
            p.top[k] = p.cell[k] / columns * cell_height + place(random, cell_height - size.height);
            p.left[k] = p.cell[k] % columns * cell_width + place(random, cell_width - size.width);
        }
        return p;
    }
    void check_drawn(const parameters& p, image_shape image) const {
        const image_shape size = patch(image);
        for (std::int32_t k = 0; k < rows * columns; ++k) {
            if (p.top[k] < 0 || p.left[k] < 0 || p.top[k] > image.height - size.height ||
                p.left[k] > image.width - size.width) {
                fail("parameters: patch_shuffle", joined("a patch at (", p.top[k], ", ", p.left[k], ")"),
                     "patches inside the image");
            }
        }
    }
    constexpr image_shape output(image_shape image) const {
        const image_shape p = patch(image);
        return {image.channels, p.height * rows, p.width * columns};
    }
    constexpr pixel_run source(const parameters& p, image_shape image, std::int32_t y, std::int32_t x) const {
        const image_shape size = patch(image);
        const std::int32_t k = y / size.height * columns + x / size.width;
        return {p.top[k] + y % size.height, p.left[k] + x % size.width, size.width - x % size.width};
    }

  private:
    constexpr image_shape patch(image_shape image) const {
        return {image.channels, height > 0 ? height : image.height / rows, width > 0 ? width : image.width / columns};
    }
    static constexpr std::int32_t place(random_stream& random, std::int32_t room) {
        return room > 0 ? static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(room) + 1)) : 0;
    }
};

}  // namespace selfsame::inline SELFSAME_ISA::augment
