#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MNIST without one digit, and that digit alone: split_digits.py MNIST-FOLDER DIGIT OUTPUT [test|validation|only]

OUTPUT/known has the other nine in both parts (classes.txt names them), OUTPUT/strange the left out one's test images.
With "validation" the last 10,000 training images play the test part: to choose methods by.
With "only" the roles are changed: OUTPUT/known is that digit alone, OUTPUT/strange the other nine. Only the standard library.
"""

import gzip
import os
import struct
import sys


def read(folder, name):
    for path, opener in ((os.path.join(folder, name), open), (os.path.join(folder, name + ".gz"), gzip.open)):
        if os.path.exists(path):
            with opener(path, "rb") as file:
                return file.read()
    sys.exit(f"split_digits: there is no {name} in {folder}")


def write(folder, part, images, labels):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, part + "-images-idx3-ubyte"), "wb") as file:
        file.write(struct.pack(">iiii", 2051, len(images), 28, 28))
        file.write(b"".join(images))
    with open(os.path.join(folder, part + "-labels-idx1-ubyte"), "wb") as file:
        file.write(struct.pack(">ii", 2049, len(labels)))
        file.write(bytes(labels))


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    source, left_out, output = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    chooses, only = sys.argv[4:] == ["validation"], sys.argv[4:] == ["only"]
    for part in ("train", "t10k"):
        stored = "train" if chooses else part
        pixels = read(source, stored + "-images-idx3-ubyte")[16:]
        labels = read(source, stored + "-labels-idx1-ubyte")[8:]
        if chooses and part == "train":
            pixels, labels = pixels[: -784 * 10000], labels[:-10000]
        elif chooses:
            pixels, labels = pixels[-784 * 10000 :], labels[-10000:]
        pictures = [pixels[784 * i : 784 * i + 784] for i in range(len(labels))]
        known = [i for i, label in enumerate(labels) if (label != left_out) != only]
        names = [0 if only else label - (label > left_out) for label in labels]
        write(os.path.join(output, "known"), part, [pictures[i] for i in known], [names[i] for i in known])
        if part == "t10k":
            strange = [i for i, label in enumerate(labels) if (label == left_out) != only]
            write(os.path.join(output, "strange"), part, [pictures[i] for i in strange], [0] * len(strange))
    with open(os.path.join(output, "known", "classes.txt"), "w", encoding="utf-8") as file:
        file.write("".join(f"{digit}\n" for digit in range(10) if (digit != left_out) != only))


if __name__ == "__main__":
    main()
