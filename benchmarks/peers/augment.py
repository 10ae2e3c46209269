"""SimCLR's view beside torchvision v2 and OpenCV by hand, on the same pictures in memory.

One view at 224 x 224 of each of 64 pictures of 500 x 375 bytes, normalized float32, CHW, with parameters drawn by each
side. As draws differ, mean and deviation of many views are compared before anything is timed; then the sides take
turns, and medians are reported.
"""

import ctypes
import math
import random
import sys

import cv2
import numpy
import torch
from compare import Comparison, side_by_side_of
from PIL import Image
from torchvision.transforms import v2

IMAGES, HEIGHT, WIDTH, SIZE = 64, 375, 500, 224
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pictures():
    """Smooth shapes of all colours: noise alone would be gray once resized."""
    generator = numpy.random.default_rng(1)
    return [cv2.resize(generator.integers(0, 256, (6, 8, 3), dtype=numpy.uint8), (WIDTH, HEIGHT),
                       interpolation=cv2.INTER_CUBIC) for _ in range(IMAGES)]


class Ours:
    def __init__(self, bridge, images, threads):
        self.images = numpy.stack(images)
        self.out = torch.empty(IMAGES, 3, SIZE, SIZE)
        self.call, self.epoch, self.threads = bridge.simclr_views, 0, threads

    def __call__(self):
        self.epoch += 1
        self.call(ctypes.c_void_p(self.images.ctypes.data), ctypes.c_void_p(self.out.data_ptr()),
                  ctypes.c_int64(IMAGES), ctypes.c_int64(HEIGHT), ctypes.c_int64(WIDTH),
                  ctypes.c_uint64(self.epoch), ctypes.c_int(self.threads))


class Torchvision:
    """Its transforms, image by image, as its users do; `first` makes what they work on."""

    def __init__(self, images, first):
        self.images = images
        self.out = torch.empty(IMAGES, 3, SIZE, SIZE)
        self.view = v2.Compose(first + [
            v2.RandomResizedCrop(SIZE, scale=(0.08, 1), antialias=True),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.8, 0.8, 0.8, 0.2)], p=0.8),
            v2.RandomGrayscale(0.2),
            v2.RandomApply([v2.GaussianBlur(23, (0.1, 2.0))], p=0.5),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, DEVIATION),
        ])

    def __call__(self):
        for out, image in zip(self.out, self.images):
            out.copy_(self.view(image))


class OpenCV:
    """The same by hand: INTER_AREA where the crop is larger than the view, hue in its byte HSV."""

    def __init__(self, images):
        self.images = images
        self.out = torch.empty(IMAGES, 3, SIZE, SIZE)
        self.target = self.out.numpy()
        self.random = random.Random(1)

    def crop(self, image):
        draw = self.random
        for _ in range(10):
            area = draw.uniform(0.08, 1) * HEIGHT * WIDTH
            ratio = math.exp(draw.uniform(math.log(3 / 4), math.log(4 / 3)))
            width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < width <= WIDTH and 0 < height <= HEIGHT:
                top, left = draw.randint(0, HEIGHT - height), draw.randint(0, WIDTH - width)
                break
        else:
            top, left, height, width = 0, 0, HEIGHT, WIDTH
        part = image[top : top + height, left : left + width]
        shrinks = height >= SIZE and width >= SIZE
        return cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

    def jitter(self, x):
        draw = self.random
        for step in draw.sample(range(4), 4):
            factor = draw.uniform(0.2, 1.8)
            if step == 0:
                x = cv2.convertScaleAbs(x, alpha=factor)
            elif step == 1:
                mean = cv2.mean(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY))[0]
                x = cv2.addWeighted(x, factor, x, 0, (1 - factor) * mean)
            elif step == 2:
                gray = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
                x = cv2.addWeighted(x, factor, gray, 1 - factor, 0)
            else:
                hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV)
                shift = round(180 * draw.uniform(-0.2, 0.2))
                table = ((numpy.arange(256) + shift) % 180).astype(numpy.uint8)
                hsv[..., 0] = cv2.LUT(hsv[..., 0], table)
                x = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
        return x

    def __call__(self):
        draw = self.random
        scale = numpy.float32(1) / (255 * numpy.float32(DEVIATION))
        shift = numpy.float32(MEAN) / numpy.float32(DEVIATION)
        for out, image in zip(self.target, self.images):
            x = self.crop(image)
            if draw.random() < 0.5:
                x = cv2.flip(x, 1)
            if draw.random() < 0.8:
                x = self.jitter(x)
            if draw.random() < 0.2:
                x = cv2.cvtColor(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            if draw.random() < 0.5:
                x = cv2.GaussianBlur(x, (23, 23), draw.uniform(0.1, 2.0))
            numpy.subtract(x.transpose(2, 0, 1) * scale[:, None, None], shift[:, None, None], out=out)


def statistics_of(side, calls=16):
    """Mean and deviation of the values of some batches."""
    batches = []
    for _ in range(calls):
        side()
        batches.append(side.out.clone())
    values = torch.cat(batches)
    return values.mean().item(), values.std().item()


def main():
    c = Comparison(__doc__, [SIZE])
    images = pictures()
    tensors = [torch.from_numpy(x).permute(2, 0, 1).contiguous() for x in images]
    names = {
        "torchvision v2 tensor": lambda: Torchvision(tensors, []),
        "torchvision v2 PIL": lambda: Torchvision([Image.fromarray(x) for x in images], []),
        "OpenCV by hand": lambda: OpenCV(images),
    }
    rows = []
    for threads in c.threads():
        cv2.setNumThreads(threads)
        work = f"simclr224/images:{IMAGES}/from:{HEIGHT}x{WIDTH}/threads:{threads}"
        makers = c.peers(work, names)
        if not makers:
            continue
        torch.manual_seed(1)
        ours, peers = Ours(c.bridge, images, threads), {name: make() for name, make in makers.items()}
        mine, differences = statistics_of(ours), {}
        for name, peer in peers.items():
            theirs = statistics_of(peer)
            differences[name] = max(abs(a - b) for a, b in zip(mine, theirs))
            # Brightness alone scatters the mean of so many views by some 0.03.
            if differences[name] > 0.2:
                sys.exit(f"error: other views: mean and deviation {mine}, and {theirs} of {name}")
        rows += side_by_side_of(work, threads, ours, peers, differences, repetitions=5)
    c.write(rows)


if __name__ == "__main__":
    main()
