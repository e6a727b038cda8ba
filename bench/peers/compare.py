#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Times hone and its peers on the same network, batch, data and number of threads, in turn: hone, peer, hone, peer, ….

What is told is the ratio of each pair, its median and range: two neighbours in time share what else the machine was
doing, so the ratio stands even where the rates themselves are noisy. Each peer first tries its settings and keeps its
best one. Standard library only; the peers run in processes of their own."""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODELS = os.path.join(os.path.dirname(HERE), "models")

# name: model, mode, batch, threads, what is compared
CASES = {
    "train-mnist-cnn-32": ("mnist-cnn", "train", 32, 2, "images_per_second"),
    "train-mnist-cnn-128": ("mnist-cnn", "train", 128, 2, "images_per_second"),
    "train-cifar-vgg-32": ("cifar-vgg", "train", 32, 2, "images_per_second"),
    "train-resnet18-64-32": ("resnet18-64", "train", 32, 2, "images_per_second"),
    "infer-mnist-cnn-1": ("mnist-cnn", "infer", 1, 1, "p50"),
    "infer-mnist-cnn-128": ("mnist-cnn", "infer", 128, 2, "images_per_second"),
    "infer-mnist-cnn-1024": ("mnist-cnn", "infer", 1024, 2, "images_per_second"),
    "train-mobilenetv2-224-8": ("mobilenetv2-224", "train", 8, 2, "images_per_second"),
    "train-efficientnetb0-224-8": ("efficientnetb0-224", "train", 8, 2, "images_per_second"),
    "train-resnet50-224-8": ("resnet50-224", "train", 8, 2, "images_per_second"),
    "infer-mobilenetv2-224-1": ("mobilenetv2-224", "infer", 1, 1, "p50"),
    "infer-efficientnetb0-224-1": ("efficientnetb0-224", "infer", 1, 1, "p50"),
    "infer-resnet50-224-1": ("resnet50-224", "infer", 1, 1, "p50"),
}

PASSIVE = {"OMP_WAIT_POLICY": "passive", "OPENBLAS_NUM_THREADS": "1"}
ACTIVE = {"OMP_WAIT_POLICY": "active"}

# The settings that a peer tries: (what the worker is told, environment).
SETTINGS = {
    "tensorflow": {
        "train": [({}, {}), ({"inter": 2}, {}), ({"jit": True}, {}), ({"fit": True}, {}), ({"fit": True, "jit": True}, {})],
        "infer": [({}, {}), ({"inter": 2}, {}), ({"jit": True}, {})],
    },
    "torch": {
        "train": [({}, PASSIVE), ({}, ACTIVE), ({"channels_last": True}, PASSIVE), ({"channels_last": True, "fused": True}, PASSIVE),
                  ({"channels_last": True, "fused": True, "compile": True}, PASSIVE)],
        "infer": [({}, PASSIVE), ({"channels_last": True}, PASSIVE), ({"channels_last": True, "compile": True}, PASSIVE)],
    },
    "onnxruntime": {"infer": [({}, {}), ({"spin": False}, {})]},
}


def model_file(model, folder=None):
    """Where the network's description is: with these scripts, or (made by Keras) in a folder that is told once."""
    model_file.folder = folder or model_file.folder
    here = os.path.join(MODELS, model + ".json")
    return here if os.path.exists(here) else os.path.join(model_file.folder, model + ".json")


model_file.folder = ""


def make_applications(options, folder):
    """Has Keras write the networks of these cases that are not in bench/models; the cases that are left."""
    names = options.cases.split(",")
    missing = {CASES[name][0] for name in names if name in CASES and not os.path.exists(model_file(CASES[name][0], folder))}
    keras = [python for python in (options.tensorflow_python, options.python)
             if python and os.path.exists(python) and can_import(python, "keras")]
    if missing and keras:
        subprocess.run([keras[0], os.path.join(HERE, "applications.py"), folder, *sorted(missing)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    elif missing:
        print(f"compare: there is no Keras to make {', '.join(sorted(missing))}: left out", file=sys.stderr)
        return [name for name in names if name not in CASES or CASES[name][0] not in missing]
    return names


class Worker:
    """One peer at one setting, warmed up and waiting."""

    def __init__(self, python, peer, case, setting, environment, data, patience):
        model, mode, batch, threads, _ = case
        task = {"model": model_file(model), "mode": mode, "batch": batch, "threads": threads,
                "data": data if model.startswith("mnist") else "", "setting": setting}
        env = {**os.environ, **environment, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, os.path.join(HERE, f"worker_{peer}.py"), json.dumps(task)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors, text=True, env=env)
        timer = threading.Timer(patience, self.process.kill)
        timer.start()
        ready = self.process.stdout.readline().strip() == "ready"
        timer.cancel()
        if not ready:
            self.errors.seek(0)
            last = (self.errors.read().strip().splitlines() or ["it was not ready in time"])[-1]
            self.close()
            raise RuntimeError(last[:200])
        self.process.send_signal(signal.SIGSTOP)

    def measure(self, seconds):
        # Stopped between its measurements: a runtime whose idle threads spin would take the cores from the other side.
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = json.loads(self.process.stdout.readline())
        self.process.send_signal(signal.SIGSTOP)
        return result

    def close(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            stream.close()


def measure_hone(hone, case, seconds):
    model, mode, batch, threads, _ = case
    answer = subprocess.run(
        [hone, "bench", mode, model_file(model), "--batch-size", str(batch), "--threads", str(threads), "--repeats", "1",
         "--seconds", str(seconds), "--json"], check=True, stdout=subprocess.PIPE, text=True)
    result = json.loads(answer.stdout)
    return {**result, **result.get("latency_us", {})}


def words(setting, environment):
    parts = [key if value is True else f"{key}={value}" for key, value in setting.items()]
    parts += [f"{key}={value}" for key, value in environment.items()]
    return " ".join(parts) or "defaults"


def best_worker(options, python, peer, case, data):
    """The peer at the best of its settings, and its words; the others are ended."""
    best = None
    lower_is_better = case[4] == "p50"
    for setting, environment in SETTINGS[peer].get(case[1], []):
        try:
            worker = Worker(python, peer, case, setting, environment, data, options.patience)
            value = worker.measure(options.seconds)[case[4]]
        except (RuntimeError, ValueError, OSError) as error:
            print(f"    {peer}: {words(setting, environment)}: left out: {error}", file=sys.stderr)
            continue
        print(f"    {peer}: {words(setting, environment)}: {value:.1f}", file=sys.stderr)
        if best is None or (value < best[0] if lower_is_better else value > best[0]):
            if best:
                best[1].close()
            best = (value, worker, words(setting, environment))
        else:
            worker.close()
    return best


def compare(options, name, peer, python, data):
    case = CASES[name]
    found = best_worker(options, python, peer, case, data)
    if not found:
        return None
    _, worker, setting = found
    pairs = []
    try:
        for _ in range(options.pairs):
            ours = measure_hone(options.hone, case, options.seconds)
            pairs.append((ours, worker.measure(options.seconds)))
    finally:
        worker.close()
    key = case[4]
    ratios = [theirs[key] / ours[key] if key == "p50" else ours[key] / theirs[key] for ours, theirs in pairs]
    result = {
        "case": name, "peer": peer, "setting": setting, "unit": "us at p50" if key == "p50" else "images/s",
        "hone": statistics.median(ours[key] for ours, _ in pairs),
        "theirs": statistics.median(theirs[key] for _, theirs in pairs),
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios), "pairs": len(pairs),
        "hone_memory": max(ours["peak_memory"] for ours, _ in pairs),
        "their_memory": max(theirs["peak_memory"] for _, theirs in pairs),
    }
    if key == "p50":
        result["hone_p99"] = statistics.median(ours["p99"] for ours, _ in pairs)
        result["their_p99"] = statistics.median(theirs["p99"] for _, theirs in pairs)
    return result


START = {
    "tensorflow": "import sys, numpy as np, keras; m = keras.models.load_model(sys.argv[1]);"
                  "print(m(np.zeros((1, 28, 28, 1), np.float32)).numpy().argmax())",
}


def measure_start(command):
    """Seconds of wall time and peak memory of a process from nothing to its first prediction."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""})
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{command[0]} failed")
    return time.perf_counter() - start, usage.ru_maxrss * 1024


def compare_start(options, pythons, data, folder):
    """Start-up to first prediction: the same .h5, in hone and in TensorFlow."""
    if "tensorflow" not in pythons:
        return None
    model = os.path.join(folder, "start.h5")
    subprocess.run([options.hone, "train", data, "--limit", "256", "--epochs", "1", "--no-test", "--quiet", "--output", model],
                   check=True, stdout=subprocess.DEVNULL)
    picture = os.path.join(data, "digits.png")
    pairs = []
    for _ in range(options.pairs):
        ours = measure_start([options.hone, "predict", model, picture, "--quiet"])
        pairs.append((ours, measure_start([pythons["tensorflow"], "-c", START["tensorflow"], model])))
    ratios = [theirs[0] / ours[0] for ours, theirs in pairs]
    return {
        "case": "start to first prediction", "peer": "tensorflow", "setting": "load_model", "unit": "seconds",
        "hone": statistics.median(ours[0] for ours, _ in pairs), "theirs": statistics.median(theirs[0] for _, theirs in pairs),
        "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios), "pairs": len(pairs),
        "hone_memory": max(ours[1] for ours, _ in pairs), "their_memory": max(theirs[1] for _, theirs in pairs),
    }


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def print_row(r):
    tail = f" (p99 {number(r['hone_p99'])})" if "hone_p99" in r else ""
    their_tail = f" (p99 {number(r['their_p99'])})" if "their_p99" in r else ""
    print(f"| {r['case']} | {r['peer']} | {r['setting']} | {number(r['hone'])}{tail} {r['unit']} | {number(r['theirs'])}{their_tail} "
          f"| {r['ratio']:.2f} ({r['ratio_min']:.2f} to {r['ratio_max']:.2f}) "
          f"| {r['hone_memory'] / 2**20:.0f} : {r['their_memory'] / 2**20:.0f} |", flush=True)


def run_cases(options, pythons, folder):
    """Yields the results one by one."""
    data = os.path.join(folder, "digits")
    subprocess.run([options.hone, "collect", "digits", "--samples", "4096", "--test-samples", "1", "--seed", "0", "--to", data,
                    "--quiet"], check=True, stdout=subprocess.DEVNULL)
    for name in make_applications(options, folder):
        if name == "start":
            yield compare_start(options, pythons, data, folder)
            continue
        for peer, python in pythons.items():
            if SETTINGS[peer].get(CASES[name][1]):
                print(f"{name} against {peer}", file=sys.stderr)
                yield compare(options, name, peer, python, data)


def can_import(python, module):
    return subprocess.run([python, "-c", f"import importlib.util, sys; sys.exit(importlib.util.find_spec('{module}') is None)"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def main():
    standard = os.path.join(ROOT, "build", "peers-venv", "bin", "python")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hone", default=os.path.join(ROOT, "build", "hone"))
    parser.add_argument("--python", default=standard, help="of the peers; bench/peers/setup makes it")
    for peer in SETTINGS:
        parser.add_argument(f"--{peer}-python", help=f"of {peer} alone")
    parser.add_argument("--cases", default=",".join(CASES) + ",start", help="default: all; " + ", ".join(CASES) + ", start")
    parser.add_argument("--peers", default=",".join(SETTINGS))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one measurement")
    parser.add_argument("--patience", type=float, default=180, help="seconds for a peer to build and compile its network")
    parser.add_argument("--json", help="also write the results here")
    options = parser.parse_args()

    pythons = {}
    for peer in options.peers.split(","):
        python = getattr(options, f"{peer}_python") or options.python
        if os.path.exists(python) and can_import(python, peer):
            pythons[peer] = python
        else:
            print(f"compare: {peer} is not installed in {python}: left out (bench/peers/setup)", file=sys.stderr)
    results = []
    print("| case | peer | its best setting | hone | peer | times faster (range) | memory, MB, hone : peer |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for result in run_cases(options, pythons, folder):
            if not result:
                continue
            print_row(result)
            results.append(result)
            if options.json:
                with open(options.json, "w") as file:
                    json.dump({"seconds": options.seconds, "results": results}, file, indent=2)
                    file.write("\n")


if __name__ == "__main__":
    main()
