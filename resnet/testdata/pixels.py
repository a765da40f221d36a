#!/usr/bin/env python3
"""Makes pixels/*.png: what torchvision and Pillow make of pictures drawn by formula, the same as in prep_test.go.

    python3 pixels.py

Needs torchvision, Pillow and numpy (made with torchvision 0.14, Pillow 9.4). A name is the source's width and height,
the resize and the crop size, and the step between the pixels that are kept, to keep the files small.
"""
import os

import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

CASES = [
    # no reduction: up, down, odd, portrait, extreme
    (28, 28, 32, 28, 1), (32, 32, 32, 28, 1), (1, 1, 32, 28, 1), (3, 2, 32, 28, 1), (17, 23, 32, 28, 1), (50, 37, 32, 27, 1),
    (75, 100, 32, 28, 1), (101, 67, 33, 28, 1), (1000, 701, 32, 28, 1), (127, 127, 32, 32, 1), (160, 120, 32, 28, 1), (1500, 100, 32, 28, 1),
    (97, 1409, 32, 28, 1), (1, 20000, 32, 28, 1), (20000, 1, 32, 28, 1), (2, 9999, 32, 28, 1), (640, 427, 256, 224, 7),
    (1210, 907, 256, 224, 7),
    # with reduction
    (4001, 3003, 32, 28, 1),
    (2053, 4099, 32, 28, 1), (10007, 2051, 32, 28, 1), (2053, 2053, 64, 56, 2), (2048, 1536, 256, 224, 7), (2592, 1944, 256, 224, 7), (4032, 3024, 256, 224, 7),
    (3019, 4021, 256, 224, 7), (6011, 4003, 256, 224, 7), (7919, 6007, 256, 224, 7), (3264, 4896, 256, 224, 7),
]


def picture(w, h):
    """Red: slow waves. Green: a chequerboard with about 23 cells across. Blue: noise."""
    y, x = np.mgrid[0:h, 0:w].astype(np.uint32)
    side = np.uint32(max(w, h))
    wave = lambda t: np.abs((t % 512).astype(np.int32) - 256)
    red = (wave(1777 * x // side) + wave((901 * x + 1303 * y) // side)) * 255 // 512
    cell = max(1, max(w, h) // 23)
    green = (x // cell + y // cell) % 2 * 255
    z = x * np.uint32(374761393) + y * np.uint32(668265263)
    z = (z ^ (z >> 13)) * np.uint32(1274126177)
    blue = (z ^ (z >> 16)) & 255
    return Image.fromarray(np.dstack([red, green, blue]).astype(np.uint8), 'RGB')


for w, h, resize, crop, step in CASES:
    img = CenterCrop(crop)(Resize(resize, InterpolationMode.BILINEAR)(picture(w, h)))
    kept = Image.fromarray(np.array(img)[::step, ::step])
    kept.save(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'pixels', f'{w}x{h}-{resize}-{crop}-{step}.png'), optimize=True)
