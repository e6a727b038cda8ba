#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Cuts MNIST (a folder with its IDX files) into two tasks: OUT/low, the digits 0-4 (all of them), and OUT/high, the
digits 5-9 with COUNT training images of each; both with their whole test parts, and classes.txt for their names.

usage: halves.py MNIST OUT [COUNT [BASE_LIMIT]]"""
import gzip
import os
import struct
import sys

import numpy


def read(folder, name, dimensions):
    for path, opener in ((f"{folder}/{name}", open), (f"{folder}/{name}.gz", gzip.open)):
        if os.path.exists(path):
            with opener(path, "rb") as file:
                data = file.read()
            return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * dimensions)
    sys.exit(f"there is no {name} in {folder}")


def write(folder, name, array):
    with open(f"{folder}/{name}", "wb") as file:
        file.write(struct.pack(">I", 0x800 + array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


def main():
    source, out = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
    base_limit = int(sys.argv[4]) if len(sys.argv) > 4 else 1 << 30
    for part in ("train", "t10k"):
        images = read(source, f"{part}-images-idx3-ubyte", 3).reshape(-1, 28, 28)
        labels = read(source, f"{part}-labels-idx1-ubyte", 1)
        for task, first, limit in (("low", 0, base_limit), ("high", 5, count)):
            chosen = [numpy.flatnonzero(labels == digit) for digit in range(first, first + 5)]
            if part == "train":
                chosen = [indices[:limit] for indices in chosen]
            # In the order of the file, so that a validation split at the end has all classes.
            order = numpy.sort(numpy.concatenate(chosen))
            os.makedirs(f"{out}/{task}", exist_ok=True)
            write(f"{out}/{task}", f"{part}-images-idx3-ubyte", images[order])
            write(f"{out}/{task}", f"{part}-labels-idx1-ubyte", labels[order] - first)
            with open(f"{out}/{task}/classes.txt", "w", encoding="utf-8") as file:
                file.writelines(f"{digit}\n" for digit in range(first, first + 5))


main()
