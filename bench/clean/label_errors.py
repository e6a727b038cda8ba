#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many wrong labels hone clean finds: flips some on purpose and compares.

  bench/clean/label_errors.py --data FOLDER [--hone build/hone] [--noise 0.02] [--seeds 1,2,3] [--pairs]

FOLDER holds train-images-idx3-ubyte and train-labels-idx1-ubyte (or .gz), as the cache of `hone collect mnist` does. A copy of the
training part gets `noise` of its labels replaced, each by another class drawn evenly (with --pairs: by the next class, as
when two heaps are confused), and `hone clean COPY --kinds label --json` is asked. Only the training part is read.

precision: share of the suspects that were flipped; labels that are wrong in the original count against it.
recall:    share of the flipped ones that are suspects.
"""
import argparse
import gzip
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time


def read(folder, name):
    path = os.path.join(folder, name)
    if os.path.exists(path):
        return open(path, "rb").read()
    return gzip.open(path + ".gz", "rb").read()


def flip(labels, noise, seed, pairs):
    """labels: bytes of an IDX label file. Returns the changed file and the set of flipped indices."""
    out, header = bytearray(labels), 8
    count, classes = len(labels) - header, max(labels[header:]) + 1
    draw = random.Random(seed)
    chosen = draw.sample(range(count), round(noise * count))
    for i in chosen:
        step = 1 if pairs else draw.randrange(1, classes)
        out[header + i] = (labels[header + i] + step) % classes
    return bytes(out), set(chosen)


def measure(hone, images, labels, flipped, options):
    with tempfile.TemporaryDirectory() as folder:
        for name, data in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        start, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
        answer = subprocess.run([hone, "clean", folder, "--kinds", "label", "--json", "--quiet", *options], check=True,
                                stdout=subprocess.PIPE).stdout
        seconds, after = time.time() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    suspects = {issue["index"] for issue in json.loads(answer)["issues"] if issue["kind"] == "label"}
    hits = len(suspects & flipped)
    return {"suspects": len(suspects), "flipped": len(flipped), "precision": hits / max(len(suspects), 1),
            "recall": hits / max(len(flipped), 1), "seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--hone", default="build/hone")
    parser.add_argument("--noise", type=float, default=0.02)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("options", nargs="*", help="after --: passed on to hone clean")
    arguments = parser.parse_args()
    images = read(arguments.data, "train-images-idx3-ubyte")
    labels = read(arguments.data, "train-labels-idx1-ubyte")
    results = []
    for seed in (int(word) for word in arguments.seeds.split(",")):
        changed, flipped = flip(labels, arguments.noise, seed, arguments.pairs)
        result = {"seed": seed, "noise": arguments.noise,
                  **measure(arguments.hone, images, changed, flipped, arguments.options)}
        results.append(result)
        if not arguments.json:
            print("seed {seed}: {suspects} suspects of {flipped} flipped, precision {precision:.4f}, recall {recall:.4f}, "
                  "{seconds} s, {cpu_seconds} CPU s".format(**result), flush=True)
    if arguments.json:
        json.dump(results, sys.stdout, indent=2)
        print()


if __name__ == "__main__":
    main()
