#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the small pictures of tests/data/images with Pillow, and beside each what Pillow sees in it (.ppm or .pgm, with
alpha as a second file). Needs Pillow and NumPy: run by hand when a case is added; the results are committed."""
import pathlib
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent / "images"


def scene(height, width):
    """A smooth picture with one sharp edge, so that orientation and resizing show."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    r = 255 * x / max(1, width - 1)
    g = 255 * y / max(1, height - 1)
    b = np.where(x + y < (height + width) / 3, 250, 30)
    return np.stack([r, g, b], axis=-1).round().astype(np.uint8)


def expect(name, image):
    """Writes what a decoder must give."""
    if image.mode in ("LA", "RGBA"):
        image.getchannel("A").save(HERE / f"{name}.alpha.pgm")
        image = image.convert("L" if image.mode == "LA" else "RGB")
    image.save(HERE / (f"{name}.expected.pgm" if image.mode == "L" else f"{name}.expected.ppm"))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, interlace=0, extra=b""):
    """A PNG of ready rows, for what Pillow does not write."""
    data = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def adam7(pixels):
    passes = (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
    for x0, y0, dx, dy in passes:
        part = pixels[y0::dy, x0::dx]
        if part.size:
            yield from (row.tobytes() for row in part)


def main():
    HERE.mkdir(exist_ok=True)
    pixels = scene(11, 13)
    rgb = Image.fromarray(pixels)
    grey = rgb.convert("L")
    alpha = Image.fromarray(np.linspace(0, 255, 143).astype(np.uint8).reshape(11, 13))

    bilevel = grey.point(lambda v: v > 90).convert("1")
    cases = {"rgb": rgb, "grey": grey, "palette": rgb.quantize(16), "bilevel": bilevel}
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    greya = grey.copy()
    greya.putalpha(alpha)
    cases |= {"rgba": rgba, "greya": greya}
    for name, image in cases.items():
        image.save(HERE / f"{name}.png")
        expect(name, image.convert("RGB") if image.mode == "P" else image.convert("L") if image.mode == "1" else image)

    wide = pixels.astype(">u2") * 257
    (HERE / "rgb16.png").write_bytes(png(13, 11, 16, 2, [row.tobytes() for row in wide]))
    expect("rgb16", rgb)
    (HERE / "interlaced.png").write_bytes(png(13, 11, 8, 2, list(adam7(pixels)), interlace=1))
    expect("interlaced", rgb)
    # 2-bit palette of 4 colours, the last one transparent
    index = (np.add.outer(np.arange(11), np.arange(13)) % 4).astype(np.uint8)
    rows = []
    for row in index:
        padded = np.append(row, [0, 0, 0]).reshape(-1, 4)
        rows.append(bytes((padded << np.array([6, 4, 2, 0])).sum(axis=1).astype(np.uint8)))
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 8, 7]], np.uint8)
    extra = chunk(b"PLTE", colours.tobytes()) + chunk(b"tRNS", bytes([255, 255, 255, 0]))
    (HERE / "palette_alpha.png").write_bytes(png(13, 11, 2, 3, rows, extra=extra))
    with_alpha = np.dstack([colours[index], np.where(index == 3, 0, 255).astype(np.uint8)])
    expect("palette_alpha", Image.fromarray(with_alpha, "RGBA"))
    # headers over far too little data, within the limits and beyond
    (HERE / "bomb.png").write_bytes(png(16000, 16000, 8, 2, [b"\0" * 30]))
    (HERE / "huge.png").write_bytes(png(30000, 30000, 8, 2, [b"\0" * 30]))

    photo = Image.fromarray(scene(19, 29))
    def jpeg(name, image, **options):
        image.save(HERE / f"{name}.jpg", quality=90, **options)
        seen = Image.open(HERE / f"{name}.jpg")
        seen = ImageOps.exif_transpose(seen)
        expect(name, seen.convert("RGB") if seen.mode == "CMYK" else seen)
    jpeg("photo", photo)
    jpeg("progressive", photo, progressive=True)
    jpeg("grey_photo", photo.convert("L"))
    jpeg("cmyk", photo.convert("CMYK"))
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        jpeg(f"orientation{orientation}", photo, exif=exif)

    source = Image.fromarray(scene(37, 53))
    source.save(HERE / "resize.ppm")
    for height, width in ((37, 20), (10, 53), (9, 14), (1, 1), (74, 100), (80, 21)):
        source.resize((width, height), Image.Resampling.BILINEAR).save(HERE / f"resize_{height}x{width}.ppm")
    source.convert("L").save(HERE / "resize_grey.pgm")


if __name__ == "__main__":
    sys.exit(main())
