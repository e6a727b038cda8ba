#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures that are no digits, 28x28, as IDX files: strangers.py OUTPUT [SEED]

noise      each pixel on its own, uniform
blobs      soft noise of a few grey blotches, as bright as strokes
letters    capital letters without those that look like digits, drawn by fonts of the system (Pillow, DejaVu); slanted and moved
clothes    stand-ins for Fashion-MNIST: silhouettes of shirts, trousers, shoes, bags with texture, filled as that set is

Pillow is needed for all but noise.
"""

import glob
import os
import random
import struct
import sys

COUNT = 2000
LETTERS = "ACEFHJKMNPRTUVWXY"  # B D G I L O Q S Z can be read as digits


def write(folder, pictures):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "t10k-images-idx3-ubyte"), "wb") as file:
        file.write(struct.pack(">iiii", 2051, len(pictures), 28, 28) + b"".join(pictures))
    with open(os.path.join(folder, "t10k-labels-idx1-ubyte"), "wb") as file:
        file.write(struct.pack(">ii", 2049, len(pictures)) + bytes(len(pictures)))


def blob(rng, image_module, filter_module):
    small = image_module.frombytes("L", (7, 7), bytes(rng.choice((0, 0, rng.randrange(256))) for _ in range(49)))
    return small.resize((28, 28), image_module.BICUBIC).filter(filter_module.GaussianBlur(0.7))


def letter(rng, fonts, image_module, draw_module):
    big = image_module.new("L", (112, 112))
    font = rng.choice(fonts)
    text = rng.choice(LETTERS)
    left, top, right, bottom = font.getbbox(text)
    draw_module.Draw(big).text((56 - (left + right) / 2, 56 - (top + bottom) / 2), text, fill=255, font=font)
    slant = rng.uniform(-0.25, 0.25)
    moved = (1, slant, -slant * 56 + rng.uniform(-8, 8), 0, 1, rng.uniform(-8, 8))
    return big.transform(big.size, image_module.AFFINE, moved, image_module.BILINEAR).resize((28, 28), image_module.BOX)


def garment(rng, image_module, draw_module):
    big = image_module.new("L", (112, 112))
    draw = draw_module.Draw(big)
    shade = rng.randrange(120, 256)
    w, h = rng.randrange(30, 46), rng.randrange(40, 52)
    kind = rng.randrange(4)
    if kind == 0:  # a shirt: trunk and sleeves
        draw.rectangle((56 - w // 2 - 4, 56 - h, 56 + w // 2 + 4, 56 + h), fill=shade)
        sleeve = rng.randrange(20, 80)
        draw.polygon((56 - w // 2, 56 - h, 8, 56 - h + sleeve, 20, 56 - h + sleeve + 12, 56 - w // 2, 56 - h + 34), fill=shade)
        draw.polygon((56 + w // 2, 56 - h, 104, 56 - h + sleeve, 92, 56 - h + sleeve + 12, 56 + w // 2, 56 - h + 34), fill=shade)
    elif kind == 1:  # trousers
        draw.rectangle((56 - w // 2, 56 - h, 56 + w // 2, 56 - h + 20), fill=shade)
        draw.rectangle((56 - w // 2, 56 - h, 52, 56 + h), fill=shade)
        draw.rectangle((60, 56 - h, 56 + w // 2, 56 + h), fill=shade)
    elif kind == 2:  # a shoe
        draw.polygon((8, 80, 8, 52, 30, 56, 52, 40, 100, 66, 104, 80), fill=shade)
        draw.rectangle((8, 80, 104, 86), fill=shade // 2)
    else:  # a bag
        draw.arc((36, 14, 76, 70), 180, 360, fill=shade, width=6)
        draw.rectangle((56 - w, 44, 56 + w, 44 + h), fill=shade)
    period, depth = rng.randrange(4, 14), rng.uniform(0, 0.5)
    pixels = big.load()
    for y in range(112):
        for x in range(112):
            if pixels[x, y]:
                striped = (x if kind == 1 else y) % period < period // 2
                pixels[x, y] = max(0, min(255, int(pixels[x, y] * (1 - depth * striped) + rng.gauss(0, 8))))
    return big.resize((28, 28), image_module.BOX)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    output, rng = sys.argv[1], random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    write(os.path.join(output, "noise"), [bytes(rng.randrange(256) for _ in range(784)) for _ in range(COUNT)])
    try:
        from PIL import Image, ImageDraw, ImageFilter, ImageFont
    except ImportError:
        sys.exit("strangers: Pillow is missing: noise alone was made")
    write(os.path.join(output, "blobs"), [blob(rng, Image, ImageFilter).tobytes() for _ in range(COUNT)])
    write(os.path.join(output, "clothes"), [garment(rng, Image, ImageDraw).tobytes() for _ in range(COUNT)])
    paths = sorted(glob.glob("/usr/share/fonts/truetype/dejavu/*.ttf"))
    if not paths:
        sys.exit("strangers: no DejaVu fonts: letters were left out")
    fonts = [ImageFont.truetype(path, size) for path in paths for size in (64, 76)]
    write(os.path.join(output, "letters"), [letter(rng, fonts, Image, ImageDraw).tobytes() for _ in range(COUNT)])


if __name__ == "__main__":
    main()
