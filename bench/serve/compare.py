#!/usr/bin/env python3
"""The tables of docs/deploy.md ("Measuring it") in one go: hone serve, libmicrohttpd alone and, if it is there, ONNX
Runtime behind FastAPI and uvicorn, under the same load, in turn, on this machine.

    bench/serve/compare.py BUILD MODEL.h5 [SECONDS]

BUILD has hone, bench/serve_load and bench/serve_echo; MODEL takes 28x28x1 pictures (hone train mnist). SECONDS (2) is
how long each of ROUNDS (3) rounds is; the median of the rounds is told. PYTHON is an interpreter with onnxruntime,
fastapi and uvicorn; without it the peer is left out. OPTIONS are more options of hone serve. Each measurement goes to
stderr as a line of JSON when it is made. Needs nothing but Python's own library, and nothing else should be running.
"""

import http.client
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time

if len(sys.argv) < 3:
    sys.exit(__doc__)
build, model = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
seconds = sys.argv[3] if len(sys.argv) > 3 else "2"
rounds, options = int(os.environ.get("ROUNDS", "3")), shlex.split(os.environ.get("OPTIONS", ""))
here, hone, python = os.path.dirname(os.path.abspath(__file__)), f"{build}/hone", os.environ.get("PYTHON")
folder = tempfile.TemporaryDirectory(prefix="hone-compare-")
serving = [hone, "serve", f"m={model}", "--no-ui", "--quiet", *options]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse().read()
    connection.close()
    return answer


def start(command, port):
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            get(port, "/healthz")
            return process
        except OSError:
            time.sleep(0.05)
    sys.exit(f"compare: {command[0]} does not answer")


def load(server, port, kind, connections):
    command = [f"{build}/bench/serve_load", str(port), kind, str(connections), seconds, "m", tensor]
    result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    result["server"] = server
    print(json.dumps(result), file=sys.stderr, flush=True)
    return result


def first_answer():
    """Milliseconds from starting the program to its first answer to a picture."""
    port, body = free_port(), bytes(784 * 4)
    headers = {"Inference-Header-Content-Length": "0"}
    began = time.monotonic()
    process = subprocess.Popen([*serving, "--port", str(port)], stderr=subprocess.DEVNULL)
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/v2/models/m/infer", body, headers)
            status = connection.getresponse().status
            break
        except OSError:
            time.sleep(0.0005)
    took = 1000 * (time.monotonic() - began)
    process.terminate()
    process.wait()
    if status != 200:
        sys.exit(f"compare: the first answer has status {status}")
    return took


starts = sorted(first_answer() for _ in range(7))
ports = {"hone": free_port(), "echo": free_port(), "onnxruntime": free_port()}
processes = [start([*serving, "--port", str(ports["hone"])], ports["hone"])]
tensor = json.loads(get(ports["hone"], "/v2/models/m"))["inputs"][0]["name"]
servers = ["hone"]
if os.path.exists(f"{build}/bench/serve_echo"):
    servers.append("echo")
    processes.append(start([f"{build}/bench/serve_echo", str(ports["echo"]), str(os.cpu_count())], ports["echo"]))
if python:
    servers.append("onnxruntime")
    network = f"{folder.name}/m.onnx"
    subprocess.run([hone, "export", model, "--to", "onnx", "--output", network], check=True, capture_output=True)
    peer = [python, f"{here}/peer_onnxruntime.py", network, str(ports["onnxruntime"])]
    processes.append(start(peer, ports["onnxruntime"]))

kinds = {"binary": ("v2, binary", servers), "pixels": ("v2, binary, UINT8", ["hone"]), "json": ("v2, JSON", ["hone"]),
         "tensorflow": ("TensorFlow Serving's JSON", [s for s in servers if s != "echo"])}
results = {}
try:
    for _ in range(rounds):
        for connections in (1, 16, 256):
            for kind, (_, who) in kinds.items():
                for server in who:
                    result = load(server, ports[server], kind, connections)
                    results.setdefault((kind, connections, server), []).append(result)
finally:
    for process in processes:
        process.terminate()
        process.wait()


def median(kind, connections, server, key):
    return statistics.median(r[key] for r in results[kind, connections, server])


print(f"{rounds} rounds of {seconds} s each, medians; {os.cpu_count()} CPUs\n")
print("| request | connections | answers/s | p50 ms | p99 ms | CPUs of the load |\n|---|---|---|---|---|---|")
for kind, connections, server in results:
    if server != "onnxruntime":
        name = kinds[kind][0] if server == "hone" else "libmicrohttpd alone, the same bytes"
        of = (kind, connections, server)
        print(f"| {name} | {connections} | {median(*of, 'requests_per_second'):,.0f} | {median(*of, 'p50_ms'):.3f} | "
              f"{median(*of, 'p99_ms'):.2f} | {median(*of, 'load_cpu'):.2f} |")
if python:
    print("\n| request | connections | hone | ONNX Runtime | ratio | p99 ms |\n|---|---|---|---|---|---|")
    for kind, connections, server in results:
        if server == "onnxruntime":
            ours, theirs = (median(kind, connections, s, "requests_per_second") for s in ("hone", server))
            tails = [median(kind, connections, s, "p99_ms") for s in ("hone", server)]
            print(f"| {kinds[kind][0]} | {connections} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.1f} | "
                  f"{tails[0]:.2f} : {tails[1]:.1f} |")
print(f"\nFrom starting the program to the first answer to a picture: {statistics.median(starts):.1f} ms "
      f"(median of {len(starts)}; {starts[0]:.1f} to {starts[-1]:.1f}).")
