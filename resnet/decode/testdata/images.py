#!/usr/bin/env python3
"""Makes the files beside it: one small picture in the formats and variants that package decode reads.

    python3 images.py

Needs Pillow and numpy (made with Pillow 9.4). The picture is 24×16: four blocks of 12×8 in red, green, blue and grey
(80, 80, 80), left to right, top to bottom. orient-N.jpg are stored turned so that EXIF orientation N makes them upright. alpha.webp has alpha 90 in its red block.
"""
import os

import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
a = np.zeros((16, 24, 3), np.uint8)
a[:8, :12], a[:8, 12:], a[8:, :12], a[8:, 12:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (80, 80, 80)
img = Image.fromarray(a)

img.save('rgb.png')
img.quantize(4).save('palette.png')
img.save('baseline.jpg', quality=95, subsampling=0)
img.save('progressive.jpg', quality=95, subsampling=0, progressive=True)
img.convert('CMYK').save('cmyk.jpg', quality=95)
img.save('lossless.webp', lossless=True)
img.save('lossy.webp', quality=95)
see_through = img.convert('RGBA')
see_through.paste((255, 0, 0, 90), (0, 0, 12, 8))
see_through.save('alpha.webp', quality=95)
img.save('rgb.bmp')
img.save('deflate.tif', compression='tiff_adobe_deflate')
# The first frame of the animation is the picture; its second is white, and smaller than the screen.
img.save('animated.gif', save_all=True, append_images=[Image.new('RGB', (24, 16), 'white')], duration=100)

# What a decoder must do to make orientation N upright is the inverse of what was done to store it.
T = Image.Transpose
store = {1: None, 2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_90, 7: T.TRANSVERSE, 8: T.ROTATE_270}
for n, t in store.items():
    exif = Image.Exif()
    exif[0x010F] = 'maker'  # a tag before the orientation
    exif[0x0112] = n
    (img if t is None else img.transpose(t)).save(f'orient-{n}.jpg', quality=95, subsampling=0, exif=exif)

# Pillow's own idea of upright, as a check of this recipe.
from PIL import ImageOps
for n in store:
    up = np.asarray(ImageOps.exif_transpose(Image.open(f'orient-{n}.jpg'))).astype(int)
    assert up.shape == a.shape and abs(up - a)[[3, 3, 12, 12], [5, 18, 5, 18]].max() < 8, n

# JPEGs of all subsamplings, odd in size, with colours that change fast, and what libjpeg-turbo makes of them.
y, x = np.mgrid[0:37, 0:45]
waves = np.stack([127.5 + 127.5 * np.sin(x / 3 + y / 5), 127.5 + 127.5 * np.sin(x / 4 - y / 3), 127.5 + 127.5 * np.sin(y / 2)], -1).astype(np.uint8)
for name, sampling in {"444": 0, "422": 1, "420": 2}.items():
    Image.fromarray(waves).save(f"chroma-{name}.jpg", quality=90, subsampling=sampling)
    Image.open(f"chroma-{name}.jpg").convert("RGB").save(f"chroma-{name}.png")
Image.fromarray(waves[:5, :3]).save("chroma-narrow.jpg", quality=90, subsampling=2)
Image.open("chroma-narrow.jpg").convert("RGB").save("chroma-narrow.png")

# Lossy WebPs of odd and even size, one so narrow that a row has one sample of chroma, and what libwebp makes of them.
for name, part in {"odd": waves, "even": waves[:36, :44], "narrow": waves[:5, :2]}.items():
    Image.fromarray(part).save(f"webp-{name}.webp", quality=90)
    Image.open(f"webp-{name}.webp").convert("RGB").save(f"webp-{name}.png")
# An animation, of which the first frame is the picture.
white = Image.new('RGB', (24, 16), 'white')
img.save('animated.webp', save_all=True, append_images=[white], duration=100, lossless=True)
# Fax compression; 0 is black, as Pillow writes it, where faxes have white.
img.convert('L').point(lambda v: 255 * (v > 76)).convert('1').save('group4.tif', compression='group4')
img.convert('L').point(lambda v: 255 * (v > 76)).save('group4.png')
