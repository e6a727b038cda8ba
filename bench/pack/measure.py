#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains from a packed file that is much larger than the memory it may use, and tells what that took.

    bench/pack/measure.py FOLDER [--gigabytes 4] [--limit-mb 500] [--hone build/hone] [--as raw]

FOLDER is made, filled with generated pictures (224x224 colour, ten classes that differ in brightness, PNM), and removed at the
end. Packing and training run in a memory cgroup with the limit (file cache counts, too) where one can be made, which needs
root; else under RLIMIT_DATA, which leaves mapped files out. The packed file's pages are dropped from the cache before each
run, so that they are read from the disk and counted as this run's."""

import argparse, json, os, random, resource, shutil, subprocess, sys, time

SIDE, CLASSES = 224, 10
SIZE = SIDE * SIDE * 3
MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "small.json")


def make_pictures(folder, count):
    noise = random.Random(1).randbytes(1 << 22)
    tables = [bytes(v // 2 + c * 12 for v in range(256)) for c in range(CLASSES)]
    draw = random.Random(2)
    for c in range(CLASSES):
        os.makedirs(f"{folder}/{c}")
    for i in range(count):
        at = draw.randrange(len(noise) - SIZE)
        with open(f"{folder}/{i % CLASSES}/{i:06}.ppm", "wb") as file:
            file.write(b"P6 %d %d 255\n" % (SIDE, SIDE) + noise[at : at + SIZE].translate(tables[i % CLASSES]))


def drop_cache(path):
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


class Limit:
    """A memory cgroup (version 2 or 1), or RLIMIT_DATA."""

    def __init__(self, megabytes):
        self.bytes = megabytes << 20
        self.folder = None
        for root, most, peak in (
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        ):
            folder = f"{root}/hone-measure-{os.getpid()}"
            try:
                os.mkdir(folder)
                with open(f"{folder}/{most}", "w") as file:
                    file.write(str(self.bytes))
                self.folder, self.peak = folder, peak
                return
            except OSError:
                if os.path.isdir(folder):
                    os.rmdir(folder)

    def enter(self):
        if self.folder:
            with open(f"{self.folder}/cgroup.procs", "w") as file:
                file.write(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_DATA, (self.bytes, self.bytes))

    def peak_megabytes(self):
        if not self.folder:
            return None
        with open(f"{self.folder}/{self.peak}") as file:
            return int(file.read()) / (1 << 20)

    def close(self):
        if self.folder:
            os.rmdir(self.folder)


def run(command, limit=None):
    """Runs it, sampling its memory; returns its JSON, and what it took."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, preexec_fn=limit.enter if limit else None)
    most = {"RssAnon": 0, "RssFile": 0, "VmRSS": 0}
    os.set_blocking(process.stdout.fileno(), False)
    text = b""
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                for line in status:
                    key = line.split(":")[0]
                    if key in most:
                        most[key] = max(most[key], int(line.split()[1]) / 1024)
        except (OSError, ValueError):
            pass
        text += process.stdout.read() or b""
        time.sleep(0.05)
    text += process.stdout.read() or b""
    if process.returncode != 0:
        sys.exit(f"failed with status {process.returncode}: {' '.join(command)}")
    most["seconds"] = time.monotonic() - start
    return json.loads(text), most


def tell(what, took, limit=None):
    group = limit.peak_megabytes() if limit else None
    counted = f"; the cgroup's peak, cache included: {group:.0f} MB" if group else ""
    print(f"{what}; resident at most {took['VmRSS']:.0f} MB, of it {took['RssAnon']:.0f} MB anonymous, "
          f"{took['RssFile']:.0f} MB mapped at most{counted}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--gigabytes", type=float, default=4)
    parser.add_argument("--limit-mb", type=int, default=500)
    parser.add_argument("--hone", default="build/hone")
    parser.add_argument("--as", dest="kind", default="raw")
    parser.add_argument("--subset", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    count = int(options.gigabytes * 1e9 / SIZE)
    pictures, pack = f"{options.folder}/pictures", f"{options.folder}/set.honepack"
    os.makedirs(options.folder)
    try:
        print(f"{count} pictures, {count * SIZE / 1e9:.2f} GB", flush=True)
        make_pictures(pictures, count)
        limit = Limit(options.limit_mb)
        print("limit:", f"cgroup, {options.limit_mb} MB" if limit.folder else f"RLIMIT_DATA, {options.limit_mb} MB")
        result, took = run([options.hone, "collect", pictures, "--pack", pack, "--as", options.kind, "--json"], limit)
        tell(f"packed {result['samples']} images into {result['bytes'] / 1e9:.2f} GB in {took['seconds']:.0f} s", took, limit)
        limit.close()
        train = ["--model", MODEL, "--epochs", "1", "--seed", "1", "--quiet", "--json", "--no-test",
                 "--output", f"{options.folder}/model.h5"]
        # In turn, and the best of each: other work on the machine only ever slows down.
        subset = ["--limit", str(options.subset)]
        memory, packed = [], []
        for _ in range(options.repeats):
            memory.append(run([options.hone, "train", pictures] + train + subset)[0]["images_per_second"])
            packed.append(run([options.hone, "train", pack] + train + subset)[0]["images_per_second"])
        print(f"{options.subset} images in memory: {max(memory):.0f} images/s; the same from the pack: {max(packed):.0f}", flush=True)
        drop_cache(pack)
        limit = Limit(options.limit_mb)
        result, took = run([options.hone, "train", pack] + train, limit)
        loss = result["history"]["loss"][0]
        tell(f"an epoch of all {result['samples']} (and {result['validation_samples']} to validate): "
             f"{result['seconds']:.0f} s, {result['images_per_second']:.0f} images/s, loss {loss:.3f}", took, limit)
        limit.close()
    finally:
        shutil.rmtree(options.folder)


main()
