#!/usr/bin/env python3
"""Makes pictures and says what PyTorch's usual pipeline gives a network for them: pytorch.test.mjs wants the same bytes.

    python3 make.py              the pictures of this folder, drawn by formula, and inputs.json
    python3 make.py ZIP FOLDER   280 photographs of the archive ZIP, enlarged, with inputs.json and each input as a file

Needs torchvision, Pillow with WebP, numpy and, for this folder, cjpeg (made with torchvision 0.14, Pillow 9.4 and
libjpeg-turbo 2.1.5). inputs.json has the recipes and, for each picture, its kind and the SHA-256 of its input by recipe.
Opaque: 8 bits without alpha, where every byte has to be equal. Alpha: as if on white, put there by our own rule.
Reported: kinds that browsers read in their own way.
"""
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

RECIPES = {
    '128-128-bilinear': {'resize': 128, 'crop': 128, 'filter': 'bilinear'},
    '256-224-bilinear': {'resize': 256, 'crop': 224, 'filter': 'bilinear'},
    '256-224-bicubic': {'resize': 256, 'crop': 224, 'filter': 'bicubic'},
}
TRANSFORMS = {name: Compose([Resize(r['resize'], InterpolationMode(r['filter'])), CenterCrop(r['crop'])]) for name, r in RECIPES.items()}


# An sRGB profile with the names of red and green exchanged: whoever applies it cannot fail to show it.
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
PROFILE = PROFILE.replace(b'rXYZ', b'?XYZ').replace(b'gXYZ', b'rXYZ').replace(b'?XYZ', b'gXYZ')
PROFILE = PROFILE[:24] + struct.pack('>6H', 2000, 1, 1, 0, 0, 0) + PROFILE[36:]  # its date, which would be now


def jpeg(quality=90, mode='RGB', **options):
    return lambda image, path: image.convert(mode).save(path, 'JPEG', quality=quality, **options)


def cjpeg(*options):
    """JPEG as Pillow 9 cannot write it."""
    def save(image, path):
        source = b'P6 %d %d 255\n' % image.size + image.tobytes()
        subprocess.run(['cjpeg', '-quality', '85', *options, '-outfile', path], input=source, check=True)
    return save


def png(mode='RGB', **options):
    return lambda image, path: image.convert(mode).save(path, 'PNG', **options)


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def gamma(image, path):
    """A PNG that says it is linear."""
    info = PngImagePlugin.PngInfo()
    info.add(b'gAMA', struct.pack('>I', 100000))
    image.save(path, 'PNG', pnginfo=info)


def png16(mode):
    """A PNG of 16 bits, which Pillow cannot write in colour."""
    def save(image, path):
        high = np.array(image.convert(mode)).reshape(image.height, -1).astype(np.uint16)
        values = high * 256 + high * 37 % 256
        rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in values)
        header = struct.pack('>IIBBBBB', image.width, image.height, 16, {'L': 0, 'RGB': 2}[mode], 0, 0, 0)
        with open(path, 'wb') as out:
            out.write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
    return save


def webp(**options):
    return lambda image, path: image.save(path, 'WEBP', **options)


def turned(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def colour_key(image, path):
    """A PNG of which one colour is transparent."""
    image = image.quantize(8, dither=0).convert('RGB')
    image.save(path, 'PNG', transparency=image.getpixel((0, 0)))


def with_alpha(save):
    """Saves the picture transparent in one corner, opaque in the other, and with every alpha between."""
    def wrapped(image, path):
        y, x = np.mgrid[0:image.height, 0:image.width]
        alpha = np.clip(400 * x / image.width + 200 * y / image.height - 120, 0, 255)
        image = image.copy()
        image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
        save(image, path)
    return wrapped


CJPEG = {
    '440.jpg': cjpeg('-sample', '1x2'),
    '411.jpg': cjpeg('-sample', '4x1'),
    'rgb.jpg': cjpeg('-rgb'),
    'restarts.jpg': cjpeg('-restart', '3B'),
}
FORMATS = {
    'opaque': {
        '444.jpg': jpeg(95, subsampling=0),
        '422.jpg': jpeg(80, subsampling=1),
        '420.jpg': jpeg(75, subsampling=2),
        'progressive.jpg': jpeg(85, progressive=True),
        'coarse.jpg': jpeg(20),
        'grey.jpg': jpeg(mode='L'),
        'profile.jpg': jpeg(icc_profile=PROFILE),
        **CJPEG,
        **{f'exif{n}.jpg': jpeg(exif=turned(n), subsampling=2) for n in range(1, 9)},
        'rgb.png': png(),
        'grey.png': png('L'),
        'palette.png': lambda image, path: image.quantize(64).save(path, 'PNG'),
        'profile.png': png(icc_profile=PROFILE),
        'gamma.png': gamma,
        'exif6.png': png(exif=turned(6)),
        'lossy.webp': webp(quality=80),
        'lossless.webp': webp(lossless=True),
        'profile.webp': webp(quality=80, icc_profile=PROFILE),
    },
    'alpha': {
        'alpha.png': with_alpha(png('RGBA')),
        'grey-alpha.png': with_alpha(png('LA')),
        'palette-alpha.png': with_alpha(lambda image, path: image.quantize(64).save(path, 'PNG')),
        'colour-key.png': colour_key,
        'exif6-alpha.png': with_alpha(png('RGBA', exif=turned(6))),
        'alpha.webp': with_alpha(webp(quality=80)),
        'lossless-alpha.webp': with_alpha(webp(lossless=True, exact=True)),
    },
    'reported': {
        'cmyk.jpg': jpeg(mode='CMYK'),
        'exif6.webp': webp(quality=80, exif=turned(6)),
        'grey16.png': png16('L'),
        'rgb16.png': png16('RGB'),
    },
}


def inputs(path):
    """The network's input for a file by recipe: 7 bits for each channel, as arrays of size×size×3."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode in ('RGBA', 'LA') or 'transparency' in image.info:
        rgba = np.array(image.convert('RGBA')).astype(np.int64)
        alpha = rgba[..., 3:]
        white = (rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
        image = Image.fromarray(white.astype(np.uint8), 'RGB')
    image = image.convert('RGB')
    return {name: ((np.array(t(image)).astype(np.int64) * 127 + 127) // 255).astype(np.uint8) for name, t in TRANSFORMS.items()}


def scene(w, h, seed):
    """A picture with slopes, waves, edges and a little noise."""
    y, x = np.mgrid[0:h, 0:w]
    u, v = x / max(w, h), y / max(w, h)
    rgb = np.dstack([200 * u + 30 * np.sin(20 * v + seed), 220 * v + 20, 128 + 100 * np.sin(11 * u + 7 * v + 2 * seed)])
    rgb[(u - 0.3) ** 2 + (v - 0.25) ** 2 < 0.03] = [250, 220, 30]
    rgb[(u > 0.6) & (u < 0.8) & (v > 0.2) & (v < 0.4)] = [20, 30, 160]
    rgb[(abs(u - v) < 0.01)] = 255
    rgb += np.random.RandomState(seed).randint(-2, 3, (h, w, 1))
    return Image.fromarray(np.clip(rgb, 0, 255).astype(np.uint8), 'RGB')


def photograph(data, w, h, random):
    """A photograph enlarged, with the noise that enlarging takes from it."""
    with Image.open(data) as image:
        large = np.array(image.convert('RGB').resize((w, h), Image.BICUBIC)).astype(np.int64)
    return Image.fromarray(np.clip(large + random.randint(-12, 13, large.shape), 0, 255).astype(np.uint8), 'RGB')


def scenes():
    """Yields a name, its kind and format, and the picture: one of each format."""
    seed = 0
    for kind, formats in FORMATS.items():
        for name, save in formats.items():
            # Small enough to be committed; of different shapes, and as JPEG some larger than what networks see.
            large = 3 if name in ('420.jpg', 'progressive.jpg', 'lossy.webp') else 1
            w, h = (71 + 4 * seed) * large, (133 - 3 * seed) * large
            yield name, kind, save, scene(w, h, seed)
            seed += 1


def photographs(archive):
    """Yields the same for 240 opaque photographs, 20 with alpha and 20 of the rest.

    Their sides are between 65 and 800 pixels; the first three are as large as a camera's.
    """
    random = np.random.RandomState(1)
    with zipfile.ZipFile(archive) as files:
        names = sorted(n for n in files.namelist() if n.lower().endswith(('.jpg', '.jpeg')))
        for kind, count in {'opaque': 240, 'alpha': 20, 'reported': 20}.items():
            formats = [f for f in FORMATS[kind].items() if f[0] not in CJPEG or shutil.which('cjpeg')]
            for i in range(count):
                name, save = formats[i % len(formats)]
                w = random.randint(65, 801)
                h = int(np.clip(w * random.uniform(0.5, 2), 65, 800))
                if kind == 'opaque' and i < 3:
                    w, h = [(4032, 3024), (3023, 4031), (6001, 1999)][i]
                with files.open(names[random.randint(len(names))]) as data:
                    yield f'{kind}-{i:03}-{name}', kind, save, photograph(data, w, h, random)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    made, folder = (photographs(sys.argv[1]), sys.argv[2]) if len(sys.argv) == 3 else (scenes(), here)
    pictures = []
    for name, kind, save, image in made:
        path = os.path.join(folder, name)
        save(image, path)
        found = inputs(path)
        pictures.append({'name': name, 'kind': kind, 'inputs': {r: hashlib.sha256(a.tobytes()).hexdigest() for r, a in found.items()}})
        if folder != here:
            for recipe, array in found.items():
                array.tofile(f'{path}.{recipe}')
    with open(os.path.join(folder, 'inputs.json'), 'w') as out:
        lines = ',\n'.join(json.dumps(p) for p in pictures)
        print(f'{{"recipes": {json.dumps(RECIPES)},\n"pictures": [\n{lines}\n]}}', file=out)


main()
