# SPDX-License-Identifier: Apache-2.0
"""What the workers share: the network's description, the data, the clock, and the line protocol.

A worker is one peer at one setting in one process. It prints "ready" when its network is built and warmed up; then each
line "SECONDS" on its stdin makes it measure for that long and print one line of JSON."""
import gzip
import json
import os
import resource
import sys
import time

import numpy as np


def arguments():
    """{"model": path, "mode": train|infer, "batch": n, "threads": n, "data": folder or "", "setting": {…}}"""
    return json.loads(sys.argv[1])


def description(path):
    with open(path) as file:
        return json.load(file)["config"]["layers"]


def layers(path):
    """(input shape, [(class name, config), …]) of a Keras Sequential JSON file."""
    found = [(layer["class_name"], layer["config"]) for layer in description(path)]
    return found[0][1]["batch_shape"][1:], found[1:]


def inputs_of(layer):
    """Names of the layers that a layer of a Functional model reads; every layer here is called once."""
    if isinstance(layer, dict) and layer.get("class_name") == "__keras_tensor__":
        return [layer["config"]["keras_history"][0]]
    parts = layer.values() if isinstance(layer, dict) else layer if isinstance(layer, list) else []
    return [name for part in parts for name in inputs_of(part)]


def graph(path):
    """(input shape, [(name, class name, config, [names of what it reads]), …]) of a Sequential or Functional file."""
    found = []
    for layer in description(path):
        before = inputs_of(layer.get("inbound_nodes", [])) or [entry[0] for entry in found[-1:]]
        found.append((layer["config"]["name"], layer["class_name"], layer["config"], before))
    return found[0][2]["batch_shape"][1:], found[1:]


def read_idx(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rb") as file:
        data = file.read()
    rank = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(rank)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def samples(shape, batch, folder):
    """Whole batches of images in [0, 1] and labels: the folder's IDX files, or noise."""
    if folder:
        x = read_idx(os.path.join(folder, "train-images-idx3-ubyte"))[..., None].astype(np.float32) / 255
        y = read_idx(os.path.join(folder, "train-labels-idx1-ubyte")).astype(np.int64)
    else:
        random = np.random.default_rng(0)
        images = min(2048, max(batch, (64 << 20) // int(np.prod(shape)) // 4))
        x = random.integers(0, 256, (images, *shape)).astype(np.float32) / 255
        y = random.integers(0, 10, images)
    count = max(len(x) // batch, 1) * batch
    return x[:count], y[:count]


def serve(step, batch, warm_up):
    """step(i) does batch number i, to its end."""
    for i in range(warm_up):
        step(i)
    print("ready", flush=True)
    number = 0
    for line in sys.stdin:
        seconds = float(line)
        times = []
        start = before = time.perf_counter()
        while before - start < seconds:
            step(number)
            number += 1
            now = time.perf_counter()
            times.append(now - before)
            before = now
        answer = {
            "images_per_second": len(times) * batch / (before - start),
            "p50": float(np.percentile(times, 50)) * 1e6,
            "p99": float(np.percentile(times, 99)) * 1e6,
            "peak_memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
        print(json.dumps(answer), flush=True)
