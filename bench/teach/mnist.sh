#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A network of MNIST's digits 0-4, taught 5-9 from a few pictures of each: what it then knows of the new ones, and still of
# the old, as rows of a table. On training data alone: the base's validation part, and new pictures that were not taught.
#
#   HONE=build/hone PYTHON=python3 bench/teach/mnist.sh MNIST_FOLDER WORK_FOLDER     environment: SEEDS ("0 3"), EPOCHS (2)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
hone=${HONE:-build/hone}
python=${PYTHON:-python3}
work=$2
mkdir -p "$work"
"$python" "$here/../finetune/halves.py" "$1" "$work" 100
"$python" - "$work" <<'PYTHON'
import os
import struct
import sys

import numpy

work = sys.argv[1]


def read(name, offset):
    with open(f"{work}/{name}-ubyte", "rb") as file:
        return numpy.frombuffer(file.read(), numpy.uint8, offset=offset)


def write(folder, part, images, labels, first):
    os.makedirs(f"{work}/{folder}", exist_ok=True)
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        with open(f"{work}/{folder}/{part}-{name}-ubyte", "wb") as file:
            file.write(struct.pack(">I", 0x800 + array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())
    with open(f"{work}/{folder}/classes.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{first + digit}\n" for digit in range(5))


def of_each(labels, begin, end):
    return numpy.concatenate([numpy.flatnonzero(labels == digit)[begin:end] for digit in range(5)])


images, labels = read("high/train-images-idx3", 16).reshape(-1, 28, 28), read("high/train-labels-idx1", 8)
for count in (1, 5, 10, 30):
    chosen = of_each(labels, 0, count)
    write(f"teach-{count}", "train", images[chosen], labels[chosen], 5)
rest = of_each(labels, 30, 100)
write("new", "t10k", images[rest], labels[rest], 5)
images, labels = read("low/train-images-idx3", 16).reshape(-1, 28, 28), read("low/train-labels-idx1", 8)
held_back = len(labels) * 9 // 10
write("old", "t10k", images[held_back:], labels[held_back:], 0)
PYTHON

accuracy() {
    "$hone" evaluate "$1" "$2" --json --quiet | "$python" -c 'import json, sys; print(format(json.load(sys.stdin)["accuracy"], ".2%"))'
}

echo "| seed | pictures per new class | old classes | new classes |"
echo "|---|---|---|---|"
for seed in ${SEEDS:-0 3}; do
    "$hone" train "$work/low" --epochs "${EPOCHS:-2}" --seed "$seed" --no-test --no-run --quiet --output "$work/base.h5" >/dev/null
    echo "| $seed | 0 | $(accuracy "$work/base.h5" "$work/old") | |"
    for count in 1 5 10 30; do
        "$hone" teach "$work/base.h5" --from "$work/teach-$count" --output "$work/taught.h5" --quiet >/dev/null
        echo "| $seed | $count | $(accuracy "$work/taught.h5" "$work/old") | $(accuracy "$work/taught.h5" "$work/new") |"
    done
done
