#!/usr/bin/env python3
"""Makes scale.txt: what Pillow's Image.resize makes of pictures drawn by formula, the same as in scale_golden_test.go.

    python3 scale.py

Needs Pillow and numpy (made with Pillow 9.4 on x86-64). Each line is one case:

    kind width height alpha filter resized-width resized-height x y size digest [pixels]

The picture of width×height pixels, put on white if alpha is 1, is resized as a whole; the square of size×size pixels at
x, y of the result is what counts. The digest is the first 16 hexadecimal digits of the SHA-256 of its RGB bytes, row by
row. Where the square is small, its bytes follow.
"""
import hashlib
import itertools
import os

import numpy as np
from PIL import Image

KINDS = ['waves', 'noise', 'extremes']
FILTERS = {'bilinear': Image.BILINEAR, 'bicubic': Image.BICUBIC}
Image.MAX_IMAGE_PIXELS = None


def scramble(x, y):
    z = x * np.uint32(374761393) + y * np.uint32(668265263)
    z = (z ^ (z >> 13)) * np.uint32(1274126177)
    return z ^ (z >> 16)


def picture(kind, w, h):
    """Returns RGBA pixels as an array of h×w×4.

    waves: red in slow waves, green a chequerboard with about 23 cells across, blue noise. noise: noise. extremes: cells
    of about a 40th of the longer side with each channel either black or white, which make the bicubic filter overshoot.
    black and white are of one colour. A third of the pixels of each kind are transparent, another third opaque.
    """
    y, x = np.mgrid[0:h, 0:w].astype(np.uint32)
    side = np.uint32(max(w, h))
    noise = scramble(x, y)
    if kind == 'waves':
        wave = lambda t: np.abs((t % 512).astype(np.int32) - 256)
        cell = max(1, max(w, h) // 23)
        rgb = [(wave(1777 * x // side) + wave((901 * x + 1303 * y) // side)) * 255 // 512, (x // cell + y // cell) % 2 * 255, noise & 255]
    elif kind == 'noise':
        rgb = [noise & 255, noise >> 8 & 255, noise >> 16 & 255]
    elif kind == 'extremes':
        cell = 1 + max(w, h) // 40
        bits = scramble(x // cell, y // cell)
        rgb = [(bits & 1) * 255, (bits >> 1 & 1) * 255, (bits >> 2 & 1) * 255]
    else:
        rgb = [np.full((h, w), {'black': 0, 'white': 255}[kind])] * 3
    alpha = np.clip((noise >> 24).astype(np.int32) * 3 - 255, 0, 255)
    return np.dstack([*rgb, alpha]).astype(np.uint8)


def on_white(rgba):
    p, a = rgba[..., :3].astype(np.int64), rgba[..., 3:].astype(np.int64)
    return ((p * a + 255 * (255 - a) + 127) // 255).astype(np.uint8)


def torchvision(w, h, resize, crop):
    """The resized size and the corner of the crop, as Resize(resize) and CenterCrop(crop) of torchvision round them."""
    short, long = min(w, h), max(w, h)
    other = int(resize * long / short)
    rw, rh = (resize, other) if w <= h else (other, resize)
    return rw, rh, int(round((rw - crop) / 2.0)), int(round((rh - crop) / 2.0)), crop


def cases():
    """Yields kind, width, height, alpha, filter, and (resized width, resized height, x, y, size)."""
    kinds = itertools.cycle(KINDS)

    # So small that a person can follow: one pixel, up, down, one side or none changed, corners.
    for w, h, *plan in [(1, 1, 5, 5, 0, 0, 5), (2, 2, 4, 4, 0, 0, 4), (4, 4, 2, 2, 0, 0, 2), (8, 8, 4, 4, 0, 0, 4), (3, 5, 8, 8, 0, 0, 8), (7, 6, 3, 3, 0, 0, 3),
                        (6, 6, 6, 6, 0, 0, 6), (6, 9, 6, 6, 0, 0, 6), (9, 6, 6, 6, 0, 0, 6), (13, 11, 7, 6, 3, 2, 4), (40, 30, 3, 3, 0, 0, 3), (1, 50, 4, 4, 0, 0, 4)]:
        for name in FILTERS:
            yield next(kinds), w, h, 0, name, plan
    for name in FILTERS:
        yield 'noise', 9, 7, 1, name, (5, 5, 0, 0, 5)

    # The recipes of networks.
    recipes = [(32, 32), (33, 33), (35, 32), (128, 128), (256, 224), (288, 288)]
    sizes = [(1, 1), (1, 500), (500, 1), (7, 3000), (3000, 7), (3, 2), (17, 23), (31, 37), (128, 128), (127, 257), (256, 256), (256, 300), (448, 512), (500, 375),
             (375, 500), (641, 479), (1021, 769)]
    for w, h in sizes:
        for resize, crop in recipes:
            for name in FILTERS:
                yield next(kinds), w, h, 0, name, torchvision(w, h, resize, crop)
        next(kinds)  # or else a recipe would see one kind alone

    # Alpha, opaque colours, and large pictures.
    for w, h in [(1, 1), (200, 150), (113, 211), (500, 375)]:
        for resize, crop in [(32, 32), (146, 128), (256, 224)]:
            for name in FILTERS:
                yield next(kinds), w, h, 1, name, torchvision(w, h, resize, crop)
    for colour in ['black', 'white']:
        for w, h in [(3, 2), (499, 333), (2, 30011)]:
            for name in FILTERS:
                yield colour, w, h, 0, name, torchvision(w, h, 32, 32)
    for w, h, resize, crop in [(4032, 3024, 256, 224), (1, 20000, 32, 32), (20000, 1, 32, 32), (3, 32767, 32, 32), (32767, 3, 32, 32), (2053, 1367, 128, 128)]:
        for name in FILTERS:
            yield next(kinds), w, h, 0, name, torchvision(w, h, resize, crop)

    # Squashed: each side has a scale of its own, or none.
    for w, h in [(500, 375), (128, 77), (77, 128), (224, 500), (1999, 31), (31, 1999)]:
        for crop in [33, 128, 224]:
            yield next(kinds), w, h, 0, ['bilinear', 'bicubic'][crop % 2], (crop, crop, 0, 0, crop)
            yield next(kinds), w, h, 0, ['bicubic', 'bilinear'][crop % 2], (crop, crop, 0, 0, crop)

    # Squashed from far: windows of thousands of pixels.
    for w, h in [(32767, 3), (3, 32767), (30011, 97), (97, 30011)]:
        for name in FILTERS:
            yield next(kinds), w, h, 0, name, (32, 32, 0, 0, 32)

    # Squares at the corners, where a filter's window is cut.
    for x, y in [(0, 0), (300 - 64, 0), (0, 200 - 64), (300 - 64, 200 - 64)]:
        for name in FILTERS:
            yield next(kinds), 487, 331, 0, name, (300, 200, x, y, 64)


folder = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(folder, 'scale.txt'), 'w') as out:
    for kind, w, h, alpha, name, (rw, rh, x, y, size) in cases():
        rgba = picture(kind, w, h)
        rgb = on_white(rgba) if alpha else np.ascontiguousarray(rgba[..., :3])
        square = Image.fromarray(rgb, 'RGB').resize((rw, rh), FILTERS[name]).crop((x, y, x + size, y + size)).tobytes()
        fields = [kind, w, h, alpha, name, rw, rh, x, y, size, hashlib.sha256(square).hexdigest()[:16]]
        print(*fields, *([square.hex()] if size <= 8 else []), file=out)
