"""Writes goldens.hpp: of a small image and given parameters, what torchvision v2 makes, in float64 and in bytes, and those
whose definitions it follows: Pillow in bytes, OpenCV for the blur.

    python3 -m venv goldens && goldens/bin/pip install torch torchvision opencv-python-headless
    goldens/bin/python tests/augment/goldens.py > tests/augment/goldens.hpp
"""
import cv2
import numpy
import PIL
import torch
import torchvision
from PIL import Image, ImageEnhance, ImageOps
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F
from torchvision.transforms.v2 import InterpolationMode as Mode

HEIGHT, WIDTH = 9, 11


def image():
    state, values = 1, []
    for _ in range(HEIGHT * WIDTH * 3):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append(state >> 24)
    rows = torch.tensor(values, dtype=torch.float64).reshape(HEIGHT, WIDTH, 3)
    return rows.permute(2, 0, 1) / 255


def crop(x, size, mode, antialias):
    return F.resized_crop(x, 1, 2, 7, 8, size, mode, antialias=antialias)


def jitter(x):
    return F.adjust_hue(F.adjust_brightness(F.adjust_contrast(F.adjust_saturation(x, 1.5), 0.75), 1.25), 0.125)


def simclr(x):
    x = jitter(F.horizontal_flip(crop(x, [8, 8], Mode.BILINEAR, True)))
    x = F.gaussian_blur(F.rgb_to_grayscale(x, 3), [5, 5], [0.75, 0.75])
    return F.normalize(x, [0.5, 0.25, 0.125], [0.25, 0.5, 0.75])


x = image()
corners = [[0, 0], [10, 0], [10, 8], [0, 8]]
cases = {
    "smaller": crop(x, [5, 6], Mode.BILINEAR, True),
    "larger": crop(x, [13, 12], Mode.BILINEAR, True),
    "smaller_sharp": crop(x, [5, 6], Mode.BILINEAR, False),
    "larger_sharp": crop(x, [13, 12], Mode.BILINEAR, False),
    "smaller_cubic": crop(x, [5, 6], Mode.BICUBIC, True),
    "larger_cubic": crop(x, [13, 12], Mode.BICUBIC, True),
    "smaller_cubic_sharp": crop(x, [5, 6], Mode.BICUBIC, False),
    "larger_cubic_sharp": crop(x, [13, 12], Mode.BICUBIC, False),
    "smaller_nearest": crop(x, [5, 6], Mode.NEAREST, False),
    "larger_nearest": crop(x, [13, 12], Mode.NEAREST, False),
    "pad_constant": F.pad(x, [1, 2, 3, 0], fill=0.25),
    "pad_edge": F.pad(x, [1, 2, 3, 0], padding_mode="edge"),
    "pad_reflect": F.pad(x, [1, 2, 3, 0], padding_mode="reflect"),
    "pad_symmetric": F.pad(x, [1, 2, 3, 0], padding_mode="symmetric"),
    "center_crop": F.center_crop(x, [4, 6]),
    "center_crop_beyond": F.center_crop(x, [12, 5]),
    "rotation": F.rotate(x, 33.5, Mode.BILINEAR, fill=0.25),
    "rotation_nearest": F.rotate(x, 33.5, Mode.NEAREST, fill=0.25),
    "affine": F.affine(x, -21.5, [2, -1], 1.25, [12.5, -7.5], Mode.BILINEAR, fill=[0.25]),
    "affine_nearest": F.affine(x, -21.5, [2, -1], 1.25, [12.5, -7.5], Mode.NEAREST, fill=[0.25]),
    "perspective": F.perspective(x, corners, [[1, 2], [9, 0], [8, 7], [2, 8]], Mode.BILINEAR, fill=[0.25]),
    "perspective_nearest": F.perspective(x, corners, [[1, 1], [10, 0], [8, 8], [2, 7]], Mode.NEAREST, fill=[0.25]),
    "brightness": F.adjust_brightness(x, 1.25),
    "contrast": F.adjust_contrast(x, 0.625),
    "more_contrast": F.adjust_contrast(x, 1.75),
    "saturation": F.adjust_saturation(x, 1.75),
    "hue": F.adjust_hue(x, 0.1875),
    "hue_back": F.adjust_hue(x, -0.4375),
    "grayscale": F.rgb_to_grayscale(x, 3),
    "solarize": F.solarize(x, 0.4375),
    "posterize": F.posterize(x, 3),
    "equalize": F.equalize(x),
    "autocontrast": F.autocontrast(x * 0.5 + 0.25),
    "blurred_sharpness": F.adjust_sharpness(x, 0.25),
    "sharpness": F.adjust_sharpness(x, 1.75),
    "invert": F.invert(x),
    "blur_by_opencv": torch.from_numpy(cv2.GaussianBlur(x.permute(1, 2, 0).numpy(), (7, 7), 1.125)).permute(2, 0, 1),
    "blur": F.gaussian_blur(x, [7, 7], [1.125, 1.125]),
    "erase": F.erase(x, 2, 3, 4, 5, torch.tensor([0.25, 0.5, 0.75])[:, None, None]),
    "normalize": F.normalize(x, [0.5, 0.25, 0.125], [0.25, 0.5, 0.75]),
    "jitter": jitter(x),
    "simclr": simclr(x),
}

b = (x * 255).round().to(torch.uint8)
bytes_cases = {
    "smaller": crop(b, [5, 6], Mode.BILINEAR, True),
    "larger": crop(b, [13, 12], Mode.BILINEAR, True),
    "rotation": F.rotate(b, 33.5, Mode.BILINEAR, fill=64),
    "brightness": F.adjust_brightness(b, 1.25),
    "contrast": F.adjust_contrast(b, 0.625),
    "saturation": F.adjust_saturation(b, 1.75),
    "hue": F.adjust_hue(b, 0.1875),
    "grayscale": F.rgb_to_grayscale(b, 3),
    "solarize": F.solarize(b, 112),
    "posterize": F.posterize(b, 3),
    "equalize": F.equalize(b),
    "autocontrast": F.autocontrast(b),
    "sharpness": F.adjust_sharpness(b, 1.75),
    "invert": F.invert(b),
    "blur": F.gaussian_blur(b, [7, 7], [1.125, 1.125]),
}

pixels = b.permute(1, 2, 0).contiguous().numpy()
picture = Image.fromarray(pixels)
others_cases = {
    "brightness_by_pillow": ImageEnhance.Brightness(picture).enhance(1.25),
    "contrast_by_pillow": ImageEnhance.Contrast(picture).enhance(0.625),
    "saturation_by_pillow": ImageEnhance.Color(picture).enhance(1.75),
    "sharpness_by_pillow": ImageEnhance.Sharpness(picture).enhance(1.75),
    "grayscale_by_pillow": picture.convert("L").convert("RGB"),
    "solarize_by_pillow": ImageOps.solarize(picture, 112),
    "posterize_by_pillow": ImageOps.posterize(picture, 3),
    "equalize_by_pillow": ImageOps.equalize(picture),
    "autocontrast_by_pillow": ImageOps.autocontrast(picture),
    "invert_by_pillow": ImageOps.invert(picture),
}

print("#pragma once\n")
print("#include <cstdint>\n")
print(f"// Made by goldens.py with torchvision {torchvision.__version__.split('+')[0]}, "
      f"Pillow {PIL.__version__} and OpenCV {cv2.__version__}.\n")
print("namespace goldens {\n")
print(f"inline constexpr int height = {HEIGHT}, width = {WIDTH};\n")
print("// clang-format off")


def print_array(type, name, numbers):
    lines, line = [], ""
    for number in numbers:
        if len(line) + len(number) > 118:
            lines.append(line)
            line = ""
        line += number
    lines.append(line)
    print(f"inline constexpr {type} {name}[] = {{\n" + "\n".join(lines) + "};")


for name, value in cases.items():
    assert value.shape[0] == 3 and value.dtype == torch.float64, name
    print_array("double", name, (f"{v:.7g}," for v in value.flatten().tolist()))
for name, value in bytes_cases.items():
    assert value.shape[0] == 3 and value.dtype == torch.uint8, name
    print_array("std::uint8_t", f"{name}_of_bytes", (f"{v}," for v in value.flatten().tolist()))
for name, value in others_cases.items():
    print_array("std::uint8_t", name, (f"{v}," for v in numpy.asarray(value).transpose(2, 0, 1).flatten()))
print("// clang-format on\n\n}  // namespace goldens")
