"""Draws the pictures of this folder: python3 make.py. Needs Pillow.

All show the same scene of 48×32 pixels, upright, unless their name says otherwise.
"""
import os
import struct
import subprocess

from PIL import Image, ImageDraw

W, H = 48, 32
scene = Image.new("RGB", (W, H))
scene.putdata([(x * 5, y * 7, 255 - x * 3 - y) for y in range(H) for x in range(W)])
ImageDraw.Draw(scene).ellipse((4, 6, 20, 24), fill=(250, 220, 30))

scene.save("scene.png")
scene.save("scene.bmp")
scene.save("scene.webp", lossless=True)
scene.save("baseline.jpg", quality=95, subsampling=0)
scene.save("progressive.jpg", quality=95, subsampling=0, progressive=True)
scene.convert("CMYK").save("cmyk.jpg", quality=95)

# Orientation 6: to be turned clockwise by a quarter to be upright.
exif = Image.Exif()
exif[0x0112] = 6
scene.transpose(Image.Transpose.ROTATE_90).save("exif6.jpg", quality=95, subsampling=0, exif=exif)

# The other frames are of one colour each.
frames = [Image.new("RGB", (W, H), c).quantize() for c in ("red", "green")]
scene.quantize(255).save("animated.gif", save_all=True, append_images=frames, duration=100, loop=0)

# Transparent outside the disc: on white it is a yellow disc on white.
mask = Image.new("L", (W, H))
ImageDraw.Draw(mask).ellipse((4, 6, 20, 24), fill=255)
alpha = scene.convert("RGBA")
alpha.putalpha(mask)
alpha.save("alpha.png")
white = Image.new("RGB", (W, H), "white")
white.paste(scene, mask=mask)
white.save("alpha-on-white.png")
Image.new("RGB", (1, 1), (200, 100, 50)).save("dot.png")

gray = Image.new("I;16", (W, H))
gray.putdata([x * 1000 + y * 300 for y in range(H) for x in range(W)])
gray.save("gray16.png")

# A video whose frames lie on their side, as phones store them, and are to be turned clockwise by a quarter: "matrix" in
# the track header (tkhd, ISO/IEC 14496-12, 8.3.2) says so. Needs ffmpeg with libvpx.
scene.resize((4 * W, 4 * H), Image.BICUBIC).transpose(Image.Transpose.ROTATE_90).save("turned.png")
subprocess.run("ffmpeg -v error -y -loop 1 -i turned.png -t 0.4 -r 10 -c:v libvpx-vp9 -b:v 0 -crf 30 -pix_fmt yuv420p "
               "-map_metadata -1 -fflags +bitexact -flags:v +bitexact turned.mp4", shell=True, check=True)
os.remove("turned.png")
with open("turned.mp4", "r+b") as video:
    video.seek(video.read().index(b"tkhd") + 44)  # version 0
    video.write(struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 4 * H << 16, 0, 1 << 30))
