"""Augmentations beside torchvision v2, AlbumentationsX, kornia, DALI's CPU operators and OpenCV by hand.

Recipes: views of 64 pictures (16 where they are many) of 500 x 375 bytes, normalized float32, CHW, with parameters drawn by each side. As draws
differ, mean and deviation of many views are compared before anything is timed.

Single operations: 64 pictures of 224 x 224 with given parameters, from bytes to bytes (HWC; torchvision's tensors CHW)
and from floats to floats (CHW). Pictures are compared before anything is timed: peers that work in bytes, or that
define the operation in another way, differ, and the table says by how much.

The sides take turns, and medians are reported.
"""

import ctypes
import math
import random
import sys
import warnings

import albumentations
import cv2
import kornia
import numpy
import nvidia.dali as dali
import torch
import torchvision
from compare import Comparison, side_by_side_of
from nvidia.dali import fn
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

IMAGES, HEIGHT, WIDTH, SIZE, LOCAL = 64, 375, 500, 224, 96
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TURN, SHEAR, SCALE, MOVE = 20, 5, 1.1, (10, -8)
CORNERS = [[12, 7], [210, 15], [203, 214], [5, 209]]
BLACK = [0.0, 0.0, 0.0]
WHOLE = [[0, 0], [SIZE - 1, 0], [SIZE - 1, SIZE - 1], [0, SIZE - 1]]


def pictures(height=HEIGHT, width=WIDTH):
    """Smooth shapes of all colours: noise alone would be gray once resized."""
    generator = numpy.random.default_rng(1)
    return [cv2.resize(generator.integers(0, 256, (6, 8, 3), dtype=numpy.uint8), (width, height),
                       interpolation=cv2.INTER_CUBIC) for _ in range(IMAGES)]


class Ours:
    def __init__(self, call, images, values, threads):
        self.images, self.count = numpy.stack(images), len(images)
        self.out = torch.empty(values)
        self.call, self.epoch, self.threads = call, 0, threads

    def __call__(self):
        self.epoch += 1
        self.call(ctypes.c_void_p(self.images.ctypes.data), ctypes.c_void_p(self.out.data_ptr()),
                  ctypes.c_int64(self.count), ctypes.c_int64(HEIGHT), ctypes.c_int64(WIDTH),
                  ctypes.c_uint64(self.epoch), ctypes.c_int(self.threads))


# Recipes: by view, the options in which they differ.
SIMCLR = [dict(size=SIZE, scale=(0.08, 1), cubic=False, jitter=(0.8, 0.8, 0.8, 0.2), blur=0.5, solar=0)]
DINO = [dict(size=SIZE, scale=(0.4, 1), cubic=True, jitter=(0.4, 0.4, 0.2, 0.1), blur=1.0, solar=0),
        dict(size=SIZE, scale=(0.4, 1), cubic=True, jitter=(0.4, 0.4, 0.2, 0.1), blur=0.1, solar=0.2),
        *[dict(size=LOCAL, scale=(0.05, 0.4), cubic=True, jitter=(0.4, 0.4, 0.2, 0.1), blur=0.5, solar=0)] * 8]


class Views:
    """Image by image and view by view, into one tensor a view."""

    def __init__(self, images, views):
        self.images = images
        self.outs = [torch.empty(len(images), 3, v["size"], v["size"]) for v in views]
        self.views = [self.view(**v) for v in views]

    @property
    def out(self):
        return torch.cat([x.flatten() for x in self.outs])

    def __call__(self):
        for n, image in enumerate(self.images):
            for outs, view in zip(self.outs, self.views):
                self.put(outs[n], view(image))

    @staticmethod
    def put(out, x):
        out.copy_(x)


class Torchvision(Views):
    def view(self, size, scale, cubic, jitter, blur, solar):
        method = InterpolationMode.BICUBIC if cubic else InterpolationMode.BILINEAR
        return v2.Compose([
            v2.RandomResizedCrop(size, scale=scale, interpolation=method, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*jitter)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], p=blur),
            v2.RandomSolarize(128, p=solar),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, DEVIATION),
        ])


class Albumentations(Views):
    def view(self, size, scale, cubic, jitter, blur, solar):
        a = albumentations
        names = ("brightness_range", "contrast_range", "saturation_range")
        factors = {name: (max(0, 1 - x), 1 + x) for name, x in zip(names, jitter)}
        steps = [
            a.RandomResizedCrop(size=(size, size), scale=scale,
                                interpolation=cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR),
            a.HorizontalFlip(p=0.5),
            a.ColorJitter(**factors, hue_range=(-jitter[3], jitter[3]), p=0.8),
            a.ToGray(p=0.2),
            a.GaussianBlur(blur_range=(23, 23), sigma_range=(0.1, 2.0), p=blur),
            a.Solarize(threshold_range=(0.5, 0.5), p=solar),
            a.Normalize(MEAN, DEVIATION),
            a.ToTensorV2(),
        ]
        together = a.Compose(steps)
        return lambda image: together(image=image)["image"]


class Dali:
    """Its CPU operators, as one pipeline; its contrast is about the middle, and its hue turns in another space."""

    def __init__(self, images, views, threads):
        self.pipe = dali.Pipeline(batch_size=len(images), num_threads=threads, device_id=None, prefetch_queue_depth=1)
        with self.pipe:
            given = fn.external_source(lambda: images, batch=True, no_copy=True, dtype=dali.types.UINT8, ndim=3,
                                       layout="HWC")
            self.pipe.set_outputs(*[self.view(given, **v) for v in views])
        self.pipe.build()

    @staticmethod
    def view(x, size, scale, cubic, jitter, blur, solar):
        def chosen(p, then, otherwise):
            pick = fn.cast(fn.random.coin_flip(probability=p), dtype=dali.types.FLOAT)
            return [pick * a + (1 - pick) * b for a, b in zip(then, otherwise)]

        method = dali.types.INTERP_CUBIC if cubic else dali.types.INTERP_LINEAR
        x = fn.random_resized_crop(x, size=[size, size], random_area=scale, interp_type=method, antialias=True)
        drawn = [fn.random.uniform(range=(max(0, 1 - j), 1 + j)) for j in jitter[:3]]
        hue = fn.random.uniform(range=(-360 * jitter[3], 360 * jitter[3]))
        light, contrast, colour, hue = chosen(0.8, [*drawn, hue], [1, 1, 1, 0])
        gray = fn.cast(fn.random.coin_flip(probability=0.2), dtype=dali.types.FLOAT)
        x = fn.color_twist(x, brightness=light, contrast=contrast, saturation=colour * (1 - gray), hue=hue)
        [sigma] = chosen(blur, [fn.random.uniform(range=(0.1, 2.0))], [0.01])
        x = fn.gaussian_blur(x, sigma=sigma, window_size=23)
        mean, deviation = ([255 * m for m in values] for values in (MEAN, DEVIATION))
        return fn.crop_mirror_normalize(x, mean=mean, std=deviation, output_layout="CHW", dtype=dali.types.FLOAT,
                                        mirror=fn.random.coin_flip())

    @property
    def out(self):
        return torch.cat([torch.from_numpy(numpy.array(x.as_tensor())).flatten() for x in self.made])

    def __call__(self):
        self.made = self.pipe.run()


class OpenCV(Views):
    """The same by hand: INTER_AREA where the crop is larger than the view, hue in its byte HSV."""

    draw = random.Random(1)

    def crop(self, image, size, scale, cubic):
        draw = self.draw
        for _ in range(10):
            area = draw.uniform(*scale) * HEIGHT * WIDTH
            ratio = math.exp(draw.uniform(math.log(3 / 4), math.log(4 / 3)))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= WIDTH and 0 < height <= HEIGHT:
                top, left = draw.randint(0, HEIGHT - height), draw.randint(0, WIDTH - width)
                break
        else:
            top, left, height, width = 0, 0, HEIGHT, WIDTH
        part = image[top : top + height, left : left + width]
        larger = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
        return cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA if min(height, width) >= size else larger)

    def jitter(self, x, strengths):
        for step in self.draw.sample(range(4), 4):
            amount = self.draw.uniform(-strengths[step], strengths[step])
            x = BY_HAND[("brightness", "contrast", "saturation", "hue")[step]](x, amount if step == 3 else 1 + amount)
        return x

    def view(self, size, scale, cubic, jitter, blur, solar):
        draw = self.draw

        def make(image):
            x = self.crop(image, size, scale, cubic)
            if draw.random() < 0.5:
                x = cv2.flip(x, 1)
            if draw.random() < 0.8:
                x = self.jitter(x, jitter)
            if draw.random() < 0.2:
                x = BY_HAND["grayscale"](x)
            if draw.random() < blur:
                x = BY_HAND["blur"](x, draw.uniform(0.1, 2.0))
            if draw.random() < solar:
                x = BY_HAND["solarize"](x)
            return x

        return make

    @staticmethod
    def put(out, x):
        scale = numpy.float32(1) / (255 * numpy.float32(DEVIATION))
        shift = numpy.float32(MEAN) / numpy.float32(DEVIATION)
        numpy.subtract(x.transpose(2, 0, 1) * scale[:, None, None], shift[:, None, None], out=out.numpy())


def gray_of(x):
    return cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def by_hand_contrast(x, factor=1.3):
    mean = cv2.mean(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY))[0]
    return cv2.addWeighted(x, factor, x, 0, (1 - factor) * mean)


def by_hand_hue(x, share=0.1):
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
    table = ((numpy.arange(256) + round(180 * share)) % 180).astype(numpy.uint8)
    hsv[..., 0] = cv2.LUT(hsv[..., 0], table)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def by_hand_jitter(x):
    for step in ("brightness", "contrast", "saturation", "hue"):
        x = BY_HAND[step](x)
    return x


def by_hand_autocontrast(x):
    channels = []
    for c in cv2.split(x):
        low, high, _, _ = cv2.minMaxLoc(c)
        channels.append(cv2.convertScaleAbs(c, alpha=255 / max(high - low, 1), beta=-low * 255 / max(high - low, 1)))
    return cv2.merge(channels)


def by_hand_sharpness(x, factor=1.7):
    smooth = x.copy()
    kernel = numpy.float32([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    smooth[1:-1, 1:-1] = cv2.filter2D(x, -1, kernel)[1:-1, 1:-1]
    return cv2.addWeighted(x, factor, smooth, 1 - factor, 0)


def turned(turn, scale=1.0, move=(0, 0), shear=0.0):
    """The matrix that takes pixels of the result to the source, as torchvision has it."""
    a, s = math.radians(turn), math.radians(shear)
    forward = scale * numpy.array([[math.cos(a), -math.cos(a) * math.tan(s) - math.sin(a)],
                                   [math.sin(a), -math.sin(a) * math.tan(s) + math.cos(a)]])
    centre = numpy.array([(SIZE - 1) / 2] * 2)
    return numpy.hstack([forward, (centre + numpy.array(move) - forward @ centre)[:, None]])


SOLAR = numpy.where(numpy.arange(256) >= 128, 255 - numpy.arange(256), numpy.arange(256)).astype(numpy.uint8)
SIDES = {"pad": SIZE + 32, "center_crop": SIZE - 32}  # of what comes out
ERASED = (60, 40, 80, 100)  # top, left, height, width


def by_hand_erase(x):
    top, left, height, width = ERASED
    y = x.copy()
    y[top : top + height, left : left + width] = 0
    return y


def pillow_erase(x):
    top, left, height, width = ERASED
    y = x.copy()
    y.paste(0, (left, top, left + width, top + height))
    return y


BY_HAND = {
    "flip": lambda x: cv2.flip(x, 1),
    "vertical_flip": lambda x: cv2.flip(x, 0),
    "quarter_turn": lambda x: cv2.rotate(x, cv2.ROTATE_90_COUNTERCLOCKWISE),
    "pad": lambda x: cv2.copyMakeBorder(x, 16, 16, 16, 16, cv2.BORDER_CONSTANT),
    "center_crop": lambda x: x[16:208, 16:208].copy(),
    "erase": by_hand_erase,
    "invert": cv2.bitwise_not,
    "brightness": lambda x, factor=1.3: cv2.convertScaleAbs(x, alpha=factor),
    "contrast": by_hand_contrast,
    "saturation": lambda x, factor=1.3: cv2.addWeighted(x, factor, gray_of(x), 1 - factor, 0),
    "hue": by_hand_hue,
    "jitter": by_hand_jitter,
    "grayscale": gray_of,
    "blur": lambda x, sigma=1.3: cv2.GaussianBlur(x, (23, 23), sigma),
    "solarize": lambda x: cv2.LUT(x, SOLAR),
    "posterize": lambda x: cv2.bitwise_and(x, (0xF0,) * 4),
    "equalize": lambda x: cv2.merge([cv2.equalizeHist(c) for c in cv2.split(x)]),
    "autocontrast": by_hand_autocontrast,
    "sharpness": by_hand_sharpness,
    "rotation": lambda x: cv2.warpAffine(x, turned(-TURN), (SIZE, SIZE)),
    "affine": lambda x: cv2.warpAffine(x, turned(TURN, SCALE, MOVE, SHEAR), (SIZE, SIZE)),
    "perspective": lambda x: cv2.warpPerspective(
        x, cv2.getPerspectiveTransform(numpy.float32(WHOLE), numpy.float32(CORNERS)), (SIZE, SIZE)),
    "crop": lambda x: cv2.resize(x[12:192, 20:210], (SIZE, SIZE)),
}
TENSORS = {
    "flip": F.horizontal_flip,
    "vertical_flip": F.vertical_flip,
    "quarter_turn": lambda x: torch.rot90(x, 1, (-2, -1)).contiguous(),
    "pad": lambda x: F.pad(x, [16] * 4),
    "center_crop": lambda x: F.center_crop(x, [192, 192]).contiguous(),
    "erase": lambda x: F.erase(x, *ERASED, torch.zeros(3, 1, 1, dtype=x.dtype)),
    "invert": F.invert,
    "brightness": lambda x: F.adjust_brightness(x, 1.3),
    "contrast": lambda x: F.adjust_contrast(x, 1.3),
    "saturation": lambda x: F.adjust_saturation(x, 1.3),
    "hue": lambda x: F.adjust_hue(x, 0.1),
    "jitter": lambda x: F.adjust_hue(F.adjust_saturation(F.adjust_contrast(F.adjust_brightness(x, 1.3), 1.3), 1.3), 0.1),
    "grayscale": lambda x: F.rgb_to_grayscale(x, num_output_channels=3),
    "blur": lambda x: F.gaussian_blur(x, [23, 23], [1.3, 1.3]),
    "solarize": lambda x: F.solarize(x, 128 if x.dtype == torch.uint8 else 128 / 255),
    "posterize": lambda x: F.posterize(x, 4),
    "equalize": F.equalize,
    "autocontrast": F.autocontrast,
    "sharpness": lambda x: F.adjust_sharpness(x, 1.7),
    "rotation": lambda x: F.rotate(x, TURN, InterpolationMode.BILINEAR, fill=BLACK),
    "affine": lambda x: F.affine(x, TURN, list(MOVE), SCALE, [SHEAR, 0], InterpolationMode.BILINEAR, fill=BLACK),
    "perspective": lambda x: F.perspective(x, WHOLE, CORNERS, InterpolationMode.BILINEAR, fill=BLACK),
    "crop": lambda x: F.resized_crop(x, 12, 20, 180, 190, [SIZE, SIZE], antialias=True),
    "normalize": lambda x: F.normalize(x, list(MEAN), list(DEVIATION)),
}
PILLOW = {
    "flip": lambda x: x.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "vertical_flip": lambda x: x.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "quarter_turn": lambda x: x.transpose(Image.Transpose.ROTATE_90),
    "pad": lambda x: ImageOps.expand(x, 16),
    "center_crop": lambda x: x.crop((16, 16, 208, 208)),
    "erase": pillow_erase,
    "invert": ImageOps.invert,
    "brightness": lambda x: ImageEnhance.Brightness(x).enhance(1.3),
    "contrast": lambda x: ImageEnhance.Contrast(x).enhance(1.3),
    "saturation": lambda x: ImageEnhance.Color(x).enhance(1.3),
    "hue": lambda x: F.adjust_hue(x, 0.1),
    "grayscale": lambda x: x.convert("L").convert("RGB"),
    "blur": lambda x: x.filter(ImageFilter.GaussianBlur(1.3)),
    "solarize": lambda x: ImageOps.solarize(x, 128),
    "posterize": lambda x: ImageOps.posterize(x, 4),
    "equalize": ImageOps.equalize,
    "autocontrast": ImageOps.autocontrast,
    "sharpness": lambda x: ImageEnhance.Sharpness(x).enhance(1.7),
    "rotation": lambda x: x.rotate(TURN, Image.Resampling.BILINEAR),
    "crop": lambda x: x.resize((SIZE, SIZE), Image.Resampling.BILINEAR, (20, 12, 210, 192)),
}


def albumentations_operations():
    a, factor, hue, one = albumentations, (1.3, 1.3), (0.1, 0.1), (1.0, 1.0)

    def colour(brightness=one, contrast=one, saturation=one, hue=(0.0, 0.0)):
        return a.ColorJitter(brightness, contrast, saturation, hue, p=1)

    return {
        "flip": a.HorizontalFlip(p=1),
        "vertical_flip": a.VerticalFlip(p=1),
        "pad": a.Pad(padding=16, p=1),
        "center_crop": a.CenterCrop(192, 192, p=1),
        "invert": a.InvertImg(p=1),
        "brightness": colour(brightness=factor),
        "contrast": colour(contrast=factor),
        "saturation": colour(saturation=factor),
        "hue": colour(hue=hue),
        "jitter": colour(factor, factor, factor, hue),
        "grayscale": a.ToGray(p=1),
        "blur": a.GaussianBlur(blur_range=(23, 23), sigma_range=(1.3, 1.3), p=1),
        "solarize": a.Solarize(threshold_range=(0.5, 0.5), p=1),
        "posterize": a.Posterize(num_bits=(4, 4), p=1),
        "equalize": a.Equalize(mode="pil", p=1),
        "autocontrast": a.AutoContrast(method="pil", p=1),
        "rotation": a.Rotate((TURN, TURN), interpolation=cv2.INTER_LINEAR, border_mode=cv2.BORDER_CONSTANT, p=1),
    }


def kornia_operations():
    k = kornia.enhance
    turn = torch.full((IMAGES,), float(TURN))
    return {
        "flip": kornia.geometry.hflip,
        "vertical_flip": kornia.geometry.vflip,
        "invert": lambda x: k.invert(x, torch.tensor(1.0)),
        "brightness": lambda x: k.adjust_brightness_accumulative(x, 1.3),
        "contrast": lambda x: k.adjust_contrast_with_mean_subtraction(x, 1.3),
        "saturation": lambda x: k.adjust_saturation_with_gray_subtraction(x, 1.3),
        "hue": lambda x: k.adjust_hue(x, 0.2 * math.pi),
        "grayscale": lambda x: kornia.color.rgb_to_grayscale(x).expand(-1, 3, -1, -1).contiguous(),
        "blur": lambda x: kornia.filters.gaussian_blur2d(x, (23, 23), (1.3, 1.3)),
        "solarize": lambda x: k.solarize(x, 128 / 255),
        "posterize": lambda x: k.posterize(x, 4),
        "equalize": k.equalize,
        "rotation": lambda x: kornia.geometry.rotate(x, turn, align_corners=True),
        "normalize": lambda x: k.normalize(x, torch.tensor(MEAN), torch.tensor(DEVIATION)),
    }


class Operation:
    """A peer's operation, image by image or on all at once; what it makes as floats from 0 to 1, NCHW."""

    def __init__(self, function, images):
        self.function, self.images = function, images

    def __call__(self):
        if isinstance(self.images, torch.Tensor):
            self.made = self.function(self.images)
        else:
            self.made = [self.function(x) for x in self.images]

    @property
    def out(self):
        made = self.made
        if isinstance(made, torch.Tensor):
            return made if made.is_floating_point() else made / 255
        first = made[0]
        if isinstance(first, torch.Tensor):
            return torch.stack(made) / 255
        return torch.from_numpy(numpy.stack([numpy.asarray(x) for x in made])).permute(0, 3, 1, 2) / 255


def dali_operations():
    def gray(x):
        kinds = dali.types.DALIImageType
        one = fn.color_space_conversion(x, image_type=kinds.RGB, output_type=kinds.GRAY)
        return fn.color_space_conversion(one, image_type=kinds.GRAY, output_type=kinds.RGB)

    def cropped(x):
        return fn.resize(fn.slice(x, (12, 20), (180, 190), axes=(0, 1)), size=[SIZE, SIZE], antialias=True)

    top, left, height, width = ERASED
    affine = turned(TURN, SCALE, MOVE, SHEAR).flatten().tolist()
    return {
        "flip": lambda x: fn.flip(x, horizontal=1, vertical=0),
        "vertical_flip": lambda x: fn.flip(x, horizontal=0, vertical=1),
        "center_crop": lambda x: fn.crop(x, crop=(192, 192)),
        "erase": lambda x: fn.erase(x, anchor=(top, left), shape=(height, width), axes=(0, 1)),
        "invert": lambda x: fn.cast(255 - x, dtype=dali.types.UINT8),
        "brightness": lambda x: fn.brightness(x, brightness=1.3),
        "contrast": lambda x: fn.contrast(x, contrast=1.3),
        "saturation": lambda x: fn.saturation(x, saturation=1.3),
        "hue": lambda x: fn.hue(x, hue=36.0),
        "jitter": lambda x: fn.color_twist(x, brightness=1.3, contrast=1.3, saturation=1.3, hue=36.0),
        "grayscale": gray,
        "blur": lambda x: fn.gaussian_blur(x, sigma=1.3, window_size=23),
        "rotation": lambda x: fn.rotate(x, angle=TURN, keep_size=True, fill_value=0),
        "affine": lambda x: fn.warp_affine(x, matrix=affine, fill_value=0, inverse_map=False),
        "crop": cropped,
    }


class DaliOperation:
    """On all at once; its contrast is about the middle, and its hue turns in another space."""

    def __init__(self, function, images, threads):
        self.pipe = dali.Pipeline(batch_size=len(images), num_threads=threads, device_id=None, prefetch_queue_depth=1)
        with self.pipe:
            self.pipe.set_outputs(function(fn.external_source(
                lambda: images, batch=True, no_copy=True, dtype=dali.types.UINT8, ndim=3, layout="HWC")))
        self.pipe.build()

    def __call__(self):
        [self.made] = self.pipe.run()

    @property
    def out(self):
        return torch.from_numpy(numpy.array(self.made.as_tensor())).permute(0, 3, 1, 2) / 255


class OurOperation:
    def __init__(self, bridge, name, images, threads):
        self.bytes = isinstance(images, list)
        self.images = numpy.stack(images) if self.bytes else images.numpy()
        size = SIDES.get(name, SIZE)
        self.made = numpy.empty([IMAGES, size, size, 3] if self.bytes else [IMAGES, 3, size, size], self.images.dtype)
        self.arguments = [name.encode(), ctypes.c_void_p(self.images.ctypes.data),
                          ctypes.c_void_p(self.made.ctypes.data), ctypes.c_int64(IMAGES), int(self.bytes), threads]
        self.call = bridge.single_operation

    def __call__(self):
        if not self.call(*self.arguments):
            raise ValueError(self.arguments[0])

    @property
    def out(self):
        made = torch.from_numpy(self.made)
        return made.permute(0, 3, 1, 2) / 255 if self.bytes else made


def statistics_of(side, calls=16):
    """Mean and deviation of the values of some batches."""
    batches = []
    for _ in range(calls):
        side()
        batches.append(side.out.flatten().clone())
    values = torch.cat(batches)
    return values.mean().item(), values.std().item()


def compare_recipe(c, subject, call, views, threads):
    images = pictures()[: IMAGES if len(views) == 1 else IMAGES // 4]
    tensors = [torch.from_numpy(x).permute(2, 0, 1).contiguous() for x in images]
    makers = c.peers(work := f"{subject}/images:{len(images)}/from:{HEIGHT}x{WIDTH}/threads:{threads}", {
        f"torchvision {c.torchvision} tensor": lambda: Torchvision(tensors, views),
        f"torchvision {c.torchvision} PIL": lambda: Torchvision([Image.fromarray(x) for x in images], views),
        f"albumentationsx {albumentations.__version__}": lambda: Albumentations(images, views),
        f"DALI {dali.__version__} CPU": lambda: Dali(images, views, threads),
        f"OpenCV {cv2.__version__} by hand": lambda: OpenCV(images, views),
    })
    if not makers:
        return []
    torch.manual_seed(1)
    ours = Ours(call, images, sum(len(images) * 3 * v["size"] ** 2 for v in views), threads)
    peers = {name: make() for name, make in makers.items()}
    calls = 3
    mine, differences = statistics_of(ours, calls), {}
    for name, peer in peers.items():
        theirs = statistics_of(peer, calls)
        differences[name] = max(abs(a - b) for a, b in zip(mine, theirs))
        # Brightness alone scatters the difference of means of so few views by 0.1.
        if differences[name] > 0.4:
            sys.exit(f"error: other views: mean and deviation {mine}, and {theirs} of {name}")
    return side_by_side_of(work, threads, ours, peers, differences, repetitions=3)


def compare_operation(c, name, form, threads):
    work = f"augment_{name}/{form}/images:{IMAGES}/threads:{threads}"
    images = pictures(SIZE, SIZE)
    tensors = [torch.from_numpy(x).permute(2, 0, 1).contiguous() for x in images]
    if form == "bytes":
        given, tables = images, {
            f"torchvision {c.torchvision} tensor": (TENSORS, tensors),
            f"Pillow {Image.__version__}": (PILLOW, [Image.fromarray(x) for x in images]),
            f"albumentationsx {albumentations.__version__}": (c.albumentations, images),
            f"OpenCV {cv2.__version__} by hand": (BY_HAND, images),
        }
    else:
        given = torch.stack(tensors).float() / 255
        tables = {f"torchvision {c.torchvision} float": (TENSORS, given), f"kornia {kornia.__version__}": (c.kornia, given)}
    functions = {peer: (table[name], x) for peer, (table, x) in tables.items() if name in table}
    makers = {peer: (lambda f=f, x=x: Operation(f, x)) for peer, (f, x) in functions.items()}
    if form == "bytes" and name in c.dali:
        makers[f"DALI {dali.__version__} CPU"] = lambda: DaliOperation(c.dali[name], images, threads)
    makers = c.peers(work, makers)
    if not makers:
        return []
    ours = OurOperation(c.bridge, name, given, threads)
    peers, differences = {peer: make() for peer, make in makers.items()}, {}
    ours()
    for peer, side in peers.items():
        side()
        difference = (ours.out - side.out).abs()
        differences[peer] = difference.max().item()
        exact = peer.startswith("torchvision") and form == "floats"
        if difference.max() > 1e-4 if exact else difference.mean() > 0.02:
            print(f"note: {work}: {peer} makes something else: {difference.max():.2g} at most, "
                  f"{difference.mean():.2g} in the mean", file=sys.stderr)
    return side_by_side_of(work, threads, ours, peers, differences, repetitions=3)


def main():
    warnings.simplefilter("ignore")
    warnings.filterwarnings("error", message="Argument.* not valid")
    c = Comparison(__doc__, [SIZE])
    c.torchvision = ".".join(torchvision.__version__.split("+")[0].split(".")[:2])
    c.kornia, c.dali = kornia_operations(), dali_operations()
    # A flip gives the same memory, read backwards: others have it written.
    c.albumentations = {name: (lambda x, op=op: numpy.ascontiguousarray(op(image=x)["image"]))
                        for name, op in albumentations_operations().items()}
    rows = []
    for threads in c.threads():
        cv2.setNumThreads(threads)
        rows += compare_recipe(c, "simclr224", c.bridge.simclr_views, SIMCLR, threads)
        rows += compare_recipe(c, "dino_multicrop", c.bridge.dino_views, DINO, threads)
        for form in ("bytes", "floats"):
            for name in TENSORS:
                if form == "floats" or name != "normalize":
                    rows += compare_operation(c, name, form, threads)
    c.write(rows)


if __name__ == "__main__":
    main()
